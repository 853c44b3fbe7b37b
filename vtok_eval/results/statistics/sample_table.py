"""One metric's values of a job, sample by sample, and their sums by cluster: what scores are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from vtok_eval.errors import UnknownNameError
from vtok_eval.results.columns.job_columns import Bools, Floats, JobColumns
from vtok_eval.results.records import FAILED_AT, Metric, Record, Status


@dataclass(frozen=True, eq=False)
class Material:
    """The values of a metric's K components (1 for a measured metric) for N samples, R replicates.

    values: `(K, N, R)`, 0 where `present` is false. present: `(K, N)`: the component has a value, failed
    samples that count among them. failed: `(K, N)`: the failed samples it is charged with, whether they count
    or not. lacking: `(K, N)`: the sample went well and the component does not apply to it.

    Example:
        >>> from vtok_eval.results.columns.example_job import example_job
        >>> hit = Metric("hit", "Hit rate")
        >>> found = material(example_job("vtok", [1.0, 0.0, 1.0]), hit)
        >>> found.values.shape, found.whole
        ((1, 3, 1), True)
    """

    values: Floats
    present: Bools
    failed: Bools
    lacking: Bools

    @property
    def replicates(self) -> int:
        """R."""
        return int(self.values.shape[2])

    @property
    def whole(self) -> bool:
        """Whether every component has a sample; otherwise there is no score."""
        return bool(self.present.any(axis=1).all())

    def pattern(self) -> tuple[int, bytes]:
        """Equal for systems that have values for the same samples, with as many replicates."""
        return self.replicates, np.packbits(self.present).tobytes()

    def masked(self, present: Bools) -> Material:
        """The same with values where `present` alone."""
        values = np.where(present[:, :, None], self.values, 0.0)
        return Material(values, present, self.failed, self.lacking)

    def with_replicates(self, size: int) -> Material:
        """With R = `size`: a single replicate is repeated; several are averaged into one."""
        if size == 1 and self.replicates > 1:
            return Material(self.values.mean(axis=2, keepdims=True), self.present, self.failed, self.lacking)
        values = np.broadcast_to(self.values, (*self.values.shape[:2], size))
        return Material(values, self.present, self.failed, self.lacking)

    def taken(self, rows: NDArray[np.intp]) -> Material:
        """The same of some samples."""
        chosen = (self.present[:, rows], self.failed[:, rows], self.lacking[:, rows])
        return Material(self.values[:, rows], *chosen)


@dataclass(frozen=True)
class ClusterSums:
    """A score's raw material: K components (1 for a measured metric), C clusters, R replicates.

    sums: `(K, C, R)`, the sum of the samples' values. counts: `(K, C)`, how many samples. The score is the
    mean over components and replicates of `sums.sum(C) / counts.sum(C)`: clusters weigh by their samples.
    places: `(C,)`, which clusters of the sample set these are; None where it does not matter.

    Example:
        >>> sums = ClusterSums(np.array([[[1.0], [0.0], [2.0]]]), counts=np.array([[1.0, 1.0, 2.0]]))
        >>> sums.value(), sums.n_clusters, sums.replicates
        (0.75, 3, 1)
    """

    sums: Floats
    counts: Floats
    places: NDArray[np.intp] | None = None

    @property
    def n_clusters(self) -> int:
        """C."""
        return int(self.sums.shape[1])

    @property
    def replicates(self) -> int:
        """R."""
        return int(self.sums.shape[2])

    def means(self) -> Floats:
        """Mean of each component and replicate, `(K, R)`."""
        return cast(Floats, self.sums.sum(axis=1) / self.counts.sum(axis=1)[:, None])

    def value(self) -> float:
        """The score, to twelve digits: the order of a sum only changes later ones."""
        return float(f"{self.means().mean():.12g}")

    def seed_deviation(self) -> float | None:
        """Standard deviation of the score between the replicates, to twelve digits; None below two."""
        if self.replicates < 2:
            return None
        return float(f"{self.means().mean(axis=0).std(ddof=1):.12g}")

    def influence(self) -> Floats:
        """`(C, R)`: how each cell moves the score; the cells' mean is 0, and their spread is the score's.

        This is the linearisation of a ratio of sums.
        """
        totals = self.counts.sum(axis=1)[:, None, None]
        centre = self.means().mean(axis=1)[:, None, None]
        cells = (self.sums - centre * self.counts[:, :, None]) / totals * self.n_clusters
        return cast(Floats, cells.mean(axis=0))

    def parts(self) -> Floats:
        """`(C,)`: what each cluster adds to the score; their sum is the score."""
        totals = self.counts.sum(axis=1)[:, None, None]
        return cast(Floats, (self.sums / totals).mean(axis=(0, 2)))


def material(job: JobColumns, metric: Metric, metrics: Sequence[Metric] = ()) -> Material:
    """A job's values of a metric; `metrics` holds what it may be the mean of.

    Which metrics a failed sample would have had is usually unknown, so every metric is charged with every
    failed sample that `Metric.is_charged_with` lets through: it counts as `metric.failed_as`, or is left out
    where that is None. If a component has one replicate and others have R, its value is repeated R times.
    If the metric has weights, the values are scaled so that the components' plain mean is the weighted
    score.

    Raises:
        ValueError: samples, or components, have different numbers of replicates.
        UnknownNameError: a mean names a metric that is not there.

    Example:
        >>> from vtok_eval.results.columns.example_job import example_job
        >>> material(example_job("vtok", [1.0, 0.0, 1.0]), Metric("hit", "Hit rate")).replicates
        1
    """
    parts = [_component(job, part) for part in components(metric, metrics)]
    sizes = sorted({part.replicates for part in parts} - {1})
    if len(sizes) > 1:
        raise ValueError(f"a mean's metrics have different numbers of replicates: {sizes}")
    whole = [part.with_replicates(sizes[0] if sizes else 1) for part in parts]
    present = np.concatenate([part.present for part in whole])
    return Material(
        values=_weighted(metric, np.concatenate([part.values for part in whole]), present),
        present=present,
        failed=np.concatenate([part.failed for part in whole]),
        lacking=np.concatenate([part.lacking for part in whole]),
    )


def _weighted(metric: Metric, values: Floats, present: Bools) -> Floats:
    """`(K, N, R)` with each component times K and its weight, plus the offset."""
    if not metric.weights:
        return values
    factors = len(metric.weights) * np.array(metric.weights)
    weighted = np.where(present[:, :, None], values * factors[:, None, None] + metric.offset, 0.0)
    return cast(Floats, weighted)


def _component(job: JobColumns, metric: Metric) -> Material:
    values = job.values.get(metric.name)
    if values is None:
        values = np.full((len(job.samples), 1), np.nan)
    counts = (~np.isnan(values)).sum(axis=1)
    has = counts > 0
    sizes = sorted(set(counts[has].tolist()))
    if len(sizes) > 1:
        raise ValueError(f"samples have different numbers of replicates of metric {metric.name!r}: {sizes}")
    failed = _charged(job, metric)
    stands_in = failed if metric.failed_as is not None else np.zeros_like(failed)
    filler = np.where(stands_in, metric.failed_as or 0.0, 0.0)
    return Material(
        values=np.where(has[:, None], values, filler[:, None])[None],
        present=(has | stands_in)[None],
        failed=failed[None],
        lacking=(~has & ~job.failed)[None],
    )


def _charged(job: JobColumns, metric: Metric) -> Bools:
    """The failed samples that the metric is charged with."""
    if not metric.failed_where and not any(FAILED_AT in meta for meta in job.failed_meta.values()):
        return job.failed
    charged = np.zeros_like(job.failed)
    for place, meta in job.failed_meta.items():
        sample = Record(job.system, job.system, job.benchmark, "", "", Status.FAILED, meta=meta)
        charged[place] = metric.is_charged_with(sample)
    return charged


def cluster_sums(found: Material, *, clusters: NDArray[np.intp], n_clusters: int) -> ClusterSums:
    """Sum each component's values by cluster; clusters without a sample are left out.

    clusters: `(N,)`, places below `n_clusters`. Samples are added in the order of their ids, so that the
    order they came in moves no sum's last digit.

    Example:
        >>> from vtok_eval.results.columns.example_job import example_job
        >>> found = material(example_job("vtok", [1.0, 0.0, 1.0]), Metric("hit", "Hit rate"))
        >>> cluster_sums(found, clusters=np.array([0, 0, 1]), n_clusters=2).sums.ravel().tolist()
        [1.0, 1.0]
    """
    parts, _, replicates = found.values.shape
    sums = np.empty((parts, n_clusters, replicates))
    counts = np.empty((parts, n_clusters))
    for k in range(parts):
        counts[k] = np.bincount(clusters, weights=found.present[k], minlength=n_clusters)
        for r in range(replicates):
            sums[k, :, r] = np.bincount(clusters, weights=found.values[k, :, r], minlength=n_clusters)
    used = counts.any(axis=0)
    return ClusterSums(sums=sums[:, used], counts=counts[:, used], places=np.flatnonzero(used))


def job_sums(job: JobColumns, found: Material) -> ClusterSums:
    """`cluster_sums` of a job's material.

    Example:
        >>> from vtok_eval.results.columns.example_job import example_job
        >>> columns = example_job("vtok", [1.0, 0.0, 1.0, 0.0])
        >>> job_sums(columns, material(columns, Metric("hit", "Hit rate"))).value()
        0.5
    """
    return cluster_sums(found, clusters=job.samples.clusters, n_clusters=job.samples.n_clusters)


def value_of(job: JobColumns, metric: Metric, metrics: Sequence[Metric] = ()) -> float | None:
    """The score that the records give, without its interval; None where a component has no sample.

    Example:
        >>> from vtok_eval.results.columns.example_job import example_job
        >>> value_of(example_job("vtok", [1.0, 0.0, 1.0, 0.0]), Metric("hit", "Hit rate"))
        0.5
    """
    found = material(job, metric, metrics)
    return job_sums(job, found).value() if found.whole else None


def components(metric: Metric, metrics: Sequence[Metric]) -> tuple[Metric, ...]:
    """The measured metrics that `metric` consists of: itself, or those it is the mean or weighted sum of.

    Raises:
        UnknownNameError: `metrics` lacks one that it is the mean of.
        ValueError: it is the mean of a mean.

    Example:
        >>> metrics = [Metric("a", "A"), Metric("b", "B"), Metric("both", "Both", mean_of=("a", "b"))]
        >>> [each.name for each in components(metrics[2], metrics)]
        ['a', 'b']
    """
    if not metric.mean_of:
        return (metric,)
    by_name = {other.name: other for other in metrics}
    for name in metric.mean_of:
        if name not in by_name:
            raise UnknownNameError(what=f"metric in the mean {metric.name!r}", name=name, known=by_name)
        if by_name[name].mean_of:
            raise ValueError(f"metric {metric.name!r} is the mean of {name!r}, which is a mean itself")
    return tuple(by_name[name] for name in metric.mean_of)
