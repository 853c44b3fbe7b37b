"""What a dimension is to the evaluator: a scorer with its models loaded, and one pass over each video."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from vtok_eval.errors import VideoError

if TYPE_CHECKING:
    from benchmarks.vbench.frames.decoded_frames import Piece
    from benchmarks.vbench.frames.decoders import VideoHeader
    from benchmarks.vbench.networks.metric_models import Networks

SCORERS: Mapping[str, str] = {
    "subject_consistency": "benchmarks.vbench.scorers.frame_scorers:SubjectConsistency",
    "background_consistency": "benchmarks.vbench.scorers.frame_scorers:BackgroundConsistency",
    "temporal_flickering": "benchmarks.vbench.scorers.flickering:TemporalFlickering",
    "motion_smoothness": "benchmarks.vbench.scorers.smoothness:MotionSmoothness",
    "dynamic_degree": "benchmarks.vbench.scorers.dynamic_degree:DynamicDegree",
    "aesthetic_quality": "benchmarks.vbench.scorers.frame_scorers:AestheticQuality",
    "imaging_quality": "benchmarks.vbench.scorers.frame_scorers:ImagingQuality",
    "object_class": "benchmarks.vbench.scorers.detections:ObjectClass",
    "multiple_objects": "benchmarks.vbench.scorers.detections:MultipleObjects",
    "human_action": "benchmarks.vbench.scorers.prompt_scorers:HumanAction",
    "color": "benchmarks.vbench.scorers.detections:Color",
    "spatial_relationship": "benchmarks.vbench.scorers.detections:SpatialRelationship",
    "scene": "benchmarks.vbench.scorers.captions:SceneCaptions",
    "appearance_style": "benchmarks.vbench.scorers.prompt_scorers:AppearanceStyle",
    "temporal_style": "benchmarks.vbench.scorers.prompt_scorers:TextVideoConsistency",
    "overall_consistency": "benchmarks.vbench.scorers.prompt_scorers:TextVideoConsistency",
}
"""The class that runs each dimension."""

STILL_ONLY = "benchmarks.vbench.scorers.static_filter:StillFlickering"
"""What runs temporal flickering where only still videos count."""


@dataclass(frozen=True)
class Request:
    """What a video was made for.

    information: the prompt's structured information, by dimension. earlier: the prompt's videos that come
    before this one, where only the first still ones count.
    """

    prompt: str
    information: Mapping[str, object] = field(default_factory=dict)
    earlier: tuple[Path, ...] = ()


@dataclass(frozen=True)
class VideoResult:
    """A video's score on one dimension, in the dimension's unit.

    weight: what the video counts in the dimension's mean: the reference takes some means over frames.
    """

    value: float
    weight: float = 1.0


class Pass(Protocol):
    """One video's way through one dimension."""

    def add(self, piece: Piece) -> None:
        """Take the next frames."""
        ...

    def finish(self) -> VideoResult | None:
        """The score, once all frames were given; None where the dimension does not apply to the video.

        Raises:
            VideoError: the video has none, because it is too short, say.
        """
        ...


class Scorer(Protocol):
    """One dimension with its models loaded; made from `Networks`."""

    def __init__(self, networks: Networks) -> None: ...

    def pick(self, n_frames: int) -> Sequence[int] | None:
        """Which frames it needs, in order and perhaps repeated; None for all."""
        ...

    def begin(self, video: VideoHeader, request: Request) -> Pass:
        """Start a video."""
        ...


def scorer_class(place: str) -> type[Scorer]:
    """The class at `module:attribute`, or the one that runs the dimension called `place`."""
    module, _, attribute = SCORERS.get(place, place).partition(":")
    found: type[Scorer] = getattr(importlib.import_module(module), attribute)
    return found


def middle_frames(n_frames: int, count: int) -> tuple[int, ...]:
    """The middles of `count` equal intervals of a video; a shorter video's last frame is repeated.

    As `vbench.utils.get_frame_indices(..., sample="middle")`, integers cut off, not rounded.

    Example:
        >>> list(middle_frames(16, 4))
        [1, 5, 9, 13]
    """
    import numpy as np

    taken = min(count, n_frames)
    edges = np.linspace(0, n_frames, taken + 1).astype(int)
    middles = [int(first + last - 1) // 2 for first, last in pairwise(edges)]
    return (*middles, *[middles[-1]] * (count - taken))


LEAST_FLOW_SIDE = 128
"""RAFT and AMT look flow up in maps of an eighth of the padded size, halved three times; where one of those
is a single pixel wide, they divide by 0 and all that follows is nan."""


def need_size(video: VideoHeader, height: int, width: int, *, multiple: int, dimension: str) -> None:
    """Refuse a video whose frames, padded to a multiple, are too small for optical flow.

    The reference scores such a video: nan makes it "not dynamic" and its motion smoothness anything.

    Raises:
        VideoError: a padded side is below `LEAST_FLOW_SIDE`.
    """
    shorter = -(-min(height, width) // multiple) * multiple
    if shorter < LEAST_FLOW_SIDE:
        least = LEAST_FLOW_SIDE - multiple + 1
        raise VideoError(
            f"{video.path}: is {width} x {height}; {dimension} needs at least {least} pixels on each side"
        )


def need_frames(video: VideoHeader, n_frames: int, *, least: int, dimension: str) -> None:
    """Refuse a video that is too short for a dimension.

    Raises:
        VideoError: it has fewer than `least` frames.
    """
    if n_frames < least:
        frames = "frame" if n_frames == 1 else "frames"
        raise VideoError(f"{video.path}: has {n_frames} {frames}; {dimension} needs at least {least}")
