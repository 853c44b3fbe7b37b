"""FSQ and VQ of the package vector-quantize-pytorch as tokenizers: how its codes are given and decoded.

pip install vector-quantize-pytorch
vtok-eval check examples/library_quantizers.py:FiniteScalar
vtok-eval check examples/library_quantizers.py:Vector

What is quantised is the mean colour of blocks of 4 frames x 8 x 8 pixels, so that nothing needs training.
Put your encoder before the quantiser, and your decoder after it.
"""

from __future__ import annotations

import torch
from torch.nn import functional
from vector_quantize_pytorch import FSQ, VectorQuantize

from vtok_eval import Accepts, Clips, Tokens

FRAMES, PIXELS = 4, 8


class FiniteScalar:
    """Finite scalar quantisation: each colour channel has `levels` values, and a code is one of levels^3."""

    accepts = Accepts(frames=f"{FRAMES}k", size=f"{PIXELS}k")

    def __init__(self, *, levels: int = 9) -> None:
        self.levels = levels
        self.quantizer = FSQ(levels=[levels] * 3).eval()

    def encode(self, clips: Clips) -> Tokens:
        """One code for each block; the code book's vectors are the quantiser's own."""
        colours, shape = mean_colours(clips)
        with torch.no_grad():
            # FSQ bounds its input by tanh, which this undoes.
            _, codes = self.quantizer(torch.atanh(colours * 0.999))
        return as_tokens(codes, shape, codebook=self.quantizer.implicit_codebook)

    def decode(self, tokens: Tokens) -> Clips:
        """Blocks of the codes' colours."""
        return shown(self.quantizer.indices_to_codes(tokens.indices), tokens)


class Vector:
    """Vector quantisation: a code is the nearest of side^3 colours, which are evenly spaced here."""

    accepts = Accepts(frames=f"{FRAMES}k", size=f"{PIXELS}k")

    def __init__(self, *, side: int = 4) -> None:
        self.side = side
        self.quantizer = VectorQuantize(dim=3, codebook_size=side**3).eval()
        steps = torch.linspace(-1, 1, side)
        self.quantizer.codebook = torch.cartesian_prod(steps, steps, steps)

    def encode(self, clips: Clips) -> Tokens:
        """One code for each block; the code book's vectors are the quantiser's own."""
        colours, shape = mean_colours(clips)
        with torch.no_grad():
            _, codes, _ = self.quantizer(colours)
        return as_tokens(codes, shape, codebook=self.quantizer.codebook)

    def decode(self, tokens: Tokens) -> Clips:
        """Blocks of the codes' colours."""
        return shown(self.quantizer.get_codes_from_indices(tokens.indices), tokens)


def mean_colours(clips: Clips) -> tuple[torch.Tensor, tuple[int, int, int]]:
    """The mean colour of each block, from -1 to 1, `(B, t * h * w, 3)`, and (t, h, w)."""
    video = clips.frames.transpose(1, 2).float() / 127.5 - 1
    means = functional.avg_pool3d(video, (FRAMES, PIXELS, PIXELS))
    time, height, width = means.shape[2:]
    return means.flatten(2).transpose(1, 2), (time, height, width)


def as_tokens(codes: torch.Tensor, shape: tuple[int, int, int], *, codebook: torch.Tensor) -> Tokens:
    """Codes `(B, t * h * w)` with the first frame of each block and the vectors that they stand for."""
    time, height, width = shape
    return Tokens.codes(
        codes.long(),  # FSQ gives int32
        codebook_size=len(codebook),
        embedding=codebook.detach(),
        frame=torch.arange(time).repeat_interleave(height * width) * FRAMES,
        latent_shape=shape,
    )


def shown(colours: torch.Tensor, tokens: Tokens) -> Clips:
    """Clips whose blocks have these colours, `(B, t * h * w, 3)` from -1 to 1."""
    assert tokens.latent_shape is not None
    volume = colours.detach().transpose(1, 2).unflatten(2, tokens.latent_shape)
    scale = (float(FRAMES), float(PIXELS), float(PIXELS))
    video = functional.interpolate(volume, scale_factor=scale, mode="nearest")
    frames = ((video.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).transpose(1, 2)
    return Clips(frames=frames, fps=torch.full((len(frames),), 8.0, dtype=torch.float64))
