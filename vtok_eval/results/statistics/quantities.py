"""One metric's values on the way to an interval or a p-value: a system's own, or two systems' differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vtok_eval.results.columns.job_columns import Bools, Floats, JobColumns, SampleSet
from vtok_eval.results.records import Metric, NoTest
from vtok_eval.results.statistics.sample_table import (
    ClusterSums,
    Material,
    cluster_sums,
    components,
    job_sums,
    material,
)
from vtok_eval.results.statistics.seeds import SeedSpread, seed_spreads


@dataclass(frozen=True)
class Quantity:
    """A score or a difference before its interval is known.

    sums: None where a component has no sample. n, n_failed: samples, and failed ones among them. n_out:
    samples that only one side of a difference has. values: what `sums` adds up. missing: components
    without samples. note: what the method's description must add. seeds: training seeds behind the values, of
    each side where it is a difference; 0 where nothing was trained. Of a difference alone, key: names it
    among the differences of a benchmark; samples: whose clusters `sums.places` counts; no_test: why there can
    be no test of it. spreads: how much the seeds move the score, or each side of the difference.

    Example:
        >>> from vtok_eval.results.columns.example_job import example_job
        >>> score_quantity(example_job("vtok", [1.0, 0.0]), Metric("hit", "Hit rate"), []).n
        2
    """

    metric: Metric
    sums: ClusterSums | None
    n: int
    n_failed: int
    n_out: int
    values: Floats
    missing: str = ""
    note: str = ""
    seeds: tuple[int, ...] = (0,)
    key: str = ""
    samples: SampleSet | None = None
    no_test: NoTest | None = None
    spreads: tuple[SeedSpread | None, SeedSpread | None] = (None, None)

    @property
    def trained(self) -> list[SeedSpread]:
        """The spreads of the sides that were trained with several seeds."""
        return [spread for spread in self.spreads if spread is not None]


def seeds_behind(job: JobColumns, replicates: int) -> int:
    """How many training seeds are behind values with this many replicates; 0 where nothing was trained.

    Several replicates are taken for training seeds, whether the records state a number or not.

    Example:
        >>> import numpy as np
        >>> from vtok_eval.results.columns.job_columns import JobColumns, SampleSet
        >>> samples = SampleSet(("a",), ("a",), np.zeros(1, dtype=np.intp))
        >>> job = JobColumns("vtok", "scenes", samples, np.zeros(1, dtype=bool), {}, training_seeds=1)
        >>> seeds_behind(job, 1), seeds_behind(job, 3)
        (1, 3)
    """
    return replicates if replicates > 1 else min(job.training_seeds, 1)


Spreads = Mapping[str, SeedSpread]
"""By system, on one metric; systems without several training seeds have no key."""


def spreads_of(
    jobs: Sequence[JobColumns], metric: Metric, metrics: Sequence[Metric]
) -> dict[str, SeedSpread]:
    """How much the training seeds move each system's score, estimated over all of the jobs.

    Example:
        >>> from vtok_eval.results.columns.example_job import example_job
        >>> spreads_of([example_job("vtok", [1.0, 0.0])], Metric("hit", "Hit rate"), [])
        {}
    """
    sums: dict[str, ClusterSums] = {}
    parts = components(metric, metrics)
    for job in jobs:
        if any(job.values[part.name].shape[1] > 1 for part in parts if part.name in job.values):
            found = material(job, metric, metrics)
            if found.whole:
                sums[job.system] = job_sums(job, found)
    # A system is moved by its seeds differently on each metric: its name alone would not be a key.
    return {
        name: replace(spread, key=f"{metric.name}\n{name}") for name, spread in seed_spreads(sums).items()
    }


def score_quantity(
    job: JobColumns, metric: Metric, metrics: Sequence[Metric], spreads: Spreads | None = None
) -> Quantity:
    """What one system has for a metric; `metrics` holds what it may be the mean of.

    Example:
        >>> from vtok_eval.results.columns.example_job import example_job
        >>> score_quantity(example_job("vtok", [1.0, 0.0]), Metric("hit", "Hit rate"), []).sums.value()
        0.5
    """
    measured = components(metric, metrics)
    found = material(job, metric, metrics)
    failed = found.failed.any(axis=0)
    left_out = bool((found.failed & ~found.present).any())
    n_failed = int(failed.sum())
    return Quantity(
        metric=metric,
        sums=job_sums(job, found) if found.whole else None,
        n=int((failed | found.present.any(axis=0)).sum()),
        n_failed=n_failed,
        n_out=0,
        values=found.values[found.present].ravel(),
        missing=_missing(measured, found.present),
        note=f"; {n_failed} failed samples left out" if left_out else "",
        seeds=(seeds_behind(job, found.replicates),),
        spreads=((spreads or {}).get(job.system), None),
    )


def difference_quantity(
    a: JobColumns,
    b: JobColumns,
    metric: Metric,
    metrics: Sequence[Metric],
    spreads: Spreads | None = None,
) -> Quantity:
    """System a's values minus b's, sample by sample, over the samples both have.

    Example:
        >>> from vtok_eval.results.columns.example_job import example_job
        >>> ours, theirs = example_job("vtok", [1.0, 0.0]), example_job("frames-2", [0.0, 0.0])
        >>> difference_quantity(ours, theirs, Metric("hit", "Hit rate"), []).sums.value()
        0.5
    """
    measured = components(metric, metrics)
    rows_a, rows_b = _shared_rows(a, b)
    whole_a, whole_b = material(a, metric, metrics), material(b, metric, metrics)
    found_a, found_b = whole_a.taken(rows_a), whole_b.taken(rows_b)
    note = ""
    seeds = (seeds_behind(a, whole_a.replicates), seeds_behind(b, whole_b.replicates))
    if found_a.replicates != found_b.replicates:
        sizes = (found_a.replicates, found_b.replicates)
        if 1 not in sizes:
            note = f"; {sizes[0]} and {sizes[1]} training seeds, averaged before pairing"
        size = max(sizes) if 1 in sizes else 1
        found_a, found_b = found_a.with_replicates(size), found_b.with_replicates(size)
    both = found_a.present & found_b.present
    _check_clusters(a, b, rows_a[both.any(axis=0)], rows_b[both.any(axis=0)])
    apart = Material(found_a.values - found_b.values, both, both, both).masked(both)
    clusters = a.samples.clusters[rows_a]
    # A failed sample is charged with every metric; the other side's record may show that this one is not its.
    one_sided = (found_a.present ^ found_b.present) & ~found_a.lacking & ~found_b.lacking
    n_alone = int((one_sided.any(axis=0) & ~both.any(axis=0)).sum())
    n_alone += _n_outside(whole_a, rows_a) + _n_outside(whole_b, rows_b)
    return Quantity(
        metric=metric,
        sums=cluster_sums(apart, clusters=clusters, n_clusters=a.samples.n_clusters) if apart.whole else None,
        n=int(both.any(axis=0).sum()),
        n_failed=0,
        n_out=n_alone,
        values=apart.values[both].ravel(),
        missing=_missing(measured, both),
        note=note,
        seeds=seeds,
        key=pair_key(metric.name, a.system, b.system),
        samples=a.samples,
        no_test=NoTest.NOTHING_SHARED if not apart.whole else why_untested(metric, (a, b), seeds),
        spreads=((spreads or {}).get(a.system), (spreads or {}).get(b.system)),
    )


def pair_key(metric: str, a: str, b: str) -> str:
    """Names the comparison of two systems on a metric, in either order.

    Example:
        >>> pair_key("hit", "vtok", "frames-2") == pair_key("hit", "frames-2", "vtok")
        True
    """
    return "\n".join((metric, *sorted((a, b))))


def untestable(seeds_a: int, seeds_b: int) -> NoTest | None:
    """Why the seeds of two systems allow no test of their difference; None where they do.

    One training seed shows nothing of how much training varies.

    Example:
        >>> untestable(0, 0), untestable(3, 3), untestable(0, 3), untestable(2, 3)
        (None, None, None, None)
        >>> untestable(1, 0).value
        'one training seed'
    """
    return NoTest.ONE_SEED if 1 in (seeds_a, seeds_b) else None


def why_untested(
    metric: Metric, jobs: tuple[JobColumns, JobColumns], seeds: tuple[int, int]
) -> NoTest | None:
    """Why there is no test of two jobs' difference on a metric; None where there is one.

    seeds: training seeds behind each job's values.

    Example:
        >>> from vtok_eval.results.columns.example_job import example_job
        >>> pair = example_job("vtok", [1.0]), example_job("frames-2", [0.0])
        >>> why_untested(Metric("hit", "Hit rate"), pair, seeds=(3, 1)).value
        'one training seed'
    """
    if any(metric.group in job.unsound for job in jobs):
        return NoTest.NOT_SOUND
    return untestable(*seeds)


def _missing(measured: Sequence[Metric], present: Bools) -> str:
    """The components without a sample."""
    has = present.any(axis=1)
    return ", ".join(part.name for part, any_ in zip(measured, has, strict=True) if not any_)


def _shared_rows(a: JobColumns, b: JobColumns) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The places of the samples both have, in the order of their ids."""
    if a.samples.same_as(b.samples):
        every = np.arange(len(a.samples), dtype=np.intp)
        return every, every
    place = {sample: i for i, sample in enumerate(b.samples.ids)}
    pairs = [(i, place[sample]) for i, sample in enumerate(a.samples.ids) if sample in place]
    rows = np.array(pairs, dtype=np.intp).reshape(-1, 2)
    return rows[:, 0], rows[:, 1]


def _check_clusters(a: JobColumns, b: JobColumns, rows_a: NDArray[np.intp], rows_b: NDArray[np.intp]) -> None:
    if a.samples.same_as(b.samples):
        return
    for i, j in zip(rows_a, rows_b, strict=True):
        if a.samples.names[a.samples.clusters[i]] != b.samples.names[b.samples.clusters[j]]:
            raise ValueError(
                f"sample {a.samples.ids[i]!r} is in a different cluster for each of the two systems"
            )


def _n_outside(found: Material, shared: NDArray[np.intp]) -> int:
    """Samples with a value that the other side has no record of."""
    outside = found.present.any(axis=0)
    outside[shared] = False
    return int(outside.sum())
