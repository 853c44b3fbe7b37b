"""Structural similarity of frames: Gaussian windows, uniform windows, and several scales."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING

from benchmarks.reconstruction.metrics.measure import Measurement

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from vtok_eval.data import ClipForm

    _OfFrames = Callable[[Tensor, Tensor], list[float]]

PEAK = 255.0
WINDOW = 11
"""Pixels of a Gaussian window's side, at sigma 1.5."""
UNIFORM_WINDOW = 7
LEAST_SIDE_OF_SCALES = 176
"""Pixels of the shorter side from which five scales have room for an 11 x 11 window (161 are too few)."""
POOLED_TO = 256


class SsimConvention(StrEnum):
    """How a frame's SSIM is computed; the value says it in words.

    Example:
        >>> SsimConvention.GAUSSIAN.value
        'SSIM with Gaussian windows of 11 x 11 pixels, sigma 1.5; mean over frames'
    """

    GAUSSIAN = "SSIM with Gaussian windows of 11 x 11 pixels, sigma 1.5; mean over frames"
    GAUSSIAN_POOLED = (
        "SSIM with Gaussian windows of 11 x 11 pixels, sigma 1.5, after average pooling by "
        "round(min side / 256); mean over frames"
    )
    UNIFORM = (
        "SSIM with uniform windows of 7 x 7 pixels and sample covariances (skimage's defaults); "
        "mean over frames"
    )


class Ssim:
    """SSIM of frames with 8-bit channels, mean over channels and frames.

    Source: torchmetrics' `structural_similarity_index_measure`, whole windows only (equal to skimage's with
    Gaussian weights and to piq's); skimage's own `structural_similarity` for uniform windows, as TokenBench
    calls it; VidTok's compute_ssim pools first.

    Example:
        >>> import torch
        >>> from vtok_eval.data import ClipForm
        >>> grey = torch.full((1, 3, 32, 32), 128, dtype=torch.uint8)
        >>> form = ClipForm(n_frames=1, height=32, width=32, fps=4.0)
        >>> one_clip = Ssim().begin(form)
        >>> one_clip.add(grey, grey)
        >>> round(one_clip.finish().values["ssim"], 6)
        1.0
    """

    def __init__(self, convention: SsimConvention = SsimConvention.GAUSSIAN) -> None:
        self._convention = convention
        self._least = UNIFORM_WINDOW if convention is SsimConvention.UNIFORM else WINDOW

    def why_not(self, form: ClipForm) -> str | None:
        """Frames must be as large as a window."""
        return _too_small(form, self._least)

    def begin(self, form: ClipForm) -> FrameMeans:
        """Begin a clip."""
        uniform = self._convention is SsimConvention.UNIFORM
        pooled = self._convention is SsimConvention.GAUSSIAN_POOLED
        return FrameMeans("ssim", _uniform if uniform else _pooled if pooled else _gaussian)


class MultiScaleSsim:
    """MS-SSIM over five scales, mean over frames, for clips of at least 176 pixels on both sides.

    Source: torchmetrics' `multiscale_structural_similarity_index_measure`, equal to piq's.

    Example:
        >>> from vtok_eval.data import ClipForm
        >>> MultiScaleSsim().why_not(ClipForm(n_frames=16, height=128, width=128, fps=4.0))
        'needs frames of at least 176 px, these have 128'
    """

    def why_not(self, form: ClipForm) -> str | None:
        """Frames must be large enough for five scales."""
        return _too_small(form, LEAST_SIDE_OF_SCALES)

    def begin(self, form: ClipForm) -> FrameMeans:
        """Begin a clip."""
        return FrameMeans("ms_ssim", _multi_scale)


class FrameMeans:
    """The mean over frames of what a function gives for each of them.

    Example:
        >>> import torch
        >>> brightest = FrameMeans("brightest", lambda _, decoded: decoded.amax(dim=(1, 2, 3)).tolist())
        >>> brightest.add(torch.zeros(2, 3, 4, 4), torch.ones(2, 3, 4, 4))
        >>> brightest.finish().values
        {'brightest': 1.0}
    """

    def __init__(self, name: str, function: _OfFrames) -> None:
        self._name, self._function = name, function
        self._frames: list[float] = []

    def add(self, original: Tensor, decoded: Tensor) -> None:
        """Take the next frames, uint8 `(n, 3, H, W)` each."""
        self._frames += self._function(original, decoded)

    def finish(self) -> Measurement:
        """The mean over all frames."""
        return Measurement({self._name: math.fsum(self._frames) / len(self._frames)})

    def close(self) -> None:
        """Nothing is held."""


def _gaussian(original: Tensor, decoded: Tensor) -> list[float]:
    return _of_values(original.float(), decoded.float())


def _pooled(original: Tensor, decoded: Tensor) -> list[float]:
    from torch.nn.functional import avg_pool2d

    factor = max(1, round(min(original.shape[-2:]) / POOLED_TO))
    if factor == 1:
        return _gaussian(original, decoded)
    return _of_values(avg_pool2d(original.float(), factor), avg_pool2d(decoded.float(), factor))


def _of_values(original: Tensor, decoded: Tensor) -> list[float]:
    from torchmetrics.functional.image import structural_similarity_index_measure

    # torchmetrics fills the border by reflection; only whole windows count, as in skimage and piq.
    _, similarity = structural_similarity_index_measure(
        decoded,
        original,
        sigma=1.5,
        kernel_size=WINDOW,
        data_range=PEAK,
        reduction="none",
        return_full_image=True,
    )
    border = WINDOW // 2
    whole = similarity[..., border:-border, border:-border]
    found: list[float] = whole.mean(dim=(1, 2, 3)).tolist()
    return found


def _multi_scale(original: Tensor, decoded: Tensor) -> list[float]:
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    found = multiscale_structural_similarity_index_measure(
        decoded.float(), original.float(), sigma=1.5, kernel_size=WINDOW, data_range=PEAK, reduction="none"
    )
    values = found[0] if isinstance(found, tuple) else found
    listed: list[float] = values.reshape(-1).tolist()
    return listed


def _uniform(original: Tensor, decoded: Tensor) -> list[float]:
    import numpy as np
    from skimage.metrics import structural_similarity

    pairs = zip(original.cpu().numpy(), decoded.cpu().numpy(), strict=True)
    return [
        float(
            structural_similarity(
                first.astype(np.float32), second.astype(np.float32), data_range=PEAK, channel_axis=0
            )
        )
        for first, second in pairs
    ]


def _too_small(form: ClipForm, least: int) -> str | None:
    side = min(form.height, form.width)
    return None if side >= least else f"needs frames of at least {least} px, these have {side}"
