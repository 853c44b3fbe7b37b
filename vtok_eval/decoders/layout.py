"""Where a tokenizer's tokens are in a clip: which frame, which cell, and which of them a frame is near."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vtok_eval.data import TokenKind
from vtok_eval.errors import TokenizerError
from vtok_eval.probes.features import FeatureTable

CELLS = 4
"""Cells a side of the grid in which a frame is decoded."""


@dataclass(frozen=True)
class TokenLayout:
    """The tokens of every clip of `n_frames` frames, one entry per token: kind, frame, slot within both."""

    n_frames: int
    kind: tuple[int, ...]
    frame: tuple[int, ...]
    slot: tuple[int, ...]

    @classmethod
    def of(cls, table: FeatureTable, *, n_frames: int) -> TokenLayout:
        """The layout that all clips of the table share.

        Raises:
            TokenizerError: two clips have other numbers or places of tokens.
        """
        columns = {
            "kind": torch.cat([group.kind for group in table.groups], dim=1),
            "frame": torch.cat([group.frame for group in table.groups], dim=1),
            "slot": table.slot,
        }
        mask = torch.cat([group.mask for group in table.groups], dim=1)
        alike = bool(mask.all()) and all(bool((column == column[:1]).all()) for column in columns.values())
        if not alike:
            raise TokenizerError(
                "a decoder needs the same number of tokens at the same places in every clip of a length"
            )
        return cls(n_frames, **{name: tuple(column[0].tolist()) for name, column in columns.items()})

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TokenLayout:
        """The layout from its `dataclasses.asdict`."""
        return cls(data["n_frames"], tuple(data["kind"]), tuple(data["frame"]), tuple(data["slot"]))

    def __len__(self) -> int:
        return len(self.kind)

    def nearest(self) -> Tensor:
        """For each frame and cell the tokens nearest in time, int64 `(T, CELLS^2, 4)`; L means none.

        The spatial token of that cell in the last frame that has any up to this one, and in the first from
        this one on; the motion token of the last such frame, and of the first.
        """
        found = torch.full((self.n_frames, CELLS**2, 4), len(self), dtype=torch.int64, device="cpu")
        for column, kind in enumerate((TokenKind.SPATIAL, TokenKind.MOTION)):
            places = self._places(int(kind))
            for frame in range(self.n_frames):
                earlier = [other for other in places if other <= frame]
                later = [other for other in places if other >= frame]
                if earlier:
                    found[frame, :, 2 * column] = _in_cells(places[max(earlier)])
                if later:
                    found[frame, :, 2 * column + 1] = _in_cells(places[min(later)])
        return found

    def _places(self, kind: int) -> dict[int, list[int]]:
        """Frame -> the numbers of its tokens of a kind, by slot."""
        places: dict[int, list[int]] = {}
        for number in sorted(range(len(self)), key=lambda number: self.slot[number]):
            if self.kind[number] == kind:
                places.setdefault(self.frame[number], []).append(number)
        return places


def _in_cells(tokens: list[int]) -> Tensor:
    """The token that covers each of the CELLS^2 cells, row by row, int64; the tokens are a square grid's.

    For any other number of tokens, the first covers all cells; attention sees the others.
    """
    side = math.isqrt(len(tokens))
    if side**2 != len(tokens):
        return torch.full((CELLS**2,), tokens[0], device="cpu")
    along = torch.arange(CELLS, device="cpu") * side // CELLS
    return torch.tensor(tokens, device="cpu")[(along[:, None] * side + along[None, :]).flatten()]
