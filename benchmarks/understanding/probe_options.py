"""The options of the probe on questions about videos, checked where they come in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from vtok_eval.errors import SuiteError, UnknownNameError

Count = Annotated[int, Field(ge=1, strict=True)]
Rate = Annotated[float, Field(gt=0, le=1)]


class ProbeOptions(BaseModel):
    """What a suite may set under `probe`. The same values hold for every tokenizer of the suite.

    seeds: how many probes are trained, each with weights and data order of its own. width, heads: of the
    probe. epochs, batch_size (in questions), optimizer, weight_decay: of its training. learning_rates: each
    is tried, and the one that reads the validation clips best is kept, per system and seed. vocabulary: how
    many of the training's most frequent answers a probe can give to open-ended questions.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seeds: Count = 1
    width: Count = 128
    heads: Count = 8
    epochs: Count = 8
    batch_size: Count = 128
    optimizer: Literal["muon", "adamw"] = "muon"
    learning_rates: Annotated[tuple[Rate, ...], Field(min_length=1)] = (0.03,)
    weight_decay: Annotated[float, Field(ge=0, le=10)] = 0.25
    vocabulary: Count = 1000

    @model_validator(mode="after")
    def _heads_divide_width(self) -> ProbeOptions:
        if self.width % self.heads:
            raise ValueError(f"width ({self.width}) must be a multiple of heads ({self.heads})")
        return self


def check_probe_options(options: Mapping[str, Any] | None, *, benchmark: str) -> ProbeOptions:
    """The options as a checked whole; defaults for what is not given.

    Raises:
        UnknownNameError: there is no such option.
        SuiteError: naming the first option that is wrong, and what was expected.
    """
    if options is not None and not isinstance(options, Mapping):
        raise SuiteError(f"{benchmark}: probe must be a mapping such as {{epochs: 4}}, not {options!r}")
    for name in options or {}:
        if name not in ProbeOptions.model_fields:
            known = ProbeOptions.model_fields
            raise UnknownNameError(what=f"probe option of {benchmark}", name=str(name), known=known)
    try:
        return ProbeOptions.model_validate(dict(options or {}))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in ("probe", *first["loc"]))
        message = first["msg"].removeprefix("Value error, ")
        raise SuiteError(f"{benchmark}: {where}: {message} (given: {first['input']!r})") from error
