"""Clips, and specs of the systems next to this file, in this Python."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from vtok_eval.data import Clips
from vtok_eval.environments.client import release_all

FOLDER = Path(__file__).parent


@pytest.fixture
def spec() -> Callable[..., str]:
    """The spec of a class of `remote_systems`, or of another file here."""

    def spec(name: str, *, file: str = "remote_systems", **options: object) -> str:
        given = ",".join(f"{key}={value}" for key, value in options.items())
        return f"exec:{sys.executable}@{FOLDER / file}.py:{name}" + (f":{given}" if given else "")

    return spec


@pytest.fixture
def clips() -> Callable[..., Clips]:
    """Noise; `levels` are the first value of each clip."""

    def clips(*levels: int, n_frames: int = 4, size: int = 16) -> Clips:
        generator = torch.Generator().manual_seed(sum(levels))
        shape = (len(levels), n_frames, 3, size, size)
        frames = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
        frames[:, 0, 0, 0, 0] = torch.tensor(levels)
        return Clips(frames, torch.full((len(levels),), 4.0, dtype=torch.float64))

    return clips


@pytest.fixture(autouse=True)
def _no_worker_outlives_its_test():
    yield
    release_all()
