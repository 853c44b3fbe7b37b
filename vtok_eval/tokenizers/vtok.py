"""VTok (arXiv 2602.04202): one key frame's grid of tokens plus one residual token per other sampled frame."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from vtok_eval.data import TokenKind
from vtok_eval.errors import SpecError
from vtok_eval.tokenizers.backbones.base import Backbone
from vtok_eval.tokenizers.projection import ProjectedTokenizer
from vtok_eval.tokenizers.reading import Reading
from vtok_eval.video.sampling import KeyFrameChoice, every_nth

Pool = Literal["mean", "grid"]


class VTok(ProjectedTokenizer):
    """S = grid^2 spatial tokens of the key frame x_k, and a residual token per other sampled frame x_t.

    Residual token: g_phi(pool(F(x_t) - F(x_k))), with F the frozen backbone and g_phi the linear projection.
    Every `stride`-th frame is sampled, counted from the key frame. The paper's key frame is the first; for
    one further in, the frames before it are sampled too and have residual tokens like those after it.

    pool: "mean" averages the residual over the whole map, as in the paper; "grid" keeps its grid^2 cells side
        by side in the token's width, and so where the change is.
    residual: off takes F(x_t) itself instead of the difference: the control with the same parameters.
    width: D of the tokens. checkpoint: see `ProjectedTokenizer`.

    Example:
        >>> import torch
        >>> from vtok_eval.tokenizers.build import BuildContext, build_tokenizer
        >>> context = BuildContext(device=torch.device("cpu"))
        >>> tokenizer = build_tokenizer("vtok:grid=4,stride=6", context)
        >>> tokenizer.token_count(16)  # 16 of the key frame, one each of frames 6 and 12
        18
    """

    def __init__(
        self,
        *,
        backbone: Backbone,
        grid: int = 4,
        stride: int = 6,
        key: KeyFrameChoice = "first",
        pool: Pool = "mean",
        residual: bool = True,
        width: int = 128,
        checkpoint: Path | None = None,
    ) -> None:
        check_grid(grid)
        if stride < 1:
            raise SpecError(f"stride must be at least 1 frame, not {stride}")
        self.grid, self.stride, self.key = grid, stride, key
        self.pool, self.residual = pool, residual
        motion_width = backbone.channels * (grid**2 if pool == "grid" else 1)
        super().__init__(
            backbone=backbone,
            group_widths=(backbone.channels, motion_width),
            width=width,
            checkpoint=checkpoint,
        )

    @property
    def sampling_rule(self) -> str:
        """Which frames are used, in words."""
        every = "every frame" if self.stride == 1 else f"one frame in {self.stride}"
        return f"{every}, key frame {self.key}"

    def token_count(self, n_frames: int) -> int:
        """S spatial tokens and one for each other sampled frame."""
        return self.grid**2 + len(every_nth(n_frames, self.stride, self.key)) - 1

    @property
    def grids(self) -> tuple[int, ...]:
        """The key frame's grid and the residuals'."""
        return self.grid, self._motion_grid

    @property
    def _motion_grid(self) -> int:
        return self.grid if self.pool == "grid" else 1

    def readings(self, n_frames: int) -> tuple[Reading, Reading]:
        """The key frame's cells, `(B, S, C)`, and the residuals of the other K-1 sampled frames.

        Residuals are `(B, K-1, C)`, or `(B, K-1, S*C)` for pool=grid, cell after cell.
        """
        key, *others = every_nth(n_frames, self.stride, self.key)
        spatial = Reading(TokenKind.SPATIAL, frames=(key,), grid=self.grid)
        motion = Reading(
            TokenKind.MOTION,
            frames=tuple(others),
            grid=self._motion_grid,
            minus=key if self.residual else None,
            joined=True,
        )
        return spatial, motion


class KeyFrame(ProjectedTokenizer):
    """Control: VTok's key frame alone, S = grid^2 spatial tokens and no residual tokens.

    Example:
        >>> import torch
        >>> from vtok_eval.tokenizers.build import BuildContext, build_tokenizer
        >>> context = BuildContext(device=torch.device("cpu"))
        >>> build_tokenizer("keyframe:grid=4", context).token_count(16)
        16
    """

    def __init__(
        self,
        *,
        backbone: Backbone,
        grid: int = 4,
        key: KeyFrameChoice = "first",
        width: int = 128,
        checkpoint: Path | None = None,
    ) -> None:
        check_grid(grid)
        self.grid, self.key = grid, key
        super().__init__(
            backbone=backbone, group_widths=(backbone.channels,), width=width, checkpoint=checkpoint
        )

    @property
    def sampling_rule(self) -> str:
        """Which frame is used, in words."""
        return f"key frame {self.key} only"

    def token_count(self, n_frames: int) -> int:
        """S, however long the clip is."""
        del n_frames
        return self.grid**2

    @property
    def grids(self) -> tuple[int, ...]:
        """The key frame's grid."""
        return (self.grid,)

    def readings(self, n_frames: int) -> tuple[Reading]:
        """The key frame's cells, `(B, S, C)`."""
        key = every_nth(n_frames, n_frames, self.key)[0]
        return (Reading(TokenKind.SPATIAL, frames=(key,), grid=self.grid),)


def check_grid(grid: int) -> None:
    """Refuse a grid without cells.

    Example:
        >>> check_grid(4)
    """
    if grid < 1:
        raise SpecError(f"grid must be at least 1 cell a side, not {grid}")
