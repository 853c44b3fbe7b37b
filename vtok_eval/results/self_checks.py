"""What a run keeps of the checks that it makes of itself: do its readers read what the tokens hold?

A number that a probe reads from tokens says something of the tokens only if the probe was trained well enough
to read them. Each check compares numbers of one run that must be in a known relation if it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypedDict


class Relation(StrEnum):
    """How the tokens of two systems are related.

    Example:
        >>> [relation.value for relation in Relation]
        ['contains', 'same']
    """

    CONTAINS = "contains"
    SAME = "same"


@dataclass(frozen=True)
class TokenRelation:
    """For every clip, the tokens of `larger` contain those of `smaller`, or are the same.

    Example:
        >>> TokenRelation("frames-2", "frames-1").relation.value
        'contains'
    """

    larger: str
    smaller: str
    relation: Relation = Relation.CONTAINS


def relations_in(run: Mapping[str, object]) -> list[TokenRelation]:
    """The relations that a run.json holds; none in one of an earlier version.

    Example:
        >>> relations_in({"relations": [{"larger": "frames-1", "smaller": "keyframe", "relation": "same"}]})
        [TokenRelation(larger='frames-1', smaller='keyframe', relation=<Relation.SAME: 'same'>)]
    """
    entries = run.get("relations") or []
    if not isinstance(entries, list):
        return []
    return [
        TokenRelation(str(entry["larger"]), str(entry["smaller"]), Relation(entry["relation"]))
        for entry in entries
    ]


class ConvergenceFacts(TypedDict, total=False):
    """What the convergence check reads of a job's `training.json`; a value per seed where it is a list.

    Example:
        >>> ConvergenceFacts(steps=256, validation_score=[0.7, 0.8], ridge_validation_score=0.6)["steps"]
        256
    """

    reader: str  # what was trained; a probe where this is not there
    recipe: Mapping[str, object] | None  # None where kernel ridge is the reader: it has no steps
    steps: int
    training_loss: list[float]
    validation_loss: list[float]
    validation_score: list[float]
    ridge_validation_score: float | None


class CheckKind(StrEnum):
    """What a check is about.

    Example:
        >>> [kind.value for kind in CheckKind]
        ['subset', 'same tokens', 'convergence', 'chance', 'photos']
    """

    SUBSET = "subset"
    """A system reads no worse than another whose tokens it contains."""
    SAME_TOKENS = "same tokens"
    """Systems with the same tokens have the same values, to the last digit."""
    CONVERGENCE = "convergence"
    """The probe, or another trained reader, beats kernel ridge regression on the validation clips."""
    CHANCE = "chance"
    """A system that gives no tokens of any clip scores no better than chance."""
    PHOTOS = "photos"
    """A difference from the baseline has the same sign on every photo behind the test clips."""


class CheckOutcome(StrEnum):
    """How a check ended.

    Example:
        >>> CheckOutcome("violated") is CheckOutcome.VIOLATED
        True
    """

    PASSED = "passed"
    VIOLATED = "violated"
    MIXED = "mixed"
    """Of the check of photos: the sign depends on the photo."""
    NOT_CHECKED = "not checked"


@dataclass(frozen=True)
class SelfCheck:
    """One check of a run.

    systems: the larger and the smaller set of tokens; the two that must agree; the system whose training is
    looked at; the system and the baseline. metric, group: where the check is of one. detail: what was found,
    in words. values: the numbers behind it, by name.

    Example:
        >>> systems = ["frames-2", "frames-1"]
        >>> entry = {"kind": "subset", "benchmark": "scenes", "outcome": "passed", "systems": systems}
        >>> SelfCheck.of(entry).systems
        ('frames-2', 'frames-1')
    """

    kind: CheckKind
    benchmark: str
    outcome: CheckOutcome
    systems: tuple[str, ...]
    metric: str = ""
    group: str = ""
    detail: str = ""
    values: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, entry: Mapping[str, object]) -> SelfCheck:
        """The check that an entry of self_checks.json holds.

        Raises:
            ValueError, TypeError, KeyError: a field is missing, unknown or of no known value.
        """
        fields = dict(entry)
        fields["kind"] = CheckKind(str(fields["kind"]))
        fields["outcome"] = CheckOutcome(str(fields["outcome"]))
        systems = fields["systems"]
        if not isinstance(systems, list):
            raise TypeError(f"systems must be a list, not {systems!r}")
        return cls(**{**fields, "systems": tuple(systems)})  # type: ignore[arg-type]  # from JSON of our own
