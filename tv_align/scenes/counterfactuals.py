"""All that the prompts' questions could ask about one scene: each true fact with its counterfactuals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from tv_align.scenes.clauses import recolouring, there_and_back, timing
from tv_align.scenes.content import (
    OPPOSITE_RELATION,
    affected,
    clear_quadrant,
    clear_relations,
    is_untouched,
    kind_of,
    lasting,
)
from tv_align.scenes.fact_questions import (
    CAMERA_KINDS,
    CameraDoes,
    CameraKind,
    Count,
    Fact,
    Goes,
    Happens,
    Has,
    HasColour,
    InQuadrant,
    Moves,
    Returns,
    SetsOut,
    ShapeKind,
    Stands,
    Takes,
)
from vtok_eval.scenes.scene import Scene
from vtok_eval.scenes.vocabulary import (
    CAMERA_MOTIONS,
    COLOURS,
    DIRECTIONS,
    EVENTS,
    OPPOSITE,
    PATHS,
    QUADRANTS,
    SHAPES,
    SPEEDS,
)

_COUNTS = (1, 2, 3, 4)


@dataclass(frozen=True)
class Askable:
    """A fact that holds in a scene, and facts that could be asked in its place and do not hold."""

    true: Fact
    false: tuple[Fact, ...]


def askable(scene: Scene) -> dict[str, list[Askable]]:
    """By category. More than the drafts use: also what stays true while something else happens.

    The counterfactuals of a fact replace the word asked for by each other word of the vocabulary; those of a
    fact about a shape are the same fact about the scene's other shapes. As scenes are drawn evenly, all facts
    of a group are equally likely to be the true one.
    """
    found = {
        category: [each for each in collect(scene) if each.false] for category, collect in _COLLECT.items()
    }
    return {category: facts for category, facts in found.items() if facts}


def _instead(fact: Fact, place: str, words: Sequence[str | int]) -> Askable:
    """The fact, and the same with each other word in one place."""
    own = getattr(fact, place)
    # Which class it is, mypy cannot know; `replace` refuses a place that it lacks.
    return Askable(fact, tuple(replace(fact, **{place: word}) for word in words if word != own))  # type: ignore[arg-type]


def _counting(scene: Scene) -> Iterator[Askable]:
    if scene.event in ("none", "changes colour"):
        yield _instead(Count(len(scene.objects)), "number", _COUNTS)
    kinds = [kind_of(item) for item in scene.objects]
    later = [ShapeKind(item.new_colour, item.shape) for item in scene.objects if item.new_colour is not None]
    forms = [item.shape for item in scene.objects]
    for item, kind in zip(scene.objects, kinds, strict=True):
        if is_untouched(item):
            # First its colour with another's form: only both together decide.
            absent = [ShapeKind(kind.colour, shape) for shape in dict.fromkeys((*forms, *SHAPES))]
            absent = [other for other in absent if other not in kinds and other not in later]
            yield Askable(Has(kind), tuple(Has(other) for other in absent))


def _attribute(scene: Scene) -> Iterator[Askable]:
    forms = [item.shape for item in scene.objects]
    for item in scene.objects:
        if is_untouched(item) and forms.count(item.shape) == 1:
            yield _instead(HasColour(item.shape, item.colour), "colour", COLOURS)


def _spatial(scene: Scene) -> Iterator[Askable]:
    there = [index for index, item in enumerate(scene.objects) if is_untouched(item)]
    for one in there:
        kind = kind_of(scene.objects[one])
        quadrant = clear_quadrant(scene, one)
        if quadrant is not None:
            yield _instead(InQuadrant(kind, quadrant), "quadrant", QUADRANTS)
        for other in there:
            second = kind_of(scene.objects[other])
            for relation in clear_relations(scene, one, other) if one != other else ():
                true = Stands(kind, relation, second)
                yield Askable(true, (Stands(kind, OPPOSITE_RELATION[relation], second),))


def _direction(scene: Scene) -> Iterator[Askable]:
    mover, way = scene.objects[scene.mover], scene.motion.direction
    if mover.new_colour is not None:
        return
    if way is not None:
        yield _instead(SetsOut(kind_of(mover), way), "direction", DIRECTIONS)
    yield Askable(Moves(kind_of(mover)), tuple(Moves(kind_of(item)) for item in lasting(scene)))


def _manner(scene: Scene) -> Iterator[Askable]:
    motion = scene.motion
    if scene.objects[scene.mover].disappears_at is not None:
        return
    yield _instead(Takes(motion.path), "path", PATHS)
    if motion.speed is not None:
        yield _instead(Goes(motion.speed), "speed", SPEEDS)


def _camera(scene: Scene) -> Iterator[Askable]:
    motion = scene.camera.motion
    kind = motion.split()[0]
    if motion == "still":
        yield _instead(CameraKind(kind), "kind", CAMERA_KINDS)
        return
    yield _instead(CameraDoes(motion), "motion", CAMERA_MOTIONS[1:])
    # One camera of nine is fixed; asked of one in eight of the others, it is denied as often as affirmed.
    fixed = scene.index % 8 == 0
    yield _instead(CameraKind(kind), "kind", ("still",) if fixed else CAMERA_KINDS[1:])


def _order(scene: Scene) -> Iterator[Askable]:
    for clause in (recolouring(scene), there_and_back(scene), timing(scene)):
        if clause is None:
            continue
        _, true, false = clause
        if isinstance(true, Returns):
            others = [way for way in DIRECTIONS if way != true.first]
            yield Askable(true, tuple(Returns(way, OPPOSITE[way]) for way in others))
        else:
            yield Askable(true, (false,))


def _action(scene: Scene) -> Iterator[Askable]:
    item = affected(scene)
    if item is None:
        return
    yield _instead(Happens(scene.event, None), "event", EVENTS[1:])
    others = tuple(Happens(scene.event, kind_of(other)) for other in lasting(scene))
    yield Askable(Happens(scene.event, kind_of(item)), others)


_COLLECT: dict[str, Callable[[Scene], Iterator[Askable]]] = {
    "counting": _counting,
    "attribute": _attribute,
    "spatial": _spatial,
    "direction": _direction,
    "manner": _manner,
    "camera": _camera,
    "order": _order,
    "action": _action,
}
