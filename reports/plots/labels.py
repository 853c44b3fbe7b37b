"""Names next to points, placed so that they cover neither each other nor the points."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from reports.plots.style import SMALL, literal

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

Line = list[tuple[float, float]]
"""Corners of a line, in data coordinates."""

DODGE = 0.13
"""Distance, in doublings, to which points that nearly coincide on a log2 axis are moved apart."""
DISTANCES = (7.0, 13.0, 20.0, 29.0, 40.0)
ANGLES = tuple(math.radians(degrees) for degrees in range(0, 360, 30))
ROUNDS = 4
LEADER_FROM = 12.0
"""Points between marker and label from which on a thin line joins them."""


@dataclass(frozen=True)
class Box:
    """A rectangle in points."""

    left: float
    bottom: float
    right: float
    top: float


@dataclass(frozen=True)
class Labelled:
    """A point in data coordinates with its name; low and high: the ends of its error bar, or None."""

    x: float
    y: float
    text: str
    color: str
    low: float | None = None
    high: float | None = None


def place_labels(axes: Axes, points: Sequence[Labelled], *, lines: Sequence[Line] = ()) -> None:
    """Write each point's name near it, off the lines too where there is room.

    The axes' limits and place in the figure must be final.
    """
    sizes = _sizes(axes, [point.text for point in points])
    scale = 72.0 / axes.figure.dpi
    centres = [tuple(axes.transData.transform((point.x, point.y)) * scale) for point in points]
    frame = axes.get_window_extent()
    room = Box(frame.x0 * scale, frame.y0 * scale, frame.x1 * scale, frame.y1 * scale)
    obstacles = [box for point in points for box in _obstacles(axes, point, scale)]
    obstacles += [box for line in lines for box in _along(axes, line, scale)]
    chosen = choose_places(centres, sizes, obstacles=obstacles, room=room)
    for point, centre, size, box in zip(points, centres, sizes, chosen, strict=True):
        offset = (box.left - centre[0], box.bottom - centre[1])
        _write(axes, point, offset, size)


def side_by_side(places: Mapping[str, float]) -> dict[str, float]:
    """Places on a log2 axis, those closer than `DODGE` moved apart to it, around their own middle."""
    at = dict(places)
    groups: list[list[str]] = []
    for name in sorted(at, key=lambda name: at[name]):
        if groups and at[name] - at[groups[-1][-1]] < DODGE:
            groups[-1].append(name)
        else:
            groups.append([name])
    for group in groups:
        middle = sum(at[name] for name in group) / len(group)
        for i, name in enumerate(group):
            at[name] = middle + DODGE * (i - (len(group) - 1) / 2)
    return at


def choose_places(
    centres: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    *,
    obstacles: Sequence[Box],
    room: Box,
) -> list[Box]:
    """A box of each size near each centre (in points): first each for itself, then again given the others."""
    import numpy as np

    if not centres:
        return []
    candidates = [_candidates(centre, size) for centre, size in zip(centres, sizes, strict=True)]
    boxes = np.array([[_corners(box) for _, box in found] for found in candidates])
    costs = np.array([[cost for cost, _ in found] for found in candidates])
    fixed = np.array([_corners(box) for box in obstacles]).reshape(-1, 4)
    inside = np.array([_corners(room)])
    for i, own in enumerate(boxes):
        areas = (own[:, 2] - own[:, 0]) * (own[:, 3] - own[:, 1])
        costs[i] += 1.5 * _overlaps(own, fixed) + 10.0 * (areas - _overlaps(own, inside))
    chosen = np.full(len(candidates), -1)
    for _ in range(ROUNDS):
        for i, own in enumerate(boxes):
            others = [j for j in range(len(boxes)) if j != i and chosen[j] >= 0]
            taken = boxes[others, chosen[others]] if others else np.zeros((0, 4))
            chosen[i] = int(np.argmin(costs[i] + 4.0 * _overlaps(own, taken)))
    return [candidates[i][place][1] for i, place in enumerate(chosen)]


def _corners(box: Box) -> tuple[float, float, float, float]:
    return box.left, box.bottom, box.right, box.top


def _overlaps(own: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """`(A,)`: the area that each of `(A, 4)` boxes shares with `(B, 4)` others, in all."""
    import numpy as np

    width = np.minimum(own[:, None, 2], others[None, :, 2]) - np.maximum(own[:, None, 0], others[None, :, 0])
    height = np.minimum(own[:, None, 3], others[None, :, 3]) - np.maximum(own[:, None, 1], others[None, :, 1])
    areas: NDArray[np.float64] = (np.clip(width, 0, None) * np.clip(height, 0, None)).sum(axis=1)
    return areas


def _candidates(centre: tuple[float, float], size: tuple[float, float]) -> list[tuple[float, Box]]:
    """Boxes around a centre with what their distance costs; near ones, and those to the right, cost least."""
    found = []
    width, height = size
    for distance in DISTANCES:
        for angle in ANGLES:
            x = centre[0] + math.cos(angle) * (distance + width / 2)
            y = centre[1] + math.sin(angle) * (distance + height / 2)
            box = Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
            found.append((distance + 2.0 * (1 - math.cos(angle)), box))
    return found


def _obstacles(axes: Axes, point: Labelled, scale: float) -> list[Box]:
    x, y = axes.transData.transform((point.x, point.y)) * scale
    boxes = [Box(x - 4, y - 4, x + 4, y + 4)]
    if point.low is not None and point.high is not None:
        bottom = axes.transData.transform((point.x, point.low))[1] * scale
        top = axes.transData.transform((point.x, point.high))[1] * scale
        boxes.append(Box(x - 1.5, bottom, x + 1.5, top))
    return boxes


def _along(axes: Axes, line: Line, scale: float) -> list[Box]:
    """Small boxes strung along a line."""
    corners = [tuple(axes.transData.transform(corner) * scale) for corner in line]
    boxes = []
    for (x0, y0), (x1, y1) in pairwise(corners):
        steps = max(1, int(math.hypot(x1 - x0, y1 - y0) / 3))
        for step in range(steps):
            x, y = x0 + (x1 - x0) * step / steps, y0 + (y1 - y0) * step / steps
            boxes.append(Box(x - 1, y - 1, x + 1, y + 1))
    return boxes


def _sizes(axes: Axes, texts: Sequence[str]) -> list[tuple[float, float]]:
    """Width and height of each text in points."""
    renderer = axes.figure.canvas.get_renderer()  # type: ignore[attr-defined]
    scale = 72.0 / axes.figure.dpi
    sizes = []
    for text in texts:
        drawn = axes.text(0, 0, literal(text), fontsize=SMALL)
        extent = drawn.get_window_extent(renderer)
        drawn.remove()
        sizes.append((extent.width * scale + 2.0, extent.height * scale))
    return sizes


def _write(axes: Axes, point: Labelled, offset: tuple[float, float], size: tuple[float, float]) -> None:
    nearest = (min(max(0.0, offset[0]), offset[0] + size[0]), min(max(0.0, offset[1]), offset[1] + size[1]))
    far = math.hypot(*nearest) > LEADER_FROM
    if far:
        axes.annotate(
            "",
            xy=(point.x, point.y),
            xytext=nearest,
            textcoords="offset points",
            arrowprops={"arrowstyle": "-", "color": point.color, "linewidth": 0.5, "alpha": 0.7},
        )
    axes.annotate(
        literal(point.text),
        xy=(point.x, point.y),
        xytext=(offset[0] + 1.0, offset[1]),
        textcoords="offset points",
        fontsize=SMALL,
        color=point.color,
        ha="left",
        va="bottom",
    )
