"""Temporal flickering through the vbench package's own function."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

from benchmarks.vbench.package import vbench_module
from vtok_eval.errors import VideoError


class TemporalFlickering:
    """VBench's temporal flickering of one video: `vbench.temporal_flickering.cal_score`.

    Raises:
        MissingDependencyError: the vbench package is not installed.
    """

    def __init__(self) -> None:
        self._cal_score = vbench_module("temporal_flickering").cal_score

    def score(self, path: Path) -> float:
        """`(255 - mean absolute difference of neighbouring frames) / 255`, 0 to 1; still videos have 1.

        Raises:
            VideoError: the file is missing, cannot be decoded, or holds a single frame. (The reference
                leaves the first two out without a word and scores the third as nan.)
        """
        if not path.is_file():
            raise VideoError(f"{path}: no such file")
        with warnings.catch_warnings():
            # One frame has no neighbour: numpy warns of the mean of nothing, and the score is nan.
            warnings.simplefilter("ignore", RuntimeWarning)
            try:
                score = float(self._cal_score(str(path)))
            except AssertionError as error:  # how the reference says that it read no frame
                raise VideoError(f"{path}: no frame can be decoded") from error
        if math.isnan(score):
            raise VideoError(f"{path}: has one frame; temporal flickering compares neighbours and needs two")
        return score
