"""Where a run found its own reader not sound: the mark that every test, rank and report honours.

A self-check finds it (`checking.subset_checks`) for a group of metrics of a benchmark. The columns of the
run's jobs and its scores carry it from then on: a comparison of marked columns has no p-value, wherever
it is made (a run's report, a merged report, a leaderboard), and a marked score is neither best nor ranked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from vtok_eval.results.records import Score
from vtok_eval.results.self_checks import CheckKind, CheckOutcome, SelfCheck

if TYPE_CHECKING:
    from vtok_eval.results.columns.job_columns import JobColumns

Unsound = Mapping[str, frozenset[str]]
"""By benchmark id, the groups of metrics in which the reader is not sound; no key where it is in all."""


def unsound_groups(checks: Iterable[SelfCheck]) -> dict[str, frozenset[str]]:
    """By benchmark, the groups of metrics in which the reader misses what the tokens hold.

    Example:
        >>> check = SelfCheck(CheckKind.SUBSET, "scenes", CheckOutcome.VIOLATED, ("a", "b"), group="static")
        >>> unsound_groups([check])
        {'scenes': frozenset({'static'})}
    """
    found: dict[str, frozenset[str]] = {}
    for check in checks:
        if check.kind is CheckKind.SUBSET and check.outcome is CheckOutcome.VIOLATED:
            found[check.benchmark] = found.get(check.benchmark, frozenset()) | {check.group}
    return found


def marked_job(job: JobColumns, unsound: Unsound) -> JobColumns:
    """The columns with these marks added; the same object where there are none.

    Example:
        >>> from vtok_eval.results.columns.example_job import example_job
        >>> from vtok_eval.results.statistics.scores import score
        >>> from vtok_eval.results.records import Metric
        >>> job = marked_job(example_job("vtok", [1.0, 0.0]), {"b": frozenset({"static"})})
        >>> score(job, Metric("hit", "Hit rate", group="static")).sound
        False
    """
    groups = job.unsound | unsound.get(job.benchmark, frozenset())
    return job if groups == job.unsound else replace(job, unsound=groups)


def marked_score(score: Score, unsound: Unsound) -> Score:
    """The score with `sound` set to False where its group is marked.

    Example:
        >>> from vtok_eval.results.columns.example_job import example_job
        >>> from vtok_eval.results.statistics.scores import score
        >>> from vtok_eval.results.records import Metric
        >>> found = score(example_job("vtok", [1.0, 0.0]), Metric("hit", "Hit rate", group="static"))
        >>> found.sound, marked_score(found, {"b": frozenset({"static"})}).sound
        (True, False)
    """
    if not score.sound or score.metric.group not in unsound.get(score.benchmark, frozenset()):
        return score
    return replace(score, sound=False)
