"""The options of the miniature reader: its clips, its size and its training."""

from __future__ import annotations

import math
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from vtok_eval.errors import SuiteError
from vtok_eval.probes.options.scenes import LEAST_CLIPS
from vtok_eval.probes.options.training import Count, Rate, Seed
from vtok_eval.scenes.dataset import SceneSet


class MiniatureOptions(BaseModel):
    """What a suite may set. The same values hold for every tokenizer of the suite.

    train_clips, validation_clips, test_clips: scenes rendered for each split. data_seed: seed of the scenes
    and of what is asked about them, apart from the run's seed. clip_size: side in pixels; n_frames: frames
    per clip. reader_seeds: how many readers are trained, each with its own weights and data order. layers,
    width, heads: of the language model; width is a multiple of twice `heads`. steps: of the optimizer;
    batch_size: conversations in a step, one conversation about one clip. learning_rate: of AdamW, after its
    warm-up. weight_decay: of AdamW, biases and norms excepted. max_channels: groups of features with more are
    reduced to as many by a PCA of the training clips.
    validated_clips: of the validation clips, so many are also answered, to say how well the trained reader
    does before the test.

    Example:
        >>> MiniatureOptions(train_clips=64, steps=10).training_cost(n_clips=100)
        '100 clips of 16 frames at 64 px through each system, 2 readers of 10 steps per system'
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    train_clips: Count = 6000
    validation_clips: Count = 300
    test_clips: Count = 400
    data_seed: Seed = 0
    clip_size: Annotated[int, Field(ge=16, strict=True)] = 64
    n_frames: Annotated[int, Field(ge=2, strict=True)] = 16
    reader_seeds: Count = 2
    layers: Count = 2
    width: Count = 128
    heads: Count = 4
    steps: Count = 1000
    batch_size: Count = 16
    learning_rate: Rate = 0.0025
    weight_decay: Annotated[float, Field(ge=0, le=10)] = 0.1
    max_channels: Count | None = 152
    validated_clips: Count = 100

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.width % (2 * self.heads):
            raise ValueError(f"width ({self.width}) must be a multiple of twice heads ({self.heads})")
        return self

    def limited(self, share: float) -> Self:
        """The same options with this share of the clips to train and validate with, and of the steps.

        Example:
            >>> few = MiniatureOptions(train_clips=2000, validation_clips=300, steps=600).limited(0.05)
            >>> few.train_clips, few.validation_clips, few.steps
            (100, 32, 30)
        """
        clips = {"train_clips": self.train_clips, "validation_clips": self.validation_clips}
        kept = {name: min(n, max(LEAST_CLIPS, math.ceil(share * n))) for name, n in clips.items()}
        return self.model_copy(update={**kept, "steps": max(1, math.ceil(share * self.steps))})

    def scene_sets(self, *, benchmark: str) -> dict[str, SceneSet]:
        """The scenes of each split.

        Raises:
            SuiteError: they cannot be rendered at this size or length.
        """
        counts = {"train": self.train_clips, "validation": self.validation_clips, "test": self.test_clips}
        try:
            return {
                split: SceneSet(self.data_seed, split, n, size=self.clip_size, n_frames=self.n_frames)
                for split, n in counts.items()
            }
        except ValueError as error:
            raise SuiteError(f"{benchmark}: {error}") from error

    def training_cost(self, n_clips: int) -> str:
        """What a system costs, in words: clips encoded and readers trained."""
        return (
            f"{n_clips:,} clips of {self.n_frames} frames at {self.clip_size} px through each system, "
            f"{self.reader_seeds} readers of {self.steps:,} steps per system"
        )
