"""Pooled frames: every frame of the clip is seen, averaged with its neighbours in time."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from vtok_eval.data import TokenKind
from vtok_eval.errors import SpecError
from vtok_eval.systems import CountingTokenizer
from vtok_eval.tokenizers.backbones.base import Backbone
from vtok_eval.tokenizers.budgets import frames_and_grid, tokens_to_spend
from vtok_eval.tokenizers.projection import ProjectedTokenizer
from vtok_eval.tokenizers.reading import Reading
from vtok_eval.tokenizers.vtok import check_grid


class Pooled(ProjectedTokenizer):
    """K segments of the clip, each the mean of its frames' maps, as grid^2 spatial tokens.

    Segments are as equally long as can be. A clip of at most K frames has a segment for each frame, and so
    the tokens of frame sampling. A token names the middle frame of its segment.

    segments: K. grid: cells a side. budget: instead of `segments`, the most tokens that may be spent on a
        clip, or a tokenizer whose own number of tokens is the budget; K and the grid, no finer than `grid`,
        are chosen as `frames:budget=` chooses them.
    width: D of the tokens. checkpoint: see `ProjectedTokenizer`.

    Raises:
        SpecError: neither or both of `segments` and `budget`, or a number below 1.
    """

    sampling_rule = "every frame, averaged in segments of time"

    def __init__(
        self,
        *,
        backbone: Backbone,
        segments: int | None = None,
        grid: int = 4,
        budget: int | CountingTokenizer | None = None,
        width: int = 128,
        checkpoint: Path | None = None,
    ) -> None:
        check_grid(grid)
        if (segments is None) == (budget is None):
            raise SpecError(
                "pooled needs either a number of segments (pooled:segments=4) or a budget (pooled:budget=32)"
            )
        if segments is not None and segments < 1:
            raise SpecError(f"segments must be at least 1, not {segments}")
        self.segments, self.grid, self.budget = segments, grid, budget
        super().__init__(
            backbone=backbone, group_widths=(backbone.channels,), width=width, checkpoint=checkpoint
        )

    def plan(self, n_frames: int) -> tuple[int, int]:
        """Segments and grid for a clip of `n_frames` frames.

        Raises:
            SpecError: the budget does not pay for one token.
        """
        if self.segments is not None:
            return min(self.segments, n_frames), self.grid
        assert self.budget is not None
        tokens = tokens_to_spend(self.budget, n_frames)
        return frames_and_grid(tokens, n_frames=n_frames, finest=self.grid)

    def token_count(self, n_frames: int) -> int:
        """K * g^2 tokens."""
        segments, grid = self.plan(n_frames)
        return segments * grid**2

    @property
    def grids(self) -> tuple[int, ...]:
        """The segments' grid; none where a budget decides, since that depends on the clip's length."""
        return () if self.segments is None else (self.grid,)

    def readings(self, n_frames: int) -> tuple[Reading]:
        """The mean cells of each segment, `(B, K * g^2, C)`, segment after segment."""
        count, grid = self.plan(n_frames)
        spans = segments_of(n_frames, count)
        middles = tuple((first + after - 1) // 2 for first, after in spans)
        alone = all(after - first == 1 for first, after in spans)
        return (Reading(TokenKind.SPATIAL, frames=middles, grid=grid, spans=() if alone else spans),)


def segments_of(n_frames: int, count: int) -> tuple[tuple[int, int], ...]:
    """`count` segments that divide `n_frames` frames: the first frame and the one after the last of each.

    Example:
        >>> segments_of(10, 4)
        ((0, 2), (2, 5), (5, 7), (7, 10))
    """
    edges = [number * n_frames // count for number in range(count + 1)]
    return tuple(pairwise(edges))
