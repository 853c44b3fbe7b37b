"""Rank intervals: the best and the worst rank of each system that the paired tests allow."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reports.tables.best_systems import ALPHA
from vtok_eval.results.columns.job_columns import JobColumns
from vtok_eval.results.records import Metric
from vtok_eval.results.statistics.pairs import Pair


@dataclass(frozen=True)
class RankInterval:
    """The ranks that the paired tests allow a system among the N ranked systems of a metric.

    best: 1 + the number of ranked systems that are significantly better.
    worst: N - the number of ranked systems that are significantly worse.

    A pair without a test decides nothing, so that it never narrows an interval.

    Example:
        >>> str(RankInterval(best=1, worst=4)), str(RankInterval(best=2, worst=2))
        ('1–4', '2')
    """

    best: int
    worst: int

    def __str__(self) -> str:
        """As tables show it."""
        return str(self.best) if self.best == self.worst else f"{self.best}–{self.worst}"


def rank_intervals(
    ranked: Mapping[str, Collection[str]], pairs: Sequence[Pair], metrics: Sequence[Metric]
) -> dict[tuple[str, str], RankInterval]:
    """(system's key, metric) -> its rank interval.

    ranked: metric -> the keys of the systems that it ranks; pairs with any other system do not count.

    Example:
        >>> from vtok_eval.results.records import Metric
        >>> rank_intervals({"hit": ["a", "b"]}, [], [Metric("hit", "Hit rate")])["a", "hit"]
        RankInterval(best=1, worst=2)
    """
    better_end = {metric.name: metric.higher_is_better for metric in metrics}
    wins = {(key, metric): 0 for metric, keys in ranked.items() for key in keys}
    losses = dict(wins)
    for pair in pairs:
        if (pair.a, pair.metric) not in wins or (pair.b, pair.metric) not in wins:
            continue
        winner_and_loser = significant(pair, higher_is_better=better_end[pair.metric])
        if winner_and_loser is not None:
            wins[winner_and_loser[0], pair.metric] += 1
            losses[winner_and_loser[1], pair.metric] += 1
    return {
        (key, metric): RankInterval(
            best=1 + losses[key, metric], worst=len(ranked[metric]) - wins[key, metric]
        )
        for key, metric in wins
    }


def significant(pair: Pair, *, higher_is_better: bool | None) -> tuple[str, str] | None:
    """The better and the worse system of a pair; None if the test does not distinguish them."""
    if (
        pair.p_corrected is None
        or pair.p_corrected >= ALPHA
        or not pair.difference
        or higher_is_better is None
    ):
        return None
    a_wins = (pair.difference > 0) is higher_is_better
    return (pair.a, pair.b) if a_wins else (pair.b, pair.a)


def equal_records(a: JobColumns, b: JobColumns) -> bool:
    """Whether two jobs have the same samples, failures, findings and, to the last bit, values."""
    return (
        a.samples.same_as(b.samples)
        and np.array_equal(a.failed, b.failed)
        and (a.training_seeds, a.unsound) == (b.training_seeds, b.unsound)
        and a.values.keys() == b.values.keys()
        and all(np.array_equal(a.values[name], b.values[name], equal_nan=True) for name in a.values)
    )
