"""The codes that a probe learns vectors of: those that occur in its training clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from vtok_eval.codes import Codes
from vtok_eval.data import Tokens

UNSEEN = 0
"""The row of every code that no training clip has; its vector is zero."""


@dataclass(frozen=True)
class KnownCodes:
    """For each quantiser the codes of the training clips, sorted: int64 `(n_q,)` each.

    A probe has a vector for each of them and one, zero, for all other codes: so its size follows what it is
    trained on, not the size of the code book, and an unseen code adds nothing rather than noise.

    Example:
        >>> known = KnownCodes((torch.tensor([3, 900]),))
        >>> known.rows(Codes(torch.tensor([[900, 3, 5]]), sizes=(1024,))).stacked[0, :, 0].tolist()
        [2, 1, 0]
    """

    codes: tuple[Tensor, ...]

    @classmethod
    def of(cls, group: Tokens) -> KnownCodes | None:
        """Of a training table's group; None where its tokens are values or have vectors already."""
        if group.coded is None:
            return None
        return cls(tuple(index[group.mask].unique() for index in group.coded.stacked.unbind(dim=2)))

    def rows(self, codes: Codes) -> Codes:
        """Codes as rows of the probe's tables: `UNSEEN`, or 1 more than the code's place among the known."""
        parts = []
        for index, known in zip(codes.stacked.unbind(dim=2), self.codes, strict=True):
            place = torch.searchsorted(known, index.contiguous())
            found = known[place.clamp_max(max(len(known) - 1, 0))] == index if len(known) else index < 0
            parts.append(torch.where(found, place + 1, UNSEEN))
        return Codes(torch.stack(parts, dim=2), sizes=tuple(len(known) + 1 for known in self.codes))

    def apply(self, group: Tokens) -> Tokens:
        """The group with rows in place of codes."""
        return group if group.coded is None else replace(group, coded=self.rows(group.coded))


class CodeEmbedding(nn.Module):
    """A learned vector for each row of each quantiser's table; a token's are summed.

    At the start their sum has the variance of a linear map of standardised values: 1/3 in every channel.

    Example:
        >>> rows = Codes(torch.zeros(1, 4, 2, dtype=torch.int64), sizes=(3, 3))
        >>> CodeEmbedding(rows.sizes, width=8)(rows).shape
        torch.Size([1, 4, 8])
    """

    def __init__(self, sizes: Sequence[int], width: int) -> None:
        """Draw the tables from torch's default generator. sizes: rows of each, `UNSEEN` included."""
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(size, width, padding_idx=UNSEEN) for size in sizes)
        for table in self.tables:
            assert isinstance(table, nn.Embedding)
            nn.init.normal_(table.weight, std=(3 * len(sizes)) ** -0.5)
            with torch.no_grad():
                table.weight[UNSEEN] = 0.0

    def forward(self, codes: Codes) -> Tensor:
        """Vectors `(B, L, width)` of rows `(B, L, Q)`."""
        rows = codes.stacked.unbind(dim=2)
        vectors = torch.stack([table(index) for table, index in zip(self.tables, rows, strict=True)])
        return vectors.sum(dim=0)
