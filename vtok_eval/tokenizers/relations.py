"""Which systems of a run have the same tokens, and whose tokens contain another's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations

from vtok_eval.results.self_checks import Relation, TokenRelation
from vtok_eval.systems import System
from vtok_eval.tokenizers.identity import TellsTokenFacts, tokens_key
from vtok_eval.tokenizers.reading import GivesSomeAsRead, Reading, ReadingTokenizer, TokenFacts

LENGTHS = (8, 16, 32)
"""Frames of the clips on which a relation must hold; sampling rules choose other frames for each."""


def token_relations(
    systems: Mapping[str, System], declared: Mapping[str, Sequence[str]]
) -> list[TokenRelation]:
    """What is known of the systems' tokens: what the suite declares and what the built-in tokenizers read.

    systems: by name. declared: name -> the systems whose tokens its tokens contain.

    Example:
        >>> token_relations({}, {"mine": ["frames-1"]})
        [TokenRelation(larger='mine', smaller='frames-1', relation=<Relation.CONTAINS: 'contains'>)]
    """
    found = [TokenRelation(larger, smaller) for larger, names in declared.items() for smaller in names]
    found += _derived({name: system for name, system in systems.items() if system.kind == "tokenizer"})
    return list(dict.fromkeys(found))


def _derived(systems: Mapping[str, System]) -> Iterator[TokenRelation]:
    keys = {name: [tokens_key(system, n_frames=n) for n in LENGTHS] for name, system in systems.items()}
    place = {name: i for i, name in enumerate(systems)}
    for larger, smaller in permutations(systems, 2):
        if keys[larger] == keys[smaller]:
            if place[larger] < place[smaller]:
                yield TokenRelation(larger, smaller, Relation.SAME)
        elif contains(systems[larger].subject, systems[smaller].subject):
            yield TokenRelation(larger, smaller)


def contains(larger: object, smaller: object) -> bool:
    """Whether one tokenizer reads everything that another reads, for clips of all `LENGTHS`.

    Only tokenizers that declare what they read can be told; a user's own class is declared in the suite.

    Example:
        >>> import torch
        >>> from vtok_eval.tokenizers.build import BuildContext, build_tokenizer
        >>> context = BuildContext(device=torch.device("cpu"))
        >>> vtok, first_frame = (build_tokenizer(spec, context) for spec in ("vtok:grid=4", "frames-1"))
        >>> contains(vtok, first_frame), contains(first_frame, vtok)
        (True, False)
    """
    if not all(
        isinstance(each, ReadingTokenizer) and isinstance(each, TellsTokenFacts) for each in (larger, smaller)
    ):
        return False
    return all(_contains(larger, smaller, n_frames) for n_frames in LENGTHS)  # type: ignore[arg-type]


def _contains(larger: TellsTokenFacts, smaller: TellsTokenFacts, n_frames: int) -> bool:
    ours, theirs = larger.token_facts(n_frames), smaller.token_facts(n_frames)
    if _made_by(ours) != _made_by(theirs):
        return False
    if "steps" in theirs:
        # What is computed from cells is not among the cells that another tokenizer gives.
        return False
    given = larger.given(n_frames) if isinstance(larger, GivesSomeAsRead) else larger.readings(n_frames)  # type: ignore[attr-defined]
    held = [reading for reading in smaller.readings(n_frames) if reading.frames]  # type: ignore[attr-defined]
    return bool(held) and all(any(_covers(wide, narrow) for wide in given) for narrow in held)


def _made_by(facts: TokenFacts) -> tuple[object, ...]:
    """What the frames' maps, and a checkpoint's projection of them, come from."""
    return facts["version"], facts["backbone"], facts["checkpoint_sha256"]


def _covers(wide: Reading, narrow: Reading) -> bool:
    same = (wide.kind, wide.grid, wide.minus, wide.joined) == (
        narrow.kind,
        narrow.grid,
        narrow.minus,
        narrow.joined,
    )
    return same and _frames_and_spans(narrow) <= _frames_and_spans(wide)


def _frames_and_spans(reading: Reading) -> set[tuple[int, tuple[int, int]]]:
    return {(frame, reading.span_of(place)) for place, frame in enumerate(reading.frames)}
