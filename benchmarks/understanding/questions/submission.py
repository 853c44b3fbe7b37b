"""Answers written for a benchmark's own server, where the right ones are not published."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.understanding.questions.description import BenchmarkDescription
from benchmarks.understanding.questions.question import VideoQuestion
from vtok_eval.errors import DataError, SpecError, UnknownNameError
from vtok_eval.results.records import Status

if TYPE_CHECKING:
    from vtok_eval.results.records import Record
    from vtok_eval.results.store import RunFolder


def write_answers_of_run(run: Path, benchmark: str, system: str | None, path: Path) -> tuple[int, int]:
    """Write a system's answers out of a run folder; see `write_submission`.

    benchmark: its id in the run. system: None where only one was asked. Only questions whose right answers
    are not published are written. Returns how many those are, and how many of their answers are -1.

    Raises:
        UnknownNameError: the run has no such benchmark, or it did not ask the system.
        SpecError: the benchmark has no server, all its answers are published, or several systems were asked.
        DataError: a question has no answer yet.
        RunFolderError: no run folder.
    """
    from benchmarks.understanding.questions.benchmark import QuestionAnswering
    from vtok_eval.results.store import RunFolder
    from vtok_eval.run.plan import build_benchmark
    from vtok_eval.run.suite import BenchmarkEntry

    folder = RunFolder.open(run)
    entries = {entry["id"]: entry for entry in folder.run()["benchmarks"]}
    if benchmark not in entries:
        raise UnknownNameError(what=f"benchmark of {run}", name=benchmark, known=entries)
    entry = {key: entries[benchmark][key] for key in ("name", "id", "options")}
    made: object = build_benchmark(BenchmarkEntry.model_validate(entry))
    if not isinstance(made, QuestionAnswering) or made.description.server is None:
        raise SpecError(f"{benchmark} has no server of its own that takes answers")
    hidden = [
        each for members in made.questions_by_sample.values() for each in members if not each.is_answered
    ]
    if not hidden:
        raise SpecError(f"{benchmark}: all its right answers are published; its scores are in the report")
    job = _job(folder, benchmark, system)
    return len(hidden), write_submission(made.description, hidden, folder.raw_records(job), path)


def _job(folder: RunFolder, benchmark: str, system: str | None) -> str:
    jobs = {job.system: job.id for job in folder.jobs() if job.benchmark == benchmark}
    if system is None and len(jobs) != 1:
        raise SpecError(f"{benchmark} was asked of {', '.join(jobs) or 'no system'}; name one with --system")
    if system is not None and system not in jobs:
        raise UnknownNameError(what=f"system of {benchmark}", name=system, known=jobs)
    return jobs[system] if system is not None else next(iter(jobs.values()))


def write_submission(
    description: BenchmarkDescription,
    questions: Iterable[VideoQuestion],
    records: Iterable[Record],
    path: Path,
) -> int:
    """Write a JSON object with the option's number (from 0) for each question; -1 where none was read.

    Keys are videos where every video has one question, as EgoSchema's server expects, else questions' ids
    without their subset. Returns how many answers are -1.

    Raises:
        DataError: a question has no record, as after a run with --limit; the server would refuse the file.
    """
    by_id = {record.sample_id: record for record in records}
    asked = list(questions)
    by_video = len({question.video for question in asked}) == len(asked)
    answers: dict[str, int] = {}
    for question in asked:
        if question.id not in by_id:
            raise DataError(
                f"{description.name}: {question.id} has no answer yet; a server wants all of them"
            )
        record = by_id[question.id]
        read = record.outputs.get("read") if record.status is Status.OK else None
        key = question.video if by_video else question.id.removeprefix(f"{question.subset}/")
        answers[key] = question.labels.index(read) if read in question.labels else -1
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    temporary.write_text(json.dumps(answers, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(temporary, path)
    return sum(answer == -1 for answer in answers.values())
