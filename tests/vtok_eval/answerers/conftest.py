"""Clips for the answerers' tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from vtok_eval.data import Clip


@pytest.fixture(scope="session")
def random_clip() -> Callable[..., Clip]:
    def make(seed: int, n_frames: int = 9, size: tuple[int, int] = (40, 60), fps: float = 6.0) -> Clip:
        generator = torch.Generator().manual_seed(seed)
        frames = torch.randint(0, 256, (n_frames, 3, *size), generator=generator, dtype=torch.uint8)
        return Clip(frames, fps)

    return make
