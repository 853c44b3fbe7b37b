"""A tokenizer of codes: finite scalar quantisation in plain torch, untrained.

vtok-eval check examples/fsq_tokenizer.py:FSQ

Its weights are drawn at random, so it shows how codes are given and decoded, not what a trained one reads.
Put your encoder and decoder in the place of the two matrix products.

Source: Mentzer et al., Finite Scalar Quantization: VQ-VAE Made Simple, arXiv 2309.15505.
"""

from __future__ import annotations

import math

import torch

from vtok_eval import Accepts, Caveat, Clips, Description, Tokens

FRAMES, PIXELS = 4, 8


class FSQ:
    """One code for each 4 frames x 8 x 8 pixels, of a code book of prod(levels) entries.

    levels: values of each latent channel. embedding: whether codes are read as their channels' levels, or as
    vectors that each probe learns.
    """

    accepts = Accepts(frames=f"{FRAMES}k", size=f"{PIXELS}k")

    def __init__(self, *, levels: tuple[int, ...] = (8, 5, 5, 5), embedding: bool = False) -> None:
        self.levels, self.embedding = torch.tensor(levels), embedding
        self.places = torch.tensor([math.prod(levels[:i]) for i in range(len(levels))])
        generator = torch.Generator().manual_seed(0)
        size = FRAMES * 3 * PIXELS * PIXELS
        self.weights = torch.linalg.qr(torch.randn(size, len(levels), generator=generator)).Q

    def encode(self, clips: Clips) -> Tokens:
        """Codes `(B, t * h * w)`, row by row of the latent volume."""
        batch, time, _, height, width = clips.frames.shape
        t, h, w = time // FRAMES, height // PIXELS, width // PIXELS
        blocks = clips.frames.reshape(batch, t, FRAMES, 3, h, PIXELS, w, PIXELS)
        blocks = blocks.permute(0, 1, 4, 6, 2, 3, 5, 7).flatten(4).float() / 255 - 0.5
        latents = blocks @ self.weights.to(blocks.device)
        levels = ((latents.tanh() + 1) / 2 * (self.levels - 1).to(blocks.device)).round().long()
        return Tokens.codes(
            (levels * self.places.to(blocks.device)).sum(dim=4).flatten(1),
            codebook_size=int(self.levels.prod()),
            embedding=self._latents(torch.arange(int(self.levels.prod()))) if self.embedding else None,
            frame=torch.arange(t).repeat_interleave(h * w) * FRAMES,
            latent_shape=(t, h, w),
        )

    def decode(self, tokens: Tokens) -> Clips:
        """Clips `(B, 4t, 3, 8h, 8w)`."""
        assert tokens.latent_shape is not None
        blocks = self._latents(tokens.indices.cpu()) @ self.weights.T + 0.5
        volume = blocks.unflatten(1, tokens.latent_shape).unflatten(4, (FRAMES, 3, PIXELS, PIXELS))
        frames = volume.permute(0, 1, 4, 5, 2, 6, 3, 7).flatten(6, 7).flatten(4, 5).flatten(1, 2)
        frames = (frames.clamp(0, 1) * 255).round().to(torch.uint8).to(tokens.indices.device)
        return Clips(frames=frames, fps=torch.full((len(frames),), 8.0, dtype=torch.float64))

    def _latents(self, codes: torch.Tensor) -> torch.Tensor:
        """Latent channels `(..., len(levels))` of codes `(...)`."""
        levels = codes[..., None] // self.places % self.levels
        return torch.atanh((levels / (self.levels - 1) * 2 - 1) * 0.95)

    def describe(self) -> Description:
        """Its weights are random: every table says so."""
        return Description(caveats=(Caveat.RANDOM_WEIGHTS,))
