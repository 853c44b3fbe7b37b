"""Control clips made worse, as videos in the wild are: compressed, or blurred and noisy."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vtok_eval.benchmark import ClipSource
from vtok_eval.errors import UnknownNameError

if TYPE_CHECKING:
    from vtok_eval.data import Clip

CRF = 28
"""x264's constant rate factor: visibly compressed, as video sites send it."""
BLUR_PIXELS, NOISE_LEVELS = 0.6, 6.0
"""Standard deviations of the blur, in pixels of a frame of 64, and of the noise, of 255 levels."""


@dataclass(frozen=True)
class Degraded:
    """A clip source of which each clip is made worse, always in the same way; satisfies `ClipSource`."""

    source: ClipSource
    name: str

    @property
    def key(self) -> str:
        """The source's, and what was done to it."""
        return f"{self.source.key}|{self.name}"

    def load(self) -> Clip:
        """The source's clip, made worse.

        Raises:
            VtokEvalError: as the source's `load`.
        """
        seed = int.from_bytes(hashlib.sha256(self.source.key.encode()).digest()[:8])
        return DEGRADATIONS[self.name](self.source.load(), seed)


def degraded(source: ClipSource, name: str) -> ClipSource:
    """The source, made worse as one of `DEGRADATIONS` does; "none" leaves it as it is.

    Raises:
        UnknownNameError: there is no such degradation.
    """
    if name not in DEGRADATIONS:
        raise UnknownNameError(what="degradation", name=name, known=DEGRADATIONS)
    return source if name == "none" else Degraded(source, name)


def _compressed(clip: Clip, seed: int) -> Clip:
    """Through an mp4 file at `CRF` and back."""
    del seed  # x264 draws nothing
    import tempfile
    from pathlib import Path

    from vtok_eval.video.decoding.decode import decode
    from vtok_eval.video.encode import encode

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        encode(clip, path, crf=CRF)
        return decode(path)


def _blurred_and_noisy(clip: Clip, seed: int) -> Clip:
    """Gaussian blur, in proportion to the frame's size, then Gaussian noise."""
    import torch
    from scipy import ndimage

    from vtok_eval.data import Clip

    pixels = clip.frames.cpu().numpy().astype(np.float32)
    width = BLUR_PIXELS * min(pixels.shape[2:]) / 64
    pixels = ndimage.gaussian_filter(pixels, (0, 0, width, width))
    pixels += np.random.default_rng(seed).normal(0, NOISE_LEVELS, pixels.shape).astype(np.float32)
    return Clip(torch.from_numpy(np.clip(np.rint(pixels), 0, 255).astype(np.uint8)), clip.fps)


DEGRADATIONS: dict[str, Callable[[Clip, int], Clip]] = {
    "none": lambda clip, seed: clip,
    "crf28": _compressed,
    "blur+noise": _blurred_and_noisy,
}
"""Name -> what it does to a clip; the seed is the noise's."""
