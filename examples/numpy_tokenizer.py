"""A tokenizer that lives in another Python environment: it needs numpy, and neither torch nor vtok-eval.

vtok-eval check exec:python3@examples/numpy_tokenizer.py:GridMeans:grid=2

In place of `python3`, write that environment's interpreter or folder. There `import vtok_eval` gives the few
classes that this file needs.
"""

from __future__ import annotations

import numpy as np

from vtok_eval import Accepts, Clips, Tokens


class GridMeans:
    """Latents `(T, grid, grid)` of three channels: the mean colour of each cell of each frame, 0 to 1."""

    accepts = Accepts(size="8k")

    def __init__(self, grid: int = 4) -> None:
        if grid not in (1, 2, 4, 8):
            raise ValueError(f"grid must be 1, 2, 4 or 8, not {grid}")
        self.grid = grid

    def encode(self, clips: Clips) -> Tokens:
        """Tokens `(B, T * grid * grid, 3)`; `clips.frames` is a numpy array here."""
        batch, time, channels, height, width = clips.frames.shape
        grid = self.grid
        cells = clips.frames.reshape(batch, time, channels, grid, height // grid, grid, width // grid)
        means = cells.mean(axis=(4, 6)).transpose(0, 1, 3, 4, 2) / 255
        return Tokens.of(
            means.reshape(batch, -1, channels).astype(np.float32),
            frame=np.arange(time).repeat(grid * grid),
            latent_shape=(time, grid, grid),
        )

    def decode(self, tokens: Tokens) -> Clips:
        """Clips of 64 x 64 pixels, each cell in its colour."""
        time, grid, _ = tokens.latent_shape
        colours = np.round(tokens.values.clip(0, 1) * 255).astype(np.uint8)
        frames = colours.reshape(-1, time, grid, grid, 3).transpose(0, 1, 4, 2, 3)
        frames = frames.repeat(64 // grid, axis=3).repeat(64 // grid, axis=4)
        return Clips(frames=frames, fps=np.full(len(frames), 8.0))
