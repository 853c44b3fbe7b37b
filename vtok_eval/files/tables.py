"""The strict reader of every table that users bring: CSV, TSV, JSON, JSON Lines and Parquet.

Answers to be replayed, benchmark tables, manifests of videos, raters' labels and control sets are all read
here, so a defect in a file is the same one-line error everywhere.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtok_eval.errors import DataError, VtokEvalError
from vtok_eval.files.delimited import read_delimited
from vtok_eval.files.strict_json import JsonDocument, JsonValue, parse_json
from vtok_eval.files.text_files import numbered_lines, read_text

if TYPE_CHECKING:
    import pyarrow

# Any: values of Arrow's generic types.

SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet")
"""In lower case; files may have them in upper case too."""


@dataclass(frozen=True)
class TableRow:
    """One row of a table.

    columns: the column's name -> its value: text in CSV and TSV, else what the format holds.
    number: from 0. line: number of the row's first line, from 1; None in Parquet.
    where: the file and the place in it, for errors: "answers.csv, line 3".

    Example:
        >>> TableRow({"answer": "B"}, number=0, line=2, where="answers.csv, line 2").columns["answer"]
        'B'
    """

    columns: Mapping[str, object]
    number: int
    line: int | None
    where: str


@dataclass(frozen=True)
class TableFile:
    """A table as its file holds it. columns: names, in the order in which they first appear.

    Example:
        >>> TableFile(Path("answers.csv"), columns=("id", "answer"), rows=()).columns
        ('id', 'answer')
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]


def is_table(path: Path) -> bool:
    """Whether the file's name has the suffix of a table.

    Example:
        >>> is_table(Path("answers.JSONL")), is_table(Path("answers.txt"))
        (True, False)
    """
    return path.suffix.lower() in SUFFIXES


def read_table(
    path: Path,
    *,
    error: type[VtokEvalError] = DataError,
    required: Sequence[str] = (),
    names: Collection[str] = (),
    rows_at: str | None = None,
    keyed: tuple[str, str] | None = None,
    nan_is_null: bool = False,
) -> TableFile:
    """Every row of a table; whatever could be read in two ways is refused.

    Only line feeds end a line. A byte order mark and CRLF are accepted. A column whose name differs from one
    in `required` or `names` only in capitals or in spaces around it is read under that name. Columns of a
    Parquet file that hold bytes are left out.

    Args:
        path: the file; its suffix, in lower or upper case, says the format.
        error: class of what is raised.
        required: columns that the table (in JSON, every row) must have.
        names: further columns that the caller reads where they are there.
        rows_at: the key under which a JSON file holds its list of rows.
        keyed: names for the two columns that a JSON object `{key: value}` is read as; None refuses one.
        nan_is_null: read NaN and infinity in JSON, which some programs write, as missing.

    Raises:
        VtokEvalError: of class `error`: another suffix; not UTF-8, compressed, cut or otherwise damaged; no
            text; a row with more or fewer cells than the header; a column without a name or with the name of
            another; a key twice in one JSON object; NaN; a row that is not an object; or a required column
            that is not there. One line that names the file, the line or row and the column.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "answers.csv"
        >>> _ = path.write_text("ID, Answer\\n7,B\\n")
        >>> table = read_table(path, required=("id", "answer"))
        >>> table.rows[0].columns, table.rows[0].line
        ({'id': '7', 'answer': 'B'}, 2)
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise error(f"{path}: tables are read from {', '.join(SUFFIXES)} files")
    if suffix == ".parquet":
        found = _parquet_rows(path, error=error)
    elif suffix in {".csv", ".tsv"}:
        found = _delimited_rows(path, "\t" if suffix == ".tsv" else ",", error=error)
    elif suffix == ".json":
        found = _json_rows(path, error=error, rows_at=rows_at, keyed=keyed, nan_is_null=nan_is_null)
    else:
        found = _json_lines(path, error=error, nan_is_null=nan_is_null)
    wanted = list(dict.fromkeys([*required, *names]))
    return _with_names(path, found, required=required, wanted=wanted, error=error)


@dataclass(frozen=True)
class _Found:
    """columns: of the header; None where each row has its own."""

    columns: tuple[str, ...] | None
    rows: list[tuple[int | None, Mapping[str, object]]]


def _delimited_rows(path: Path, delimiter: str, *, error: type[VtokEvalError]) -> _Found:
    read = read_delimited(read_text(path, error=error), delimiter, where=str(path), error=error)
    return _Found(
        read.header, [(line, dict(zip(read.header, cells, strict=True))) for line, cells in read.rows]
    )


def _json_lines(path: Path, *, error: type[VtokEvalError], nan_is_null: bool) -> _Found:
    text = read_text(path, error=error)
    rows: list[tuple[int | None, Mapping[str, object]]] = []
    for number, line in numbered_lines(text):
        if line.strip(" \t\r"):
            value = parse_json(line, where=str(path), error=error, line=number, nan_is_null=nan_is_null)
            rows.append((number, _object(value, f"{path}, line {number}", error=error)))
    if not rows:
        raise error(f"{path}: is empty; a JSON object on each line is needed")
    return _Found(None, rows)


def _json_rows(
    path: Path,
    *,
    error: type[VtokEvalError],
    rows_at: str | None,
    keyed: tuple[str, str] | None,
    nan_is_null: bool,
) -> _Found:
    text = read_text(path, error=error)
    if not text.strip():
        raise error(f"{path}: is empty; a JSON list of rows is needed")
    document = JsonDocument(text, where=str(path), error=error, nan_is_null=nan_is_null)
    start = 0
    if rows_at is not None:
        start = _member_at(document, rows_at, path, error=error)
    elif document.kind() == "object" and keyed is not None:
        return _Found(
            None,
            [
                (line, {keyed[0]: key, keyed[1]: document.value_at(at)})
                for line, key, at in document.members()
            ],
        )
    if document.kind(start) != "list":
        under = f" under {rows_at!r}" if rows_at else ""
        raise error(f"{path}: must hold a list of rows{under}, not {_kind(document.value_at(start))}")
    rows: list[tuple[int | None, Mapping[str, object]]] = [
        (line, _object(value, f"{path}, row {number} (line {line})", error=error))
        for number, (line, value) in enumerate(document.items(start, is_whole=rows_at is None))
    ]
    return _Found(None, rows)


def _member_at(document: JsonDocument, key: str, path: Path, *, error: type[VtokEvalError]) -> int:
    if document.kind() == "object":
        for _, name, start in list(document.members()):
            if name == key:
                return start
    raise error(f"{path}: must be an object with the key {key!r}")


def _object(value: JsonValue, where: str, *, error: type[VtokEvalError]) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise error(f"{where}: must be an object with columns, not {_kind(value)}")
    return value


def _kind(value: JsonValue) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _parquet_rows(path: Path, *, error: type[VtokEvalError]) -> _Found:
    """Rows without their binary columns, which hold whole videos in some data sets."""
    import pyarrow.parquet

    try:
        # ParquetFile reads this one file; read_table would make partitions of folders called key=value.
        file = pyarrow.parquet.ParquetFile(path)
        schema = file.schema_arrow
        twice = [name for number, name in enumerate(schema.names) if name in schema.names[:number]]
        if twice:
            raise error(f"{path}: the column {twice[0]!r} is there twice")
        columns = [name for field in schema for name in _text_columns(field)]
        read = file.read(columns=columns)
        rows = read.to_pylist()
    except (OSError, ValueError, UnicodeDecodeError) as problem:  # Arrow's errors are ValueErrors
        raise error(f"{path}: cannot be read as Parquet ({' '.join(str(problem).split())})") from problem
    return _Found(tuple(read.column_names), [(None, _without_nan(row)) for row in rows])


def _text_columns(field: pyarrow.Field[Any]) -> list[str]:
    """The column's name, or those of its parts that are not binary; none for a binary column."""
    import pyarrow.types

    kind = field.type
    if (
        pyarrow.types.is_binary(kind)
        or pyarrow.types.is_large_binary(kind)
        or pyarrow.types.is_fixed_size_binary(kind)
    ):
        return []
    if not pyarrow.types.is_struct(kind):
        return [field.name]
    parts = [kind.field(i) for i in range(kind.num_fields)]
    return [f"{field.name}.{name}" for part in parts for name in _text_columns(part)]


def _without_nan(row: Mapping[str, object]) -> Mapping[str, object]:
    """The row with None for NaN, which pandas writes for a missing value."""
    return {name: None if value != value else value for name, value in row.items()}


def _with_names(
    path: Path, found: _Found, *, required: Sequence[str], wanted: Sequence[str], error: type[VtokEvalError]
) -> TableFile:
    """The table with its columns under the names that the caller reads, all of the required ones there."""
    known: dict[tuple[str, ...], dict[str, str]] = {}
    columns: dict[str, None] = {}
    if found.columns is not None:
        known[found.columns] = _names(found.columns, wanted, where=str(path), error=error)
        columns = dict.fromkeys(known[found.columns].values())
        _check_required(columns, required, where=str(path), error=error)
    rows = []
    for number, (line, row) in enumerate(found.rows):
        where = f"{path}, {_place(path, number, line)}"
        given = tuple(row)
        if given not in known:
            known[given] = _names(given, wanted, where=where, error=error)
            _check_required(known[given].values(), required, where=where, error=error)
            columns.update(dict.fromkeys(known[given].values()))
        named = known[given]
        rows.append(TableRow({named[name]: value for name, value in row.items()}, number, line, where))
    return TableFile(path, tuple(columns), tuple(rows))


def _place(path: Path, number: int, line: int | None) -> str:
    """Where a row is; a whole JSON file may be one line, so its rows are counted too, from 0."""
    if line is None:
        return f"row {number} (from 0)"
    return f"row {number} (line {line})" if path.suffix.lower() == ".json" else f"line {line}"


def _names(
    given: Sequence[str], wanted: Sequence[str], *, where: str, error: type[VtokEvalError]
) -> dict[str, str]:
    """Each column's own name -> the name it is read under."""
    by_folded = {name.casefold(): name for name in reversed(wanted)}
    found = {}
    for name in given:
        if not name.strip():
            raise error(f"{where}: a column has no name")
        found[name] = name if name in wanted else by_folded.get(name.strip().casefold(), name)
    for name, read_as in found.items():
        others = [other for other in found if other != name and found[other] == read_as]
        if others:
            raise error(f"{where}: columns {name!r} and {others[0]!r} both mean {read_as!r}; keep one")
    return found


def _check_required(
    columns: Collection[str], required: Sequence[str], *, where: str, error: type[VtokEvalError]
) -> None:
    for name in required:
        if name not in columns:
            (only, *others) = columns or ("",)
            hint = "; are the cells separated by semicolons?" if not others and ";" in only else ""
            raise error(
                f"{where}: has no column {name}; it has {', '.join(columns) or 'none'} and needs "
                f"{', '.join(required)}{hint}"
            )
