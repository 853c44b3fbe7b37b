"""The text that an answerer is given: a question, its options under their labels, and what to answer with."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.understanding.questions.question import VideoQuestion
from benchmarks.understanding.questions.task_description import Task


def rotated(question: VideoQuestion, turn: int) -> tuple[str, ...]:
    """The options' texts rotated by `turn` places: label i gets option i + turn, cyclically."""
    count = len(question.options)
    return tuple(question.options[(i + turn) % count] for i in range(count))


def render_prompt(
    task: Task, question: VideoQuestion, *, n_frames: int, options: Sequence[str] | None = None
) -> str:
    """The task's template filled in.

    n_frames: of the clip as it is shown; 0 where none is. options: texts in the order they are shown, one for
    each label; as the data set has them where not given.
    """
    shown = question.options if options is None else options
    return task.prompt.format(
        question=question.text,
        Question=question.text[:1].upper() + question.text[1:],
        instruction=question.instruction,
        options="\n".join(_lines(task, question, shown)),
        letters=_enumeration(question.labels),
        n_options=len(question.labels),
        n_frames=n_frames,
    ).strip()


def _lines(task: Task, question: VideoQuestion, options: Sequence[str]) -> list[str]:
    leads = question.leads or ("",) * len(options)
    return [
        task.option.format(letter=f"{lead}{label}", text=text)
        for lead, label, text in zip(leads, question.labels, options, strict=False)
    ]


def _enumeration(labels: Sequence[str]) -> str:
    if len(labels) < 2:
        return "".join(labels)
    return f"{', '.join(labels[:-1])} or {labels[-1]}"
