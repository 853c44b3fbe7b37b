"""Questions as captions, each with its hard negative; formed only from the questions' own words."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence

_OPENING = re.compile(
    r"^(?:(?:is|are|was|were) there|is|are|was|were|does|do|did|has|have|had|can|could|will)\s+",
    re.IGNORECASE,
)


def caption_of(question: str) -> str:
    """What a yes to the question states, as a terse caption: without the opening verb and question mark.

    "Are there exactly two kites?" becomes "exactly two kites", "Does the dog run left?" "the dog run left".

    Example:
        >>> caption_of("Are there exactly two kites?"), caption_of("Does the dog run left?")
        ('exactly two kites', 'the dog run left')
    """
    return _OPENING.sub("", question.strip().removesuffix("?").strip())


def hard_negatives(questions: Sequence[str]) -> list[int | None]:
    """For each question, the index of the question it is compared with; None if there is no other.

    The two questions with most words in common are taken out as a pair, then the next two; one that is left
    over is compared with the most similar one. Neither the questions' order nor their answers matter: equally
    similar pairs are taken in alphabetical order.

    Example:
        >>> asked = ["Is the kite red?", "Does a dog run left?", "Is the kite blue?", "Does a dog run right?"]
        >>> hard_negatives(asked)
        [2, 3, 0, 1]
    """
    pairs = sorted(
        itertools.combinations(range(len(questions)), 2),
        key=lambda pair: (-_likeness(questions[pair[0]], questions[pair[1]]), _by_alphabet(questions, pair)),
    )
    rivals: list[int | None] = [None] * len(questions)
    for one, other in pairs:
        if rivals[one] is None and rivals[other] is None:
            rivals[one], rivals[other] = other, one
    for one, other in pairs:
        for own, rival in ((one, other), (other, one)):
            if rivals[own] is None:
                rivals[own] = rival
    return rivals


def _by_alphabet(questions: Sequence[str], pair: tuple[int, int]) -> list[str]:
    return sorted(questions[index] for index in pair)


def _likeness(one: str, other: str) -> float:
    """Share of words in common (Dice coefficient of the two bags of words)."""
    first, second = (Counter(re.findall(r"[\w'-]+", text.lower())) for text in (one, other))
    return 2 * (first & second).total() / max(1, first.total() + second.total())
