"""Attributes read by kernel ridge regression: the second reader, deterministic and without seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.understanding.scenes.targets import (
    Answer,
    Targets,
    above_chance,
    answers_of,
    scores_of,
)
from vtok_eval.probes.features import FeatureTable
from vtok_eval.probes.ridge.kernel_ridge import PENALTIES, ClipVectors, Kernel, RidgePath, kernels_for
from vtok_eval.probes.training_clips.splits import Split
from vtok_eval.scenes.vocabulary import Attribute


@dataclass(frozen=True)
class RidgeFit:
    """How one attribute is read: the kernel and the penalty with the best validation score."""

    kernel: Kernel
    penalty: float
    coefficients: Tensor
    validation_score: float


@dataclass(frozen=True)
class RidgeReader:
    """Kernel ridge regression of every attribute's labels on a clip's tokens.

    Each label is a target of 1 where it is true and 0 where not, less its mean over the training clips that
    the attribute applies to (0 for the others). A single label is the one with the largest prediction; a set
    holds the labels predicted above their mean, which is what balanced accuracy asks for. For each attribute
    the kernel (spatial tokens, motion tokens or both) and the penalty with the best validation score are
    kept, of equals the earlier kernel and the larger penalty.

    Source: Saunders, Gammerman and Vovk, Ridge Regression Learning Algorithm in Dual Variables, ICML 1998.
    """

    attributes: tuple[Attribute, ...]
    vectors: ClipVectors
    means: Mapping[str, Tensor]
    fits: Mapping[str, RidgeFit]

    @classmethod
    def fit(cls, attributes: Sequence[Attribute], training: Split, validation: Split) -> RidgeReader:
        """Fit to standardised training clips, with kernel and penalty chosen on the validation clips."""
        vectors = ClipVectors.of(training.table)
        held_out = ClipVectors.of(validation.table, vectors.places)
        within, across = vectors.squared_distances(vectors), held_out.squared_distances(vectors)
        targets = Targets.of(attributes, training.labels)
        means = {item.name: _mean(targets, item.name) for item in attributes}
        centred = [
            (targets.truth[item.name] - means[item.name]) * targets.applies[item.name][:, None]
            for item in attributes
        ]
        widths = [len(item.labels) for item in attributes]
        fits: dict[str, RidgeFit] = {}
        for kernel in kernels_for(within):
            n_clips = vectors.n_clips
            path = RidgePath.of(kernel.between(within, (n_clips, n_clips)), torch.cat(centred, dim=1))
            seen = kernel.between(across, (held_out.n_clips, vectors.n_clips))
            for penalty in sorted(PENALTIES, reverse=True):
                parts = path.coefficients(penalty).split(widths, dim=1)
                for item, own in zip(attributes, parts, strict=True):
                    score = _score(item, seen @ own, means[item.name], validation.labels)
                    if item.name not in fits or score > fits[item.name].validation_score:
                        fits[item.name] = RidgeFit(kernel, penalty, own, score)
        return cls(tuple(attributes), vectors, means, fits)

    @property
    def validation_scores(self) -> dict[str, float]:
        """Each attribute's score on the validation clips that chose its kernel and penalty."""
        return {name: fit.validation_score for name, fit in self.fits.items()}

    @property
    def validation_score(self) -> float:
        """Their mean above chance, the measure by which probes are chosen."""
        return above_chance(self.validation_scores, self.attributes)

    def answer(self, table: FeatureTable) -> list[dict[str, Answer]]:
        """The answers for every clip of a table preprocessed like the training clips."""
        clips = ClipVectors.of(table, self.vectors.places)
        distances = clips.squared_distances(self.vectors)
        shape = (clips.n_clips, self.vectors.n_clips)
        logits = {}
        for item in self.attributes:
            fit = self.fits[item.name]
            predicted = fit.kernel.between(distances, shape) @ fit.coefficients
            logits[item.name] = _logits(item, predicted, self.means[item.name])
        return answers_of(logits, self.attributes)


def _mean(targets: Targets, name: str) -> Tensor:
    """Each label's share of the training clips that the attribute applies to, `(n_labels,)`."""
    applies = targets.applies[name]
    return (targets.truth[name] * applies[:, None]).sum(dim=0) / applies.sum().clamp_min(1)


def _logits(attribute: Attribute, predicted: Tensor, mean: Tensor) -> Tensor:
    return predicted + mean if attribute.kind == "single" else predicted


def _score(
    attribute: Attribute, predicted: Tensor, mean: Tensor, labels: Sequence[Mapping[str, object]]
) -> float:
    """The mean score over the clips that the attribute applies to; 0 where it applies to none."""
    answers = answers_of({attribute.name: _logits(attribute, predicted, mean)}, (attribute,))
    scores = [
        scores_of(answer, truth, (attribute,))[attribute.name]
        for answer, truth in zip(answers, labels, strict=True)
        if attribute.name in truth
    ]
    return sum(scores) / len(scores) if scores else 0.0
