"""From records to scores with intervals, and to paired comparisons with corrected p-values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias, cast

from vtok_eval.errors import UnknownNameError
from vtok_eval.results.columns.job_columns import JobColumns, job_columns
from vtok_eval.results.records import Comparison, Metric, Record, Score
from vtok_eval.results.statistics.difference_tests import PValues, quantity_p_values
from vtok_eval.results.statistics.quantities import Quantity, difference_quantity, score_quantity, spreads_of
from vtok_eval.results.statistics.quantity_intervals import quantity_intervals

if TYPE_CHECKING:
    import pandas as pd

JobRecords: TypeAlias = "Iterable[Record] | pd.DataFrame | JobColumns"
"""The records of one job: as they are, as the long table of `RunFolder.records()`, or as columns."""

SEED = 20260204
"""Of all resampling: equal records give equal intervals, in every run and for every system."""

CEILING = 0.97
"""A metric on which every system's interval is above this fraction no longer tells the systems apart."""


def score(
    records: JobRecords,
    metric: Metric,
    metrics: Sequence[Metric] = (),
    *,
    confidence: float = 0.95,
    seed: int = SEED,
    label: str = "",
) -> Score:
    """The score of one job on one metric; see `score_all`. `metrics` holds what it may be the mean of.

    Example:
        >>> from vtok_eval.results.columns.example_job import example_job
        >>> found = score(example_job("vtok", [1.0, 0.0] * 50), Metric("hit", "Hit rate"))
        >>> found.value, found.low < 0.5 < found.high, found.n_clusters
        (0.5, True, 100)
    """
    return score_all(records, [metric], known=metrics, confidence=confidence, seed=seed, label=label)[0]


def score_all(
    records: JobRecords,
    metrics: Sequence[Metric],
    *,
    known: Sequence[Metric] = (),
    confidence: float = 0.95,
    seed: int = SEED,
    label: str = "",
) -> list[Score]:
    """The scores of one job, in the metrics' order.

    A score is the mean over samples and replicates; a metric with `mean_of` is the mean of its components'
    scores, or their weighted sum (see `Metric`). A failed sample counts as `failed_as` in every metric (which
    metrics it would have had is unknown), or is left out where that is None; `n` counts it either way.

    Intervals resample clusters (and replicates, where a job was trained with more than one seed) as
    `resampling` describes; the components of a mean are resampled together. A proportion whose rarer outcome
    shows in fewer than `RARE` clusters gets a Wilson interval: a bootstrap of 600 hits in 600 would be
    [1, 1]. One cluster, also of a single part of a mean, gives no interval; equal values of another unit give
    one of zero width; `method` says so.

    known: further metrics that a `mean_of` may name.

    Raises:
        ValueError: no records, records of several jobs, a sample twice, uneven replicates, a confidence
            outside (0, 1).
        UnknownNameError: a mean names a metric that is not there.

    Example:
        >>> from vtok_eval.results.columns.example_job import example_job
        >>> [found] = score_all(example_job("vtok", [1.0] * 20), [Metric("hit", "Hit rate")])
        >>> found.value, found.method
        (1.0, 'Wilson score interval, effective sample size 20 from 20 clusters')
    """
    job = job_columns(records)
    return score_systems([job], metrics, known=known, confidence=confidence, seed=seed, label=label)


def score_systems(
    jobs: Sequence[JobColumns],
    metrics: Sequence[Metric],
    *,
    known: Sequence[Metric] = (),
    confidence: float = 0.95,
    seed: int = SEED,
    label: str = "",
) -> list[Score]:
    """The scores of several jobs, each as `score_all` gives them, job by job; they share their resamples.

    How much training moves a score is estimated over all of them (see `seeds`), so that the intervals of
    trained systems depend on which others there are.

    Example:
        >>> from vtok_eval.results.columns.example_job import example_job
        >>> jobs = [example_job("vtok", [1.0, 0.0] * 20), example_job("frames-2", [0.0, 0.0] * 20)]
        >>> first, second = score_systems(jobs, [Metric("hit", "Hit rate")])
        >>> first.value, second.value
        (0.5, 0.0)
    """
    _check_confidence(confidence)
    every = (*metrics, *known)
    spreads = {metric.name: spreads_of(jobs, metric, every) for metric in metrics}
    asked = [
        (job, score_quantity(job, metric, every, spreads[metric.name])) for job in jobs for metric in metrics
    ]
    quantities = [quantity for _, quantity in asked]
    intervals = quantity_intervals(quantities, confidence=confidence, seed=seed, difference=False)
    return [
        Score(
            system=job.system,
            benchmark=job.benchmark,
            metric=quantity.metric,
            value=None if quantity.sums is None else quantity.sums.value(),
            low=interval.low,
            high=interval.high,
            n=quantity.n,
            n_failed=quantity.n_failed,
            n_clusters=0 if quantity.sums is None else quantity.sums.n_clusters,
            seeds=quantity.seeds[0],
            seed_deviation=None if quantity.sums is None else quantity.sums.seed_deviation(),
            confidence=confidence,
            method=interval.method + quantity.note,
            label=label,
            sound=quantity.metric.group not in job.unsound,
            n_infinite=job.infinite.get(quantity.metric.name, 0),
        )
        for (job, quantity), interval in zip(asked, intervals, strict=True)
    ]


def compare(
    records_a: JobRecords,
    records_b: JobRecords,
    metric: Metric,
    metrics: Sequence[Metric] = (),
    *,
    confidence: float = 0.95,
    seed: int = SEED,
) -> Comparison:
    """System a minus baseline b on one metric, over the samples both have; a family of one for `p_corrected`.

    Interval: as for a score, of the paired differences. p: sign flips of whole clusters (two-sided, exact for
    few differing clusters); with several training seeds a part for their spread is added to every flip, see
    `max_t`. Where both sides have equally many, they are resampled together, else each side's are averaged
    first. If a side was trained with one seed, there is no test, since the variance between trainings is
    unknown; `no_test` says so.
    A sample that failed on one side counts as `failed_as` there if the other side has the metric; what only
    one side has a value for is left out and counted in `n_unpaired`.

    Raises:
        ValueError: as for `score_all`; also where the benchmarks, or a sample's clusters, differ.

    Example:
        >>> from vtok_eval.results.columns.example_job import example_job
        >>> vtok, frames = example_job("vtok", [1.0, 0.0] * 20), example_job("frames-2", [0.0, 0.0] * 20)
        >>> found = compare(vtok, frames, Metric("hit", "Hit rate"))
        >>> found.difference, found.p < 0.001
        (0.5, True)
    """
    ours, theirs = _not_empty(records_a), _not_empty(records_b)
    return _compared([ours], theirs, [metric], known=metrics, confidence=confidence, seed=seed)[0]


def compare_all(
    by_system: Mapping[str, JobRecords],
    baseline: str,
    metrics: Sequence[Metric],
    *,
    known: Sequence[Metric] = (),
    confidence: float = 0.95,
    seed: int = SEED,
) -> list[Comparison]:
    """Every other system of one benchmark against the baseline, on every metric with an end that is better.

    p-values are corrected by step-down max-T (see `max_t`) in two families: all systems x all headline
    metrics (a run's claims), and all systems x the other metrics (which explain them).

    Where a job's columns say that the reader is not sound in a metric's group, the difference has no p-value.

    Raises:
        UnknownNameError: no such baseline.
        ValueError: as for `compare`.

    Example:
        >>> from vtok_eval.results.columns.example_job import example_job
        >>> hits = {"vtok": [1.0, 0.0] * 20, "frames-2": [0.0, 0.0] * 20}
        >>> jobs = {system: example_job(system, values) for system, values in hits.items()}
        >>> [found] = compare_all(jobs, "frames-2", [Metric("hit", "Hit rate")])
        >>> found.system, found.baseline, found.p == found.p_corrected
        ('vtok', 'frames-2', True)
    """
    if baseline not in by_system:
        raise UnknownNameError(what="baseline", name=baseline, known=by_system)
    tested = [metric for metric in metrics if metric.higher_is_better is not None]
    base = _not_empty(by_system[baseline])
    others = [_not_empty(records) for system, records in by_system.items() if system != baseline]
    every = (*metrics, *known)
    return _compared(others, base, tested, known=every, confidence=confidence, seed=seed)


def discriminates(scores: Sequence[Score], metric: Metric, *, controls: Sequence[str] = ()) -> bool:
    """Whether a metric tells the systems of a run apart; `controls` (a blind system, say) are ignored.

    False if no system's interval is entirely on the better side of chance, or if every system's interval is
    at or above `CEILING` (fractions that are better when higher). A system without an interval proves
    neither. True if there is nothing to judge by: no system, no chance level and no ceiling.

    Example:
        >>> hit = Metric("hit", "Hit rate", chance=0.5)
        >>> found = Score("vtok", "b", hit, value=0.55, low=0.45, high=0.65, n=99, n_failed=0, n_clusters=99)
        >>> discriminates([found], hit)  # not above chance
        False
    """
    judged = [s for s in scores if s.metric.name == metric.name and s.system not in controls]
    if not judged or metric.higher_is_better is None:
        return True
    if metric.chance is not None and not any(_beats(score, metric.chance) for score in judged):
        return False
    if metric.unit != "fraction" or not metric.higher_is_better:
        return True
    return not all(score.low is not None and score.low >= CEILING for score in judged)


def mark_discriminating(scores: Sequence[Score], *, controls: Sequence[str] = ()) -> list[Score]:
    """The scores of one run with `discriminates` set, benchmark by benchmark and metric by metric.

    Example:
        >>> hit = Metric("hit", "Hit rate", chance=0.5)
        >>> found = Score("vtok", "b", hit, value=0.75, low=0.65, high=0.85, n=99, n_failed=0, n_clusters=99)
        >>> [each.discriminates for each in mark_discriminating([found])]
        [True]
    """
    alike: dict[tuple[str, str], list[Score]] = {}
    for score in scores:
        alike.setdefault((score.benchmark, score.metric.name), []).append(score)
    # Metrics of one name may differ in what they mean to each run: each score is judged by its own.
    found = {
        (key, metric): discriminates(group, metric, controls=controls)
        for key, group in alike.items()
        for metric in {score.metric for score in group}
    }
    return [
        replace(score, discriminates=found[(score.benchmark, score.metric.name), score.metric])
        for score in scores
    ]


def _beats(score: Score, chance: float) -> bool:
    if score.low is None or score.high is None:
        return False
    return score.low > chance if score.metric.higher_is_better else score.high < chance


def _compared(
    jobs: Sequence[JobColumns],
    base: JobColumns,
    metrics: Sequence[Metric],
    *,
    known: Sequence[Metric],
    confidence: float,
    seed: int,
) -> list[Comparison]:
    """Every job against the baseline on every metric, job by job, from the same resamples and flips."""
    _check_confidence(confidence)
    every = (*metrics, *known)
    spreads = {metric.name: spreads_of([base, *jobs], metric, every) for metric in metrics}
    asked: list[tuple[JobColumns, Quantity]] = []
    for job in jobs:
        if job.benchmark != base.benchmark:
            raise ValueError(f"cannot compare {job.benchmark} with {base.benchmark}")
        asked += [
            (job, difference_quantity(job, base, metric, every, spreads[metric.name])) for metric in metrics
        ]
    quantities = [quantity for _, quantity in asked]
    intervals = quantity_intervals(quantities, confidence=confidence, seed=seed, difference=True)
    tests = _tests(quantities, seed=seed)
    return [
        Comparison(
            benchmark=job.benchmark,
            metric=quantity.metric.name,
            system=job.system,
            baseline=base.system,
            difference=None if quantity.sums is None else quantity.sums.value(),
            low=interval.low,
            high=interval.high,
            p=test.p,
            p_corrected=test.corrected,
            n_clusters=0 if quantity.sums is None else quantity.sums.n_clusters,
            confidence=confidence,
            test=f"{test.test}; {interval.method}{quantity.note}",
            n=quantity.n,
            n_unpaired=quantity.n_out,
            seeds=quantity.seeds[0],
            baseline_seeds=quantity.seeds[-1],
            no_test=quantity.no_test,
        )
        for (job, _), quantity, interval, test in zip(asked, quantities, intervals, tests, strict=True)
    ]


def _tests(quantities: Sequence[Quantity], *, seed: int) -> list[PValues]:
    """Each difference's p-values; those on headline metrics are one family, the others another."""
    found: dict[int, PValues] = {}
    for headline in (True, False):
        members = [i for i, quantity in enumerate(quantities) if quantity.metric.headline is headline]
        tests = quantity_p_values([quantities[i] for i in members], seed=seed)
        found |= zip(members, tests, strict=True)
    return [found[i] for i in range(len(quantities))]


def _not_empty(records: JobRecords) -> JobColumns:
    if isinstance(records, JobColumns):
        return records
    found = records if hasattr(records, "columns") else list(records)
    if not len(cast("Sized", found)):
        raise ValueError("a comparison needs records of both systems")
    return job_columns(found)


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, not {confidence}")
