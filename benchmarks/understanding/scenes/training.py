"""The probe's training on attributes: its loss, what it is chosen by, and its answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.understanding.scenes.ridge import RidgeReader
from benchmarks.understanding.scenes.targets import (
    Answer,
    Targets,
    above_chance,
    answers_of,
    loss_of,
    scores_of,
)
from vtok_eval.devices.deferred import Deferred, arriving, together
from vtok_eval.devices.transfer import transfer_to
from vtok_eval.probes.attentive import AttentiveProbe, TokenReader
from vtok_eval.probes.features import FeatureTable
from vtok_eval.probes.options.recipe import ReaderShape, Recipe
from vtok_eval.probes.training import new_projection
from vtok_eval.probes.training_clips.splits import Split
from vtok_eval.scenes.vocabulary import Attribute

_EVALUATED_AT_ONCE = 256
_FITTED = 1_000
"""Training clips of the kernel ridge that probes are compared with: its cost grows with their cube."""


@dataclass(frozen=True)
class AttributeReading:
    """Reading attributes, each with its own query (a `ReadingTask`)."""

    attributes: tuple[Attribute, ...]

    def build(
        self, tokenizer: object, shape: ReaderShape, *, recipe: Recipe, seed: int, device: torch.device
    ) -> TokenReader:
        """An untrained reader for a tokenizer; the probe's weights come from torch's default generator."""
        n_classes = {attribute.name: len(attribute.labels) for attribute in self.attributes}
        probe = AttentiveProbe(shape.attention(recipe), n_classes=n_classes)
        return TokenReader(new_projection(tokenizer, seed=seed, widths=shape.group_widths), probe).to(device)

    def ridge_score(self, training: Split, validation: Split) -> float:
        """The validation score of `RidgeReader`, fitted to at most 1,000 training clips."""
        return RidgeReader.fit(self.attributes, training.first(_FITTED), validation).validation_score

    def objective(self, *, training: Split, validation: Split, device: torch.device) -> AttributeObjective:
        """The mean loss over attributes; chosen by the mean score above chance."""
        targets = Targets.of(self.attributes, training.labels)
        return AttributeObjective(self.attributes, training, validation, targets, device)


@dataclass(frozen=True)
class AttributeObjective:
    """What readers of attributes are trained for (an `Objective`)."""

    attributes: tuple[Attribute, ...]
    training: Split
    validation: Split
    targets: Targets
    device: torch.device

    @property
    def n_clips(self) -> int:
        """How many training clips there are."""
        return len(self.training.table)

    def loss(self, reader: TokenReader, index: Tensor) -> Tensor:
        """See `loss_of`."""
        groups, slot = self.training.table.select(index, device=self.device)
        return loss_of(reader(groups, slot), self.targets.select(index, device=self.device))

    def validate(self, reader: TokenReader) -> tuple[float, Mapping[str, object]]:
        """The mean over attributes of the score above chance, and each attribute's score."""
        answers = answer_all(reader, self.validation.table, self.attributes, device=self.device)
        scores = mean_scores(answers, self.validation.labels, self.attributes)
        return above_chance(scores, self.attributes), scores


def answer_all(
    reader: TokenReader, table: FeatureTable, attributes: Sequence[Attribute], *, device: torch.device
) -> list[dict[str, Answer]]:
    """The reader's answers for every clip of a standardised table."""
    return begin_answers(reader, table, attributes, device=device).get()


def begin_answers(
    reader: TokenReader, table: FeatureTable, attributes: Sequence[Attribute], *, device: torch.device
) -> Deferred[list[dict[str, Answer]]]:
    """As `answer_all`, but the device is waited for only by `get`."""
    transfer = transfer_to(device)
    begun = []
    with torch.no_grad():
        for index in torch.arange(len(table), device="cpu").split(_EVALUATED_AT_ONCE):
            logits = reader(*table.select(index, device=device))
            begun.append(arriving([transfer.download(logits[each.name]) for each in attributes]))

    def read(parts: Sequence[Sequence[Tensor]]) -> list[dict[str, Answer]]:
        names = [each.name for each in attributes]
        found = [answers_of(dict(zip(names, part, strict=True)), attributes) for part in parts]
        return [answer for part in found for answer in part]

    return together(begun).then(read)


def mean_scores(
    answers: Sequence[Mapping[str, Answer]],
    labels: Sequence[Mapping[str, object]],
    attributes: Sequence[Attribute],
) -> dict[str, float]:
    """Each attribute's mean score over the clips that it applies to; none, no key."""
    scored = [scores_of(answer, truth, attributes) for answer, truth in zip(answers, labels, strict=True)]
    columns = {item.name: [clip[item.name] for clip in scored if item.name in clip] for item in attributes}
    return {name: sum(column) / len(column) for name, column in columns.items() if column}
