"""The options of the understanding benchmark on rendered scenes."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from vtok_eval.probes.options import Count, Seed, TrainingOptions


class ScenesOptions(TrainingOptions):
    """What a suite may set. The same values hold for every tokenizer of the suite.

    train_clips, validation_clips, test_clips: scenes rendered for each split. data_seed: of the scenes, apart
    from the run's seed. clip_size: side in pixels; n_frames: frames per clip.
    reader: "probe", or "ridge" for kernel ridge regression, which takes none of the probe's options.
    probe_seeds: how many probes are trained, each with its own weights and data order.
    """

    train_clips: Count
    validation_clips: Count
    test_clips: Count
    data_seed: Seed
    clip_size: Annotated[int, Field(ge=16, strict=True)]
    n_frames: Annotated[int, Field(ge=2, strict=True)]
    reader: Literal["probe", "ridge"]
    probe_seeds: Count

    @model_validator(mode="after")
    def _ridge_has_no_seeds(self) -> Self:
        if self.reader == "ridge" and self.probe_seeds > 1:
            raise ValueError("reader ridge has one solution: leave out probe_seeds")
        return self
