"""Clips with questions whose true answers are known: rendered scenes, or a user's own videos."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from tv_align.calibration.degradations import degraded
from tv_align.prompts.schema import CATEGORIES
from tv_align.scenes.prompts import SEED, reference_clips, scene_prompts
from vtok_eval.benchmark import ClipSource
from vtok_eval.errors import SpecError
from vtok_eval.files.tables import TableRow, read_table
from vtok_eval.video.sources import VideoFile

Truth = Literal["yes", "no"]
COLUMNS = ("path", "category", "question", "truth")
_ALLOWED: dict[str, tuple[str, ...]] = {"category": tuple(CATEGORIES), "truth": ("yes", "no")}


@dataclass(frozen=True)
class ControlItem:
    """One clip, its category, and questions with their true answers."""

    id: str
    category: str
    clip: ClipSource
    questions: tuple[tuple[str, Truth], ...]


def scenes_control_set(
    *,
    split: str = "validation",
    per_level: int = 25,
    size: int = 64,
    n_frames: int = 16,
    degradation: str = "none",
    seed: int = SEED,
) -> list[ControlItem]:
    """Rendered clips of `tv-align-scenes`' kind, of another split than the benchmark's; size in pixels.

    degradation: one of `degradations.DEGRADATIONS`.

    Raises:
        UnknownNameError: there is no such split of scenes, or no such degradation.
    """
    drawn = scene_prompts(split=split, per_level=per_level, seed=seed)
    clips = reference_clips(drawn, size=size, n_frames=n_frames)
    return [
        ControlItem(
            item.entry.id,
            item.category,
            degraded(clips[item.entry.id], degradation),
            tuple(item.entry.questions.items()),
        )
        for item in drawn
    ]


def read_control_set(path: Path, *, max_frames: int = 16) -> list[ControlItem]:
    """A user's own control set: a table (usually CSV) with the columns path, category, question and truth.

    Paths are relative to the file; truth is yes or no. Rows of one video and category make one item.

    Raises:
        SpecError: it cannot be read, lacks a column, has a bad value, or asks one question of a video twice;
            names the line and the column.
    """
    questions: dict[tuple[str, str], dict[str, Truth]] = {}
    for row in read_table(path, error=SpecError, required=COLUMNS).rows:
        video, category, question, truth = (_cell(row, name) for name in COLUMNS)
        asked = questions.setdefault((video, category), {})
        if question in asked:
            raise SpecError(f"{row.where}: question {question!r} of {video} is there twice")
        asked[question] = cast(Truth, truth)
    if not questions:
        raise SpecError(f"{path}: holds no question")
    return [
        ControlItem(
            f"{video}#{category}",
            category,
            VideoFile(path.parent / video, max_frames=max_frames),
            tuple(asked.items()),
        )
        for (video, category), asked in questions.items()
    ]


def _cell(row: TableRow, name: str) -> str:
    value = row.columns[name]
    if value is None or value == "":
        raise SpecError(f"{row.where}: {name} is empty")
    if not isinstance(value, str):
        raise SpecError(f"{row.where}: {name} must be a text, not {value!r}")
    allowed = _ALLOWED.get(name)
    if allowed and value not in allowed:
        raise SpecError(f"{row.where}: {name} must be {' or '.join(allowed)}, not {value!r}")
    return value
