"""A tokenizer: one token for the mean colour of every n-th frame.

vtok-eval check examples/mean_colour_tokenizer.py:MeanColour
vtok-eval run --tokenizer examples/mean_colour_tokenizer.py:MeanColour:every=2
"""

from __future__ import annotations

import torch

from vtok_eval import Clips, Tokens


class MeanColour:
    """Tokens `(B, ceil(T / every), 3)`: mean red, green and blue, 0 to 1.

    every: take each frame whose index is a multiple of this. In a spec string it is an option: `:every=2`.
    """

    sampling_rule = "every n-th frame, from the first"

    def __init__(self, every: int = 4) -> None:
        if every < 1:
            raise ValueError(f"every must be at least 1, not {every}")
        self.every = every

    def encode(self, clips: Clips) -> Tokens:
        """One token per taken frame; `frame` says which frame of the clip it is."""
        taken = torch.arange(0, clips.n_frames, self.every)
        colours = clips.frames[:, taken].float().mean(dim=(3, 4)) / 255
        return Tokens.of(colours, frame=taken)

    def token_count(self, n_frames: int) -> int:
        """Optional: lets `--dry-run` and budget matching know the cost beforehand."""
        return len(range(0, n_frames, self.every))
