"""How a probe is trained: one recipe for all tokenizers, the shape of what it reads, what is kept of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NotRequired, TypedDict

from vtok_eval.probes.attentive import AttentionShape


@dataclass(frozen=True)
class Recipe:
    """How a probe is trained: the same for every tokenizer.

    optimizer: "muon" (matrices by Muon, the rest by AdamW) or "adamw".
    learning_rates: each is tried, the one with the best validation score is kept.
    max_channels: groups of features with more are reduced to as many by a PCA of the training split.
    keep: the reader after the "last" epoch, or after the "best" one by the validation score.

    Example:
        >>> from vtok_eval.probes.options.training import TrainingOptions
        >>> recipe = TrainingOptions(epochs=4).recipe(n_frames=16)
        >>> recipe.epochs, recipe.optimizer
        (4, 'muon')
    """

    width: int
    heads: int
    n_frames: int
    epochs: int
    batch_size: int
    optimizer: str
    learning_rates: tuple[float, ...]
    weight_decay: float
    max_channels: int | None = None
    keep: Literal["last", "best"] = "best"


@dataclass(frozen=True)
class ReaderShape:
    """What must be known to build an untrained `TokenReader`.

    n_slots: embeddings for places in a frame. group_widths: channels of each group of features, reduced.
    vocabulary: of tokens read as codes, the rows of each quantiser's table; empty where values are read.

    Example:
        >>> from vtok_eval.probes.options.training import TrainingOptions
        >>> shape = ReaderShape(token_width=6, n_slots=4, group_widths=(6,))
        >>> shape.attention(TrainingOptions(width=64).recipe(n_frames=16)).width
        64
    """

    token_width: int
    n_slots: int
    group_widths: tuple[int, ...]
    vocabulary: tuple[int, ...] = ()

    def attention(self, recipe: Recipe) -> AttentionShape:
        """The shape of a probe that reads such tokens and is trained by the recipe."""
        return AttentionShape(
            token_width=self.token_width,
            n_slots=self.n_slots,
            n_frames=recipe.n_frames,
            width=recipe.width,
            heads=recipe.heads,
            vocabulary=self.vocabulary,
        )


class KeptRun(TypedDict):
    """One training with one learning rate, and the epoch of it that was kept.

    validation: the parts of its score, as the objective gives them. training_losses, validation_losses: after
    every epoch.

    Example:
        >>> sorted(KeptRun.__annotations__)[:3]
        ['epoch', 'learning_rate', 'training_losses']
    """

    validation_score: float
    epoch: int
    validation: Mapping[str, object]
    learning_rate: float
    training_losses: list[float]
    validation_losses: list[float]


class TrainingHistory(TypedDict):
    """How a reader came about, as JSON.

    steps: of the optimizer, at each learning rate. chosen: the run with the best validation score.
    learning_rates_tried: learning rate -> validation score. taken_from: the job's folder of the equal system
    that the reader was trained for; absent where it was trained for this one.

    Example:
        >>> sorted(TrainingHistory.__annotations__)
        ['chosen', 'learning_rates_tried', 'seed', 'steps', 'taken_from']
    """

    seed: int
    steps: int
    chosen: KeptRun
    learning_rates_tried: dict[str, float]
    taken_from: NotRequired[str]
