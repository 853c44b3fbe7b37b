"""A question's options as a table's row lists them: in columns, in a list, or in the question's text."""

from __future__ import annotations

import re
import string
from collections.abc import Collection, Sequence

from benchmarks.understanding.questions.data.tables import DataRow
from benchmarks.understanding.questions.task_description import Fields, Task
from vtok_eval.errors import DataError
from vtok_eval.files.text_files import numbered_lines

OPTION_LINE = re.compile(
    r"\s*(?P<lead>(?:(?:Sentence|Caption|Option|Description|Choice)\s+)?)\(?(?P<label>[A-Z]|[1-9])[.):]\s*(?P<text>.*\S)\s*"
)


def cell(row: DataRow, columns: Sequence[str]) -> object:
    """The value in the first of these columns that the row has.

    Raises:
        DataError: it has none of them.

    Example:
        >>> cell(DataRow({"b": 2}, number=0, peer_number=0, where="row 1"), ["a", "b"])
        2
    """
    for name in columns:
        if name in row.columns:
            return row.columns[name]
    raise DataError(f"{row.where}: has no column {' or '.join(columns)}; it has {', '.join(row.columns)}")


def options_of(
    task: Task, fields: Fields, row: DataRow
) -> tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """The question's text without its options; the options' texts, their labels, what leads each label."""
    text = str(cell(row, fields.question)).strip()
    if task.options:
        return text, task.options, task.options, ()
    listed = _listed(row, fields)
    if listed is not None:
        texts = _without_labels(listed)
        if len(texts) > len(string.ascii_uppercase):
            raise DataError(f"{row.where}: has {len(texts)} options, more than there are letters")
        return text, texts, tuple(string.ascii_uppercase[: len(texts)]), ()
    if fields.options_in_question:
        return _from_text(text, task)
    return text, (), task.labels, ()


def _listed(row: DataRow, fields: Fields) -> list[str] | None:
    if any(name in row.columns for name in fields.option_columns):
        cells = [(name, row.columns.get(name)) for name in fields.option_columns]
        kept = given_options(cells, where=row.where, absent=fields.absent_option)
        if not kept:
            raise DataError(f"{row.where}: all of {', '.join(fields.option_columns)} are empty")
        return kept
    if fields.options is None:
        return None
    if fields.options_in_question and not any(name in row.columns for name in fields.options):
        return None  # this release of the data lists them in the question
    value = cell(row, fields.options)
    column = " or ".join(fields.options)
    if not isinstance(value, list | tuple) or not value:
        raise DataError(f"{row.where}: {column} must be a list of options, not {value!r}")
    items = [(f"{column}[{place}]", item) for place, item in enumerate(value)]
    return given_options(items, where=row.where, absent=fields.absent_option)


def given_options(
    cells: Sequence[tuple[str, object]], *, where: str, absent: Collection[str] = ()
) -> list[str]:
    """The options' texts without the empty cells at the end.

    Args:
        cells: the column's name and the value, for each option in order.
        where: the row, for errors.
        absent: texts that count as an empty cell in this data set.

    Raises:
        DataError: a cell before the last option is empty, which would shift the positions of those after it.

    Example:
        >>> given_options([("a", "one"), ("b", "None"), ("c", "")], where="row 1")
        ['one', 'None']
    """
    texts = ["" if value is None else str(value).strip() for _, value in cells]
    texts = ["" if text in absent else text for text in texts]
    while texts and not texts[-1]:
        texts.pop()
    if "" in texts:
        name = cells[texts.index("")][0]
        raise DataError(f"{where}: the option in column {name!r} is empty, but later options are not")
    return texts


def _without_labels(options: Sequence[str]) -> tuple[str, ...]:
    """Texts without "A. ", "(A) " and the like, where every option has its own in order."""
    bare = []
    for letter, option in zip(string.ascii_uppercase, options, strict=False):
        match = re.fullmatch(rf"\(?{letter}[.):]\s*(.*\S)", option, flags=re.DOTALL)
        if match is None:
            return tuple(options)
        bare.append(match[1])
    return tuple(bare)


def _from_text(text: str, task: Task) -> tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Take the lines that list options off the end of a question's text."""
    lines = [line for _, line in numbered_lines(text)]
    matches: list[re.Match[str]] = []
    while lines and (match := OPTION_LINE.fullmatch(lines[-1])):
        matches.insert(0, match)
        lines.pop()
    if len(matches) < 2 or not lines:
        return text, (), task.labels, ()
    texts = tuple(match["text"] for match in matches)
    labels = tuple(match["label"] for match in matches)
    return "\n".join(lines).strip(), texts, labels, tuple(match["lead"] for match in matches)
