"""Makes kernel ridge ready for a system: its clips collected, the reader fitted, the facts written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from vtok_eval.benchmark import Context, Sample
from vtok_eval.probes.preprocessing import Preprocessing
from vtok_eval.probes.training_clips.splits import Collected, Split
from vtok_eval.probes.training_facts import training_facts, write_facts
from vtok_eval.systems import System


class FittedRidge(Protocol):
    """A fitted kernel ridge."""

    @property
    def validation_score(self) -> float:
        """By the measure that probes of the benchmark are chosen by."""
        ...


Fitted = TypeVar("Fitted", bound=FittedRidge)


def fit_ridge(
    fit: Callable[[Split, Split], Fitted],
    system: System,
    context: Context,
    *,
    training: Sequence[Sample],
    validation: Sequence[Sample],
    max_channels: int | None,
) -> tuple[Fitted, Preprocessing]:
    """Kernel ridge fitted to one system's clips, anew in every process; leaves `training.json`.

    fit: from training and validation clips, preprocessed. max_channels: wider groups of features are reduced.

    Raises:
        TokenizerError: the tokenizer fails on every clip, or breaks the protocol as a whole.
        RunFolderError: the artifacts cannot be written.
    """
    collected = Collected.of(
        system, context, training=training, validation=validation, max_channels=max_channels
    )
    reader = fit(*collected.splits)
    facts = training_facts(
        system.name,
        recipe=None,
        collected=collected,
        histories=(),
        ridge_validation_score=reader.validation_score,
    )
    write_facts(context.artifacts, facts)
    return reader, collected.preprocessing
