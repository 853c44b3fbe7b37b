"""What sentences and questions can say of a scene: its shapes, their clear positions, what happens."""

from __future__ import annotations

import numpy as np

from tv_align.scenes.fact_questions import ShapeKind
from vtok_eval.scenes.scene import Scene, SceneObject

_CLEARLY = 0.12
"""Sides of the frame by which a relation or quadrant must be clear in every frame."""
_STEPS = [step / 15 for step in range(16)]

OPPOSITE_RELATION = {"left": "right", "right": "left", "above": "below", "below": "above"}


def kind_of(item: SceneObject) -> ShapeKind:
    """What it is as it is first seen."""
    return ShapeKind(item.colour, item.shape)


def lasting(scene: Scene) -> list[SceneObject]:
    """The shapes to which nothing happens, the moving one aside."""
    return [item for index, item in enumerate(scene.objects) if index != scene.mover and is_untouched(item)]


def is_untouched(item: SceneObject) -> bool:
    """Whether it neither appears nor disappears nor changes colour."""
    return item.appears_at is item.disappears_at is item.recoloured_at is None


def clear_relations(scene: Scene, one: int, other: int) -> list[str]:
    """The relations that one shape clearly has to another in every frame."""
    places = [(scene.position(one, time), scene.position(other, time)) for time in _STEPS]
    dx = np.array([first[0] - second[0] for first, second in places])
    dy = np.array([first[1] - second[1] for first, second in places])
    clear = {
        "left": dx < -_CLEARLY, "right": dx > _CLEARLY, "above": dy < -_CLEARLY, "below": dy > _CLEARLY,
    }  # fmt: skip
    return [name for name, holds in clear.items() if holds.all()]


def clear_quadrant(scene: Scene, index: int) -> str | None:
    """The quarter of the frame in which a shape plainly is in every frame; None where there is none."""
    x, y = np.array([scene.position(index, time) for time in _STEPS]).T
    if (np.abs(x - 0.5) < _CLEARLY / 2).any() or (np.abs(y - 0.5) < _CLEARLY / 2).any():
        return None
    if len({*(x < 0.5)}) > 1 or len({*(y < 0.5)}) > 1:
        return None
    return f"{'top' if y[0] < 0.5 else 'bottom'} {'left' if x[0] < 0.5 else 'right'}"


def affected(scene: Scene) -> SceneObject | None:
    """The shape to which something happens; None where nothing does."""
    for item in scene.objects:
        if item.appears_at is not None or item.disappears_at is not None or item.new_colour is not None:
            return item
    return None
