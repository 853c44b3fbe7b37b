"""Facts that a scenes clip may show, and the one question that asks for each: written and read back."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from vtok_eval.scenes.truth import WAYS
from vtok_eval.scenes.vocabulary import (
    CAMERA_MOTIONS,
    COLOURS,
    DIRECTIONS,
    HALVES,
    PATHS,
    QUADRANTS,
    SHAPES,
    SPEEDS,
)

NUMBERS = ("no", "one", "two", "three", "four", "five")
"""Words for 0 to 5."""
RELATIONS = {"left": "to the left of", "right": "to the right of", "above": "above", "below": "below"}
CAMERA_KINDS = ("still", "pan", "tilt", "zoom", "rotate")
HAPPENINGS = {"appears": "appear", "disappears": "disappear", "changes colour": "change colour"}
MANNERS = {
    "straight": "straight on, without turning back",
    "back and forth": "there and back again",
    "circle": "around in a circle",
}
PACES = {"slow": "slowly", "medium": "at a medium speed", "fast": "fast"}
_CAMERA_VERBS = {motion: motion if motion != "still" else "stay still" for motion in CAMERA_MOTIONS}


@dataclass(frozen=True)
class ShapeKind:
    """A shape as it is first seen: its colour and its form."""

    colour: str
    shape: str

    def __str__(self) -> str:
        return f"{self.colour} {self.shape}"


@dataclass(frozen=True)
class Count:
    """How many shapes there are."""

    number: int


@dataclass(frozen=True)
class Has:
    """That a shape of this kind is there."""

    kind: ShapeKind


@dataclass(frozen=True)
class HasColour:
    """That the one shape of this form has this colour."""

    shape: str
    colour: str


@dataclass(frozen=True)
class Stands:
    """That one shape has a relation (a key of `RELATIONS`) to another throughout the clip."""

    kind: ShapeKind
    relation: str
    other: ShapeKind


@dataclass(frozen=True)
class InQuadrant:
    """That a shape is in this quarter of the frame all through the clip."""

    kind: ShapeKind
    quadrant: str


@dataclass(frozen=True)
class SetsOut:
    """The direction in which a shape starts to move."""

    kind: ShapeKind
    direction: str


@dataclass(frozen=True)
class Moves:
    """That this shape is the moving one."""

    kind: ShapeKind


@dataclass(frozen=True)
class Takes:
    """The path of the moving shape."""

    path: str


@dataclass(frozen=True)
class Goes:
    """The speed of the moving shape."""

    speed: str


@dataclass(frozen=True)
class CameraDoes:
    """The camera's motion."""

    motion: str


@dataclass(frozen=True)
class CameraKind:
    """The camera's kind of motion, one of `CAMERA_KINDS`, whatever its direction."""

    kind: str


@dataclass(frozen=True)
class Happens:
    """That this happens to a shape of this kind; `kind` is None for any shape."""

    event: str
    kind: ShapeKind | None


@dataclass(frozen=True)
class HappensIn:
    """The half of the clip in which it happens."""

    event: str
    kind: ShapeKind
    half: str


@dataclass(frozen=True)
class Recolours:
    """The order of a shape's two colours."""

    shape: str
    first: str
    then: str


@dataclass(frozen=True)
class Returns:
    """The order of a moving shape's two directions."""

    first: str
    then: str


Fact = (
    Count | Has | HasColour | Stands | InQuadrant | SetsOut | Moves | Takes | Goes | CameraDoes | CameraKind
    | Happens | HappensIn | Recolours | Returns
)  # fmt: skip


def ask(fact: Fact) -> str:
    """The question for a fact, in one English sentence."""
    match fact:
        case Count(number):
            be, shapes = ("Is", "shape") if number == 1 else ("Are", "shapes")
            return f"{be} there exactly {NUMBERS[number]} {shapes}?"
        case Has(kind):
            return f"Is there {a(kind)}?"
        case HasColour(shape, colour):
            return f"Is the {shape} {colour}?"
        case Stands(kind, relation, other):
            return f"Is the {kind} {RELATIONS[relation]} the {other}?"
        case InQuadrant(kind, quadrant):
            return f"Is the {kind} in the {quadrant} quarter of the frame?"
        case SetsOut(kind, direction):
            return f"Does the {kind} start moving {WAYS[direction]}?"
        case Moves(kind):
            return f"Is the {kind} the shape that moves?"
        case Takes(path):
            return f"Does the moving shape go {MANNERS[path]}?"
        case Goes(speed):
            return f"Does the moving shape go {PACES[speed]}?"
        case CameraDoes(motion):
            return f"Does the camera {_CAMERA_VERBS[motion]}?"
        case CameraKind(kind):
            return f"Does the camera {kind} in any direction?" if kind != "still" else "Is the camera fixed?"
        case Happens(event, kind):
            return f"Does {'any shape' if kind is None else f'the {kind}'} {HAPPENINGS[event]}?"
        case HappensIn(event, kind, half):
            return f"Does the {kind} {HAPPENINGS[event]} in the {half} of the clip?"
        case Recolours(shape, first, then):
            return f"Is the {shape} first {first} and then {then}?"
        case Returns(first, then):
            return f"Does the moving shape go first {WAYS[first]} and then {WAYS[then]}?"


def a(kind: ShapeKind) -> str:
    """The kind with its article."""
    return f"{'an' if kind.colour == 'orange' else 'a'} {kind}"


def read(question: str) -> Fact | None:
    """The fact that a question asks for; None for a question in other words than `ask` uses."""
    for pattern, make in _readers():
        found = pattern.fullmatch(question.strip())
        if found:
            return make(found.groupdict())
    return None


def _choice(name: str, words: tuple[str, ...]) -> str:
    return f"(?P<{name}>{'|'.join(re.escape(word) for word in sorted(words, key=len, reverse=True))})"


def _kind(suffix: str = "") -> str:
    return f"{_choice('colour' + suffix, COLOURS)} {_choice('shape' + suffix, SHAPES)}"


def _of(words: dict[str, str], text: str) -> str:
    """The key whose value the text is."""
    return next(key for key, value in words.items() if value == text)


@lru_cache(maxsize=1)
def _readers() -> list[tuple[re.Pattern[str], Callable[[dict[str, str]], Fact]]]:
    ways = tuple(WAYS[name] for name in DIRECTIONS)
    paths = tuple(MANNERS[name] for name in PATHS)
    paces = tuple(PACES[name] for name in SPEEDS)
    event, relation = (
        _choice("event", tuple(HAPPENINGS.values())),
        _choice("relation", tuple(RELATIONS.values())),
    )

    first, then = _choice("first", COLOURS), _choice("then", COLOURS)

    def kind(g: dict[str, str], suffix: str = "") -> ShapeKind:
        return ShapeKind(g["colour" + suffix], g["shape" + suffix])

    table: list[tuple[str, Callable[[dict[str, str]], Fact]]] = [
        (
            rf"(?:Is|Are) there exactly {_choice('n', NUMBERS)} shapes?\?",
            lambda g: Count(NUMBERS.index(g["n"])),
        ),
        (rf"Is there an? {_kind()}\?", lambda g: Has(kind(g))),
        (
            rf"Is the {_choice('shape', SHAPES)} {_choice('colour', COLOURS)}\?",
            lambda g: HasColour(g["shape"], g["colour"]),
        ),
        (
            rf"Is the {_kind()} {relation} the {_kind('2')}\?",
            lambda g: Stands(kind(g), _of(RELATIONS, g["relation"]), kind(g, "2")),
        ),
        (
            rf"Is the {_kind()} in the {_choice('where', QUADRANTS)} quarter of the frame\?",
            lambda g: InQuadrant(kind(g), g["where"]),
        ),
        (
            rf"Does the {_kind()} start moving {_choice('way', ways)}\?",
            lambda g: SetsOut(kind(g), _of(WAYS, g["way"])),
        ),
        (rf"Is the {_kind()} the shape that moves\?", lambda g: Moves(kind(g))),
        (rf"Does the moving shape go {_choice('path', paths)}\?", lambda g: Takes(_of(MANNERS, g["path"]))),
        (rf"Does the moving shape go {_choice('pace', paces)}\?", lambda g: Goes(_of(PACES, g["pace"]))),
        (
            rf"Does the camera {_choice('motion', tuple(_CAMERA_VERBS.values()))}\?",
            lambda g: CameraDoes(_of(_CAMERA_VERBS, g["motion"])),
        ),
        (
            rf"Does the camera {_choice('kind', CAMERA_KINDS[1:])} in any direction\?",
            lambda g: CameraKind(g["kind"]),
        ),
        (r"Is the camera fixed\?", lambda g: CameraKind("still")),
        (rf"Does any shape {event}\?", lambda g: Happens(_of(HAPPENINGS, g["event"]), None)),
        (rf"Does the {_kind()} {event}\?", lambda g: Happens(_of(HAPPENINGS, g["event"]), kind(g))),
        (
            rf"Does the {_kind()} {event} in the {_choice('half', HALVES)} of the clip\?",
            lambda g: HappensIn(_of(HAPPENINGS, g["event"]), kind(g), g["half"]),
        ),
        (
            rf"Is the {_choice('shape', SHAPES)} first {first} and then {then}\?",
            lambda g: Recolours(g["shape"], g["first"], g["then"]),
        ),
        (
            rf"Does the moving shape go first {_choice('first', ways)} and then {_choice('then', ways)}\?",
            lambda g: Returns(_of(WAYS, g["first"]), _of(WAYS, g["then"])),
        ),
    ]
    return [(re.compile(pattern), make) for pattern, make in table]
