"""How decoders are trained, and on which clips: one recipe and one pair of splits for every tokenizer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vtok_eval.benchmark import Sample
from vtok_eval.decoders.architecture import PLACES
from vtok_eval.decoders.objects import Truth
from vtok_eval.decoders.training.clips import VariedClip, true_backdrop
from vtok_eval.errors import SpecError
from vtok_eval.scenes.dataset import SceneClip


@dataclass(frozen=True)
class DecoderRecipe:
    """How every decoder is trained.

    clips: training clips, `VariedClip`s of the train split. validation_clips: ordinary scenes of the
    validation split, on which a decoder is measured; validation_frames: of each, evenly spaced.
    frames: of each clip in a batch. size in pixels and n_frames: of the clips, and so of what is decoded.
    seed: of the weights and of the order; the clips are the same for every seed.

    Example:
        >>> DecoderRecipe(n_frames=16, validation_frames=4).measured_frames
        (0, 5, 10, 15)
    """

    clips: int = 6_000
    validation_clips: int = 2_000
    validation_frames: int = 2
    steps: int = 800
    batch_size: int = 32
    frames: int = 2
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    seed: int = 0
    size: int = 64
    n_frames: int = 16

    def __post_init__(self) -> None:
        """Refuse numbers with which nothing can be trained.

        Raises:
            SpecError: naming the number.
        """
        for name in ("clips", "validation_clips", "validation_frames", "steps", "batch_size", "frames"):
            if getattr(self, name) < 1:
                raise SpecError(f"train decoder: {name} must be at least 1, not {getattr(self, name)}")

    @property
    def measured_frames(self) -> tuple[int, ...]:
        """The frames of a validation clip on which a decoder is measured, first and last included."""
        last = self.n_frames - 1
        count = min(self.validation_frames, self.n_frames)
        return tuple(sorted({round(index * last / max(1, count - 1)) for index in range(count)}))


CLIP_SEED = 0
"""Seed of the clips: decoders that differ in their seed alone learn from the same clips."""


@dataclass(frozen=True)
class DecoderSplit:
    """Clips of one split and what they show; made once for all tokenizers."""

    scenes: tuple[SceneClip, ...]

    @classmethod
    def train(cls, recipe: DecoderRecipe) -> DecoderSplit:
        """The clips that decoders are trained on."""
        clips = range(recipe.clips)
        return cls(
            tuple(VariedClip(CLIP_SEED, "train", index, recipe.size, recipe.n_frames) for index in clips)
        )

    @classmethod
    def validation(cls, recipe: DecoderRecipe) -> DecoderSplit:
        """The clips on which decoders are measured."""
        clips = range(recipe.validation_clips)
        return cls(
            tuple(SceneClip(CLIP_SEED, "validation", index, recipe.size, recipe.n_frames) for index in clips)
        )

    @cached_property
    def samples(self) -> list[Sample]:
        """One for each clip."""
        return [Sample(id=clip.key, cluster=clip.key, clip=clip) for clip in self.scenes]

    @cached_property
    def truth(self) -> Truth:
        """What every frame shows, `(N, T, ...)`."""
        return Truth.of([clip.scene for clip in self.scenes], n_frames=self.scenes[0].n_frames)

    @cached_property
    def backdrop(self) -> Tensor:
        """What is behind it, coarsely: uint8 `(N, T, 3, PLACES, PLACES)`, means over squares of pixels."""
        coarse = [_coarse(true_backdrop(clip)) for clip in self.scenes]
        return torch.from_numpy(np.stack(coarse))


def _coarse(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    n_frames, channels, side, _ = frames.shape
    each = side // PLACES
    squares: NDArray[np.uint8] = frames[..., : each * PLACES, : each * PLACES].reshape(
        n_frames, channels, PLACES, each, PLACES, each
    )
    rounded: NDArray[np.uint8] = (squares.mean(axis=(3, 5)) + 0.5).astype(np.uint8)
    return rounded
