"""The records of a job as arrays, read from Parquet without a Python object per sample."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vtok_eval.errors import RunFolderError
from vtok_eval.results.records import Record, Status

if TYPE_CHECKING:
    import pyarrow as pa

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_COLUMNS = ["job", "system", "benchmark", "sample_id", "cluster", "status", "metric", "replicate", "value"]
_TEXTS = [*_COLUMNS[:7]]
_TOKENS = r'"tokens": ?(?P<tokens>-?[0-9][0-9.eE+-]*)'
"""In the JSON text of a record's cost. A quote inside a key is escaped, so that this is always the key."""


@dataclass(frozen=True)
class SampleSet:
    """The samples of a job in the order of their ids; `digest` names ids and clusters.

    clusters: `(N,)`, each sample's cluster as its place in the sorted `names`.
    """

    digest: str
    clusters: NDArray[np.intp]
    n_clusters: int

    def __len__(self) -> int:
        return len(self.clusters)


@dataclass(frozen=True)
class JobColumns:
    """One job's records; samples in the order of `samples`.

    values: measured metric -> `(N, R)`, a row of NaN where the metric does not apply. failed: `(N,)`.
    failed_meta: what the records of failed samples say under `meta`, by the sample's place.
    """

    system: str
    benchmark: str
    samples: SampleSet
    failed: Bools
    values: Mapping[str, Floats]
    failed_meta: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)


FailedMeta = Mapping[tuple[str, str], Mapping[str, Mapping[str, Any]]]
"""By benchmark and system: sample id -> meta of the samples that failed."""


class SampleSets:
    """Sample sets that occurred, each kept once: jobs of one benchmark share theirs."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[pa.Array, pa.Array, SampleSet]] = {}
        self._known: dict[str, SampleSet] = {}

    def of(self, benchmark: str, ids: pa.Array, clusters: pa.Array) -> SampleSet:
        """The set of these samples, which are sorted by id."""
        last = self._last.get(benchmark)
        if last is not None and ids.equals(last[0]) and clusters.equals(last[1]):
            return last[2]
        found = _sample_set(ids.to_pylist(), clusters.to_pylist())
        found = self._known.setdefault(found.digest, found)
        self._last[benchmark] = (ids, clusters, found)
        return found


def read_parquet(
    path: Path, sets: SampleSets, *, failed_meta: FailedMeta | None = None
) -> Iterator[JobColumns]:
    """The jobs of a run's records.parquet, one at a time; memory is that of a row group and a job.

    failed_meta: from `read_failed_meta`; records.parquet itself does not hold it.

    Raises:
        RunFolderError: the file is no export of records, or the records of a job lie apart in it.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, read_dictionary=_TEXTS) as file:
            yield from _jobs(_pieces(file), sets, path, failed_meta or {})
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise RunFolderError(f"cannot read {path}: {' '.join(str(error).split())[:300]}") from error


def from_records(records: Sequence[Record], sets: SampleSets) -> JobColumns:
    """The same from the records of one job, which must not be empty."""
    import pyarrow as pa

    ordered = sorted(records, key=lambda record: record.sample_id.encode())
    names = list(dict.fromkeys(name for record in ordered for name in record.values))
    values = {}
    for name in names:
        replicates = max(len(record.values.get(name, ())) for record in ordered)
        values[name] = np.full((len(ordered), replicates), np.nan)
        for i, record in enumerate(ordered):
            if name in record.values:
                values[name][i] = record.values[name]
    return JobColumns(
        system=ordered[0].system,
        benchmark=ordered[0].benchmark,
        samples=sets.of(
            ordered[0].benchmark,
            pa.array([record.sample_id for record in ordered], pa.string()),
            pa.array([record.cluster for record in ordered], pa.string()),
        ),
        failed=np.array([record.status is Status.FAILED for record in ordered]),
        values=values,
        failed_meta={i: record.meta for i, record in enumerate(ordered) if record.status is Status.FAILED},
    )


def read_tokens(path: Path) -> dict[tuple[str, str], float]:
    """Mean tokens per clip by benchmark and system, from a run's samples.parquet.

    Raises:
        RunFolderError: the file is no export of samples.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    totals: dict[tuple[str, str], list[float]] = {}
    try:
        with pq.ParquetFile(path, read_dictionary=["system", "benchmark", "cost"]) as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=["system", "benchmark", "cost"])
                # Equal texts are parsed once.
                cost = table["cost"].combine_chunks()
                found = pc.extract_regex(cost.dictionary, _TOKENS)
                tokens = pc.cast(pc.struct_field(found, "tokens"), pa.float64())
                table = table.set_column(2, "tokens", pc.take(tokens, cost.indices))
                sums = table.group_by(["benchmark", "system"]).aggregate(
                    [("tokens", "sum"), ("tokens", "count")]
                )
                for row in sums.to_pylist():
                    total = totals.setdefault((row["benchmark"], row["system"]), [0.0, 0.0])
                    total[0] += row["tokens_sum"] or 0.0
                    total[1] += row["tokens_count"]
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise RunFolderError(f"cannot read {path}: {' '.join(str(error).split())[:300]}") from error
    return {key: total / count for key, (total, count) in totals.items() if count}


def read_failed_meta(path: Path) -> FailedMeta:
    """The meta of the samples that failed, from a run's samples.parquet.

    Raises:
        RunFolderError: the file is no export of samples.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    found: dict[tuple[str, str], dict[str, Any]] = {}
    try:
        failed = pq.read_table(
            path,
            columns=["benchmark", "system", "sample_id", "meta"],
            filters=[("status", "=", str(Status.FAILED))],
        )
        for row in failed.to_pylist():
            found.setdefault((row["benchmark"], row["system"]), {})[row["sample_id"]] = json.loads(
                row["meta"]
            )
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise RunFolderError(f"cannot read {path}: {' '.join(str(error).split())[:300]}") from error
    return found


def mean_tokens(records: Sequence[Record]) -> float | None:
    """Mean tokens per clip of these records; None where none tells."""
    counts = [record.cost["tokens"] for record in records if "tokens" in record.cost]
    return sum(counts) / len(counts) if counts else None


def _sample_set(ids: Sequence[str], clusters: Sequence[str]) -> SampleSet:
    if len(set(ids)) != len(ids):
        raise ValueError("a sample stands twice")
    digest = hashlib.sha256()
    for sample, cluster in zip(ids, clusters, strict=True):
        for text in (sample.encode(), cluster.encode()):
            digest.update(len(text).to_bytes(8, "big"))
            digest.update(text)
    names = {name: place for place, name in enumerate(sorted(set(clusters)))}
    places = np.array([names[cluster] for cluster in clusters], dtype=np.intp)
    return SampleSet(digest=digest.hexdigest(), clusters=places, n_clusters=len(names))


def _pieces(file: Any) -> Iterator[tuple[str, pa.Table]]:
    """Runs of rows of one job, in the file's order."""
    import pyarrow as pa

    for group in range(file.num_row_groups):
        table = file.read_row_group(group, columns=_COLUMNS)
        jobs = table["job"].combine_chunks()
        jobs = jobs if isinstance(jobs, pa.DictionaryArray) else jobs.dictionary_encode()
        codes = jobs.indices.to_numpy(zero_copy_only=False)
        starts = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(codes)]
        for start, stop in pairwise(starts):
            if stop > start:
                yield jobs.dictionary[int(codes[start])].as_py(), table.slice(start, stop - start)


def _jobs(
    pieces: Iterator[tuple[str, pa.Table]], sets: SampleSets, path: Path, failed_meta: FailedMeta
) -> Iterator[JobColumns]:
    import pyarrow as pa

    done: set[str] = set()
    current: str | None = None
    waiting: list[pa.Table] = []
    for job, table in pieces:
        if job != current:
            if current is not None:
                yield _columns(pa.concat_tables(waiting).unify_dictionaries(), sets, failed_meta)
                done.add(current)
            if job in done:
                raise RunFolderError(f"{path}: the records of job {job!r} lie apart; export the run again")
            current, waiting = job, []
        waiting.append(table)
    if current is not None:
        yield _columns(pa.concat_tables(waiting).unify_dictionaries(), sets, failed_meta)


def _columns(table: pa.Table, sets: SampleSets, failed_meta: FailedMeta) -> JobColumns:
    """One job's long rows as columns."""
    import pyarrow as pa
    import pyarrow.compute as pc

    names = table["sample_id"].combine_chunks()
    used = pc.unique(names).dictionary_decode()
    order = pc.sort_indices(used)
    ids = pc.take(used, order).cast(pa.string())
    rows = pc.index_in(names.dictionary, value_set=ids).to_numpy(zero_copy_only=False)
    rows = rows[names.indices.to_numpy(zero_copy_only=False)].astype(np.intp)
    first = np.zeros(len(ids), dtype=np.intp)
    first[rows[::-1]] = np.arange(len(rows) - 1, -1, -1)
    clusters = (
        pc.take(table["cluster"].combine_chunks(), pa.array(first)).dictionary_decode().cast(pa.string())
    )
    status = pc.take(table["status"].combine_chunks(), pa.array(first)).dictionary_decode()
    benchmark, system = (str(table[name][0].as_py()) for name in ("benchmark", "system"))
    meta = failed_meta.get((benchmark, system), {})
    failed = pc.equal(status, str(Status.FAILED)).to_numpy(zero_copy_only=False)
    return JobColumns(
        system=system,
        benchmark=benchmark,
        samples=sets.of(benchmark, ids, clusters),
        failed=failed,
        values=_values(table, rows, len(ids)),
        failed_meta={int(i): meta.get(ids[int(i)].as_py(), {}) for i in np.flatnonzero(failed)},
    )


def _values(table: pa.Table, rows: NDArray[np.intp], n_samples: int) -> dict[str, Floats]:
    metrics = table["metric"].combine_chunks()
    codes = metrics.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    replicate = (
        table["replicate"].combine_chunks().fill_null(0).to_numpy(zero_copy_only=False).astype(np.intp)
    )
    value = table["value"].combine_chunks().to_numpy(zero_copy_only=False)
    found = {}
    for code in np.unique(codes[codes >= 0]):
        chosen = codes == code
        size = int(replicate[chosen].max()) + 1
        matrix = np.full((n_samples, size), np.nan)
        matrix[rows[chosen], replicate[chosen]] = value[chosen]
        missing = np.isnan(matrix)
        whole = (
            int((~missing).sum()) == int(chosen.sum())
            and not (missing.any(axis=1) & ~missing.all(axis=1)).any()
        )
        name = metrics.dictionary[int(code)].as_py()
        if not whole:
            raise ValueError(
                f"the values of metric {name!r} stand twice, or some replicates of them are missing"
            )
        found[name] = matrix
    return found
