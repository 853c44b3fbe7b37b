"""How a shape moves: the straight, back-and-forth or circular motion that explains its track best."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vtok_eval.scenes.vocabulary import DIRECTIONS

_SLOW_BELOW, _FAST_ABOVE = 0.134, 0.24
"""Sides of the frame in a whole clip: geometric means of the vocabulary's 0.10, 0.18 and 0.32."""
_TURNS_AT = np.linspace(0.42, 0.58, 9)
_CIRCLES = np.concatenate([np.linspace(0.9, 1.35, 10), -np.linspace(0.9, 1.35, 10)])
_CLEARLY_BETTER = 0.7
"""A path that is not straight must leave at most this share of the straight path's squared error."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ObservedMotion:
    """path, and (None for a circle) the direction it sets out in and its speed; turns_at: back and forth."""

    path: str
    direction: str | None
    speed: str | None
    turns_at: float | None = None


def fit_motion(times: Floats, places: Floats) -> ObservedMotion:
    """The motion behind places `(n, 2)`, in sides of the frame, at times `(n,)` from 0 to 1; n >= 2."""
    straight = _error(np.stack([np.ones_like(times), times], axis=1), places)
    there_and_back = {
        float(turn): _error(np.stack([np.ones_like(times), _way(times, turn)], axis=1), places)
        for turn in _TURNS_AT
        if times.max() > turn + 0.05
    }
    turn = min(there_and_back, key=lambda turn: there_and_back[turn][0], default=None)
    circle = min((_circle_error(times, places, turns) for turns in _CIRCLES), default=math.inf)
    folded = there_and_back[turn][0] if turn is not None else math.inf
    if min(folded, circle) > _CLEARLY_BETTER * straight[0]:
        return _linear("straight", straight[1])
    if circle < folded:
        return ObservedMotion("circle", None, None)
    return _linear("back and forth", there_and_back[turn][1] if turn is not None else straight[1], turn)


def _linear(path: str, coefficients: Floats, turn: float | None = None) -> ObservedMotion:
    dx, dy = coefficients[1]
    eighth = round(math.degrees(math.atan2(dy, dx)) / 45) % 8
    length = math.hypot(dx, dy)
    speed = "slow" if length < _SLOW_BELOW else "fast" if length > _FAST_ABOVE else "medium"
    return ObservedMotion(path, DIRECTIONS[eighth], speed, turn)


def _way(times: Floats, turn: float) -> Floats:
    return np.minimum(times, 2 * turn - times)


def _error(basis: Floats, places: Floats) -> tuple[float, Floats]:
    """Sum of squared residuals of places over a basis `(n, k)`, and the coefficients `(k, 2)`."""
    coefficients = np.linalg.lstsq(basis, places, rcond=None)[0]
    return float(((places - basis @ coefficients) ** 2).sum()), coefficients


def _circle_error(times: Floats, places: Floats, turns: float) -> float:
    """Sum of squared residuals of the best circle that turns so often in a whole clip."""
    angle = 2 * math.pi * turns * times
    cos, sin = np.cos(angle), np.sin(angle)
    one, none = np.ones_like(times), np.zeros_like(times)
    rows = np.concatenate(
        [np.stack([one, none, cos, -sin], axis=1), np.stack([none, one, sin, cos], axis=1)], axis=0
    )
    return _error(rows, places.T.reshape(-1, 1))[0]
