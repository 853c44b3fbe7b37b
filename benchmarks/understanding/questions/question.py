"""Questions about videos as a benchmark's description reads them out of its tables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.understanding.questions.data.listed_options import OPTION_LINE, cell, options_of
from benchmarks.understanding.questions.data.tables import DataRow, read_rows
from benchmarks.understanding.questions.description import BenchmarkDescription, Table
from benchmarks.understanding.questions.task_description import Fields, Task
from vtok_eval.errors import DataError, UnknownNameError

# Any: cells of a table of any format.


@dataclass(frozen=True)
class VideoQuestion:
    """One question.

    id: unique within the benchmark, `SUBSET/ROW_ID`. text: the question alone; options that its text lists
    are taken out of it. options: their texts, without their labels. labels: how each is called.
    leads: what precedes each label in the text ("Sentence "); empty but where the text lists options.
    answer: position of the right option; None where it is free text (`free_answer`) or not published.
    instruction: what is asked instead of the question. shows_options: whether an answerer may know them.
    pair, side: of paired questions; the subset says what varies.
    """

    id: str
    subset: str
    task: str
    video: str
    video_folders: tuple[str, ...]
    text: str
    options: tuple[str, ...]
    labels: tuple[str, ...]
    leads: tuple[str, ...] = ()
    answer: int | None = None
    free_answer: str | None = None
    meta: Mapping[str, object] = field(default_factory=dict)
    instruction: str = ""
    shows_options: bool = True
    pair: str = ""
    side: str = ""
    peer_task: str | None = None
    peer_row: int | None = None

    @property
    def is_answered(self) -> bool:
        """Whether the right answer is known."""
        return self.answer is not None or self.free_answer is not None

    def recorded_meta(self) -> dict[str, object]:
        """What a record keeps of the question: its meta, and which video it is about."""
        return {**self.meta, "video": self.video}


def load_questions(
    description: BenchmarkDescription, folder: Path, *, subsets: Sequence[str] = ()
) -> list[VideoQuestion]:
    """All questions of the chosen subsets, in the tables' order.

    subsets: names; empty takes the default ones.

    Raises:
        UnknownNameError: there is no such subset.
        MissingDependencyError: a table is not in the folder.
        DataError: a row lacks a column, its answer is none of its options, or an id is there twice.
    """
    chosen = _chosen(description, subsets)
    tables = [table for table in description.tables if not chosen or table.subset in chosen]
    return read_questions(description, folder, tables)


def read_questions(
    description: BenchmarkDescription, folder: Path, tables: Sequence[Table]
) -> list[VideoQuestion]:
    """All questions of some tables, in their order.

    Raises:
        MissingDependencyError, DataError: as `load_questions`.
    """
    found: dict[str, VideoQuestion] = {}
    for table in tables:
        for row in read_rows(folder, table, names=description.column_names):
            question = _question(description, table, row)
            if question.id in found:
                raise DataError(f"{row.where}: the id {question.id!r} is there twice")
            found[question.id] = question
    return list(found.values())


def _chosen(description: BenchmarkDescription, subsets: Sequence[str]) -> tuple[str, ...]:
    for name in subsets:
        if name not in description.subsets:
            raise UnknownNameError(what=f"subset of {description.name}", name=name, known=description.subsets)
    return tuple(subsets) or description.default_subsets


def _question(description: BenchmarkDescription, table: Table, row: DataRow) -> VideoQuestion:
    task = description.tasks[table.task]
    fields = description.fields_of(task)
    identity = _whole(cell(row, fields.id)) if fields.id else str(row.number)
    text, options, labels, leads = options_of(task, fields, row)
    answer, free_answer = (None, None) if table.unanswered else _answer(task, fields, row, options, labels)
    meta = {name: _plain(cell(row, columns)) for name, columns in fields.meta.items()}
    for name, columns in fields.optional_meta.items():
        if any(column in row.columns for column in columns):
            meta[name] = _plain(cell(row, columns))
    if table.subset:
        meta["subset"] = table.subset
    pair, side = _pair(fields, identity, row)
    return VideoQuestion(
        id=f"{table.subset}/{identity}" if table.subset else identity,
        subset=table.subset,
        task=table.task,
        video=str(_plain_video(cell(row, fields.video))),
        video_folders=table.video_folders,
        text=text,
        options=options,
        labels=labels,
        leads=leads,
        answer=answer,
        free_answer=free_answer,
        meta=meta,
        instruction=str(cell(row, fields.instruction)).strip() if fields.instruction else "",
        shows_options=task.shows_options,
        pair=pair,
        side=side,
        peer_task=table.peer_task,
        peer_row=row.peer_number if table.peer_task else None,
    )


def _whole(value: Any) -> str:
    """The value as text; a whole number that a table keeps as 3.0 is "3"."""
    is_whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if is_whole else value)


def _plain(value: object) -> object:
    """A value as JSON can hold it and tables can group by it."""
    if isinstance(value, list | tuple):
        return ";".join(str(item) for item in value)
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _plain_video(value: object) -> object:
    """A clip's name; the `datasets` library keeps a video as an object with its path."""
    return value.get("path") if isinstance(value, Mapping) else value


def _answer(
    task: Task, fields: Fields, row: DataRow, options: Sequence[str], labels: Sequence[str]
) -> tuple[int | None, str | None]:
    if fields.answer is None:
        return None, None
    value = cell(row, fields.answer)
    if value is None or value == "":
        return None, None
    if task.answer_is == "free-text":
        return None, str(value).strip()
    position = _position(task.answer_is, value, options, labels)
    if position is None:
        raise DataError(
            f"{row.where}: the answer {value!r} is none of the options {list(options) or list(labels)} "
            f"(it is read as: {task.answer_is})"
        )
    return position, None


def _position(kind: str, value: object, options: Sequence[str], labels: Sequence[str]) -> int | None:
    text = str(value).strip()
    if kind == "index":
        match = re.fullmatch(r"([0-9]+)(\.0+)?", text)  # 3.0: pandas, where other cells are empty
        return int(match[1]) if match and int(match[1]) < len(labels) else None
    if kind == "letter":
        match = re.fullmatch(r"\(?([A-Za-z0-9]+)\)?\.?", text)
        letter = match[1].upper() if match else text
        return list(labels).index(letter) if letter in labels else None
    wanted = text
    if kind == "line" and (line := OPTION_LINE.fullmatch(text)):
        if line["label"] in labels:
            position = list(labels).index(line["label"])
            return position if not options or options[position] == line["text"] else None
        wanted = line["text"]
    lowered = [option.strip().lower() for option in options]
    return lowered.index(wanted.lower()) if lowered.count(wanted.lower()) == 1 else _exact(wanted, options)


def _exact(wanted: str, options: Sequence[str]) -> int | None:
    """The first option with exactly this text: some data sets list an option twice."""
    return list(options).index(wanted) if wanted in options else None


def _pair(fields: Fields, identity: str, row: DataRow) -> tuple[str, str]:
    if fields.pair is None:
        return "", ""
    match = re.fullmatch(fields.pair, identity)
    if match is None:
        raise DataError(f"{row.where}: the id {identity!r} does not fit the pattern {fields.pair}")
    return match["pair"], match["side"]
