"""A system's features of training and validation clips, as readers see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from vtok_eval.benchmark import Context, Sample
from vtok_eval.probes.artifact import fingerprint_of
from vtok_eval.probes.features import FeatureTable
from vtok_eval.probes.preprocessing import Preprocessing
from vtok_eval.probes.training import may_be_reduced
from vtok_eval.probes.training_clips.collection import Collection, collect
from vtok_eval.systems import System


@dataclass(frozen=True)
class Split:
    """Clips with preprocessed features and truth; `labels` as the samples' targets give them.

    Example:
        >>> import torch
        >>> from vtok_eval.data import Tokens
        >>> table = FeatureTable((Tokens.of(torch.zeros(2, 3, 4).half()),), slot=torch.zeros(2, 3).long())
        >>> Split(table, labels=[{"colour": 3}, {"colour": 1}]).first(1).labels
        [{'colour': 3}]
    """

    table: FeatureTable
    labels: Sequence[Mapping[str, Any]]

    def first(self, n: int) -> Split:
        """The first `n` clips."""
        return Split(self.table.first(n), self.labels[:n])


@dataclass(frozen=True)
class Collected:
    """A system's features of both splits, and the preprocessing that was fitted to the training clips.

    Example:
        >>> import torch
        >>> from vtok_eval.data import Tokens
        >>> table = FeatureTable((Tokens.of(torch.zeros(2, 3, 4).half()),), slot=torch.zeros(2, 3).long())
        >>> part = Collection(table, labels=[{"colour": 3}, {"colour": 1}], failures={})
        >>> training, validation = Collected(part, part, Preprocessing.of(table)).splits
        >>> len(training.table), validation.labels[1]
        (2, {'colour': 1})
    """

    training: Collection
    validation: Collection
    preprocessing: Preprocessing

    @classmethod
    def of(
        cls,
        system: System,
        context: Context,
        *,
        training: Sequence[Sample],
        validation: Sequence[Sample],
        max_channels: int | None,
    ) -> Collected:
        """Run the system over both splits.

        max_channels: wider groups are reduced to as many, unless the system's own projection forbids it.

        Raises:
            TokenizerError: the tokenizer fails on every clip, or its tokens change width between clips.
        """
        parts = [
            collect(system.subject, samples, context.runner, description=f"{system.name}: {what} clips")
            for samples, what in ((training, "training"), (validation, "validation"))
        ]
        widest = max_channels if may_be_reduced(system.subject) else None
        return cls(parts[0], parts[1], Preprocessing.of(parts[0].table, max_channels=widest))

    @cached_property
    def splits(self) -> tuple[Split, Split]:
        """Training and validation clips as readers see them."""
        first, second = (
            Split(self.preprocessing.apply(part.table), part.labels)
            for part in (self.training, self.validation)
        )
        return first, second

    @cached_property
    def tokens(self) -> str:
        """SHA-256 (hex) of the features of both splits: equal for systems whose tokens are the same."""
        return fingerprint_of({"features": [self.training.digest, self.validation.digest]})
