"""Rows of a data set's tables: Parquet with its shards, JSON, JSON Lines, CSV; words of text as columns."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.understanding.questions.description import Join, Table
from vtok_eval.errors import DataError, MissingDependencyError

_FORMATS = (".parquet", ".json", ".jsonl", ".csv", ".tsv", ".txt")


@dataclass(frozen=True)
class Row:
    """One row. number: from 0, over all files of its table. peer_number: lmms-eval's number of it.

    where: file and row, for errors.
    """

    columns: Mapping[str, Any]
    number: int
    peer_number: int
    where: str


def read_rows(folder: Path, table: Table) -> list[Row]:
    """All rows of a table, joined with what it joins, in the order of the files.

    Raises:
        MissingDependencyError: no file matches; says which were looked for.
        DataError: a file cannot be read, or a row has no match in a joined table; names the place.
    """
    read = list(_file_rows(folder, table.files, table.rows_at))
    needed = [join for join in table.join if any(join.unless not in columns for _, columns in read)]
    joined = [(join, _by_key(folder, join)) for join in needed]
    rows = []
    for number, (where, columns) in enumerate(read):
        merged = {**table.constant, **columns}
        peer_number = number
        for join, others in joined:
            if join.unless in merged:
                continue
            other_number, other = _match(join, others, merged, where)
            merged = {**other, **merged}
            peer_number = other_number if join.peer_rows else peer_number
        rows.append(Row(merged, number, peer_number, where))
    return rows


def matching_files(folder: Path, patterns: Sequence[str]) -> list[Path]:
    """The files that the first pattern with any match gives, sorted by name; empty where none matches."""
    for pattern in patterns:
        found = sorted(path for path in folder.glob(pattern) if path.is_file())
        if found:
            return found
    return []


def fingerprint(files: Sequence[Path]) -> str:
    """SHA-256 (hex) over the bytes of the files, in order."""
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def table_files(folder: Path, table: Table) -> list[Path]:
    """Every file that a table is read from, those of joined tables too."""
    patterns = [table.files, *(join.files for join in table.join)]
    return [path for each in patterns for path in matching_files(folder, each)]


def _file_rows(
    folder: Path, patterns: Sequence[str], rows_at: str | None
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    files = matching_files(folder, patterns)
    if not files:
        raise MissingDependencyError(f"{folder}: no {' or '.join(patterns)} in it")
    for path in files:
        for number, row in enumerate(_read(path, rows_at)):
            where = f"{path}, row {number}"
            if not isinstance(row, Mapping):
                raise DataError(f"{where}: must be an object with columns, not {type(row).__name__}")
            yield where, row


def _read(path: Path, rows_at: str | None) -> Sequence[Any]:
    try:
        if path.suffix == ".parquet":
            return _read_parquet(path)
        if path.suffix in {".csv", ".tsv"}:
            with path.open(encoding="utf-8-sig", newline="") as file:
                return list(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","))
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".txt":
            return [
                {str(i): word for i, word in enumerate(line.split())} for line in text.splitlines() if line
            ]
        if path.suffix == ".jsonl":
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        if path.suffix == ".json":
            return _json_rows(json.loads(text), path, rows_at)
    except (OSError, ValueError) as error:  # JSON, UTF-8 and Arrow errors are ValueErrors
        raise DataError(f"{path}: cannot be read ({' '.join(str(error).split())})") from error
    raise DataError(f"{path}: tables are read from {', '.join(_FORMATS)} files")


def _read_parquet(path: Path) -> Sequence[Any]:
    """Rows without their binary columns, which hold whole videos in some data sets."""
    import pyarrow.parquet

    columns = [name for field in pyarrow.parquet.read_schema(path) for name in _text_columns(field)]
    # ParquetFile reads this one file; read_table would make partitions of folders called key=value.
    rows: Sequence[Any] = pyarrow.parquet.ParquetFile(path).read(columns=columns).to_pylist()
    return rows


def _text_columns(field: Any) -> list[str]:
    """The column's name, or those of its parts that are not binary; none for a binary column."""
    import pyarrow.types

    if pyarrow.types.is_binary(field.type) or pyarrow.types.is_large_binary(field.type):
        return []
    if not pyarrow.types.is_struct(field.type):
        return [field.name]
    parts = [field.type.field(i) for i in range(field.type.num_fields)]
    return [f"{field.name}.{name}" for part in parts for name in _text_columns(part)]


def _json_rows(document: Any, path: Path, rows_at: str | None) -> Sequence[Any]:
    if rows_at is not None:
        if not isinstance(document, Mapping) or rows_at not in document:
            raise DataError(f"{path}: must be an object with the key {rows_at!r}")
        document = document[rows_at]
    if not isinstance(document, list):
        raise DataError(f"{path}: must hold a list of rows, not {type(document).__name__}")
    return document


def _by_key(folder: Path, join: Join) -> dict[str, tuple[int, Mapping[str, Any]]]:
    found: dict[str, tuple[int, Mapping[str, Any]]] = {}
    for number, (where, row) in enumerate(_file_rows(folder, join.files, None)):
        if join.key not in row:
            raise DataError(f"{where}: has no column {join.key!r} to join by; it has {', '.join(row)}")
        found[str(row[join.key])] = (number, row)
    return found


def _match(
    join: Join, others: Mapping[str, tuple[int, Mapping[str, Any]]], row: Mapping[str, Any], where: str
) -> tuple[int, Mapping[str, Any]]:
    try:
        key = join.match.format(**row)
    except KeyError as error:
        raise DataError(f"{where}: has no column {error} to join by; it has {', '.join(row)}") from error
    if key not in others:
        raise DataError(f"{where}: {key!r} is not in column {join.key!r} of {' or '.join(join.files)}")
    return others[key]
