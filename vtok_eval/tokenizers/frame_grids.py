"""What tokenizers share that give a number of grids over time: their number given, or chosen by a budget."""

from __future__ import annotations

from pathlib import Path

from vtok_eval.tokenizers.backbones.base import Backbone
from vtok_eval.tokenizers.budgets import Budget, frames_and_grid, tokens_to_spend
from vtok_eval.tokenizers.projection import ProjectedTokenizer
from vtok_eval.tokenizers.vtok import check_grid


class FrameGrids(ProjectedTokenizer):
    """K grids over time, g^2 spatial tokens each; a shorter clip has one for each frame.

    number: K, or None where a budget decides. grid: g, or with a budget the finest g. budget: the most tokens
        that may be spent on a clip, or a tokenizer whose own number of tokens is the budget. Of all pairs
        (K, g), the one is taken that spends the most; of equals the one with the finer grid.
    width: D of the tokens. checkpoint: see `ProjectedTokenizer`.

    Example:
        >>> import torch
        >>> from vtok_eval.tokenizers.build import BuildContext, build_tokenizer
        >>> context = BuildContext(device=torch.device("cpu"))
        >>> tokenizer = build_tokenizer("pooled:budget=31", context)
        >>> isinstance(tokenizer, FrameGrids), tokenizer.token_count(16)
        (True, 28)
    """

    def __init__(
        self,
        *,
        backbone: Backbone,
        number: int | None,
        grid: int,
        budget: Budget | None,
        width: int,
        checkpoint: Path | None,
    ) -> None:
        check_grid(grid)
        self.grid, self.budget = grid, budget
        self._number = number
        super().__init__(
            backbone=backbone, group_widths=(backbone.channels,), width=width, checkpoint=checkpoint
        )

    def plan(self, n_frames: int) -> tuple[int, int]:
        """K and g for a clip of `n_frames`.

        Raises:
            SpecError: the budget does not pay for one token.
        """
        if self._number is not None:
            return min(self._number, n_frames), self.grid
        assert self.budget is not None
        tokens = tokens_to_spend(self.budget, n_frames)
        return frames_and_grid(tokens, n_frames=n_frames, finest=self.grid)

    def token_count(self, n_frames: int) -> int:
        """K * g^2 tokens."""
        number, grid = self.plan(n_frames)
        return number * grid**2

    @property
    def grids(self) -> tuple[int, ...]:
        """The one grid; none where a budget decides, since that depends on the clip's length."""
        return () if self._number is None else (self.grid,)
