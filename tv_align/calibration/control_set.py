"""Clips with questions whose true answers are known: rendered scenes, or a user's own videos."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from tv_align.calibration.degradations import degraded
from tv_align.prompts.schema import CATEGORIES
from tv_align.scenes.prompts import SEED, reference_clips, scene_prompts
from vtok_eval.benchmark import ClipSource
from vtok_eval.errors import SpecError
from vtok_eval.video.sources import VideoFile

Truth = Literal["yes", "no"]
COLUMNS = ("path", "category", "question", "truth")


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
    """A user's own control set: a CSV file with the columns path, category, question and truth (yes or no).

    Paths are relative to the file. Rows of one video and category make one item.

    Raises:
        SpecError: it cannot be read, lacks a column or has a bad value; names the line and the column.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: cannot be read as a control set ({error})") from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    lacking = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if lacking:
        raise SpecError(f"{path}: has no column {lacking[0]}; it needs {', '.join(COLUMNS)}")
    questions: dict[tuple[str, str], dict[str, Truth]] = {}
    for row in reader:
        _check_row(path, reader.line_num, row)
        questions.setdefault((row["path"], row["category"]), {})[row["question"]] = cast(Truth, row["truth"])
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


def _check_row(path: Path, line: int, row: dict[str, str]) -> None:
    allowed: dict[str, Sequence[str]] = {"category": tuple(CATEGORIES), "truth": ("yes", "no")}
    for name in COLUMNS:
        if not row[name]:
            raise SpecError(f"{path}, line {line}: {name} is empty")
        if name in allowed and row[name] not in allowed[name]:
            raise SpecError(
                f"{path}, line {line}: {name} must be {' or '.join(allowed[name])}, not {row[name]!r}"
            )
