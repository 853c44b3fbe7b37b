"""Answers written for a benchmark's own server, where the right ones are not published."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.understanding.description import Description
from benchmarks.understanding.questions import Question
from vtok_eval.errors import DataError
from vtok_eval.results.records import Status

if TYPE_CHECKING:
    from vtok_eval.results.records import Record


def write_submission(
    description: Description, questions: Iterable[Question], records: Iterable[Record], path: Path
) -> int:
    """Write a JSON object with the option's number (from 0) for each question; -1 where none was read.

    Keys are videos where every video has one question, as EgoSchema's server wants them, else questions' ids
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
