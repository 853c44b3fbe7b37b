"""SlowFast: few frames of a fine grid and many of a coarse one."""

from __future__ import annotations

from pathlib import Path

from vtok_eval.data import TokenKind
from vtok_eval.errors import SpecError
from vtok_eval.tokenizers.backbones.base import Backbone
from vtok_eval.tokenizers.budgets import Budget, check_spending, slow_and_fast, tokens_to_spend
from vtok_eval.tokenizers.projection import ProjectedTokenizer
from vtok_eval.tokenizers.reading import Reading
from vtok_eval.tokenizers.vtok import check_grid
from vtok_eval.video.sampling import frame_indices


class SlowFast(ProjectedTokenizer):
    """`slow` frames of grid x grid tokens and `fast` frames of fast_grid x fast_grid tokens each.

    Both sets of frames are spread over the clip from its first to its last frame, as `frames-K` spreads its
    own; one frame is the first. A clip with fewer frames gives all of them.

    slow, fast: numbers of frames. budget: instead of both, the most tokens that may be spent on a clip, or a
        tokenizer whose own number of tokens is the budget; it is divided as
        `vtok_eval.tokenizers.budgets.slow_and_fast` says, with no grid finer than `grid`.
    width: D of the tokens. checkpoint: see `ProjectedTokenizer`.

    Source: two rates of frames, Feichtenhofer et al., SlowFast networks for video recognition, ICCV 2019;
    as tokens of a language model, Xu et al., SlowFast-LLaVA, arXiv 2407.15841. Here without networks of
    their own: one frozen backbone gives both.

    Raises:
        SpecError: numbers of frames and a budget, or neither; a grid that is not coarser than the other.

    Example:
        >>> import torch
        >>> from vtok_eval.tokenizers.build import BuildContext, build_tokenizer
        >>> context = BuildContext(device=torch.device("cpu"))
        >>> build_tokenizer("slowfast:slow=1,fast=8", context).token_count(16)
        24
    """

    sampling_rule = "linspace, twice"

    def __init__(
        self,
        *,
        backbone: Backbone,
        slow: int | None = None,
        fast: int | None = None,
        grid: int = 4,
        fast_grid: int = 1,
        budget: Budget | None = None,
        width: int = 128,
        checkpoint: Path | None = None,
    ) -> None:
        check_grid(grid)
        check_grid(fast_grid)
        if fast_grid >= grid:
            raise SpecError(f"fast_grid={fast_grid} must be coarser than grid={grid}")
        check_spending(
            {"slow": slow, "fast": fast},
            budget,
            needs="slowfast needs either two numbers of frames (slowfast:slow=1,fast=8) or a budget "
            "(slowfast:budget=32)",
            of="frame",
        )
        self.slow, self.fast = slow, fast
        self.grid, self.fast_grid, self.budget = grid, fast_grid, budget
        super().__init__(
            backbone=backbone, group_widths=(backbone.channels,) * 2, width=width, checkpoint=checkpoint
        )

    def plan(self, n_frames: int) -> tuple[int, int, int]:
        """Slow frames, their grid and fast frames, for a clip of `n_frames` frames.

        Raises:
            SpecError: the budget does not pay for one of each.
        """
        if self.slow is not None and self.fast is not None:
            return min(self.slow, n_frames), self.grid, min(self.fast, n_frames)
        assert self.budget is not None
        tokens = tokens_to_spend(self.budget, n_frames)
        return slow_and_fast(tokens, n_frames=n_frames, finest=self.grid, coarse=self.fast_grid)

    def token_count(self, n_frames: int) -> int:
        """The tokens of both sets of frames."""
        slow, grid, fast = self.plan(n_frames)
        return slow * grid**2 + fast * self.fast_grid**2

    @property
    def grids(self) -> tuple[int, ...]:
        """Both grids; the coarse one alone where a budget decides on the other."""
        return (self.fast_grid,) if self.slow is None else (self.grid, self.fast_grid)

    def readings(self, n_frames: int) -> tuple[Reading, Reading]:
        """The cells of the slow frames, `(B, slow * grid^2, C)`, and of the fast ones."""
        slow, grid, fast = self.plan(n_frames)
        return (
            Reading(TokenKind.SPATIAL, frames=frame_indices(n_frames, slow, rule="linspace"), grid=grid),
            Reading(
                TokenKind.SPATIAL,
                frames=frame_indices(n_frames, fast, rule="linspace"),
                grid=self.fast_grid,
            ),
        )
