"""Temporal flickering: through the package's own function, or from frames that other dimensions read too."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.vbench.frames import check_whole
from benchmarks.vbench.package import vbench_module
from benchmarks.vbench.scorer import Request, VideoResult, need_frames
from vtok_eval.errors import VideoError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.vbench.frames import Piece, VideoInfo
    from benchmarks.vbench.networks import Networks


def package_score(path: Path) -> float:
    """`vbench.temporal_flickering.cal_score` of a video: 0 to 1; a still one has 1.

    Raises:
        MissingDependencyError: the vbench package is not installed.
        VideoError: the file is missing, cannot be decoded, or holds a single frame. (The reference leaves the
            first two out without a word and scores the third as nan.)
    """
    cal_score = vbench_module("temporal_flickering").cal_score
    check_whole(path)
    with warnings.catch_warnings():
        # One frame has no neighbour: numpy warns of the mean of nothing, and the score is nan.
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            score = float(cal_score(str(path)))
        except AssertionError as error:  # how the reference says that it read no frame
            raise VideoError(f"{path}: no frame can be decoded") from error
    if math.isnan(score):
        raise VideoError(f"{path}: has 1 frame; temporal flickering needs at least 2")
    return score


class TemporalFlickering:
    """The same score from frames at hand: `(255 - mean absolute difference of neighbours) / 255`."""

    def __init__(self, networks: Networks) -> None:
        """It has no model."""

    def pick(self, n_frames: int) -> Sequence[int] | None:
        """Every frame."""
        return None

    def begin(self, video: VideoInfo, request: Request) -> FlickeringPass:
        """Start a video."""
        return FlickeringPass(video)


class FlickeringPass:
    """One video: sums of absolute differences, in whole numbers."""

    def __init__(self, video: VideoInfo) -> None:
        self._video = video
        self._before: NDArray | None = None
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
