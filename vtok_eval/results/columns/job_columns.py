"""The records of a job as arrays: samples in the order of their ids, a matrix of values for each metric."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from vtok_eval.results.records import INFINITE, TRAINING_SEEDS, TRUTH, Record, Status

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    Texts = pa.Array[Any]  # Any: of text; the stubs have several names for its scalars

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class SampleSet:
    """The samples of a job in the order of their ids (as UTF-8 sorts them).

    names: the clusters, sorted. clusters: `(N,)`, each sample's cluster as its place in `names`.

    Example:
        >>> samples = SampleSet(ids=("a", "b"), names=("video 1",), clusters=np.zeros(2, dtype=np.intp))
        >>> len(samples), samples.n_clusters
        (2, 1)
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]
    clusters: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def n_clusters(self) -> int:
        """C."""
        return len(self.names)

    @cached_property
    def digest(self) -> str:
        """Names the ids and their clusters: equal for equal sets."""
        digest = hashlib.sha256()
        for sample, cluster in zip(self.ids, self.clusters, strict=True):
            for text in (sample.encode(), self.names[cluster].encode()):
                digest.update(len(text).to_bytes(8, "big"))
                digest.update(text)
        return digest.hexdigest()

    def same_as(self, other: SampleSet) -> bool:
        """Whether both hold the same samples in the same clusters."""
        return self is other or (
            self.ids == other.ids
            and self.names == other.names
            and bool(np.array_equal(self.clusters, other.clusters))
        )


@dataclass(frozen=True, eq=False)
class JobColumns:
    """One job's records; samples in the order of `samples`.

    values: measured metric -> `(N, R)`, a row of NaN where the metric does not apply, NaN at a row's end
    where it has fewer replicates than others. failed: `(N,)`. failed_meta: what the records of failed samples
    say under `meta`, by the sample's place. training_seeds: how many seeds trained what gave the values; 0
    where nothing was trained, or an older version wrote the records. unsound: groups of metrics in which a
    self-check found that the benchmark's reader misses what the tokens hold (see `soundness`). infinite: for
    each metric how many samples have an infinite value, which `values` cannot hold; known from records only.

    Example:
        >>> from vtok_eval.results.columns.example_job import example_job
        >>> job = example_job("vtok", [1.0, 0.0])
        >>> job.values["hit"].tolist(), job.failed.tolist()
        ([[1.0], [0.0]], [False, False])
    """

    system: str
    benchmark: str
    samples: SampleSet
    failed: Bools
    values: Mapping[str, Floats]
    failed_meta: Mapping[int, Mapping[str, object]] = field(default_factory=dict)
    training_seeds: int = 0
    unsound: frozenset[str] = frozenset()
    infinite: Mapping[str, int] = field(default_factory=dict)


class SampleSets:
    """Sample sets that occurred, each kept once: jobs of one benchmark share theirs.

    Example:
        >>> sets = SampleSets()
        >>> sets.of(["a", "b"], ["video 1", "video 1"]) is sets.of(["a", "b"], ["video 1", "video 1"])
        True
    """

    def __init__(self) -> None:
        self._last: dict[str, tuple[Texts, Texts, SampleSet]] = {}
        self._known: dict[tuple[tuple[str, ...], tuple[str, ...]], SampleSet] = {}

    def of(self, ids: Sequence[str], clusters: Sequence[str]) -> SampleSet:
        """The set of these samples, which are sorted by id.

        Raises:
            ValueError: a sample occurs twice.
        """
        key = (tuple(ids), tuple(clusters))
        if key not in self._known:
            self._known[key] = _sample_set(*key)
        return self._known[key]

    def of_arrow(self, benchmark: str, ids: Texts, clusters: Texts) -> SampleSet:
        """The same from Arrow arrays; a benchmark's jobs mostly follow each other with equal ones."""
        last = self._last.get(benchmark)
        if last is not None and ids.equals(last[0]) and clusters.equals(last[1]):
            return last[2]
        # No id or cluster of a record is null.
        found = self.of(*(cast("list[str]", texts.to_pylist()) for texts in (ids, clusters)))
        self._last[benchmark] = (ids, clusters, found)
        return found


def from_records(records: Iterable[Record], sets: SampleSets | None = None) -> JobColumns:
    """The columns of one job's records, of which there must be at least one.

    Raises:
        ValueError: no records, records of several jobs, or a sample twice.

    Example:
        >>> from vtok_eval.results.records import Record, Status
        >>> names = ("a", "b")
        >>> rows = [Record("b/x", "x", "b", name, name, Status.OK, values={"hit": (1.0,)}) for name in names]
        >>> columns = from_records(rows)
        >>> columns.samples.ids, columns.values["hit"].tolist()
        (('a', 'b'), [[1.0], [1.0]])
    """
    ordered = sorted(records, key=lambda record: record.sample_id.encode())
    _check_one_job(ordered)
    names = dict.fromkeys(name for record in ordered for name in record.values)
    return JobColumns(
        system=ordered[0].system,
        benchmark=ordered[0].benchmark,
        samples=(sets or SampleSets()).of(
            [record.sample_id for record in ordered], [record.cluster for record in ordered]
        ),
        failed=np.array([record.status is Status.FAILED for record in ordered]),
        values={name: _matrix(ordered, name) for name in names},
        failed_meta={
            i: {name: value for name, value in record.meta.items() if name != TRUTH}
            for i, record in enumerate(ordered)
            if record.status is Status.FAILED
        },
        training_seeds=max((seeds_in(record.meta) for record in ordered), default=0),
        infinite=Counter(
            name
            for record in ordered
            if INFINITE in record.meta
            for name in str(record.meta[INFINITE]).split(";")
        ),
    )


def seeds_in(meta: Mapping[str, object]) -> int:
    """How many training seeds a record's meta states; 0 where it states none, or no count.

    Example:
        >>> seeds_in({"training_seeds": 3}), seeds_in({})
        (3, 0)
    """
    found = meta.get(TRAINING_SEEDS, 0)
    return found if type(found) is int and found > 0 else 0


def job_columns(records: Iterable[Record] | pd.DataFrame | JobColumns) -> JobColumns:
    """The columns of one job, given as columns, as `Record`s or as the long table of `RunFolder.records()`.

    Raises:
        ValueError: as for `from_records`.

    Example:
        >>> from vtok_eval.results.columns.example_job import example_job
        >>> job = example_job("vtok", [1.0, 0.0])
        >>> job_columns(job) is job
        True
    """
    if isinstance(records, JobColumns):
        return records
    if hasattr(records, "columns"):
        return from_records(_from_long_table(cast("pd.DataFrame", records)))
    return from_records(records)


def on_common_samples(jobs: Sequence[JobColumns]) -> list[JobColumns]:
    """The jobs over the union of their samples; where a job lacks one, no metric of it applies there.

    Raises:
        ValueError: a sample is in different clusters.

    Example:
        >>> from vtok_eval.results.columns.example_job import example_job
        >>> jobs = [example_job("vtok", [1.0]), example_job("frames-2", [1.0, 0.0])]
        >>> first, second = on_common_samples(jobs)
        >>> first.values["hit"].tolist()
        [[1.0], [nan]]
    """
    if all(job.samples.same_as(jobs[0].samples) for job in jobs):
        return list(jobs)
    cluster_of: dict[str, str] = {}
    for samples in {id(job.samples): job.samples for job in jobs}.values():
        for sample, place in zip(samples.ids, samples.clusters, strict=True):
            cluster = samples.names[place]
            if cluster_of.setdefault(sample, cluster) != cluster:
                raise ValueError(f"sample {sample!r} is in a different cluster for each of the two systems")
    ids = sorted(cluster_of, key=str.encode)
    union = _sample_set(tuple(ids), tuple(cluster_of[sample] for sample in ids))
    return [_moved(job, union) for job in jobs]


def _moved(job: JobColumns, union: SampleSet) -> JobColumns:
    place = {sample: i for i, sample in enumerate(union.ids)}
    rows = np.array([place[sample] for sample in job.samples.ids], dtype=np.intp)
    failed = np.zeros(len(union), dtype=np.bool_)
    failed[rows] = job.failed
    values = {}
    for name, matrix in job.values.items():
        values[name] = np.full((len(union), matrix.shape[1]), np.nan)
        values[name][rows] = matrix
    meta = {int(rows[i]): found for i, found in job.failed_meta.items()}
    return replace(job, samples=union, failed=failed, values=values, failed_meta=meta)


def _check_one_job(records: Sequence[Record]) -> None:
    if not records:
        raise ValueError("a score needs records; there are none")
    jobs = sorted({(record.system, record.benchmark) for record in records})
    if len(jobs) > 1:
        raise ValueError(
            f"a score needs the records of one job, not of {len(jobs)}: {jobs[0]}, {jobs[1]}, ..."
        )
    n_twice = len(records) - len({record.sample_id for record in records})
    if n_twice:
        raise ValueError(f"{n_twice} samples of {jobs[0]} occur twice among the records")


def _matrix(records: Sequence[Record], name: str) -> Floats:
    replicates = max(len(record.values.get(name, ())) for record in records)
    found = np.full((len(records), replicates), np.nan)
    for i, record in enumerate(records):
        row = record.values.get(name, ())
        found[i, : len(row)] = row
    return found


def _sample_set(ids: tuple[str, ...], clusters: tuple[str, ...]) -> SampleSet:
    if len(set(ids)) != len(ids):
        raise ValueError("a sample occurs twice")
    names = sorted(set(clusters))
    places = {name: place for place, name in enumerate(names)}
    return SampleSet(
        ids=ids, names=tuple(names), clusters=np.array([places[name] for name in clusters], dtype=np.intp)
    )


def _from_long_table(table: pd.DataFrame) -> list[Record]:
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
