"""How well answers are read: the labelled answers, counted as right, wrong or unread by style."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

from benchmarks.understanding.questions.answering.extraction import read_option

LABELLED = Path(__file__).parents[1] / "tests/benchmarks/understanding/questions/labelled_answers.yaml"

Part = Literal["tuning", "held_out"]
Outcome = Literal["right", "wrong", "unread"]


class _Style(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    tuning: list[tuple[str, str | None, str]]
    held_out: list[tuple[str, str | None, str]]


class _LabelledAnswers(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    questions: dict[str, list[str]]
    styles: dict[str, _Style]


@dataclass(frozen=True)
class LabelledAnswer:
    """An answer, the option that a person reads in it (None for none), and the options to choose from."""

    style: str
    part: Part
    text: str
    expected: str | None
    labels: tuple[str, ...]
    options: tuple[str, ...]

    def outcome(self) -> Outcome:
        """right: read as a person reads it. unread: nothing was read. wrong: something else was read."""
        is_yes_no = self.options == ("yes", "no")
        readers = ("yes-no",) if is_yes_no else ("letter", "option-text")
        position = read_option(self.text, readers, labels=self.labels, options=self.options)
        read = None if position is None else self.labels[position]
        if read == self.expected:
            return "right"
        return "unread" if read is None else "wrong"


def labelled_answers(path: Path = LABELLED) -> list[LabelledAnswer]:
    """Every labelled answer of the file."""
    content = _LabelledAnswers.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    found = []
    for style, parts in content.styles.items():
        by_part: Mapping[Part, Sequence[tuple[str, str | None, str]]]
        by_part = {"tuning": parts.tuning, "held_out": parts.held_out}
        for part, entries in by_part.items():
            for question, expected, text in entries:
                options = tuple(content.questions[question])
                labels = options if options == ("yes", "no") else tuple("ABCDEFG"[: len(options)])
                found.append(LabelledAnswer(style, part, text, expected, labels, options))
    return found


def quality_table(answers: Sequence[LabelledAnswer]) -> Iterator[str]:
    """The lines of a Markdown table: a row for each style, then for all, and for those held out."""
    outcomes = [(each, each.outcome()) for each in answers]
    yield "| style | answers | right | wrong | unread |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for style in dict.fromkeys(each.style for each in answers):
        yield _row(style, [outcome for each, outcome in outcomes if each.style == style])
    yield _row("**all**", [outcome for _, outcome in outcomes])
    yield _row("of these, held out", [outcome for each, outcome in outcomes if each.part == "held_out"])


def _row(name: str, outcomes: Sequence[Outcome]) -> str:
    counts = Counter(outcomes)
    return f"| {name} | {len(outcomes)} | {counts['right']} | {counts['wrong']} | {counts['unread']} |"
