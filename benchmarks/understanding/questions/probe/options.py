"""The options of the probe on questions about videos, checked where they come in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from vtok_eval.errors import SuiteError, UnknownNameError
from vtok_eval.probes.options.training import Count, Rate, TrainingOptions


class ProbeOptions(TrainingOptions):
    """What a suite may set under `probe`. The same values hold for every tokenizer of the suite.

    batch_size: in questions, not clips. seeds: how many probes are trained, each with its own weights
    and data order. vocabulary: how many of the training's most frequent answers a probe can give to
    open-ended questions.
    """

    seeds: Count = 1
    batch_size: Count = 128
    keep: Literal["last", "best"] = "best"
    weight_decay: Annotated[float, Field(ge=0, le=10)] = 0.25
    learning_rates: Annotated[tuple[Rate, ...], Field(min_length=1)] = (0.03,)
    vocabulary: Count = 1000


def check_probe_options(options: Mapping[str, object] | None, *, benchmark: str) -> ProbeOptions:
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
