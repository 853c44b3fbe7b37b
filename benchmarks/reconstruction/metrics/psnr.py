"""Peak signal-to-noise ratio, by each of the conventions in which it is published."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING

from benchmarks.reconstruction.metrics.measure import Measurement

if TYPE_CHECKING:
    from torch import Tensor

    from vtok_eval.data import ClipForm

PEAK = 255.0
TOKENBENCH_EPSILON = 2.0**-23
"""float32's machine epsilon, which TokenBench adds to the root of the error, in levels."""
VIDTOK_EPSILON = 1e-8
"""VidTok (and piq) add it to the mean squared error of values in [0, 1]: identical frames have 80 dB."""


class PsnrConvention(StrEnum):
    """How a clip's PSNR is computed; the value says it in words.

    Example:
        >>> PsnrConvention.CLIP.value
        'PSNR of the mean squared error of the whole clip'
    """

    FRAMES = "PSNR of each frame, mean over frames; frames that came back unchanged are left out and counted"
    FRAMES_PLUS_EPSILON = (
        "PSNR of each frame with 1e-8 added to the error of values in [0, 1], mean over frames"
    )
    CLIP = "PSNR of the mean squared error of the whole clip"
    CLIP_PLUS_EPSILON = (
        "PSNR of the mean squared error of the whole video in levels, float32's epsilon added to its root"
    )


class Psnr:
    """PSNR in dB of 8-bit frames; infinite for a clip that came back unchanged, unless an epsilon is added.

    Source: torchmetrics' `peak_signal_noise_ratio` for each frame (equal to skimage's); TokenBench's
    metrics_cli.py, VidTok's compute_psnr and LARP's rfvd_evaluator.py for the other conventions.

    Example:
        >>> import torch
        >>> from vtok_eval.data import ClipForm
        >>> grey = torch.full((1, 3, 32, 32), 128, dtype=torch.uint8)
        >>> form = ClipForm(n_frames=1, height=32, width=32, fps=4.0)
        >>> one_clip = Psnr().begin(form)
        >>> one_clip.add(grey, grey + 5)  # a squared error of 25 everywhere
        >>> round(one_clip.finish().values["psnr"], 2)
        34.15
    """

    def __init__(self, convention: PsnrConvention = PsnrConvention.FRAMES) -> None:
        self._convention = convention

    def why_not(self, form: ClipForm) -> str | None:
        """Every clip can be measured."""
        return None

    def begin(self, form: ClipForm) -> PsnrPass:
        """Begin a clip."""
        return PsnrPass(self._convention)


class PsnrPass:
    """One clip's PSNR.

    Example:
        >>> import torch
        >>> grey = torch.full((1, 3, 32, 32), 128, dtype=torch.uint8)
        >>> one_clip = PsnrPass(PsnrConvention.FRAMES_PLUS_EPSILON)
        >>> one_clip.add(grey, grey)
        >>> one_clip.finish().values["psnr"]
        80.0
    """

    def __init__(self, convention: PsnrConvention) -> None:
        self._convention = convention
        self._frames: list[float] = []
        self._squares = 0
        self._n_values = 0

    def add(self, original: Tensor, decoded: Tensor) -> None:
        """Take the next frames, uint8 `(n, 3, H, W)` each."""
        if self._convention is PsnrConvention.FRAMES:
            self._frames += _of_frames(original, decoded)
            return
        squares = _squared_errors(original, decoded)
        if self._convention is PsnrConvention.FRAMES_PLUS_EPSILON:
            n_values = original[0].numel()
            self._frames += [-10 * math.log10(each / n_values / PEAK**2 + VIDTOK_EPSILON) for each in squares]
            return
        self._squares += sum(squares)
        self._n_values += original.numel()

    def finish(self) -> Measurement:
        """The clip's PSNR in dB; for the mean over frames also how many of them came back unchanged."""
        match self._convention:
            case PsnrConvention.FRAMES:
                return self._mean_of_changed()
            case PsnrConvention.FRAMES_PLUS_EPSILON:
                return Measurement({"psnr": math.fsum(self._frames) / len(self._frames)})
            case PsnrConvention.CLIP:
                return Measurement({"psnr": psnr_of(self._squares / self._n_values)})
        root = math.sqrt(self._squares / self._n_values)
        return Measurement({"psnr": 20 * math.log10(PEAK / (root + TOKENBENCH_EPSILON))})

    def close(self) -> None:
        """Nothing is held."""

    def _mean_of_changed(self) -> Measurement:
        changed = [each for each in self._frames if math.isfinite(each)]
        unchanged = len(self._frames) - len(changed)
        value = math.fsum(changed) / len(changed) if changed else math.inf
        return Measurement({"psnr": value}, outputs={"unchanged_frames": unchanged} if unchanged else {})


def psnr_of(mean_squared_error: float) -> float:
    """PSNR in dB of a mean squared error in levels; infinite for 0.

    Example:
        >>> round(psnr_of(25.0), 2), psnr_of(0.0)
        (34.15, inf)
    """
    return 10 * math.log10(PEAK**2 / mean_squared_error) if mean_squared_error > 0 else math.inf


def _of_frames(original: Tensor, decoded: Tensor) -> list[float]:
    from torchmetrics.functional.image import peak_signal_noise_ratio

    found: list[float] = peak_signal_noise_ratio(
        decoded.double(), original.double(), data_range=PEAK, dim=(1, 2, 3), reduction="none"
    ).tolist()
    return found


def _squared_errors(original: Tensor, decoded: Tensor) -> list[int]:
    """The exact sum of squared errors of each frame, in levels."""
    import torch

    differences = original.int() - decoded.int()
    found: list[int] = differences.square_().sum(dim=(1, 2, 3), dtype=torch.int64).tolist()
    return found
