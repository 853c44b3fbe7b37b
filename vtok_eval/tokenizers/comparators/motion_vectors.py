"""Motion vectors: a key frame's tokens, and what a video codec says of the changes after it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vtok_eval.data import Clip, Clips, TokenKind, Tokens
from vtok_eval.errors import SpecError
from vtok_eval.tokenizers.backbones.base import Backbone
from vtok_eval.tokenizers.budgets import Budget, check_spending, tokens_to_spend
from vtok_eval.tokenizers.projection import ProjectedTokenizer
from vtok_eval.tokenizers.reading import Reading, TokenFacts, read_clips
from vtok_eval.tokenizers.vtok import check_grid
from vtok_eval.video.sampling import every_nth
from vtok_eval.video.stream_motion import stream_motion

CHANNELS = 5
"""Of a cell: shift in x and in y, length of the shift, share that is coded anew, size of the residual."""
_CRF_RANGE = (0, 51)


class MotionVectors(ProjectedTokenizer):
    """VTok with a codec's motion in place of learned residuals: S = grid^2 tokens of the first frame, and one
    token per other sampled frame.

    Such a token has, for each of grid x grid cells, what H.264 codes of all frames since the last sampled
    one: the shift in x and y added up (as a share of the clip's width and height), its length added up, the
    mean share of the cell that is coded without the frame before, and the root of the residual's mean square.
    No network sees these frames. The clip is encoded by libx264 with no B-frames and one reference.

    stride: every so many frames are sampled, from the first on. budget: instead of `stride`, the most tokens
        that may be spent on a clip, or a tokenizer whose own number of tokens is the budget: the smallest
        stride that keeps to it. crf: the stream's quality.
    width: D of the tokens. checkpoint: see `ProjectedTokenizer`.

    Source: motion vectors and residuals of the stream in place of frames, Wu et al., Compressed video action
    recognition, CVPR 2018; as tokens of a language model, Jin et al., Video-LaVIT, arXiv 2402.03161.

    Raises:
        SpecError: both `stride` and `budget`, or a value out of range.

    Example:
        >>> from vtok_eval.tokenizers.build import BuildContext, build_tokenizer
        >>> context = BuildContext(device=torch.device("cpu"))
        >>> build_tokenizer("motion-vectors:stride=1", context).token_count(16)
        31
    """

    sampling_rule = "the first frame; motion of all others from an H.264 stream"

    def __init__(
        self,
        *,
        backbone: Backbone,
        grid: int = 4,
        stride: int | None = None,
        budget: Budget | None = None,
        crf: int = 23,
        width: int = 128,
        checkpoint: Path | None = None,
    ) -> None:
        check_grid(grid)
        check_spending(
            {"stride": stride},
            budget,
            needs="motion-vectors needs either a stride (motion-vectors:stride=1) or a budget "
            "(motion-vectors:budget=match:NAME)",
            of="frame",
        )
        if not _CRF_RANGE[0] <= crf <= _CRF_RANGE[1]:
            raise SpecError(f"crf must be from {_CRF_RANGE[0]} to {_CRF_RANGE[1]}, not {crf}")
        self.grid, self.stride, self.budget, self.crf = grid, stride, budget, crf
        super().__init__(
            backbone=backbone,
            group_widths=(backbone.channels, CHANNELS * grid**2),
            width=width,
            checkpoint=checkpoint,
        )

    def stride_for(self, n_frames: int) -> int:
        """The stride for a clip of `n_frames` frames.

        Raises:
            SpecError: the budget does not pay for the key frame.
        """
        if self.stride is not None:
            return self.stride
        assert self.budget is not None
        others = tokens_to_spend(self.budget, n_frames) - self.grid**2
        if others < 0:
            raise SpecError(
                f"a budget of {others + self.grid**2} tokens does not pay for the key frame's {self.grid**2}"
            )
        # Stride s samples (n_frames - 1) // s frames after the first.
        return (n_frames - 1) // (others + 1) + 1

    def token_count(self, n_frames: int) -> int:
        """S tokens of the first frame and one for each other sampled frame."""
        return self.grid**2 + len(self._sampled(n_frames))

    @property
    def grids(self) -> tuple[int, ...]:
        """The key frame's grid."""
        return (self.grid,)

    def readings(self, n_frames: int) -> tuple[Reading]:
        """The first frame's cells; the rest comes from the stream."""
        del n_frames
        return (Reading(TokenKind.SPATIAL, frames=(0,), grid=self.grid),)

    def given(self, n_frames: int) -> tuple[Reading]:
        """The first frame's cells, which its tokens hold as they are."""
        return self.readings(n_frames)

    def token_facts(self, n_frames: int) -> TokenFacts:
        """As `ProjectedTokenizer.token_facts`, with what is taken from the stream."""
        facts = super().token_facts(n_frames)
        facts["steps"] = {"motion": list(self._sampled(n_frames)), "grid": self.grid, "crf": self.crf}
        return facts

    def features(self, clips: Clips) -> tuple[Tokens, Tokens]:
        """The key frame's cells `(B, S, C)` and the motion `(B, K-1, 5 S)`, float32."""
        (spatial,) = read_clips(self.backbone, clips, self.readings(clips.n_frames))
        sampled = self._sampled(clips.n_frames)
        each = zip(clips.frames, clips.fps.tolist(), strict=True)
        values = torch.stack([self._motion(Clip(frames, fps), sampled) for frames, fps in each])
        motion = Tokens.of(
            values.to(self.backbone.device),
            frame=torch.tensor(sampled, dtype=torch.int64, device="cpu"),
            kind=TokenKind.MOTION,
        )
        return spatial, motion

    def _sampled(self, n_frames: int) -> tuple[int, ...]:
        return every_nth(n_frames, self.stride_for(n_frames))[1:]

    def _motion(self, clip: Clip, sampled: tuple[int, ...]) -> Tensor:
        """One clip's motion tokens, `(K-1, 5 g^2)`."""
        found = stream_motion(clip, crf=self.crf)
        height, width = clip.frames.shape[2:]
        shift = torch.from_numpy(found.shift / np.array([width, height], dtype=np.float32))
        channels = [
            shift[..., 0],
            shift[..., 1],
            shift.norm(dim=3),
            torch.from_numpy(found.coded_anew).float(),
            torch.from_numpy(found.residual).square(),
        ]
        maps = torch.stack(channels, dim=1)
        cells = torch.nn.functional.adaptive_avg_pool2d(maps, self.grid).flatten(2)
        tokens = [_since(cells, start, stop) for start, stop in zip((0, *sampled), sampled, strict=False)]
        return torch.stack(tokens) if tokens else cells.new_zeros(0, CHANNELS * self.grid**2)


def _since(cells: Tensor, start: int, stop: int) -> Tensor:
    """Motion from frame `start` to frame `stop`, `(5 g^2,)`; row f of `cells` leads to frame f + 1."""
    part = cells[start:stop]
    added, mean = part[:, :3].sum(dim=0), part[:, 3:].mean(dim=0)
    return torch.cat([added, mean[:1], mean[1:].sqrt()]).flatten()
