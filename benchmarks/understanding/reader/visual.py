"""A clip's features as the miniature's language model is given them: one row for each visual token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from vtok_eval.probes.features import FeatureTable
from vtok_eval.probes.half_precision import N_KINDS

_PLACE = 4.0
"""The value of a place's channel: enough to be seen among a hundred standardised channels."""


@dataclass(frozen=True)
class RowLayout:
    """What a row's channels are: the token's own, then one-hot its kind, its frame and its slot in the frame.

    channels: of the widest group of features, as a reader sees it. n_slots: later slots share the last.

    Example:
        >>> RowLayout(channels=152, n_frames=16, n_slots=16).width
        186
    """

    channels: int
    n_frames: int
    n_slots: int

    @classmethod
    def of(cls, table: FeatureTable, *, n_frames: int) -> RowLayout:
        """The layout for clips like a preprocessed table's."""
        widths = [int(group.values.shape[2]) for group in table.groups]
        n_slots = int(table.slot.max()) + 1 if table.slot.numel() else 1
        return cls(max(widths, default=0), n_frames, n_slots)

    @property
    def width(self) -> int:
        """Channels of a row."""
        return self.channels + N_KINDS + self.n_frames + self.n_slots

    def rows(self, table: FeatureTable) -> list[Tensor]:
        """For each clip of a preprocessed table the rows of its tokens, float16 `(L, width)`; L may be 0.

        Groups narrower than the widest end in zeros. A language model that starts from random weights cannot
        learn within a few hundred steps where in the clip a token is from, so it is told, as a probe is.
        """
        values = torch.cat([self._padded(group.values.float()) for group in table.groups], dim=1)
        mask, kind, frame = (
            torch.cat([getattr(group, name) for group in table.groups], dim=1)
            for name in ("mask", "kind", "frame")
        )
        slot = table.slot.clamp_max(self.n_slots - 1)
        columns = torch.stack([kind, N_KINDS + frame, N_KINDS + self.n_frames + slot], dim=2)
        values.scatter_(2, self.channels + columns, _PLACE)
        return [row[present].half() for row, present in zip(values, mask, strict=True)]

    def _padded(self, values: Tensor) -> Tensor:
        return functional.pad(values, (0, self.width - int(values.shape[2])))


def counts(rows: Sequence[Tensor]) -> tuple[int, int]:
    """The smallest and the largest number of rows of a clip.

    Example:
        >>> counts([torch.zeros(31, 4), torch.zeros(16, 4)])
        (16, 31)
    """
    lengths = [len(row) for row in rows]
    return min(lengths), max(lengths)
