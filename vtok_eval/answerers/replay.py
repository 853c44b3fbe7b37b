"""`replay:PATH`: answers that were given before, read from a file and scored without a model."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vtok_eval.answerers.request import Answer, AnswererError, AnswerRequest
from vtok_eval.errors import SpecError
from vtok_eval.files.tables import SUFFIXES, TableRow, is_table, read_table
from vtok_eval.results.description import Description

if TYPE_CHECKING:
    import torch

    from vtok_eval.data import Clip

_LMMS_EVAL_NAME = re.compile(r"(?:.*?_)?samples_(?P<task>.+)\.jsonl")
_COLUMNS = ("id", "sample_id", "answer", "benchmark")

Entries = dict[tuple[str, str], "_Entry"]


@dataclass(frozen=True)
class NamedRequest(AnswerRequest):
    """A request that names its benchmark and question.

    benchmark, id: ours. peer_task, peer_row: lmms-eval's name of the task and the row of its data set
    (`doc_id` in its logs), where it has them. rotation: how far the options were turned for this request; a
    file of answers holds rotation 0 under the plain id and others under `ID#ROTATION`.
    text: the question alone, as the data set words it.
    """

    benchmark: str = ""
    id: str = ""
    peer_task: str | None = None
    peer_row: int | None = None
    rotation: int = 0
    text: str = ""


@dataclass(frozen=True)
class _Entry:
    """One answer, where it is in the file, and its prompt if the log keeps one."""

    answer: Answer
    where: str
    prompt: str | None = None


@dataclass(frozen=True)
class Replay:
    """Answers from a file (or all the files of a folder); satisfies `BatchAnswerer`.

    A file of answers is CSV, TSV, JSON (a list of objects, or one object id -> answer), JSON Lines or Parquet
    with the columns `id` (or `sample_id`, as in an exported record) and `answer`, and with `benchmark` where
    one file has answers to several benchmarks. lmms-eval's logs are known by their names,
    `*_samples_TASK.jsonl`; a row is found by `doc_id`, and where the log keeps the prompt, the question must
    be in it.
    """

    path: Path
    entries: Mapping[tuple[str, str], _Entry]
    sha256: str = ""
    needs_clips: bool = field(default=False, init=False)

    def answer(self, clip: Clip | None, question: str, options: Sequence[str]) -> str | Sequence[float]:
        """Answers are found by their ids only.

        Raises:
            AnswererError: always.
        """
        raise AnswererError("replay: needs requests that carry the question's id; use answer_batch")

    def answer_batch(self, requests: Sequence[AnswerRequest]) -> list[Answer]:
        """The kept answer to each request; the clips are not used.

        Raises:
            AnswererError: no answer is kept for a request, or the log's prompt asks another question.
        """
        return [self._find(request) for request in requests]

    def describe(self) -> Description:
        """The file, its hash and how many answers it holds."""
        return Description(
            facts={"file": str(self.path), "sha256": self.sha256, "n_answers": len(self.entries)}
        )

    def _find(self, request: AnswerRequest) -> Answer:
        if not isinstance(request, NamedRequest):
            raise AnswererError("replay: needs requests that carry the question's id")
        identity = request.id if request.rotation == 0 else f"{request.id}#{request.rotation}"
        keys = [(request.benchmark, identity), ("", identity)]
        if request.peer_task is not None and request.peer_row is not None and request.rotation == 0:
            keys.append((f"lmms-eval:{request.peer_task}", str(request.peer_row)))
        for key in keys:
            entry = self.entries.get(key)
            if entry is not None:
                _check_question(entry, request)
                return entry.answer
        raise AnswererError(f"{self.path}: no answer for {identity}")


def build_replay(argument: str, *, device: torch.device) -> Replay:
    """Read what `replay:ARGUMENT` names; `device` is not used.

    Raises:
        SpecError: no such file, not one of the formats, or an answer without id or given twice.
    """
    path = Path(argument).expanduser()
    if not argument or not path.exists():
        raise SpecError(f"replay:{argument}: no such file or folder of answers")
    files = [path] if path.is_file() else sorted(_answer_files(path))
    if not files:
        raise SpecError(f"{path}: no file of answers in this folder (looked for *{', *'.join(SUFFIXES)})")
    entries: Entries = {}
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
        for key, entry in _read(file):
            if key in entries:
                raise SpecError(f"{entry.where}: {key[1]} was answered before, at {entries[key].where}")
            entries[key] = entry
    return Replay(path=path, entries=entries, sha256=digest.hexdigest())


def _answer_files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if is_table(path) and not path.name.lower().endswith("results.json") and path.is_file():
            yield path


def _read(path: Path) -> Iterator[tuple[tuple[str, str], _Entry]]:
    log = _LMMS_EVAL_NAME.fullmatch(path.name)
    table = read_table(
        path, error=SpecError, names=_COLUMNS, keyed=("id", "answer"), nan_is_null=log is not None
    )
    for row in table.rows:
        if log is not None and "doc_id" in row.columns:
            yield (
                (f"lmms-eval:{log['task']}", _identity(row, "doc_id")),
                _logged(row.columns, where=row.where),
            )
            continue
        name = "id" if "id" in row.columns else "sample_id"
        if name not in row.columns or "answer" not in row.columns:
            raise SpecError(
                f"{row.where}: needs id and answer (or doc_id, in lmms-eval's *_samples_TASK.jsonl); it has "
                f"{', '.join(row.columns)}"
            )
        benchmark = str(row.columns.get("benchmark") or "")
        yield (benchmark, _identity(row, name)), _Entry(_answer(row), row.where)


def _identity(row: TableRow, column: str) -> str:
    """The id as text; a whole number that a table keeps as 3.0 is 3."""
    value = row.columns[column]
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise SpecError(f"{row.where}: {column} must be a text or a whole number, not {value!r}")
    return str(value)


def _answer(row: TableRow) -> Answer:
    value = row.columns["answer"]
    if isinstance(value, str):
        return Answer(text=value)
    if isinstance(value, list) and value and all(map(_is_score, value)):
        return Answer(scores=tuple(float(score) for score in value))
    raise SpecError(f"{row.where}: answer must be a text, or a list of one score per option, not {value!r}")


def _is_score(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _logged(row: Mapping[str, object], *, where: str) -> _Entry:
    """An answer of lmms-eval's: the filtered response, which is the one its metrics saw, else the raw one."""
    response = row.get("filtered_resps") or row.get("resps")
    while isinstance(response, list) and response:
        response = response[0]
    if not isinstance(response, str):
        raise SpecError(f"{where}: has no text in filtered_resps or resps; other outputs are not replayed")
    prompt = row.get("input")
    while isinstance(prompt, list) and prompt:
        prompt = prompt[0]
    return _Entry(Answer(text=response), where, prompt if isinstance(prompt, str) else None)


def _check_question(entry: _Entry, request: NamedRequest) -> None:
    if entry.prompt is None or not request.text:
        return
    asked, logged = _squeezed(request.text), _squeezed(entry.prompt)
    if asked not in logged:
        raise AnswererError(
            f"{entry.where}: answers another question than {request.id}: the log is of another version of "
            "the data, or of another split"
        )


def _squeezed(text: str) -> str:
    return "".join(text.lower().split())
