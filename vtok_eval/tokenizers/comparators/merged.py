"""Merged tokens: the cells of every frame, similar ones merged across frames until a given number is left."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from vtok_eval.data import Clips, TokenKind, Tokens
from vtok_eval.tokenizers.backbones.base import Backbone
from vtok_eval.tokenizers.budgets import Budget, check_spending, tokens_to_spend
from vtok_eval.tokenizers.comparators.merging import merge
from vtok_eval.tokenizers.projection import ProjectedTokenizer
from vtok_eval.tokenizers.reading import Reading, TokenFacts, read_clips
from vtok_eval.tokenizers.vtok import check_grid

PLACE_CHANNELS = 4
"""After the features: mean time, row and column, each from 0 to 1, and the logarithm of the size."""


class Merged(ProjectedTokenizer):
    """The grid^2 cells of every frame, merged to `count` tokens by ToMe's bipartite soft matching.

    Which tokens merge depends on the clip, so a token has no fixed place. Its width therefore ends with the
    mean time, row and column of the cells that it is made of, and the logarithm of their number. A token
    names the frame nearest to its mean time; tokens are in the order of their frames, then rows and columns.

    count: tokens of a clip; a clip with fewer cells gives them all. grid: cells a side that are read of each
        frame. budget: instead of `count`, a tokenizer whose own number of tokens is taken.
    width: D of the tokens. checkpoint: see `ProjectedTokenizer`.

    Source: see `vtok_eval.tokenizers.comparators.merging.merge`.

    Raises:
        SpecError: neither or both of `count` and `budget`, or a number below 1.

    Example:
        >>> from vtok_eval.tokenizers.build import BuildContext, build_tokenizer
        >>> context = BuildContext(device=torch.device("cpu"))
        >>> build_tokenizer("merged:count=31", context).token_count(16)
        31
    """

    sampling_rule = "every frame, similar cells merged"

    def __init__(
        self,
        *,
        backbone: Backbone,
        count: int | None = None,
        grid: int = 4,
        budget: Budget | None = None,
        width: int = 128,
        checkpoint: Path | None = None,
    ) -> None:
        check_grid(grid)
        check_spending(
            {"count": count},
            budget,
            needs="merged needs either a number of tokens (merged:count=31) or a budget "
            "(merged:budget=match:NAME)",
            of="token",
        )
        self.count, self.grid, self.budget = count, grid, budget
        super().__init__(
            backbone=backbone,
            group_widths=(backbone.channels + PLACE_CHANNELS,),
            width=width,
            checkpoint=checkpoint,
        )

    def token_count(self, n_frames: int) -> int:
        """The number asked for, or all cells where there are fewer.

        Raises:
            SpecError: the budget does not pay for one token.
        """
        budget = self.count if self.count is not None else self.budget
        assert budget is not None
        return min(tokens_to_spend(budget, n_frames), n_frames * self.grid**2)

    @property
    def grids(self) -> tuple[int, ...]:
        """The frames' grid."""
        return (self.grid,)

    def readings(self, n_frames: int) -> tuple[Reading]:
        """The cells of every frame."""
        return (Reading(TokenKind.SPATIAL, frames=tuple(range(n_frames)), grid=self.grid),)

    def given(self, n_frames: int) -> tuple[Reading, ...]:
        """None: every token has its place in its width."""
        del n_frames
        return ()

    def token_facts(self, n_frames: int) -> TokenFacts:
        """As `ProjectedTokenizer.token_facts`, with the number of tokens that are left."""
        facts = super().token_facts(n_frames)
        facts["steps"] = {"merged": self.token_count(n_frames)}
        return facts

    def features(self, clips: Clips) -> tuple[Tokens]:
        """The merged tokens with their places, `(B, count, C + 4)`, float32 on the backbone's device."""
        (cells,) = read_clips(self.backbone, clips, self.readings(clips.n_frames))
        count = self.token_count(clips.n_frames)
        each = [self._merged(values, count=count, n_frames=clips.n_frames) for values in cells.values]
        frames = torch.stack([frame for _, frame in each])
        return (Tokens.of(torch.stack([values for values, _ in each]), frame=frames),)

    def _merged(self, values: Tensor, *, count: int, n_frames: int) -> tuple[Tensor, Tensor]:
        """One clip's tokens `(count, C + 4)` and the frame of each, from its cells `(T * g^2, C)`."""
        n_cells = self.grid**2
        # Cell after cell, each through time: in this order neighbours are of the same place.
        order = torch.arange(len(values), device=values.device).view(n_frames, n_cells).T.flatten()
        merged, members, sizes = merge(values[order], count=count)
        time, cell = (order // n_cells).double(), order % n_cells
        row, column = (cell // self.grid).double(), (cell % self.grid).double()
        places = torch.stack([time, row, column], dim=1)
        sums = torch.zeros(len(merged), 3, dtype=places.dtype, device=values.device)
        means = sums.index_add_(0, members, places) / sizes[:, None]
        frame = means[:, 0].round().long()
        scale = means.new_tensor([n_frames - 1, self.grid - 1, self.grid - 1]).clamp_min(1)
        width = torch.cat([merged, (means / scale).float(), sizes.double().log()[:, None].float()], dim=1)
        by_place = _sorted_by(frame, means[:, 1], means[:, 2], means[:, 0])
        return width[by_place], frame[by_place]


def _sorted_by(*keys: Tensor) -> Tensor:
    """The order that sorts by the first key, then by the second, and so on."""
    order = torch.arange(len(keys[0]), device=keys[0].device)
    for key in reversed(keys):
        order = order[key[order].argsort(stable=True)]
    return order
