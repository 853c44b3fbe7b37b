"""Which systems are best and second best on a metric, where the paired tests support it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vtok_eval.results.records import Metric, Score

if TYPE_CHECKING:
    from vtok_eval.results.columns.job_columns import JobColumns
    from vtok_eval.results.statistics.pairs import Pair

ALPHA = 0.05
"""Below this corrected p a difference is called significant."""


@dataclass(frozen=True)
class Podium:
    """The system that is best on a metric, and the one that is second best; None where no test says so."""

    best: str | None = None
    second: str | None = None


def find_best(
    pairs: Collection[Pair],
    scores: Sequence[Score],
    *,
    metrics: Sequence[Metric],
    contenders: Collection[str],
) -> dict[str, Podium]:
    """Metric name -> its podium; a metric that has no supported best has no key.

    The leader of k systems is supported where it beats each of the k - 1 others in the paired test at
    p < ALPHA / (k - 1): the leader was picked by the same data, and Bonferroni's correction over those tests
    bounds the chance that a system which is not best is called best. Only then is the runner-up tested, which
    must beat each of the k - 2 behind it at p < ALPHA / (k - 2); with two systems there is no second best.
    Metrics that do not discriminate, or whose reader is not sound, have no best.

    pairs: from `tested_pairs`. scores: of one benchmark.
    """
    tests = {(pair.metric, pair.a, pair.b): pair for pair in pairs}
    found = {}
    for metric in metrics:
        ranking = ranked(scores, metric, contenders=contenders)
        if len(ranking) > 1 and _beats_all(ranking[0], ranking[1:], metric, tests):
            second = ranking[1] if len(ranking) > 2 else None
            if second is not None and not _beats_all(second, ranking[2:], metric, tests):
                second = None
            found[metric.name] = Podium(ranking[0], second)
    return found


def tested_pairs(
    jobs: Mapping[str, JobColumns],
    scores: Sequence[Score],
    *,
    metrics: Sequence[Metric],
    prices: Mapping[str, float],
) -> list[Pair]:
    """The paired tests that `find_best` may ask for, of these systems and of those within any token budget.

    jobs: the contenders' columns, by system. metrics: all of the benchmark; those without a better end, and
    those that rank no system (`Score.ranks`), are not tested. prices: tokens or bits per clip, where known.
    """
    from vtok_eval.results.statistics.pairs import compare_pairs

    rankings = {metric.name: ranked(scores, metric, contenders=jobs) for metric in metrics}
    tested = [metric for metric in metrics if len(rankings[metric.name]) > 1]
    wanted = {name: _leaders(ranking, prices) for name, ranking in rankings.items()}
    return compare_pairs(jobs, metrics=tested, known=metrics, wanted=wanted) if tested else []


def _leaders(ranking: Sequence[str], prices: Mapping[str, float]) -> set[str]:
    """The best two of all systems, and the best two within each token budget."""
    found = set(ranking[:2])
    for budget in {prices[name] for name in ranking if name in prices}:
        found |= set([name for name in ranking if prices.get(name, budget + 1) <= budget][:2])
    return found


def ranked(scores: Sequence[Score], metric: Metric, *, contenders: Collection[str]) -> list[str]:
    """The contenders that have a value, best first; none where the metric has no better end, or its scores
    do not rank systems.
    """
    own = [score for score in scores if score.metric.name == metric.name]
    if metric.higher_is_better is None or not all(score.ranks for score in own):
        return []
    valued = [(score.value, score.system) for score in own if score.value is not None]
    ordered = sorted(valued, key=lambda pair: pair[0], reverse=metric.higher_is_better)
    return [system for _, system in ordered if system in contenders]


def _beats_all(
    system: str, others: Sequence[str], metric: Metric, tests: Mapping[tuple[str, str, str], Pair]
) -> bool:
    return all(_beats(system, other, metric, tests, n_tests=len(others)) for other in others)


def _beats(
    system: str,
    other: str,
    metric: Metric,
    tests: Mapping[tuple[str, str, str], Pair],
    *,
    n_tests: int,
) -> bool:
    pair = tests.get((metric.name, system, other)) or tests.get((metric.name, other, system))
    if pair is None or pair.p is None or not pair.difference:
        return False
    difference = pair.difference if pair.a == system else -pair.difference
    return (difference > 0) is bool(metric.higher_is_better) and pair.p * n_tests < ALPHA
