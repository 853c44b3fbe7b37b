"""The blind control: what its reader scores can be guessed without the clip."""

from __future__ import annotations

import torch

from vtok_eval.data import Clips, Tokens
from vtok_eval.errors import SpecError


class Blind:
    """No tokens for any clip: values `(B, 0, width)`.

    Example:
        >>> clips = Clips(torch.zeros(2, 16, 3, 64, 64, dtype=torch.uint8), torch.tensor([4.0, 4.0]))
        >>> Blind().encode(clips).count()
        tensor([0, 0])
    """

    sampling_rule = "no frame"

    def __init__(self, *, width: int = 128) -> None:
        if width < 1:
            raise SpecError(f"width must be at least 1 channel, not {width}")
        self.width = width

    def encode(self, clips: Clips) -> Tokens:
        """Empty tokens, float32 on the clips' device."""
        return Tokens.of(torch.zeros(len(clips), 0, self.width, device=clips.fps.device))

    def token_count(self, n_frames: int) -> int:
        """Zero, however long the clip is."""
        del n_frames
        return 0
