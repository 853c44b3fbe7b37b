"""All-pairs correlation of two feature maps, looked up in windows, within a bound on what is kept of it.

RAFT and AMT correlate every place of one map with every place of the other, at four scales, and then read a
small window of it around where each place is thought to have moved. The finest scale of a pair of 1080p
frames takes 4.2 GB. Here the coarser scales are correlations with the pooled map, which is the same thing,
and scales that do not fit the bound are not kept: neighbours look at much the same part of the other map,
so each tile of places is correlated with that part alone, whenever it is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

LEVELS = 4
TILE = 8
"""Places a side that are looked up together where correlations are not kept."""


def kept_bytes(*, height: int, width: int) -> int:
    """What correlations of all scales take for one pair of frames whose maps are an eighth of this size.

    Example:
        >>> kept_bytes(height=480, width=640) > kept_bytes(height=240, width=320)
        True
    """
    places = -(-height // 8) * -(-width // 8)
    return sum(4 * places * (places // 4**level) for level in range(LEVELS))


class Correlation:
    """Correlations of the places of one map with windows of another.

    queries, others: features `(B, C, H, W)` of the two maps. radius: windows have `2 radius + 1` places a
    side. room: bytes that correlations kept for all windows may take; the coarsest scales are kept first.
    """

    def __init__(self, queries: Tensor, others: Tensor, *, radius: int, room: int) -> None:
        self._radius = radius
        queries = queries / queries.shape[1] ** 0.5
        scales = _pooled(others)
        count, _, height, width = queries.shape
        kept = _how_many_fit([4 * count * height * width * each[0, 0].numel() for each in scales], room)
        self._levels: list[_Kept | _Computed] = [
            _Kept(queries, each) if level >= LEVELS - kept else _Computed(queries, each)
            for level, each in enumerate(scales)
        ]

    def __call__(self, places: Tensor) -> Tensor:
        """The windows around `places`, `(B, 2, H, W)` in pixels (x, y) of the other map's finest scale.

        Returns:
            `(B, 4 (2 radius + 1)^2, H, W)`: by scale, then by x, then by y, as in the reference.
        """
        import torch

        centres = places.permute(0, 2, 3, 1)
        found = [each.windows(centres / 2**level, self._radius) for level, each in enumerate(self._levels)]
        return torch.cat(found, dim=-1).permute(0, 3, 1, 2).contiguous()


class _Kept:
    """One scale, all of it. queries: `(B, C, H, W)`; other: `(B, C, H', W')`."""

    def __init__(self, queries: Tensor, other: Tensor) -> None:
        import torch

        rows = queries.flatten(start_dim=2).transpose(1, 2)
        volume = torch.matmul(rows, other.flatten(start_dim=2))
        self._volume = volume.view(-1, 1, *other.shape[-2:])

    def windows(self, centres: Tensor, radius: int) -> Tensor:
        """Around `centres` `(B, H, W, 2)`: `(B, H, W, (2 radius + 1)^2)`."""
        return _sampled(self._volume, centres.reshape(-1, 2), radius).view(*centres.shape[:3], -1)


@dataclass(frozen=True)
class _Tile:
    """Places that are looked up together, and the box of the other map that contains their windows."""

    clip: int
    rows: slice
    columns: slice
    left: int
    top: int
    right: int
    bottom: int


class _Computed:
    """One scale, computed tile by tile whenever it is read. queries, other: as in `_Kept`."""

    def __init__(self, queries: Tensor, other: Tensor) -> None:
        self._queries = queries.permute(0, 2, 3, 1)
        self._other = other

    def windows(self, centres: Tensor, radius: int) -> Tensor:
        """As `_Kept.windows`."""
        import torch

        found = centres.new_empty((*centres.shape[:3], (2 * radius + 1) ** 2))
        for tile in self._tiles(centres, radius):
            at = (tile.clip, tile.rows, tile.columns)
            box = self._other[tile.clip, :, tile.top : tile.bottom, tile.left : tile.right]
            queries = self._queries[at]
            volume = torch.matmul(queries.flatten(end_dim=1), box.flatten(start_dim=1))
            corner = centres.new_tensor([tile.left, tile.top])
            windows = _sampled(
                volume.view(-1, 1, *box.shape[-2:]), centres[at].reshape(-1, 2) - corner, radius
            )
            found[at] = windows.view(*queries.shape[:2], -1)
        return found

    def _tiles(self, centres: Tensor, radius: int) -> list[_Tile]:
        import torch
        from torch.nn.functional import max_pool2d

        height, width = centres.shape[1:3]
        maps = centres.permute(0, 3, 1, 2)
        extremes = torch.cat([maps.floor(), -maps.floor()], dim=1)
        largest = max_pool2d(extremes, TILE, stride=TILE, ceil_mode=True).permute(0, 2, 3, 1).tolist()
        tiles = []
        for clip, of_clip in enumerate(largest):
            for row, of_row in enumerate(of_clip):
                for column, (right, bottom, left, top) in enumerate(of_row):
                    x = _span(-left - radius, right + radius + 2, self._other.shape[3])
                    y = _span(-top - radius, bottom + radius + 2, self._other.shape[2])
                    rows = slice(row * TILE, min(height, (row + 1) * TILE))
                    columns = slice(column * TILE, min(width, (column + 1) * TILE))
                    tiles.append(_Tile(clip, rows, columns, x[0], y[0], x[1], y[1]))
        return tiles


def _span(first: float, end: float, size: int) -> tuple[int, int]:
    """The part of `first` to `end` that is within a side of the map; at least two pixels of it."""
    start = int(min(max(first, 0), size - 2))
    return start, int(max(min(end, size), start + 2))


def _sampled(volume: Tensor, centres: Tensor, radius: int) -> Tensor:
    """Windows `(n, side, side)` of pictures `(n, 1, h, w)` around `centres` `(n, 2)`, the first side along x.

    Between pixels they are interpolated; outside, pictures are 0.
    """
    import torch
    from torch.nn.functional import grid_sample

    height, width = volume.shape[-2:]
    steps = torch.arange(-radius, radius + 1, device=centres.device, dtype=centres.dtype)
    across = (centres[:, :1] + steps) * (2 / (width - 1)) - 1
    down = (centres[:, 1:] + steps) * (2 / (height - 1)) - 1
    shape = (len(centres), len(steps), len(steps))
    grid = torch.stack([across[:, :, None].expand(shape), down[:, None].expand(shape)], dim=-1)
    return grid_sample(volume, grid, align_corners=True)[:, 0]


def _pooled(features: Tensor) -> list[Tensor]:
    """The map and its halves, quarters and eighths, by means of 2 x 2."""
    from torch.nn.functional import avg_pool2d

    scales = [features]
    for _ in range(LEVELS - 1):
        scales.append(avg_pool2d(scales[-1], 2, stride=2))
    return scales


def _how_many_fit(sizes: Sequence[int], room: int) -> int:
    """How many of the last sizes fit together."""
    fitting = 0
    for size in reversed(sizes):
        room -= size
        if room < 0:
            break
        fitting += 1
    return fitting
