"""Which system is best on a metric, where the paired test supports that any is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from functools import cache
from typing import TYPE_CHECKING

from vtok_eval.results.records import Comparison, Metric, Score

if TYPE_CHECKING:
    from vtok_eval.results.records import Record

ALPHA = 0.05
"""Below this corrected p a difference is called significant."""


def find_best(
    records_of: Callable[[str], Sequence[Record]],
    scores: Sequence[Score],
    *,
    metrics: Sequence[Metric],
    contenders: Collection[str],
    known: Sequence[Metric] = (),
) -> dict[str, str]:
    """Metric name -> the system that is best on it; a metric that has no supported best has no key.

    The leader is supported where it beats each of the k - 1 others in the paired test at p < ALPHA / (k - 1):
    the leader was picked by the same data, and Bonferroni's correction over those tests bounds the chance
    that a system which is not best gets the title. Metrics that do not discriminate have no best.

    records_of: a system's records. scores: of one benchmark. known: further metrics that a `mean_of` may
        name.
    """
    ranks = {
        metric.name: _ranking(scores, metric, contenders=contenders)
        for metric in metrics
        if metric.higher_is_better is not None
    }
    pending = {name: ranking for name, ranking in ranks.items() if len(ranking) > 1}
    by_name = {metric.name: metric for metric in metrics}

    @cache
    def records(system: str) -> Sequence[Record]:
        return records_of(system)

    # Rank by rank: most leaders fall to the runner-up already, and every test costs a resampling.
    for rank in range(1, max((len(ranking) for ranking in pending.values()), default=0)):
        pairs: dict[tuple[str, str], list[Metric]] = defaultdict(list)
        for name, ranking in pending.items():
            if rank < len(ranking):
                pairs[ranking[0], ranking[rank]].append(by_name[name])
        for (leader, other), tested in pairs.items():
            for comparison in _compare(records(leader), records(other), tested, known=(*metrics, *known)):
                n_tests = len(pending[comparison.metric]) - 1
                if not _wins(comparison, by_name[comparison.metric], n_tests=n_tests):
                    del pending[comparison.metric]
    return {name: ranking[0] for name, ranking in pending.items()}


def _ranking(scores: Sequence[Score], metric: Metric, *, contenders: Collection[str]) -> list[str]:
    """The contenders that have a value, best first; none where the metric does not discriminate."""
    own = [score for score in scores if score.metric.name == metric.name]
    if not all(score.discriminates for score in own):
        return []
    valued = [(score.value, score.system) for score in own if score.value is not None]
    ordered = sorted(valued, key=lambda pair: pair[0], reverse=bool(metric.higher_is_better))
    return [system for _, system in ordered if system in contenders]


def _compare(
    leader: Sequence[Record], other: Sequence[Record], tested: Sequence[Metric], *, known: Sequence[Metric]
) -> list[Comparison]:
    from vtok_eval.results.statistics import compare_all

    sides = {"leader": leader, "other": other}
    return compare_all(sides, "other", tested, known=known)


def _wins(comparison: Comparison, metric: Metric, *, n_tests: int) -> bool:
    if not comparison.difference:
        return False
    better = (comparison.difference > 0) is bool(metric.higher_is_better)
    return better and comparison.p * n_tests < ALPHA
