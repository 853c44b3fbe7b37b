"""`replay:PATH`: answers that were given before, read from a file and scored without a model."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtok_eval.answerers.request import Answer, AnswererError, AnswerRequest
from vtok_eval.errors import SpecError

if TYPE_CHECKING:
    import torch

    from vtok_eval.data import Clip

_LMMS_EVAL_NAME = re.compile(r"(?:.*?_)?samples_(?P<task>.+)\.jsonl")
_SUFFIXES = (".csv", ".json", ".jsonl")

Entries = dict[tuple[str, str], "_Entry"]


@dataclass(frozen=True)
class NamedRequest(AnswerRequest):
    """A request that says which question of which benchmark it is.

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
    """One answer, where it stands, and the prompt that the log keeps with it, if it does."""

    answer: Answer
    where: str
    prompt: str | None = None


@dataclass(frozen=True)
class Replay:
    """Answers from a file (or all the files of a folder); satisfies `BatchAnswerer`.

    A file of ours is CSV, JSON (a list of objects, or one object id -> answer) or JSON Lines with `id` (also
    `sample_id`, as an exported record has it) and `answer`, and with `benchmark` where ids of several
    benchmarks stand in one file. lmms-eval's logs are known by their names, `*_samples_TASK.jsonl`; a row is
    found by `doc_id`, and where the log keeps the prompt, the question must stand in it.
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
        """The kept answer to each request; the clips are not looked at.

        Raises:
            AnswererError: no answer is kept for a request, or the log's prompt asks another question.
        """
        return [self._find(request) for request in requests]

    def describe(self) -> dict[str, Any]:
        """The file, its hash and how many answers it holds."""
        return {"file": str(self.path), "sha256": self.sha256, "n_answers": len(self.entries)}

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
        raise SpecError(f"{path}: no file of answers in this folder (looked for *{', *'.join(_SUFFIXES)})")
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
        if path.suffix in _SUFFIXES and not path.name.endswith("results.json") and path.is_file():
            yield path


def _read(path: Path) -> Iterator[tuple[tuple[str, str], _Entry]]:
    log = _LMMS_EVAL_NAME.fullmatch(path.name)
    for line, row in _rows(path):
        where = f"{path}:{line}"
        if log is not None and "doc_id" in row:
            yield (f"lmms-eval:{log['task']}", str(row["doc_id"])), _logged(row, where=where)
            continue
        identity = row.get("id", row.get("sample_id"))
        if identity is None or "answer" not in row:
            raise SpecError(f"{where}: needs id and answer (or doc_id, in lmms-eval's *_samples_TASK.jsonl)")
        yield (str(row.get("benchmark") or ""), str(identity)), _Entry(_answer(row["answer"], where), where)


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: cannot be read ({error})") from error
    if path.suffix == ".csv":
        reader = csv.DictReader(text.splitlines(keepends=True))
        for row in reader:
            yield reader.line_num, row
    elif path.suffix == ".jsonl":
        for number, line in enumerate(text.splitlines(), start=1):
            if line.strip():
                yield number, _object(_json(line, f"{path}:{number}"), f"{path}:{number}")
    elif path.suffix == ".json":
        document = _json(text, str(path))
        if isinstance(document, Mapping):
            document = [{"id": key, "answer": value} for key, value in document.items()]
        if not isinstance(document, list):
            raise SpecError(f"{path}: must hold a list of answers, or an object id -> answer")
        for number, row in enumerate(document, start=1):
            yield number, _object(row, f"{path}:{number}")
    else:
        raise SpecError(f"{path}: answers are read from {', '.join(_SUFFIXES)} files")


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise SpecError(f"{where}: not JSON ({error.msg})") from error


def _object(row: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(row, Mapping):
        raise SpecError(f"{where}: must be an object with id and answer")
    return row


def _answer(value: Any, where: str) -> Answer:
    if isinstance(value, str):
        return Answer(text=value)
    if isinstance(value, list) and value and all(isinstance(score, int | float) for score in value):
        return Answer(scores=tuple(float(score) for score in value))
    raise SpecError(f"{where}: an answer is a text, or a list of one score per option, not {value!r}")


def _logged(row: Mapping[str, Any], *, where: str) -> _Entry:
    """An answer of lmms-eval's: the filtered response, which is the one its metrics saw, else the raw one."""
    response: Any = row.get("filtered_resps") or row.get("resps")
    while isinstance(response, list) and response:
        response = response[0]
    if not isinstance(response, str):
        raise SpecError(f"{where}: has no text in filtered_resps or resps; other outputs are not replayed")
    prompt: Any = row.get("input")
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
