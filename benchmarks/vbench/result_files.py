"""The reference's result file, `NAME_eval_results.json`: read it, write it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.vbench.dimensions import dimension
from vtok_eval.errors import VtokEvalError

PER_VIDEO_SCALE = {"imaging_quality": 100.0}
"""The reference writes these dimensions' per-video results this many times larger than their score."""


@dataclass(frozen=True)
class DimensionResult:
    """One dimension of a result file: its score, and each video's in the same unit, by path."""

    score: float
    videos: Mapping[str, float]


def read_results(path: Path) -> dict[str, DimensionResult]:
    """Read a result file of the reference: `{dimension: [score, [{"video_path", "video_results"}, ...]]}`.

    Booleans (dynamic degree, human action) become 0 and 1.

    Raises:
        VtokEvalError: the file cannot be read or has another form; names the file and the place.
        UnknownNameError: a dimension that does not exist.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise VtokEvalError(f"{path}: cannot be read as VBench results ({error})") from error
    if not isinstance(content, dict):
        raise VtokEvalError(
            f"{path}: VBench results are an object of dimensions, not a {type(content).__name__}"
        )
    return {dimension(name).name: _read_dimension(path, name, entry) for name, entry in content.items()}


def write_results(path: Path, results: Mapping[str, DimensionResult]) -> None:
    """Write results in the reference's form, so that its own scripts read them; replaces `path` at once.

    Raises:
        UnknownNameError: a dimension that does not exist.
    """
    content = {
        dimension(name).name: [
            result.score,
            [
                {"video_path": video, "video_results": value * PER_VIDEO_SCALE.get(name, 1.0)}
                for video, value in result.videos.items()
            ],
        ]
        for name, result in results.items()
    }
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(content, indent=4), encoding="utf-8")
    part.replace(path)


def _read_dimension(path: Path, name: str, entry: object) -> DimensionResult:
    if not isinstance(entry, Sequence) or len(entry) != 2 or not isinstance(entry[1], list):
        raise VtokEvalError(f"{path}: {name} must be [score, [videos]]")
    scale = PER_VIDEO_SCALE.get(name, 1.0)
    videos = {}
    for place, video in enumerate(entry[1]):
        if not isinstance(video, dict) or not {"video_path", "video_results"} <= set(video):
            raise VtokEvalError(f"{path}: {name}, video {place}: needs video_path and video_results")
        value = _number(path, f"{name}, {video['video_path']}", video["video_results"])
        videos[str(video["video_path"])] = value / scale
    return DimensionResult(score=_number(path, name, entry[0]), videos=videos)


def _number(path: Path, place: str, value: object) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise VtokEvalError(f"{path}: {place}: {value!r} is not a score")
    return float(value)
