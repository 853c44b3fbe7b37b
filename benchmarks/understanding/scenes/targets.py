"""The truth about clips as tensors: losses, predicted labels and scores of each attribute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from vtok_eval.scenes.vocabulary import Attribute

Answer = str | tuple[str, ...]
"""One label, or a set of labels in the vocabulary's order."""


@dataclass(frozen=True)
class Targets:
    """The labels of N clips.

    truth: attribute -> `(N, n_labels)` float32, one where a label is true.
    applies: attribute -> `(N,)` bool, false for clips that the attribute does not apply to.
    """

    attributes: tuple[Attribute, ...]
    truth: Mapping[str, Tensor]
    applies: Mapping[str, Tensor]

    @classmethod
    def of(cls, attributes: Sequence[Attribute], labels: Sequence[Mapping[str, Any]]) -> Targets:
        """Targets of clips with these labels: attribute -> label or labels, no key where none applies."""
        truth, applies = {}, {}
        for attribute in attributes:
            rows = torch.zeros(len(labels), len(attribute.labels), device="cpu")
            for row, clip in enumerate(labels):
                for label in _as_set(clip.get(attribute.name, ())):
                    rows[row, attribute.labels.index(label)] = 1.0
            truth[attribute.name] = rows
            applies[attribute.name] = torch.tensor([attribute.name in clip for clip in labels], device="cpu")
        return cls(tuple(attributes), truth, applies)

    def select(self, index: Tensor, *, device: torch.device) -> Targets:
        """The targets of the clips `index` `(B,)` on `device`."""
        return Targets(
            self.attributes,
            {name: rows[index].to(device) for name, rows in self.truth.items()},
            {name: flags[index].to(device) for name, flags in self.applies.items()},
        )


def loss_of(logits: Mapping[str, Tensor], targets: Targets) -> Tensor:
    """Mean over attributes of the mean loss of the clips that each applies to, a scalar.

    Single label: cross-entropy. Set of labels: binary cross-entropy in which a clip's true labels weigh as
    much in all as its false ones, which is what the score asks for. Each is divided by the loss of a guess
    without knowledge, so that attributes with many labels do not outweigh the others.
    """
    losses = []
    for attribute in targets.attributes:
        applies, truth = targets.applies[attribute.name], targets.truth[attribute.name]
        loss = _clip_losses(attribute, logits[attribute.name], truth)
        losses.append((loss * applies).sum() / applies.sum().clamp_min(1))
    return torch.stack(losses).mean()


def answers_of(logits: Mapping[str, Tensor], attributes: Sequence[Attribute]) -> list[dict[str, Answer]]:
    """What the logits `(B, n_labels)` say of each clip: the likeliest label, or all labels above zero."""
    columns = {}
    for attribute in attributes:
        scores = logits[attribute.name].detach().cpu()
        if attribute.kind == "single":
            columns[attribute.name] = [attribute.labels[best] for best in scores.argmax(dim=1).tolist()]
        else:
            columns[attribute.name] = [_named(attribute, row) for row in (scores > 0).tolist()]
    n_clips = len(next(iter(columns.values())))
    return [{name: column[row] for name, column in columns.items()} for row in range(n_clips)]


def scores_of(
    answers: Mapping[str, Answer], labels: Mapping[str, Any], attributes: Sequence[Attribute]
) -> dict[str, float]:
    """How right the answers for one clip are, from 0 to 1, for each attribute that applies to it."""
    applying = (attribute for attribute in attributes if attribute.name in labels)
    return {item.name: item.score(answers[item.name], labels[item.name]) for item in applying}


def above_chance(mean_scores: Mapping[str, float], attributes: Sequence[Attribute]) -> float:
    """One number to choose by: the mean over attributes of (score - chance) / (1 - chance)."""
    rescaled = [
        (mean_scores[item.name] - item.chance) / (1 - item.chance)
        for item in attributes
        if item.name in mean_scores
    ]
    return sum(rescaled) / len(rescaled)


def _clip_losses(attribute: Attribute, logits: Tensor, truth: Tensor) -> Tensor:
    n_labels = len(attribute.labels)
    if attribute.kind == "single":
        ignorant = torch.tensor(float(n_labels), device=logits.device).log()
        return functional.cross_entropy(logits, truth, reduction="none") / ignorant
    each = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    n_true = truth.sum(dim=1, keepdim=True)
    weight = truth / n_true.clamp_min(1) + (1 - truth) / (n_labels - n_true).clamp_min(1)
    return (each * weight).sum(dim=1) / (2 * torch.tensor(2.0, device=logits.device).log())


def _as_set(labels: str | Sequence[str]) -> Sequence[str]:
    return (labels,) if isinstance(labels, str) else labels


def _named(attribute: Attribute, flags: Sequence[bool]) -> tuple[str, ...]:
    return tuple(label for label, flag in zip(attribute.labels, flags, strict=True) if flag)
