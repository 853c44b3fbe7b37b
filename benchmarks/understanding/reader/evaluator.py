"""Asks a system's miniature readers about clips, one question at a time, and scores what they answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.understanding.reader.wording import QUESTIONS, answer_score, read_answer
from vtok_eval.benchmark import Outcome, Sample
from vtok_eval.probes.clip_reading import ClipReading
from vtok_eval.probes.features import ClipFeatures, build_table
from vtok_eval.scenes.vocabulary import ATTRIBUTES, attribute
from vtok_eval.systems import Tokenizer

if TYPE_CHECKING:
    from torch import Tensor

    from benchmarks.understanding.reader.miniature import MiniatureReader
    from vtok_eval.probes.preprocessing import Preprocessing

UNPARSED = "unparsed"
"""The share of answers that name no label."""


@dataclass(frozen=True)
class MiniatureEvaluator(ClipReading):
    """Asks every trained reader about each clip."""

    tokenizer: Tokenizer
    readers: tuple[MiniatureReader, ...]

    @property
    def fitted(self) -> Preprocessing:
        """Of the first reader; all were fitted to the same training clips."""
        return self.readers[0].preprocessing

    def outcome(self, sample: Sample, features: ClipFeatures) -> Outcome:
        """For each attribute that applies one score per reader; the share of answers that name no label."""
        table = self.fitted.apply(build_table([features], [sample.id]))
        answers = [ask(reader, reader.layout.rows(table)[0], sample.target) for reader in self.readers]
        scores = [scores_by_attribute(texts, sample.target) for texts in answers]
        values = {name: tuple(score[name] for score in scores) for name in scores[0]}
        return Outcome(
            values={**values, UNPARSED: tuple(unread_share(texts) for texts in answers)},
            outputs={name: [texts[name] for texts in answers] for name in answers[0]},
            training_seeds=len(self.readers),
        )


def ask(reader: MiniatureReader, rows: Tensor, truth: Mapping[str, Any]) -> dict[str, str]:
    """The reader's answer in words about each attribute that applies to a clip, each asked by itself."""
    names = [item.name for item in ATTRIBUTES if item.name in truth]
    return dict(zip(names, reader.answers(rows, [QUESTIONS[name] for name in names]), strict=True))


def scores_by_attribute(texts: Mapping[str, str], truth: Mapping[str, Any]) -> dict[str, float]:
    """How right the answers about one clip are, from 0 to 1.

    Example:
        >>> scores_by_attribute({"path": "circle", "count": "2"}, {"path": "circle", "count": "3"})
        {'path': 1.0, 'count': 0.0}
    """
    return {
        name: answer_score(attribute(name), read_answer(attribute(name), text), truth[name])
        for name, text in texts.items()
    }


def unread_share(texts: Mapping[str, str]) -> float:
    """The share of answers that name no label; 0 where nothing was asked.

    Example:
        >>> unread_share({"path": "circle", "count": "blue"})
        0.5
    """
    unread = [read_answer(attribute(name), text) is None for name, text in texts.items()]
    return sum(unread) / len(unread) if unread else 0.0
