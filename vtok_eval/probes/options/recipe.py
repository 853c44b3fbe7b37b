"""How a probe is trained: one recipe for every tokenizer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Recipe:
    """How a probe is trained: the same for every tokenizer.

    optimizer: "muon" (matrices by Muon, the rest by AdamW) or "adamw".
    learning_rates: each is tried, the one with the best validation score is kept.
    max_channels: groups of features with more are reduced to as many by a PCA of the training split.
    keep: the reader after the "last" epoch, or after the "best" one by the validation score.
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
