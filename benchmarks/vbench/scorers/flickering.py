"""Temporal flickering: how much neighbouring frames differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarks.vbench.scorers.scorer import Request, VideoResult, need_frames

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmarks.vbench.frames.decoded_frames import Piece
    from benchmarks.vbench.frames.decoders import VideoHeader
    from benchmarks.vbench.networks.metric_models import Networks


class TemporalFlickering:
    """`(255 - mean absolute difference of neighbours) / 255`; a still video has 1."""

    def __init__(self, networks: Networks) -> None:
        """It has no model."""

    def pick(self, n_frames: int) -> Sequence[int] | None:
        """Every frame."""
        return None

    def begin(self, video: VideoHeader, request: Request) -> FlickeringPass:
        """Start a video."""
        return FlickeringPass(video)


class FlickeringPass:
    """One video: sums of absolute differences, in whole numbers."""

    def __init__(self, video: VideoHeader) -> None:
        self._video = video
        self._before: NDArray[np.uint8] | None = None
        self._sum = 0.0
        self._n_frames = 0

    def add(self, piece: Piece) -> None:
        """Take the next frames."""
        import cv2

        for frame in piece.array:
            if self._before is not None:
                self._sum += cv2.norm(self._before, frame, cv2.NORM_L1) / frame.size
            self._before = frame
        self._n_frames += len(piece.numbers)

    def finish(self) -> VideoResult:
        """The score; every video weighs the same."""
        need_frames(self._video, self._n_frames, least=2, dimension="temporal flickering")
        return VideoResult((255.0 - self._sum / (self._n_frames - 1)) / 255.0)
