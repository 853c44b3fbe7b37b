"""Clauses of a prompt about order in time, each with its fact and the counterfactual."""

from __future__ import annotations

from collections.abc import Sequence

from tv_align.scenes.content import affected, kind_of
from tv_align.scenes.fact_questions import Fact, HappensIn, Recolours, Returns, a
from vtok_eval.scenes.scene import Scene
from vtok_eval.scenes.truth import WAYS
from vtok_eval.scenes.vocabulary import HALVES, OPPOSITE

EVENT_TEXT = {"appears": "appears", "disappears": "disappears", "changes colour": "changes colour"}


def joined(clauses: Sequence[str], scene: Scene) -> str:
    """Clauses as one sentence in which a shape that is named again is "the" shape."""
    first, *rest = clauses
    for item in scene.objects:
        name = a(kind_of(item))
        if first.startswith(name):
            rest = [clause.replace(name, f"the {kind_of(item)}", 1) for clause in rest]
    return " while ".join([first, *rest])


def recolouring(scene: Scene) -> tuple[str, Fact, Fact] | None:
    """A clause, its fact and the counterfactual: in which order a shape has its two colours."""
    item = affected(scene)
    if item is None or item.new_colour is None:
        return None
    if [other.shape for other in scene.objects].count(item.shape) > 1:
        return None
    clause = f"{a(kind_of(item))} turns {item.new_colour}"
    return (
        clause,
        Recolours(item.shape, item.colour, item.new_colour),
        Recolours(item.shape, item.new_colour, item.colour),
    )


def there_and_back(scene: Scene) -> tuple[str, Fact, Fact] | None:
    """The same: in which order the moving shape goes its two ways."""
    way, mover = scene.motion.direction, scene.objects[scene.mover]
    if scene.motion.path != "back and forth" or way is None or mover.disappears_at is not None:
        return None
    back = OPPOSITE[way]
    clause = f"{a(kind_of(mover))} moves first {WAYS[way]} and then {WAYS[back]}"
    return clause, Returns(way, back), Returns(back, way)


def timing(scene: Scene) -> tuple[str, Fact, Fact] | None:
    """The same: in which half of the clip it happens."""
    item = affected(scene)
    if item is None or scene.event_half is None:
        return None
    if item is scene.objects[scene.mover] and item.disappears_at is not None:
        return None  # the only shape always goes in the second half
    half, kind = scene.event_half, kind_of(item)
    other = HALVES[1 - HALVES.index(half)]
    clause = f"{a(kind)} {EVENT_TEXT[scene.event]} in the {half} of the clip"
    return clause, HappensIn(scene.event, kind, half), HappensIn(scene.event, kind, other)
