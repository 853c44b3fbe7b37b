"""Pooled frames: every frame of the clip is seen, averaged with its neighbours in time."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from vtok_eval.data import TokenKind
from vtok_eval.tokenizers.backbones.base import Backbone
from vtok_eval.tokenizers.budgets import Budget, check_spending
from vtok_eval.tokenizers.frame_grids import FrameGrids
from vtok_eval.tokenizers.reading import Reading


class Pooled(FrameGrids):
    """K segments of the clip, each the mean of its frames' maps, as grid^2 spatial tokens.

    Segments are as equally long as can be. A clip of at most K frames has a segment for each frame, and so
    the tokens of frame sampling. A token names the middle frame of its segment.

    segments: K. grid: cells a side. budget: instead of `segments`, the most tokens that may be spent on a
        clip, or a tokenizer whose own number of tokens is the budget; K and the grid, no finer than `grid`,
        are chosen as `frames:budget=` chooses them.
    width: D of the tokens. checkpoint: see `ProjectedTokenizer`.

    Raises:
        SpecError: neither or both of `segments` and `budget`, or a number below 1.

    Example:
        >>> import torch
        >>> from vtok_eval.tokenizers.build import BuildContext, build_tokenizer
        >>> context = BuildContext(device=torch.device("cpu"))
        >>> build_tokenizer("pooled:segments=4,grid=2", context).token_count(16)
        16
    """

    sampling_rule = "every frame, averaged in segments of time"

    def __init__(
        self,
        *,
        backbone: Backbone,
        segments: int | None = None,
        grid: int = 4,
        budget: Budget | None = None,
        width: int = 128,
        checkpoint: Path | None = None,
    ) -> None:
        check_spending(
            {"segments": segments},
            budget,
            needs="pooled needs either a number of segments (pooled:segments=4) or a budget "
            "(pooled:budget=32)",
            of="segment",
        )
        self.segments = segments
        super().__init__(
            backbone=backbone, number=segments, grid=grid, budget=budget, width=width, checkpoint=checkpoint
        )

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
