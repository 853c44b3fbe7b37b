"""A fact as words of a closed vocabulary: what a reader of tokens is given of a question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple, get_args

from tv_align.scenes.fact_questions import CAMERA_KINDS, NUMBERS, RELATIONS, Fact, Happens, ShapeKind
from vtok_eval.scenes.vocabulary import (
    CAMERA_MOTIONS,
    COLOURS,
    DIRECTIONS,
    EVENTS,
    HALVES,
    PATHS,
    QUADRANTS,
    SHAPES,
    SPEEDS,
)

_WORDS: dict[str, Sequence[str]] = {
    "number": [str(number) for number in range(len(NUMBERS))],
    "colour": COLOURS,
    "shape": SHAPES,
    "relation": tuple(RELATIONS),
    "quadrant": QUADRANTS,
    "direction": DIRECTIONS,
    "path": PATHS,
    "speed": SPEEDS,
    "motion": CAMERA_MOTIONS,
    "camera kind": CAMERA_KINDS,
    "event": EVENTS[1:],
    "half": HALVES,
    "open": ("any",),
}
"""What a place in a fact can be filled with."""
_FILLED_WITH = {
    ("CameraKind", "kind"): "camera kind",
    ("Recolours", "first"): "colour",
    ("Recolours", "then"): "colour",
    ("Returns", "first"): "direction",
    ("Returns", "then"): "direction",
}
"""(fact, field) -> key of `_WORDS`; a field that is not here has the name of its words."""


_CLAIMED = {
    "Count": ("number",),
    "HasColour": ("colour",),
    "Stands": ("relation",),
    "InQuadrant": ("quadrant",),
    "SetsOut": ("direction",),
    "Takes": ("path",),
    "Goes": ("speed",),
    "CameraDoes": ("motion",),
    "CameraKind": ("kind",),
    "HappensIn": ("half",),
    "Recolours": ("first", "then"),
    "Returns": ("first", "then"),
}
"""By fact, the places whose words are the answer that a question proposes. A fact that is not here asks about
a shape, and what it proposes is only that it is so."""


@dataclass(frozen=True)
class QuestionWords:
    """A fact's words, all of `VOCABULARY`, in two parts.

    asked: what the question is about ("which colour has the star?"). claimed: the answer that it proposes
    ("red"). Both contain the fact's name and each word twice, with its place and without, so that "left" is
    one word to all facts that have it. Two facts have the same words only if they are the same fact.
    """

    asked: tuple[str, ...]
    claimed: tuple[str, ...]


def words_of(fact: Fact) -> QuestionWords:
    """The words of a fact."""
    name = type(fact).__name__
    claimed_places = _CLAIMED.get(name, ())
    if isinstance(fact, Happens) and fact.kind is None:
        claimed_places = ("event",)
    asked, claimed = [name], [name]
    for place in places_of(fact):
        (claimed if place.name in claimed_places else asked).extend(_at(name, place))
    return QuestionWords(tuple(asked), tuple(claimed))


def telling_words(true: Sequence[Fact], false: Sequence[Fact]) -> Counter[str]:
    """How much more often each word is at its place in the true facts than in the false ones.

    Words for a shape's colour and form are left out where they name a shape: any shape is as likely to be
    named by either. Words that are equally frequent in both are omitted.
    """
    difference: Counter[str] = Counter()
    for facts, sign in ((true, 1), (false, -1)):
        for fact in facts:
            for place in places_of(fact):
                if not place.of_a_kind:
                    difference[_at(type(fact).__name__, place)[0]] += sign
    return Counter({word: count for word, count in difference.items() if count})


class Place(NamedTuple):
    """A word of a fact, and its place. words: what kind of word. of_a_kind: part of a `ShapeKind`."""

    name: str
    words: str
    word: str
    of_a_kind: bool = False

    @property
    def choices(self) -> Sequence[str]:
        """All words that can be at this place."""
        return _WORDS[self.words]


def _at(fact: str, place: Place) -> tuple[str, str]:
    return f"{fact}.{place.name}={place.word}", f"{place.words}={place.word}"


def places_of(fact: Fact) -> list[Place]:
    """The places of a fact in the order of its fields, with their words."""
    found: list[Place] = []
    for field in fields(fact):
        value = getattr(fact, field.name)
        if isinstance(value, ShapeKind):
            found.append(Place(f"{field.name}.colour", "colour", value.colour, of_a_kind=True))
            found.append(Place(f"{field.name}.shape", "shape", value.shape, of_a_kind=True))
        elif value is None:
            found.append(Place(field.name, "open", "any"))
        else:
            found.append(Place(field.name, _words_at(type(fact).__name__, field.name), str(value)))
    return found


def _words_at(fact: str, field: str) -> str:
    return _FILLED_WITH.get((fact, field), field)


def _vocabulary() -> Iterator[str]:
    for fact in get_args(Fact):
        yield fact.__name__
        for field in fields(fact):
            annotation = str(field.type)
            if "Kind" in annotation:
                places = [(f"{field.name}.colour", "colour"), (f"{field.name}.shape", "shape")]
            else:
                places = [(field.name, _words_at(fact.__name__, field.name))]
            if "None" in annotation:
                places.append((field.name, "open"))
            for place, words in places:
                for word in _WORDS[words]:
                    yield from _at(fact.__name__, Place(place, words, word))


VOCABULARY: tuple[str, ...] = tuple(dict.fromkeys(_vocabulary()))
"""Every word that a fact can have."""
