"""What the vocabulary's shapes look like: a bank of masks over size, tilt and sub-pixel place."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vtok_eval.scenes.vocabulary import SHAPES

Floats = NDArray[np.float32]

REACH = 11
"""A template is a window of 2 x 11 + 1 pixels a side."""
_RADII = tuple(4.6 * 1.085**step for step in range(8))
"""In pixels of a frame of 64: from somewhat below the smallest shape to the largest."""
_TILTS = (-12.0, -6.0, 0.0, 6.0, 12.0)
_OFFSETS = (-3, 0, 3)
"""In fine samples: halves of a pixel."""
_LINE = 0.8
"""Width of the outline in pixels; it is inside a shape's edge."""
_FINE = 6
"""Samples per pixel and axis."""


@dataclass(frozen=True)
class TemplateBank:
    """K templates over windows of P = (2 REACH + 1)² pixels, the shape's box near the window's middle.

    fill: `(K, P)` share of each pixel that the shape's colour covers. outline: `(K, P)` share that its dark
    outline covers.
    shape: `(K,)` index in `SHAPES`. radius: `(K,)` in pixels. offset: `(K, 2)` (x, y) in pixels, from
    the window's middle to the shape's centre.
    """

    fill: Floats
    outline: Floats
    shape: NDArray[np.int64]
    radius: Floats
    offset: Floats


@lru_cache(maxsize=1)
def template_bank() -> TemplateBank:
    """All templates, made once."""
    fill, outline, shapes, radii, offsets = [], [], [], [], []
    for shape, name in enumerate(SHAPES):
        for radius in _RADII:
            for tilt in (0.0,) if name in ("circle", "ring") else _TILTS:
                whole = _edge_distance(name, *_grid(tilt), radius)
                middle_x, middle_y = _middle(whole < -_LINE)
                for dx in _OFFSETS:
                    for dy in _OFFSETS:
                        edge = _moved(whole, dx - middle_x, dy - middle_y)
                        fill.append(_share(edge < -_LINE))
                        outline.append(_share((edge >= -_LINE) & (edge < 0)))
                        shapes.append(shape)
                        radii.append(radius)
                        offsets.append(((dx - middle_x) / _FINE, (dy - middle_y) / _FINE))
    return TemplateBank(
        fill=np.stack(fill),
        outline=np.stack(outline),
        shape=np.array(shapes),
        radius=np.array(radii, dtype=np.float32),
        offset=np.array(offsets, dtype=np.float32),
    )


_MARGIN = 4 * _FINE
"""Fine samples about the window that a shape may be moved by."""


def _grid(tilt: float) -> tuple[Floats, Floats]:
    """Coordinates of the fine samples in the shape's own upright frame, centre at (0, 0), with a border."""
    side = (2 * REACH + 1) * _FINE + 2 * _MARGIN
    steps = (np.arange(side, dtype=np.float32) + 0.5 - side / 2) / np.float32(_FINE)
    x, y = steps[None, :], steps[:, None]
    turn = math.radians(tilt)
    cos, sin = np.float32(math.cos(turn)), np.float32(math.sin(turn))
    return cos * x + sin * y, cos * y - sin * x


def _middle(inside: NDArray[np.bool_]) -> tuple[int, int]:
    """The middle of the box around the shape, (x, y) in fine samples from the shape's centre."""
    centre = inside.shape[0] / 2
    columns, rows = np.flatnonzero(inside.any(axis=0)), np.flatnonzero(inside.any(axis=1))
    return (
        round((columns[0] + columns[-1] + 1) / 2 - centre),
        round((rows[0] + rows[-1] + 1) / 2 - centre),
    )


def _moved(whole: Floats, dx: int, dy: int) -> Floats:
    """The window of `whole` in which the shape is (dx, dy) fine samples off the middle."""
    side = (2 * REACH + 1) * _FINE
    return whole[_MARGIN - dy : _MARGIN - dy + side, _MARGIN - dx : _MARGIN - dx + side]


def _share(inside: NDArray[np.bool_]) -> Floats:
    side = 2 * REACH + 1
    share: Floats = inside.reshape(side, _FINE, side, _FINE).mean(axis=(1, 3), dtype=np.float32).ravel()
    return share


def _edge_distance(shape: str, x: Floats, y: Floats, r: float) -> Floats:
    """Signed distance to the edge in pixels, negative inside, of a shape of nominal radius `r`."""
    away: Floats = np.hypot(x, y)
    if shape == "circle":
        circle: Floats = away - np.float32(r)
        return circle
    if shape == "ring":
        ring: Floats = np.abs(away - np.float32(0.7 * r)) - np.float32(0.37 * r)
        return ring
    long: Floats = np.maximum(np.abs(x), np.abs(y))
    short: Floats = np.minimum(np.abs(x), np.abs(y))
    if shape == "square":
        return long - np.float32(0.86 * r)
    if shape == "cross":
        cross: Floats = np.maximum(short - np.float32(0.4 * r), long - np.float32(1.05 * r))
        return cross
    if shape == "triangle":
        sides = [_half_plane(x, y, turn) for turn in (90, 210, 330)]
        triangle: Floats = np.maximum.reduce(sides) - np.float32(0.62 * r)
        return triangle
    # A five-pointed star is where at least four of its five lines have the point on their inner side.
    lines = np.sort([_half_plane(x, y, 72 * line - 90) for line in range(5)], axis=0)
    return np.asarray(lines[-2] - np.float32(1.38 * r * math.cos(math.radians(72))))


def _half_plane(x: Floats, y: Floats, turn: float) -> Floats:
    """How far out a point is in the direction `turn`, degrees clockwise from the right."""
    angle = math.radians(turn)
    return np.float32(math.cos(angle)) * x + np.float32(math.sin(angle)) * y
