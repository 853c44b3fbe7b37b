"""One metric of one system as numbers that add up over clusters: what scores and paired tests are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reports.leaderboard.columns import Bools, Floats, JobColumns
from vtok_eval.results.records import Metric, Record, Status
from vtok_eval.results.sample_table import ClusterSums, components


@dataclass(frozen=True)
class Material:
    """The values of a metric's K components for N samples, R replicates.

    values: `(K, N, R)`, 0 where `present` is false. present: `(K, N)`.
    """

    values: Floats
    present: Bools

    @property
    def replicates(self) -> int:
        """R."""
        return int(self.values.shape[2])

    def pattern(self) -> tuple[int, bytes]:
        """Equal for systems that have values for the same samples, with as many replicates."""
        return self.replicates, np.packbits(self.present).tobytes()


def material(job: JobColumns, metric: Metric, metrics: Sequence[Metric]) -> Material | None:
    """A job's values of a metric, failed samples counted as `vtok_eval.results.sample_table` counts them.

    None where a component has no sample at all, or components have different numbers of replicates.
    """
    parts = [_component(job, part) for part in components(metric, metrics)]
    if not all(present.any() for _, present in parts):
        return None
    sizes = {values.shape[1] for values, _ in parts} - {1}
    if len(sizes) > 1:
        return None
    replicates = sizes.pop() if sizes else 1
    return Material(
        values=np.stack([np.broadcast_to(values, (len(job.samples), replicates)) for values, _ in parts]),
        present=np.stack([present for _, present in parts]),
    )


def _component(job: JobColumns, metric: Metric) -> tuple[Floats, Bools]:
    values = job.values.get(metric.name)
    if values is None:
        values = np.full((len(job.samples), 1), np.nan)
    present = ~np.isnan(values[:, 0])
    if metric.failed_as is None:
        return np.where(present[:, None], values, 0.0), present
    failed = _charged(job, metric)
    filled = np.where(present[:, None], values, np.where(failed[:, None], metric.failed_as, 0.0))
    return filled, present | failed


def _charged(job: JobColumns, metric: Metric) -> Bools:
    """The failed samples that count in a metric."""
    if not metric.failed_where:
        return job.failed
    charged = np.zeros_like(job.failed)
    for place, meta in job.failed_meta.items():
        sample = Record(job.system, job.system, job.benchmark, "", "", Status.FAILED, meta=meta)
        charged[place] = metric.is_charged_with(sample)
    return charged


def cluster_sums(job: JobColumns, found: Material) -> ClusterSums:
    """The sums by cluster, of the clusters that have a sample; they are in the order of their names."""
    return sums_by_cluster(
        found.values, found.present, clusters=job.samples.clusters, n_clusters=job.samples.n_clusters
    )


def sums_by_cluster(values: Floats, present: Bools, *, clusters: np.ndarray, n_clusters: int) -> ClusterSums:
    """Sum `values` `(K, N, R)`, 0 where `present` `(K, N)` is false, by cluster."""
    parts, _, replicates = values.shape
    sums = np.empty((parts, n_clusters, replicates))
    counts = np.empty((parts, n_clusters))
    for k in range(parts):
        counts[k] = np.bincount(clusters, weights=present[k], minlength=n_clusters)
        for r in range(replicates):
            sums[k, :, r] = np.bincount(clusters, weights=values[k, :, r], minlength=n_clusters)
    used = counts.any(axis=0)
    return ClusterSums(sums=sums[:, used], counts=counts[:, used])


def value_of(job: JobColumns, metric: Metric, metrics: Sequence[Metric]) -> float | None:
    """The score that the records give, without its interval."""
    found = material(job, metric, metrics)
    return None if found is None else cluster_sums(job, found).value()
