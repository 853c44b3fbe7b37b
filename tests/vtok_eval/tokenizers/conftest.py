from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import pytest
import torch
from torch import Tensor

from vtok_eval.data import Clips
from vtok_eval.results.description import Description
from vtok_eval.tokenizers.backbones.base import Backbone, FrameFeatures
from vtok_eval.tokenizers.build import BuildContext


class PixelBackbone(Backbone):
    """The map is the picture itself, so that every feature can be worked out by hand; counts its frames."""

    channels = 3

    def __init__(self) -> None:
        self.device = torch.device("cpu")
        self.frames_seen = 0

    def describe(self) -> Description:
        return Description(facts={"name": "pixels"})

    def maps(self, frames: Tensor) -> Tensor:
        self.frames_seen += len(frames)
        return super().maps(frames)

    def features(self, frames: Tensor | Sequence[Tensor], grids: Collection[int]) -> FrameFeatures:
        self.frames_seen += len(frames)
        return super().features(frames, grids)

    def _forward(self, frames: Tensor) -> Tensor:
        return frames.float()


@pytest.fixture
def pixels() -> PixelBackbone:
    return PixelBackbone()


@pytest.fixture(scope="session")
def context() -> BuildContext:
    return BuildContext(device=torch.device("cpu"))


@pytest.fixture(scope="session")
def random_clips() -> Callable[..., Clips]:
    def make(n_clips: int, n_frames: int, size: tuple[int, int] = (32, 32), seed: int = 0) -> Clips:
        generator = torch.Generator().manual_seed(seed)
        shape = (n_clips, n_frames, 3, *size)
        frames = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
        return Clips(frames, torch.full((n_clips,), 4.0, dtype=torch.float64))

    return make
