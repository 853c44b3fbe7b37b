"""Frame sampling, the baseline: some frames of the clip, each as a grid of spatial tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from vtok_eval.data import TokenKind
from vtok_eval.errors import SpecError
from vtok_eval.systems import CountingTokenizer
from vtok_eval.tokenizers.backbones.base import Backbone
from vtok_eval.tokenizers.budgets import frames_and_grid, tokens_to_spend
from vtok_eval.tokenizers.projection import ProjectedTokenizer
from vtok_eval.tokenizers.reading import Reading
from vtok_eval.tokenizers.vtok import check_grid
from vtok_eval.video.sampling import frame_indices


class FrameSampling(ProjectedTokenizer):
    """K sampled frames, grid^2 spatial tokens each.

    count: K; a shorter clip gives all its frames. sampling: the rule of `video.sampling` that picks them.
    budget: instead of `count`, the most tokens that may be spent on a clip, or a tokenizer whose own number
        of tokens is the budget. Of all pairs (K, g), g no finer than `grid`, the one is taken that spends the
        most; of equals the finer grid.
    width: D of the tokens. checkpoint: see `ProjectedTokenizer`.
    """

    def __init__(
        self,
        *,
        backbone: Backbone,
        count: int | None = None,
        grid: int = 4,
        sampling: Literal["linspace", "interior"] = "linspace",
        budget: int | CountingTokenizer | None = None,
        width: int = 128,
        checkpoint: Path | None = None,
    ) -> None:
        check_grid(grid)
        if (count is None) == (budget is None):
            raise SpecError(
                "frames needs either a number of frames (frames-4) or a budget (frames:budget=32)"
            )
        if count is not None and count < 1:
            raise SpecError(f"count must be at least 1 frame, not {count}")
        self.count, self.grid, self.sampling, self.budget = count, grid, sampling, budget
        super().__init__(
            backbone=backbone, group_widths=(backbone.channels,), width=width, checkpoint=checkpoint
        )

    @property
    def sampling_rule(self) -> str:
        """The rule that picks the frames, by name."""
        return self.sampling

    def plan(self, n_frames: int) -> tuple[int, int]:
        """Frames and grid, (K, g), for a clip of `n_frames`.

        Raises:
            SpecError: the budget does not pay for one token.
        """
        if self.count is not None:
            return min(self.count, n_frames), self.grid
        assert self.budget is not None
        tokens = tokens_to_spend(self.budget, n_frames)
        return frames_and_grid(tokens, n_frames=n_frames, finest=self.grid)

    def token_count(self, n_frames: int) -> int:
        """K * g^2 tokens."""
        count, grid = self.plan(n_frames)
        return count * grid**2

    @property
    def grids(self) -> tuple[int, ...]:
        """The frames' grid; none where a budget decides, since that depends on the clip's length."""
        return () if self.count is None else (self.grid,)

    def readings(self, n_frames: int) -> tuple[Reading]:
        """The cells of the sampled frames, `(B, K * g^2, C)`, frame after frame."""
        count, grid = self.plan(n_frames)
        frames = frame_indices(n_frames, count, rule=self.sampling)
        return (Reading(TokenKind.SPATIAL, frames=frames, grid=grid),)
