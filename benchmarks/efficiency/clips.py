"""Clips to time a tokenizer on: noise that moves, made from a seed alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vtok_eval.data import Clips


def moving_noise(
    *, n_clips: int, n_frames: int, size: int, fps: float, seeds: tuple[int, ...], device: str = "cpu"
) -> Clips:
    """Clips of uniform noise that moves one pixel right and down with every frame.

    Noise cannot be compressed and motion cannot be skipped, so a tokenizer that spends by content spends here
    as on its hardest clips. Clip i is the same whatever `n_clips` is.

    Returns: frames uint8 `(n_clips, n_frames, 3, size, size)`, fps float64 `(n_clips,)`, on `device`.
    """
    import numpy as np
    import torch

    from vtok_eval.data import Clips

    made = []
    for index in range(n_clips):
        first = np.random.default_rng([*seeds, index]).integers(0, 256, (3, size, size), dtype=np.uint8)
        moved = [np.roll(first, (step, step), axis=(1, 2)) for step in range(n_frames)]
        made.append(np.stack(moved))
    frames = torch.from_numpy(np.stack(made)).to(device)
    return Clips(frames=frames, fps=torch.full((n_clips,), fps, dtype=torch.float64, device=device))
