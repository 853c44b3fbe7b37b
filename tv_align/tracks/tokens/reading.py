"""What the probe of the track `read` learns: the loss over training questions, and the validation score."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from tv_align.prompts.schema import CATEGORIES
from tv_align.scenes.words import VOCABULARY
from tv_align.tracks.tokens.probe import QuestionProbe, QuestionReader
from tv_align.tracks.tokens.questions import QuestionTable
from vtok_eval.probes.features import FeatureTable
from vtok_eval.probes.options.recipe import ReaderShape, Recipe
from vtok_eval.probes.training import new_projection
from vtok_eval.probes.training_clips.splits import Split

_EVALUATED_AT_ONCE = 128


@dataclass(frozen=True)
class QuestionReading:
    """Reading answers to questions in the scenes' words (a `ReadingTask`).

    training, validation: the questions; the key "row" of a split's labels says about which row a clip is.
    """

    training: QuestionTable
    validation: QuestionTable

    def build(
        self, tokenizer: object, shape: ReaderShape, *, recipe: Recipe, seed: int, device: torch.device
    ) -> QuestionReader:
        """An untrained reader for a tokenizer; the probe's weights come from torch's default generator."""
        probe = QuestionProbe(shape.attention(recipe), n_words=len(VOCABULARY))
        return QuestionReader(new_projection(tokenizer, seed=seed, widths=shape.group_widths), probe).to(
            device
        )

    def ridge_score(self, training: Split, validation: Split) -> None:
        """None: on questions it takes as long as the training; `reader=ridge` is an entry of its own."""

    def objective(self, *, training: Split, validation: Split, device: torch.device) -> QuestionObjective:
        """Binary cross-entropy; chosen by how often the true one of two questions gets the higher logit."""
        return QuestionObjective(
            _Asked(self.training, training.table, _rows(training), device),
            _Asked(self.validation, validation.table, _rows(validation), device),
        )


@dataclass(frozen=True)
class _Asked:
    """Questions about the clips of a split. rows: `(N,)` int64, of `questions`, for each clip of `table`."""

    questions: QuestionTable
    table: FeatureTable
    rows: Tensor
    device: torch.device

    def logits(self, reader: QuestionReader, index: Tensor) -> Tensor:
        """`(B, G, K)` of the questions about the clips `index` `(B,)`."""
        groups, slot = self.table.select(index, device=self.device)
        questions, rows = self.questions, self.rows[index]
        looks = questions.asked[questions.looks[rows]].to(self.device).float()
        found = reader.find(groups, slot, looks)
        every = reader.probe.agree(found, questions.claimed.to(self.device).float())
        wanted = questions.look[rows] * every.shape[2] + questions.claim[rows]
        logits = every.flatten(1).gather(1, wanted.flatten(1).to(self.device))
        return logits.view(wanted.shape)


@dataclass(frozen=True)
class QuestionObjective:
    """What readers of questions are trained for (an `Objective`); an example is a clip with its questions."""

    training: _Asked
    validation: _Asked

    @property
    def n_clips(self) -> int:
        """How many training clips there are."""
        return len(self.training.table)

    # Any: a `QuestionReader`, where `Objective` promises any `TokenReader`.
    def loss(self, reader: Any, index: Tensor) -> Tensor:
        """The mean over groups of questions (see `QuestionTable`), in units of a coin toss; in a group the
        true question weighs as much as all the others."""
        logits = self.training.logits(reader, index)
        questions, rows = self.training.questions, self.training.rows[index]
        there = questions.there[rows].to(logits.device)
        true = torch.zeros_like(logits)
        true[:, :, 0] = 1.0
        each = functional.binary_cross_entropy_with_logits(logits, true, reduction="none") * there
        n_false = (there.sum(dim=2) - 1).clamp_min(1)
        of_group = (each[:, :, 0] + each[:, :, 1:].sum(dim=2) / n_false) / (2 * math.log(2))
        return (of_group * questions.weight[rows].to(logits.device)).sum() / len(index)

    def validate(self, reader: Any) -> tuple[float, Mapping[str, Any]]:
        """How right yes-or-no answers are, the true questions weighing as much as the false ones: the mean
        over categories, and each category's."""
        right, weight = [], []
        questions = self.validation.questions
        for index in torch.arange(len(self.validation.table), device="cpu").split(_EVALUATED_AT_ONCE):
            logits = self.validation.logits(reader, index).cpu()
            there = questions.there[self.validation.rows[index]]
            says_no = (logits <= 0) & there
            denied = says_no[:, :, 1:].sum(dim=2) / (there.sum(dim=2) - 1).clamp_min(1)
            right.append(((logits[:, :, 0] > 0).double() + denied) / 2)
            weight.append(questions.weight[self.validation.rows[index]].double())
        share, weights = torch.cat(right), torch.cat(weight)
        category = questions.category[self.validation.rows]
        scores = {}
        for number, name in enumerate(CATEGORIES):
            own = torch.where(category == number, weights, 0.0)
            if bool(own.any()):
                scores[name] = float((share * own).sum() / own.sum())
        return sum(scores.values()) / len(scores), scores


def _rows(split: Split) -> Tensor:
    return torch.tensor([label["row"] for label in split.labels], dtype=torch.int64, device="cpu")
