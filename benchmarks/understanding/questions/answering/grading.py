"""What an answer is worth: which option it names, or whether its text is the right one."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.understanding.questions.answering.extraction import clean, read_option
from benchmarks.understanding.questions.answering.lmms_eval_extraction import read_as_peer
from benchmarks.understanding.questions.question import VideoQuestion
from benchmarks.understanding.questions.task_description import Task
from vtok_eval.answerers.reading.containers import contained
from vtok_eval.answerers.reading.final_text import final_text

_ARTICLES = {"a", "an", "the"}
_NUMBERS = {
    word: str(number)
    for number, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    )
}


@dataclass(frozen=True)
class Grade:
    """The result of one answer.

    correct: 1.0 or 0.0 (in lmms-eval's reading also 1 / number of options, the expectation of its random
    choice); None where the right answer is not published, or where lmms-eval leaves the answer out.
    read: what was read, as text: an option's label or a normalised free answer; None where nothing was.
    position: of the option read, None for a free answer.
    """

    correct: float | None
    read: str | None
    position: int | None = None


def grade(task: Task, question: VideoQuestion, answer: str | Sequence[float], *, peer: bool = False) -> Grade:
    """Grade an answer; peer: as lmms-eval would.

    answer: text, or one score per option, of which the highest is the choice; equal highest ones are none.

    Raises:
        ValueError: scores that are not finite, or not as many as there are options.
    """
    if not isinstance(answer, str):
        return graded_choice(question, _highest(answer, len(question.labels)))
    if task.type == "open-ended":
        return graded_text(question, answer)
    if peer and task.peer is not None:
        return _grade_as_peer(task, question, answer)
    position = read_option(answer, task.extraction, labels=question.labels, options=question.options)
    return graded_choice(question, position)


def normalised(text: str) -> str:
    """A free answer for comparison: lower case, without punctuation and articles, one to ten as digits.

    Example:
        >>> normalised("<answer>The Two dogs.</answer>")
        '2 dogs'
    """
    parts = contained(final_text(text))
    plain = clean(parts.contents[0] if parts.contents else parts.rest).lower()
    plain = re.sub(r"\A(?:the\s+)?answer\s*(?:is|:)\s*", "", plain)
    words = re.sub(r"(?<=\w)['’](?=\w)", "", plain)
    words = re.sub(r"[^\w\s]|_", " ", words)
    return " ".join(_NUMBERS.get(word, word) for word in words.split() if word not in _ARTICLES)


def graded_choice(question: VideoQuestion, position: int | None) -> Grade:
    """The grade of choosing the option at `position`; None chooses nothing, which is wrong."""
    correct = None if question.answer is None else float(position == question.answer)
    if position is None or position >= len(question.labels):
        return Grade(correct, None)
    return Grade(correct, question.labels[position], position)


def _grade_as_peer(task: Task, question: VideoQuestion, answer: str) -> Grade:
    assert task.peer is not None
    if task.peer.drops_empty and answer == "":
        return Grade(None, None)
    position = read_as_peer(task.peer.extraction, answer, question, task.peer.letters)
    if position is not None:
        return graded_choice(question, position)
    if question.answer is None:
        return Grade(None, None)
    fallback = {
        "wrong": 0.0,
        "random": 1 / len(question.labels),
        "A": float(question.answer == 0),
    }
    return Grade(fallback[task.peer.fallback], None)


def graded_text(question: VideoQuestion, answer: str) -> Grade:
    """The grade of a free answer: right where it equals the reference after normalising."""
    read = normalised(answer)
    if question.free_answer is None:
        return Grade(None, read or None)
    return Grade(float(bool(read) and read == normalised(question.free_answer)), read or None)


def _highest(scores: Sequence[float], n_options: int) -> int | None:
    if len(scores) != n_options or not all(math.isfinite(score) for score in scores):
        raise ValueError(f"an answer must be {n_options} finite scores, not {list(scores)}")
    best = max(scores)
    return list(scores).index(best) if list(scores).count(best) == 1 else None
