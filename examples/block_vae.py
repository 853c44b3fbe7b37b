"""A video autoencoder with `encode` and `decode`: the mean colour of blocks of frames and pixels.

vtok-eval check examples/block_vae.py:BlockVAE

It has the shape of the real ones: an input contract, a latent volume `(t, h, w)`, and a `decode` that needs
nothing but the tokens.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from vtok_eval import Accepts, Clips, Tokens


class BlockVAE:
    """Latents `(t, h, w)` of three channels; each is the mean of 4 frames x 8 x 8 pixels."""

    accepts = Accepts(frames="4k", size="8k")
    """Clips are padded to multiples of 4 frames and 8 pixels before `encode`, and cut back after `decode`."""

    def __init__(self) -> None:
        self.frames, self.pixels = 4, 8

    def encode(self, clips: Clips) -> Tokens:
        """Tokens `(B, t * h * w, 3)`, row by row of the latent volume."""
        video = clips.frames.transpose(1, 2).float() / 255  # (B, 3, T, H, W)
        latents = functional.avg_pool3d(video, (self.frames, self.pixels, self.pixels))
        time, height, width = latents.shape[2:]
        first_frames = torch.arange(time).repeat_interleave(height * width) * self.frames
        return Tokens.of(
            latents.flatten(2).transpose(1, 2),
            frame=first_frames,
            latent_shape=(time, height, width),
        )

    def decode(self, tokens: Tokens) -> Clips:
        """Clips `(B, 4t, 3, 8h, 8w)`; every pixel of a block has the block's colour."""
        if tokens.latent_shape is None:
            raise ValueError("these tokens carry no latent_shape")
        latents = tokens.values.transpose(1, 2).unflatten(2, tokens.latent_shape)
        scale = (float(self.frames), float(self.pixels), float(self.pixels))
        video = functional.interpolate(latents, scale_factor=scale, mode="nearest")
        frames = (video.clamp(0, 1) * 255).round().to(torch.uint8).transpose(1, 2)
        return Clips(frames=frames, fps=torch.full((len(frames),), 8.0, dtype=torch.float64))
