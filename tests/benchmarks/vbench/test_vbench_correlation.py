"""Correlation in windows: against plain loops, against the package's blocks, and whatever is kept of it."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from benchmarks.vbench.networks.correlation import Correlation, kept_bytes
from benchmarks.vbench.package import installed_version, vbench_module
from benchmarks.vbench.scorers.smoothness import BothWays

HEIGHT, WIDTH, CHANNELS = 19, 21, 5
"""No multiples of a tile's side, nor of 2: pooling leaves their last row and column out."""

SHARES = (1.0, 0.1, 0.0)
"""Of what all scales take: all kept, the coarsest alone, none."""


@pytest.fixture
def maps() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = (2, CHANNELS, HEIGHT, WIDTH)
    return torch.randn(shape, generator=generator), torch.randn(shape, generator=generator)


@pytest.fixture
def places() -> Tensor:
    """Some within the map, some beyond each of its edges, one far beyond."""
    generator = torch.Generator().manual_seed(1)
    spread = torch.tensor([WIDTH + 12.0, HEIGHT + 12.0])[:, None, None]
    found = torch.rand((2, 2, HEIGHT, WIDTH), generator=generator) * spread - 6
    found[0, :, 3, 4] = -1e6
    found[1, :, 0, 0] = torch.tensor([2.0, 3.0])  # exactly on a pixel
    return found


def room_for(share: float) -> int:
    return int(share * 2 * kept_bytes(height=8 * HEIGHT, width=8 * WIDTH))


@pytest.mark.parametrize("share", SHARES)
def test_windows_are_what_plain_loops_read(maps: tuple[Tensor, Tensor], places: Tensor, share: float) -> None:
    first, second = maps
    found = Correlation(first, second, radius=1, room=room_for(share))(places)
    assert found.shape == (2, 4 * 9, HEIGHT, WIDTH)
    for clip, y, x in ((0, 0, 0), (1, 18, 20), (0, 3, 4), (1, 0, 0), (1, 7, 9)):
        expected = [
            correlation_at(
                first[clip, :, y, x],
                second[clip],
                level=level,
                x=float(places[clip, 0, y, x]) / 2**level + dx,
                y=float(places[clip, 1, y, x]) / 2**level + dy,
            )
            for level in range(4)
            for dx in (-1, 0, 1)
            for dy in (-1, 0, 1)
        ]
        assert found[clip, :, y, x].tolist() == pytest.approx(expected, abs=1e-5)


def correlation_at(query: Tensor, other: Tensor, *, level: int, x: float, y: float) -> float:
    """Interpolated between four pixels; one of a coarser scale is the mean of 4^level dot products."""

    def at(column: int, row: int) -> float:
        side = 2**level
        if not (0 <= column < WIDTH // side and 0 <= row < HEIGHT // side):
            return 0.0
        block = other[:, row * side : (row + 1) * side, column * side : (column + 1) * side]
        return float((query[:, None, None] * block).sum(dim=0).mean()) / math.sqrt(CHANNELS)

    left, top = math.floor(x), math.floor(y)
    beside, below = x - left, y - top
    upper = at(left, top) * (1 - beside) + at(left + 1, top) * beside
    lower = at(left, top + 1) * (1 - beside) + at(left + 1, top + 1) * beside
    return upper * (1 - below) + lower * below


@pytest.mark.vbench
@pytest.mark.skipif(installed_version() is None, reason="the vbench extra is not installed")
@pytest.mark.parametrize("share", SHARES)
def test_windows_are_the_packages(maps: tuple[Tensor, Tensor], places: Tensor, share: float) -> None:
    first, second = maps
    raft = vbench_module("third_party.RAFT.core.corr").CorrBlock(first, second, radius=4)
    assert torch.allclose(
        Correlation(first, second, radius=4, room=room_for(share))(places), raft(places), atol=2e-5
    )
    amt = vbench_module("third_party.amt.networks.blocks.raft").BidirCorrBlock(first, second, radius=3)
    both = BothWays(first, second, radius=3, num_levels=4, room=2 * room_for(share))
    for found, expected in zip(both(places, places.flip(0)), amt(places, places.flip(0)), strict=True):
        assert torch.allclose(found, expected, atol=2e-5)


def test_what_is_kept_stays_within_the_room(maps: tuple[Tensor, Tensor]) -> None:
    """Of 19 x 21 places, at the coarser scales 9 x 10, 4 x 5 and 2 x 2: 2 x 399 x 4 bytes for each."""
    sizes = [2 * 399 * 4 * n for n in (399, 90, 20, 4)]
    for kept, room in ((0, sizes[3] - 1), (1, sizes[3]), (2, sizes[2] + sizes[3]), (4, sum(sizes))):
        found = Correlation(*maps, radius=1, room=room)
        held = [
            volume.numel() * 4
            for each in found._levels
            if (volume := getattr(each, "_volume", None)) is not None
        ]
        assert held == sizes[4 - kept :]


def test_bytes_of_all_scales() -> None:
    """64 x 128 pixels have 8 x 16 places; at the coarser scales 32, 8 and 2."""
    assert kept_bytes(height=64, width=128) == 4 * 128 * (128 + 32 + 8 + 2)
    assert kept_bytes(height=57, width=121) == kept_bytes(height=64, width=128)
