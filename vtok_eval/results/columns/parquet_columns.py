"""Reads what `RunFolder.export_records` wrote as arrays, without a Python object per sample."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vtok_eval.errors import RunFolderError
from vtok_eval.results.columns.job_columns import Floats, JobColumns, SampleSets
from vtok_eval.results.records import TRAINING_SEEDS, Status

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from vtok_eval.results.columns.job_columns import Texts

# Any: values of Arrow's generic types.

_COLUMNS = ["job", "system", "benchmark", "sample_id", "cluster", "status", "metric", "replicate", "value"]
_TEXTS = [*_COLUMNS[:7]]
_COST = r'"{name}": ?(?P<amount>-?[0-9][0-9.eE+-]*)'
"""In the JSON text of a record's cost. A quote inside a key is escaped, so that this is always the key."""
_SEEDS = rf'"{TRAINING_SEEDS}": ?(?P<seeds>[0-9]{{1,9}})[,}}]'
"""The same in the JSON text of a record's meta."""


FailedMeta = Mapping[tuple[str, str], Mapping[str, Mapping[str, Any]]]
"""By benchmark and system: sample id -> meta of the samples that failed."""


def read_parquet(
    path: Path,
    sets: SampleSets,
    *,
    failed_meta: FailedMeta | None = None,
    training_seeds: Mapping[tuple[str, str], int] | None = None,
) -> Iterator[JobColumns]:
    """The jobs of a run's records.parquet, one at a time; memory is that of a row group and a job.

    failed_meta, training_seeds: from `read_failed_meta` and `read_training_seeds`; records.parquet itself
    does not hold them.

    Raises:
        RunFolderError: the file is not an export of records, or a job's records are not contiguous in it.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, read_dictionary=_TEXTS) as file:
            for job in _jobs(_pieces(file), sets, path, failed_meta or {}):
                seeds = (training_seeds or {}).get((job.benchmark, job.system), 0)
                yield replace(job, training_seeds=seeds)
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise RunFolderError(f"cannot read {path}: {' '.join(str(error).split())[:300]}") from error


def read_mean_cost(path: Path, name: str) -> dict[tuple[str, str], float]:
    """The mean of a cost (`tokens`, `bits`) per clip by benchmark and system, from a run's samples.parquet.

    Raises:
        RunFolderError: the file is not an export of samples.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    totals: dict[tuple[str, str], list[float]] = {}
    try:
        with pq.ParquetFile(path, read_dictionary=["system", "benchmark", "cost"]) as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=["system", "benchmark", "cost"])
                if not table.num_rows:  # nothing could be run: then the columns have no dictionaries either
                    continue
                # Equal texts are parsed once.
                cost = _dictionary(table, "cost")
                found = pc.extract_regex(cost.dictionary, _COST.format(name=name))
                amounts = pc.cast(pc.struct_field(found, "amount"), pa.float64())
                table = table.set_column(2, "amount", pc.take(amounts, cost.indices))
                sums = table.group_by(["benchmark", "system"]).aggregate(
                    [("amount", "sum"), ("amount", "count")]
                )
                for row in sums.to_pylist():
                    total = totals.setdefault((row["benchmark"], row["system"]), [0.0, 0.0])
                    total[0] += row["amount_sum"] or 0.0
                    total[1] += row["amount_count"]
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise RunFolderError(f"cannot read {path}: {' '.join(str(error).split())[:300]}") from error
    return {key: total / count for key, (total, count) in totals.items() if count}


def read_training_seeds(path: Path) -> dict[tuple[str, str], int]:
    """By benchmark and system: the training seeds that its records state, from a run's samples.parquet.

    Jobs whose records state none have no key.

    Raises:
        RunFolderError: the file is not an export of samples.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    found: dict[tuple[str, str], int] = {}
    try:
        with pq.ParquetFile(path, read_dictionary=["system", "benchmark"]) as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=["system", "benchmark", "meta"])
                if not table.num_rows:
                    continue
                seeds = pc.struct_field(pc.extract_regex(table["meta"], _SEEDS), "seeds")
                table = table.set_column(2, "seeds", pc.cast(seeds, pa.int64())).filter(pc.is_valid(seeds))
                for row in table.group_by(["benchmark", "system"]).aggregate([("seeds", "max")]).to_pylist():
                    key = (row["benchmark"], row["system"])
                    found[key] = max(found.get(key, 0), row["seeds_max"])
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise RunFolderError(f"cannot read {path}: {' '.join(str(error).split())[:300]}") from error
    return found


def count_samples(path: Path) -> dict[str, tuple[int, int]]:
    """By job: how many samples a run's samples.parquet holds, and how many of them failed.

    Raises:
        RunFolderError: the file is not an export of samples.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    counts: dict[str, tuple[int, int]] = {}
    try:
        with pq.ParquetFile(path, read_dictionary=["job", "status"]) as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=["job", "status"])
                failed = pc.cast(pc.equal(table["status"], pa.scalar(str(Status.FAILED))), pa.int64())
                table = table.set_column(1, "failed", failed)
                summed = table.group_by("job").aggregate([("failed", "count"), ("failed", "sum")])
                for row in summed.to_pylist():
                    n, n_failed = counts.get(row["job"], (0, 0))
                    counts[row["job"]] = (n + row["failed_count"], n_failed + row["failed_sum"])
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise RunFolderError(f"cannot read {path}: {' '.join(str(error).split())[:300]}") from error
    return counts


def read_failed(path: Path) -> list[tuple[str, str, str, str]]:
    """System, benchmark, sample id and reason of the samples that failed, from a run's samples.parquet.

    Raises:
        RunFolderError: the file is not an export of samples.
    """
    names = ["system", "benchmark", "sample_id", "reason"]
    rows = _failed_rows(path, names)
    return [tuple(str(row[name] or "") for name in names) for row in rows]  # type: ignore[misc]


def read_failed_meta(path: Path) -> FailedMeta:
    """The meta of the samples that failed, from a run's samples.parquet.

    Raises:
        RunFolderError: the file is not an export of samples.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in _failed_rows(path, ["benchmark", "system", "sample_id", "meta"]):
        try:
            meta = json.loads(row["meta"])
        except (TypeError, ValueError) as error:
            raise RunFolderError(f"cannot read {path}: meta of {row['sample_id']!r} is no JSON") from error
        found.setdefault((row["benchmark"], row["system"]), {})[row["sample_id"]] = meta
    return found


def _failed_rows(path: Path, columns: list[str]) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        failed = pq.read_table(path, columns=columns, filters=[("status", "=", str(Status.FAILED))])
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise RunFolderError(f"cannot read {path}: {' '.join(str(error).split())[:300]}") from error
    rows: list[dict[str, Any]] = failed.to_pylist()
    return rows


def _dictionary(table: pa.Table, column: str) -> pa.DictionaryArray[Any, Any]:
    """A column with each of its texts kept once, also where it is read without them."""
    import pyarrow as pa

    array = table[column].combine_chunks()
    return array if isinstance(array, pa.DictionaryArray) else array.dictionary_encode()


def _texts(table: pa.Table, column: str, rows: NDArray[np.intp]) -> Texts:
    import pyarrow as pa
    import pyarrow.compute as pc

    chosen: pa.DictionaryArray[Any, Any] = pc.take(
        _dictionary(table, column), pa.array(rows, type=pa.int64())
    )
    return chosen.dictionary_decode()


def _pieces(file: pq.ParquetFile) -> Iterator[tuple[str, pa.Table]]:
    """Runs of rows of one job, in the file's order."""
    for group in range(file.num_row_groups):
        table = file.read_row_group(group, columns=_COLUMNS)
        jobs = _dictionary(table, "job")
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
                raise RunFolderError(
                    f"{path}: the records of job {job!r} are not contiguous; export the run again"
                )
            current, waiting = job, []
        waiting.append(table)
    if current is not None:
        yield _columns(pa.concat_tables(waiting).unify_dictionaries(), sets, failed_meta)


def _columns(table: pa.Table, sets: SampleSets, failed_meta: FailedMeta) -> JobColumns:
    """One job's long rows as columns."""
    import pyarrow as pa
    import pyarrow.compute as pc

    names = _dictionary(table, "sample_id")
    used = pc.unique(names).dictionary_decode()
    order = pc.sort_indices(used)
    ids = pc.take(used, order).cast(pa.string())
    rows = pc.index_in(names.dictionary, value_set=ids).to_numpy(zero_copy_only=False)
    rows = rows[names.indices.to_numpy(zero_copy_only=False)].astype(np.intp)
    first = np.zeros(len(ids), dtype=np.intp)
    first[rows[::-1]] = np.arange(len(rows) - 1, -1, -1)
    clusters = _texts(table, "cluster", first).cast(pa.string())
    status = _texts(table, "status", first)
    benchmark, system = (str(table[name][0].as_py()) for name in ("benchmark", "system"))
    meta = failed_meta.get((benchmark, system), {})
    failed = pc.equal(status, pa.scalar(str(Status.FAILED))).to_numpy(zero_copy_only=False)
    return JobColumns(
        system=system,
        benchmark=benchmark,
        samples=sets.of_arrow(benchmark, ids, clusters),
        failed=failed,
        values=_values(table, rows, len(ids)),
        failed_meta={int(i): meta.get(ids[int(i)].as_py(), {}) for i in np.flatnonzero(failed)},
    )


def _values(table: pa.Table, rows: NDArray[np.intp], n_samples: int) -> dict[str, Floats]:
    if table["metric"].null_count == table.num_rows:
        return {}  # every sample failed; where that is so in the whole file, the column has no type
    metrics = _dictionary(table, "metric")
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
                f"metric {name!r} has several values for one sample and replicate, or lacks replicates"
            )
        found[name] = matrix
    return found
