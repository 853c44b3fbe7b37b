"""Rows of a data set's tables over all their files, joined with other tables."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.understanding.questions.description import Join, Table
from vtok_eval.errors import DataError, MissingDependencyError
from vtok_eval.files.tables import TableFile, TableRow, read_table
from vtok_eval.files.text_files import numbered_lines, read_text


@dataclass(frozen=True)
class DataRow:
    """One row. number: from 0, over all files of its table. peer_number: lmms-eval's number of it.

    where: the file and the place in it, for errors.
    """

    columns: Mapping[str, object]
    number: int
    peer_number: int
    where: str


def read_rows(folder: Path, table: Table, *, names: Collection[str] = ()) -> list[DataRow]:
    """All rows of a table, joined with what it joins, in the order of the files.

    names: columns that are found also where a file writes them in other capitals or with spaces around them.

    Raises:
        MissingDependencyError: no file matches; says which were looked for.
        DataError: a file cannot be read, or a row has no match in a joined table; names the place.
    """
    read = list(_file_rows(folder, table.files, names, table.rows_at))
    needed = [join for join in table.join if any(join.unless not in row.columns for row in read)]
    joined = [(join, _by_key(folder, join, names)) for join in needed]
    rows = []
    for number, row in enumerate(read):
        merged = {**table.constant, **row.columns}
        peer_number = number
        for join, others in joined:
            if join.unless in merged:
                continue
            other_number, other = _match(join, others, merged, row.where)
            merged = {**other, **merged}
            peer_number = other_number if join.peer_rows else peer_number
        rows.append(DataRow(merged, number, peer_number, row.where))
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
    folder: Path, patterns: Sequence[str], names: Collection[str], rows_at: str | None = None
) -> Iterator[TableRow]:
    files = matching_files(folder, patterns)
    if not files:
        raise MissingDependencyError(f"{folder}: no {' or '.join(patterns)} in it")
    for path in files:
        if path.suffix.lower() == ".txt":
            yield from _word_rows(path).rows
        else:
            at = rows_at if path.suffix.lower() == ".json" else None
            yield from read_table(path, error=DataError, names=names, rows_at=at).rows


def _word_rows(path: Path) -> TableFile:
    """A text file whose lines are rows and whose words are columns, called "0", "1" and so on."""
    rows: list[TableRow] = []
    for line, text in numbered_lines(read_text(path, error=DataError)):
        if words := text.split():
            columns = {str(place): word for place, word in enumerate(words)}
            rows.append(TableRow(columns, len(rows), line, f"{path}, line {line}"))
    return TableFile(path, tuple(dict.fromkeys(name for row in rows for name in row.columns)), tuple(rows))


def _by_key(folder: Path, join: Join, names: Collection[str]) -> dict[str, tuple[int, Mapping[str, object]]]:
    found: dict[str, tuple[int, Mapping[str, object]]] = {}
    for number, row in enumerate(_file_rows(folder, join.files, [join.key, *names])):
        if join.key not in row.columns:
            raise DataError(
                f"{row.where}: has no column {join.key!r} to join by; it has {', '.join(row.columns)}"
            )
        key = str(row.columns[join.key])
        if key in found:
            raise DataError(f"{row.where}: two rows have {key!r} in column {join.key!r}")
        found[key] = (number, row.columns)
    return found


def _match(
    join: Join, others: Mapping[str, tuple[int, Mapping[str, object]]], row: Mapping[str, object], where: str
) -> tuple[int, Mapping[str, object]]:
    try:
        key = join.match.format(**row)
    except KeyError as error:
        raise DataError(f"{where}: has no column {error} to join by; it has {', '.join(row)}") from error
    if key not in others:
        raise DataError(f"{where}: {key!r} is not in column {join.key!r} of {' or '.join(join.files)}")
    return others[key]
