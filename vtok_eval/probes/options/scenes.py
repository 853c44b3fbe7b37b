"""The options of benchmarks whose probes learn from rendered scenes, and those scenes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from vtok_eval.errors import SuiteError
from vtok_eval.probes.options.training import Count, Seed, TrainingOptions
from vtok_eval.scenes.dataset import SceneSet

LEAST_CLIPS = 32
"""Clips of a split that a smoke test keeps: with fewer, a probe cannot be trained at all."""


class SceneProbeOptions(TrainingOptions):
    """What a suite may set where probes learn from rendered scenes.

    train_clips: scenes rendered to train the probe with.
    validation_clips: scenes rendered to make its choices with.
    data_seed: seed of the scenes, apart from the run's seed.
    clip_size: side in pixels; n_frames: frames per clip.
    reader: "probe", or "ridge" for kernel ridge regression, which takes none of the probe's options.
    probe_seeds: how many probes are trained, each with its own weights and data order.

    Example:
        >>> options = SceneProbeOptions(train_clips=64, epochs=2)
        >>> options.training_cost(n_clips=100)
        '100 clips of 16 frames at 64 px through each system, 1 probe training(s) of 2 epochs per system'
    """

    train_clips: Count = 4000
    validation_clips: Count = 400
    data_seed: Seed = 0
    clip_size: Annotated[int, Field(ge=16, strict=True)] = 64
    n_frames: Annotated[int, Field(ge=2, strict=True)] = 16
    reader: Literal["probe", "ridge"] = "probe"
    probe_seeds: Count = 1

    @model_validator(mode="after")
    def _ridge_has_no_seeds(self) -> Self:
        if self.reader == "ridge" and self.probe_seeds > 1:
            raise ValueError("reader ridge has one solution: leave out probe_seeds")
        return self

    def limited(self, share: float) -> Self:
        """The same options with this share of the clips to train on and to validate with, in a smoke test.

        At least `LEAST_CLIPS` of each are kept, where there are as many.

        Example:
            >>> few = SceneProbeOptions(train_clips=2000, validation_clips=300).limited(0.05)
            >>> few.train_clips, few.validation_clips
            (100, 32)
        """
        whole = {"train_clips": self.train_clips, "validation_clips": self.validation_clips}
        kept = {name: min(n, max(LEAST_CLIPS, math.ceil(share * n))) for name, n in whole.items()}
        return self.model_copy(update=kept)

    def scene_sets(self, counts: Mapping[str, int], *, benchmark: str) -> dict[str, SceneSet]:
        """So many scenes of each split.

        Raises:
            SuiteError: they cannot be rendered at this size or length.
        """
        try:
            return {
                split: SceneSet(self.data_seed, split, n, size=self.clip_size, n_frames=self.n_frames)
                for split, n in counts.items()
            }
        except ValueError as error:
            raise SuiteError(f"{benchmark}: {error}") from error

    def encoding_cost(self, n_clips: int) -> str:
        """How many clips each system encodes, in words."""
        return f"{n_clips:,} clips of {self.n_frames} frames at {self.clip_size} px through each system"

    def training_cost(self, n_clips: int) -> str:
        """What a system costs, in words: clips encoded and probes trained."""
        trainings = self.probe_seeds * len(self.learning_rates)
        return (
            f"{self.encoding_cost(n_clips)}, {trainings} probe training(s) of {self.epochs} epochs per system"
        )

    @property
    def seed_notes(self) -> tuple[str, ...]:
        """The note that intervals leave training out, where one probe is trained."""
        if self.probe_seeds > 1:
            return ()
        return ("one probe seed: the intervals hold no variance of training",)
