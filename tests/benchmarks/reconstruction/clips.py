"""Small clips for the tests of reconstruction: a moving pattern, and what may become of it."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.reconstruction.metrics.chunks import ChunkedPair, frames_per_chunk
from benchmarks.reconstruction.metrics.measure import Measure, Measurement
from vtok_eval.data import ClipForm


def pattern(*, n_frames: int = 6, height: int = 48, width: int = 64, seed: int = 0) -> Tensor:
    """Smooth noise that moves, uint8 `(T, 3, H, W)`."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, height // 4 + 2, width // 4 + 2, generator=generator)
    picture = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic")[0]
    frames = torch.stack([picture.roll(2 * step, dims=2) for step in range(n_frames)])
    return (frames * 255).round().clamp(0, 255).to(torch.uint8)


def noisy(frames: Tensor, *, level: float = 8.0, seed: int = 1) -> Tensor:
    """The frames with Gaussian noise of this many levels."""
    noise = torch.randn(frames.shape, generator=torch.Generator().manual_seed(seed)) * level
    return (frames.float() + noise).round().clamp(0, 255).to(torch.uint8)


def blurred(frames: Tensor) -> Tensor:
    """The frames, each pixel the mean of 5 x 5."""
    return torch.nn.functional.avg_pool2d(frames.float(), 5, 1, 2).round().to(torch.uint8)


def form_of(frames: Tensor) -> ClipForm:
    """What is known of a clip without its pixels."""
    return ClipForm(len(frames), *frames.shape[-2:], fps=25.0)


def measured(
    measure: Measure, original: Tensor, decoded: Tensor, *, pieces: int | None = None
) -> Measurement:
    """What the metric finds; `pieces`: frames handed over at once (None: all)."""
    one = measure.begin(form_of(original))
    pair = ChunkedPair(length=frames_per_chunk(*original.shape[-2:]))
    try:
        step = pieces or len(original)
        for start in range(0, len(original), step):
            for chunk in pair.add(original[start : start + step], decoded[start : start + step]):
                one.add(*chunk)
        for chunk in pair.rest():
            one.add(*chunk)
        return one.finish()
    finally:
        one.close()
