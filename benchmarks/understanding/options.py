"""The options of the understanding benchmark on rendered scenes, checked where they come in."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from vtok_eval.errors import SuiteError

Count = Annotated[int, Field(ge=1, strict=True)]
Rate = Annotated[float, Field(gt=0, le=1)]


class ScenesOptions(BaseModel):
    """What a suite may set. The same values hold for every tokenizer of the suite.

    train_clips, validation_clips, test_clips: scenes rendered for each split. data_seed: of the scenes, apart
    from the run's seed. clip_size: side in pixels; n_frames: frames per clip.
    probe_seeds: how many probes are trained, each with weights and data order of its own.
    width, heads: of the probe. epochs, batch_size, optimizer, weight_decay: of its training.
    learning_rates: each is tried and the best on the validation split kept, per system and probe seed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    train_clips: Count
    validation_clips: Count
    test_clips: Count
    data_seed: Annotated[int, Field(ge=0, strict=True)]
    clip_size: Annotated[int, Field(ge=16, strict=True)]
    n_frames: Annotated[int, Field(ge=2, strict=True)]
    probe_seeds: Count
    width: Count
    heads: Count
    epochs: Count
    batch_size: Count
    optimizer: Literal["muon", "adamw"]
    learning_rates: Annotated[tuple[Rate, ...], Field(min_length=1)]
    weight_decay: Annotated[float, Field(ge=0, le=10)]

    @model_validator(mode="after")
    def _heads_divide_width(self) -> ScenesOptions:
        if self.width % self.heads:
            raise ValueError(f"width ({self.width}) must be a multiple of heads ({self.heads})")
        return self


def check_options(**options: Any) -> ScenesOptions:
    """The options as a checked whole.

    Raises:
        SuiteError: naming the first option that is wrong, and what was expected.
    """
    try:
        return ScenesOptions.model_validate(options)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        subject = f"option {where}" if where else "options"
        given = f" (given: {first['input']!r})" if where else ""
        message = first["msg"].removeprefix("Value error, ")
        raise SuiteError(f"understanding-scenes: {subject}: {message}{given}") from error
