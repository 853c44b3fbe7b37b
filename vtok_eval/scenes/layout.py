"""Where shapes may be and move: places drawn so that every direction, speed and path stays possible.

Lengths are in sides of the frame, x to the right and y down, both from 0 to 1. Everything about the first
frame is drawn without knowing what will move. So that the frame does not reveal the motion, a set of places
is only accepted if each of the eight directions at full length, and a circle, is possible for some shape.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PLACE_MARGIN = 0.11
"""A shape's centre starts at least this far from every border."""
PATH_MARGIN = 0.09
"""A moving shape's centre stays at least this far from every border."""
GAP = 0.06
"""Free space between two shapes' radii in the first frame; points and corners may reach into it."""
PASSING = 0.8
"""Centres of a moving and another shape stay this many sums of their radii apart: a touch, never a cover."""
OFF_AXIS = 0.12
"""The largest shape's centre stays this far from both middle lines, so that its quadrant is plain."""
_AT_ONCE = 8
"""Places looked at together: mostly one of the first will do."""
MAX_LENGTH = 0.34
"""The longest straight way that a scene can ask for."""

_ANGLES = [index * math.pi / 4 for index in range(8)]
UNIT = np.array([[math.cos(angle), math.sin(angle)] for angle in _ANGLES])
"""`(8, 2)`: the unit vectors of `vocabulary.DIRECTIONS`."""


def straight_open(
    centres: NDArray[np.float64], radii: NDArray[np.float64], *, length: float
) -> NDArray[np.bool_]:
    """Whether each shape can go straight: `(..., n, 2)` centres and `(n,)` radii give `(..., n, 8)`."""
    start = centres[..., :, None, :]
    end = start + length * UNIT
    inside = ((end >= PATH_MARGIN) & (end <= 1 - PATH_MARGIN)).all(axis=-1)
    # From each mover (axis -3) in each direction (-2) to each other shape (-1): along the way, and off it.
    other = centres[..., None, :, :] - centres[..., :, None, :]
    along = np.clip(np.einsum("...ijc,dc->...idj", other, UNIT), 0, length)
    off = other[..., :, None, :, :] - along[..., None] * UNIT[:, None, :]
    result: NDArray[np.bool_] = inside & _clear(np.sqrt((off**2).sum(axis=-1)), radii)
    return result


def circle_open(
    centres: NDArray[np.float64], radii: NDArray[np.float64], *, turning_radius: float
) -> NDArray[np.bool_]:
    """Whether each shape can circle about the point `turning_radius` off in each direction: `(..., n, 8)`."""
    hub = centres[..., :, None, :] + turning_radius * UNIT
    margin = PATH_MARGIN + turning_radius
    inside = ((hub >= margin) & (hub <= 1 - margin)).all(axis=-1)
    to_others = centres[..., None, None, :, :] - hub[..., None, :]
    distance = np.abs(np.sqrt((to_others**2).sum(axis=-1)) - turning_radius)
    result: NDArray[np.bool_] = inside & _clear(distance, radii)
    return result


def _clear(distance: NDArray[np.float64], radii: NDArray[np.float64]) -> NDArray[np.bool_]:
    """`distance` `(..., n, 8, n)` of each mover's path to each shape, its own left out."""
    n = len(radii)
    needed = PASSING * (radii[:, None] + radii[None, :])
    needed[np.arange(n), np.arange(n)] = -1
    result: NDArray[np.bool_] = (distance >= needed[:, None, :]).all(axis=-1)
    return result


def draw_places(
    rng: np.random.Generator, radii: NDArray[np.float64], *, turning_radius: float
) -> NDArray[np.float64]:
    """Places `(n, 2)` for shapes of these radii, the first being the largest where there are several."""
    n = len(radii)
    span = 1 - 2 * PLACE_MARGIN
    apart = radii[:, None] + radii[None, :] + GAP
    apart[np.arange(n), np.arange(n)] = -1
    while True:
        centres = PLACE_MARGIN + span * rng.random((256, n, 2))
        distance = np.sqrt(((centres[:, :, None] - centres[:, None, :]) ** 2).sum(axis=-1))
        good = (distance >= apart).all(axis=(1, 2))
        if n > 1:
            good &= (np.abs(centres[:, 0] - 0.5) >= OFF_AXIS).all(axis=-1)
        found = _first_open(centres[good], radii, turning_radius=turning_radius)
        if found is not None:
            return found


def _first_open(
    centres: NDArray[np.float64], radii: NDArray[np.float64], *, turning_radius: float
) -> NDArray[np.float64] | None:
    """The first of `(m, n, 2)` in which some shape can go each way and some can circle; None without one."""
    for start in range(0, len(centres), _AT_ONCE):
        part = centres[start : start + _AT_ONCE]
        every_way = straight_open(part, radii, length=MAX_LENGTH).any(axis=1).all(axis=-1)
        part = part[every_way]
        a_circle = circle_open(part, radii, turning_radius=turning_radius).any(axis=(1, 2))
        if a_circle.any():
            return np.asarray(part[a_circle.argmax()])
    return None


def draw_free_place(
    rng: np.random.Generator,
    *,
    centres: NDArray[np.float64],
    radii: NDArray[np.float64],
    path: NDArray[np.float64],
    path_radius: float,
    radius: float,
) -> tuple[float, float]:
    """A place for a shape that appears: of 256 random ones, a free one, or else the least tight.

    centres `(n, 2)`, radii `(n,)`: shapes standing still; path `(m, 2)`: points where the moving one passes.
    """
    places = PLACE_MARGIN + (1 - 2 * PLACE_MARGIN) * rng.random((256, 2))
    obstacles = np.concatenate([centres, path])
    sizes = np.concatenate([radii, np.full(len(path), path_radius)])
    distance = np.sqrt(((places[:, None] - obstacles[None]) ** 2).sum(axis=-1))
    room = (distance - sizes).min(axis=1) - radius
    free = np.flatnonzero(room >= GAP)
    chosen = free[0] if len(free) else int(room.argmax())
    return float(places[chosen, 0]), float(places[chosen, 1])
