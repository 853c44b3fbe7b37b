"""Whether a fact holds in what was seen."""

from __future__ import annotations

from collections import Counter

import numpy as np

from tv_align.scenes.fact_questions import (
    CameraDoes,
    CameraKind,
    Count,
    Fact,
    Goes,
    Happens,
    HappensIn,
    Has,
    HasColour,
    InQuadrant,
    Moves,
    Recolours,
    Returns,
    SetsOut,
    ShapeKind,
    Stands,
    Takes,
)
from tv_align.scenes.observation import Observation, SeenShape
from vtok_eval.scenes.vocabulary import OPPOSITE


def holds(fact: Fact, seen: Observation) -> bool:
    """Whether the clip shows the fact; a fact about an absent shape does not hold."""
    match fact:
        case Count(number):
            return _usual_number(seen) == number
        case Has(kind):
            return _find(kind, seen) is not None
        case HasColour(shape, colour):
            return any(item.shape == shape and item.colour == colour for item in seen.shapes)
        case Stands(kind, relation, other):
            return _stands(_find(kind, seen), relation, _find(other, seen))
        case InQuadrant(kind, quadrant):
            return _quadrant(_find(kind, seen)) == quadrant
        case SetsOut(kind, direction):
            return _is_mover(kind, seen) and seen.direction == direction
        case Moves(kind):
            return _is_mover(kind, seen)
        case Takes(path):
            return seen.path == path
        case Goes(speed):
            return seen.speed == speed
        case CameraDoes(motion):
            return seen.camera == motion
        case CameraKind(kind):
            return seen.camera.split()[0] == kind
        case Happens(event, kind):
            return any(item.event == event for item in _candidates(kind, seen))
        case HappensIn(event, kind, half):
            return any(item.event == event and _half(item) == half for item in _candidates(kind, seen))
        case Recolours(shape, first, then):
            return any(
                (item.shape, item.colour, item.new_colour) == (shape, first, then) for item in seen.shapes
            )
        case Returns(first, then):
            return seen.path == "back and forth" and seen.direction == first and then == OPPOSITE[first]


def _candidates(kind: ShapeKind | None, seen: Observation) -> tuple[SeenShape, ...]:
    """The shapes of a kind, or all."""
    if kind is None:
        return seen.shapes
    return tuple(item for item in seen.shapes if (item.colour, item.shape) == (kind.colour, kind.shape))


def _find(kind: ShapeKind, seen: Observation) -> SeenShape | None:
    return next(iter(_candidates(kind, seen)), None)


def _usual_number(seen: Observation) -> int:
    """How many shapes most frames show; a shape that goes unseen between two sightings is there."""
    per_frame = Counter(
        sum(item.frames[0] <= frame <= item.frames[-1] for item in seen.shapes)
        for frame in range(seen.n_frames)
    )
    return int(per_frame.most_common(1)[0][0])


def _stands(one: SeenShape | None, relation: str, other: SeenShape | None) -> bool:
    """Judged by the middle of the places over the frames in which both are seen."""
    if one is None or other is None:
        return False
    shared = np.intersect1d(one.frames, other.frames)
    if not len(shared):
        return False
    apart = one.places[np.isin(one.frames, shared)] - other.places[np.isin(other.frames, shared)]
    dx, dy = np.median(apart, axis=0)
    return bool({"left": dx < 0, "right": dx > 0, "above": dy < 0, "below": dy > 0}[relation])


def _quadrant(item: SeenShape | None) -> str | None:
    if item is None:
        return None
    x, y = np.median(item.places, axis=0)
    return f"{'top' if y < 0.5 else 'bottom'} {'left' if x < 0.5 else 'right'}"


def _is_mover(kind: ShapeKind, seen: Observation) -> bool:
    if seen.mover is None:
        return False
    item = seen.shapes[seen.mover]
    return (item.colour, item.shape) == (kind.colour, kind.shape)


def _half(item: SeenShape) -> str:
    return "first half" if item.event_at is not None and item.event_at < 0.5 else "second half"
