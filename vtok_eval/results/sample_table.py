"""Records as arrays: the values of one metric, sample by sample, and their sums by cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from vtok_eval.errors import UnknownNameError
from vtok_eval.results.records import Metric, Record, Status

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SampleValues:
    """What one system has for one measured metric.

    clusters: sample id -> its cluster. values: sample id -> `(R,)`, one value per replicate; failed samples
    that count are in it. failed: ids of the failed samples the metric is charged with, whether they count or
    not. replicates: R.
    """

    clusters: Mapping[str, str]
    values: Mapping[str, Floats]
    failed: frozenset[str]
    replicates: int


@dataclass(frozen=True)
class ClusterSums:
    """A score's raw material: K components (1 for a measured metric), C clusters, R replicates.

    sums: `(K, C, R)`, the sum of the samples' values. counts: `(K, C)`, how many samples. The score is the
    mean over components and replicates of `sums.sum(C) / counts.sum(C)`: clusters weigh by their samples.
    """

    sums: Floats
    counts: Floats

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
        """The score, to twelve digits: what the order of a sum changes is beyond them."""
        return float(f"{self.means().mean():.12g}")

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


def job_records(records: Iterable[Record] | pd.DataFrame) -> list[Record]:
    """The records of one job, each sample once.

    records: `Record`s, or the long table that `RunFolder.records()` gives.

    Raises:
        ValueError: they belong to more than one job, or a sample stands twice.
    """
    found = _from_long_table(records) if hasattr(records, "columns") else list(records)
    jobs = sorted({(record.system, record.benchmark) for record in found})
    if len(jobs) > 1:
        raise ValueError(
            f"a score needs the records of one job, not of {len(jobs)}: {jobs[0]}, {jobs[1]}, ..."
        )
    ids = {record.sample_id for record in found}
    if len(ids) != len(found):
        raise ValueError(f"{len(found) - len(ids)} samples of {jobs[0]} stand twice among the records")
    return found


def sample_values(records: Sequence[Record], metric: Metric) -> SampleValues:
    """The values of a measured metric, from `job_records`.

    Which metrics a failed sample would have had cannot be known, so every metric is charged with every failed
    sample that `Metric.failed_where` lets through: it counts as `metric.failed_as`, or is left out where that
    is None.

    Raises:
        ValueError: samples have different numbers of replicates.
    """
    ok = {record.sample_id: record.values[metric.name] for record in records if metric.name in record.values}
    failed = frozenset(
        record.sample_id
        for record in records
        if record.status is Status.FAILED and metric.is_charged_with(record)
    )
    sizes = sorted({len(values) for values in ok.values()})
    if len(sizes) > 1:
        raise ValueError(f"samples have different numbers of replicates of metric {metric.name!r}: {sizes}")
    replicates = sizes[0] if sizes else 1
    values = {sample: np.asarray(row, dtype=np.float64) for sample, row in ok.items()}
    if metric.failed_as is not None:
        values |= {sample: np.full(replicates, metric.failed_as) for sample in sorted(failed)}
    clusters = {
        record.sample_id: record.cluster
        for record in records
        if record.sample_id in values or record.sample_id in failed
    }
    return SampleValues(clusters=clusters, values=values, failed=failed, replicates=replicates)


def components(metric: Metric, metrics: Sequence[Metric]) -> tuple[Metric, ...]:
    """The measured metrics that `metric` consists of: itself, or those it is the mean of.

    Raises:
        UnknownNameError: `metrics` lacks one that it is the mean of.
        ValueError: it is the mean of a mean.
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


def cluster_sums(parts: Sequence[SampleValues]) -> ClusterSums:
    """Sum each component's values by cluster; every component must have a sample.

    Samples are added in the order of their ids, so that the order they came in moves no sum's last digit.

    A component with one replicate beside others with R stands for the same value in each of the R.

    Raises:
        ValueError: components have different numbers of replicates, none of them 1.
    """
    sizes = sorted({part.replicates for part in parts} - {1})
    if len(sizes) > 1:
        raise ValueError(f"a mean's metrics have different numbers of replicates: {sizes}")
    replicates = sizes[0] if sizes else 1
    names = sorted({part.clusters[sample] for part in parts for sample in part.values})
    index = {name: number for number, name in enumerate(names)}
    sums = np.zeros((len(parts), len(names), replicates))
    counts = np.zeros((len(parts), len(names)))
    for number, part in enumerate(parts):
        order = sorted(part.values, key=lambda sample: (part.clusters[sample], sample))
        codes = np.array([index[part.clusters[sample]] for sample in order], dtype=np.intp)
        rows = np.stack([part.values[sample] for sample in order])
        np.add.at(sums[number], codes, np.broadcast_to(rows, (len(order), replicates)))
        counts[number] = np.bincount(codes, minlength=len(names))
    return ClusterSums(sums=sums, counts=counts)


def _from_long_table(frame: Iterable[Record] | pd.DataFrame) -> list[Record]:
    table = cast("pd.DataFrame", frame)
    found = []
    for _, rows in table.groupby(["job", "sample_id"], sort=False):
        measured = rows[rows["metric"].notna()].sort_values("replicate", kind="stable")
        values: dict[str, tuple[float, ...]] = {}
        for name, value in zip(measured["metric"], measured["value"], strict=True):
            values[name] = (*values.get(name, ()), float(value))
        status = Status(rows["status"].iloc[0])
        reason = str(rows["reason"].iloc[0]) if status is Status.FAILED else None
        found.append(
            Record(
                job=str(rows["job"].iloc[0]),
                system=str(rows["system"].iloc[0]),
                benchmark=str(rows["benchmark"].iloc[0]),
                sample_id=str(rows["sample_id"].iloc[0]),
                cluster=str(rows["cluster"].iloc[0]),
                status=status,
                reason=reason,
                values=values,
            )
        )
    return found
