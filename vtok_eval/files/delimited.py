"""CSV and TSV text read strictly: every row has as many cells as the header, and quotes are balanced."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vtok_eval.errors import VtokEvalError

_INVISIBLE = "\ufeff\u200b\u200c\u200d\u2060"


@dataclass(frozen=True)
class DelimitedText:
    """header: names of the columns, without spaces around them. rows: number of each row's first line, cells.

    Example:
        >>> read_delimited('id,text\\n1,"a, b"\\n', ",", where="a.csv", error=VtokEvalError).rows
        ((2, ('1', 'a, b')),)
    """

    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]


def read_delimited(text: str, delimiter: str, *, where: str, error: type[VtokEvalError]) -> DelimitedText:
    """The header and the rows of a CSV or TSV text; empty lines are skipped.

    Args:
        text: the whole text.
        delimiter: "," or a tab.
        where: the file's name, for errors.
        error: class of what is raised.

    Raises:
        VtokEvalError: of class `error`: no text, a column without a name or with the name of another, a row
            with more or fewer cells than the header, quotes that are not balanced, or a carriage return
            without a line feed outside quotes; names the file, the line and the column, if any.
    """
    records = _records(text, delimiter, where=where, error=error)
    first = next(records, None)
    if first is None:
        raise error(f"{where}: is empty; a first line with the names of the columns is needed")
    header = tuple(name.strip().strip(_INVISIBLE).strip() for name in first[1])
    _check_header(header, line=first[0], where=where, error=error)
    rows = []
    for line, cells in records:
        if len(cells) != len(header):
            raise error(f"{where}, line {line}: {_wrong_length(cells, header)}")
        _check_quotes(cells, header, line=line, where=where, error=error)
        rows.append((line, tuple(cells)))
    return DelimitedText(header, tuple(rows))


def _records(
    text: str, delimiter: str, *, where: str, error: type[VtokEvalError]
) -> Iterator[tuple[int, list[str]]]:
    """The number of the first line and the cells of every record that is not an empty line."""
    if csv.field_size_limit() < len(text):
        csv.field_size_limit(len(text))  # the module's own limit of 131,072 characters protects nothing here
    lines = (line + "\n" for line in text.split("\n"))
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        start = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as problem:
            raise error(f"{where}, line {start}: {_explain(str(problem))}") from problem
        if cells is None:
            return
        if cells:
            yield start, cells


def _explain(problem: str) -> str:
    if "new-line character" in problem:
        return "has a carriage return without a line feed; lines must end with \\n or \\r\\n"
    if "unexpected end of data" in problem:
        return "a quote is opened in this row and never closed"
    return f"quotes are not balanced ({problem}); a quote inside a quoted cell is written twice"


def _check_header(header: Sequence[str], *, line: int, where: str, error: type[VtokEvalError]) -> None:
    for number, name in enumerate(header, start=1):
        if not name:
            raise error(
                f"{where}, line {line}: column {number} has no name (pandas: write with to_csv(index=False))"
            )
        if name in header[: number - 1]:
            raise error(
                f"{where}, line {line}: the name {name!r} is there twice (columns "
                f"{header.index(name) + 1} and {number})"
            )


def _wrong_length(cells: Sequence[str], header: Sequence[str]) -> str:
    if len(cells) > len(header):
        return (
            f"has {len(cells)} cells, the header has {len(header)} columns ({', '.join(header)}); a comma "
            "(or tab) inside a cell needs double quotes around the cell"
        )
    return (
        f"has {len(cells)} cells, the header has {len(header)} columns; there is none for "
        f"{header[len(cells)]!r}"
    )


def _check_quotes(
    cells: Sequence[str], header: Sequence[str], *, line: int, where: str, error: type[VtokEvalError]
) -> None:
    """A space before an opening quote makes the quote a character of the cell: surely not meant."""
    for name, cell in zip(header, cells, strict=True):
        bare = cell.strip(" ")
        if cell[:1] == " " and len(bare) > 1 and bare[0] == bare[-1] == '"':
            raise error(f"{where}, line {line}: column {name!r}: remove the space before the opening quote")
