"""Frame sampling, the baseline: some frames of the clip, each as a grid of spatial tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from vtok_eval.data import TokenKind
from vtok_eval.tokenizers.backbones.base import Backbone
from vtok_eval.tokenizers.budgets import Budget, check_spending
from vtok_eval.tokenizers.frame_grids import FrameGrids
from vtok_eval.tokenizers.reading import Reading
from vtok_eval.video.sampling import frame_indices


class FrameSampling(FrameGrids):
    """K sampled frames, grid^2 spatial tokens each.

    count: K; a shorter clip gives all its frames. sampling: the rule of `video.sampling` that picks them.
    budget: instead of `count`, the most tokens that may be spent on a clip, or a tokenizer whose own number
        of tokens is the budget. Of all pairs (K, g), g no finer than `grid`, the one is taken that spends the
        most; of equals the finer grid.
    width: D of the tokens. checkpoint: see `ProjectedTokenizer`.

    Example:
        >>> import torch
        >>> from vtok_eval.tokenizers.build import BuildContext, build_tokenizer
        >>> context = BuildContext(device=torch.device("cpu"))
        >>> build_tokenizer("frames-4", context).token_count(16)
        64
        >>> build_tokenizer("frames:budget=31", context).plan(16)  # frames, and cells a side
        (7, 2)
    """

    def __init__(
        self,
        *,
        backbone: Backbone,
        count: int | None = None,
        grid: int = 4,
        sampling: Literal["linspace", "interior"] = "linspace",
        budget: Budget | None = None,
        width: int = 128,
        checkpoint: Path | None = None,
    ) -> None:
        check_spending(
            {"count": count},
            budget,
            needs="frames needs either a number of frames (frames-4) or a budget (frames:budget=32)",
            of="frame",
        )
        self.count, self.sampling = count, sampling
        super().__init__(
            backbone=backbone, number=count, grid=grid, budget=budget, width=width, checkpoint=checkpoint
        )

    @property
    def sampling_rule(self) -> str:
        """The rule that picks the frames, by name."""
        return self.sampling

    def readings(self, n_frames: int) -> tuple[Reading]:
        """The cells of the sampled frames, `(B, K * g^2, C)`, frame after frame."""
        count, grid = self.plan(n_frames)
        frames = frame_indices(n_frames, count, rule=self.sampling)
        return (Reading(TokenKind.SPATIAL, frames=frames, grid=grid),)
