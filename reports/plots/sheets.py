"""Reconstruction sheets: frames that a system decoded, next to the clip's own.

The contract: a job's artifacts hold `reconstructions/sheet.json`, strict JSON of the form
{"rows": [{"title": "decoded", "clip": "clip 3", "frames": ["a.png", "b.png"]}, ...], "alt": "what is to be
seen"}, and next to it the PNG files that it names, all frames of one size. It may have "videos":
[{"title": "what it shows", "file": "a.mp4"}], which the page plays. If every row names its clip,
the sheets of a benchmark's systems become one picture: clips side by side, systems below one another, and
what is the same in all of them once.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from reports.plots.style import (
    COLUMN_WIDTH,
    SMALL,
    Picture,
    Theme,
    label_height,
    literal,
    new_figure,
    write_label,
)
from reports.run_report import BenchmarkReport, RunReport
from vtok_eval.errors import RunFolderError
from vtok_eval.results.store import folder_name

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CELL = 0.72
"""Inches of a frame's longer side, at most."""
LEAST_CELL = 0.27
"""Inches below which a frame shows nothing: of too many clips the first are drawn."""
GAP = 0.1
"""Inches between clips."""


class SheetRow(BaseModel):
    """One line of frames. clip: what they show. frames: names of PNG files in the sheet's own folder."""

    model_config = ConfigDict(extra="forbid")

    title: str
    clip: str = ""
    frames: list[str] = Field(min_length=1, max_length=32)

    @field_validator("frames")
    @classmethod
    def _in_the_folder(cls, names: list[str]) -> list[str]:
        for name in names:
            if Path(name).name != name or not name.endswith(".png"):
                raise ValueError(f"{name!r} is not the name of a PNG file in the sheet's folder")
        return names


class SheetVideoFile(BaseModel):
    """An MP4 file in the sheet's own folder that a page plays. title: what it shows."""

    model_config = ConfigDict(extra="forbid")

    title: str = Field(min_length=1)
    file: str

    @field_validator("file")
    @classmethod
    def _in_the_folder(cls, name: str) -> str:
        if Path(name).name != name or not name.endswith(".mp4"):
            raise ValueError(f"{name!r} is not the name of an MP4 file in the sheet's folder")
        return name


class ReconstructionSheet(BaseModel):
    """What sheet.json holds."""

    model_config = ConfigDict(extra="forbid")

    rows: list[SheetRow] = Field(min_length=1, max_length=64)
    alt: str = Field(min_length=1)
    videos: list[SheetVideoFile] = Field(default_factory=list, max_length=16)


@dataclass(frozen=True)
class _Found:
    folder: Path
    sheet: ReconstructionSheet
    system: str


@dataclass(frozen=True)
class _Line:
    """A line of the picture. frames: of each clip of the grid, in its order; none where there are none."""

    title: str
    frames: tuple[tuple[Path, ...], ...]


@dataclass(frozen=True)
class _Grid:
    """clips: headings; one without text where rows do not say which clip they show."""

    clips: tuple[str, ...]
    lines: tuple[_Line, ...]


def sheets(report: RunReport, benchmark: BenchmarkReport) -> list[Picture]:
    """One picture of all systems whose jobs kept sheets of the same clips; else one for each of them.

    Raises:
        RunFolderError: a sheet breaks the contract, or a frame of it cannot be read.
    """
    label = report.label_of(benchmark)
    found = _find(report, benchmark)
    if len(found) > 1 and all(row.clip for one in found for row in one.sheet.rows):
        return [_picture_of_all(found, benchmark, label)]
    return [_picture(one, benchmark, label) for one in found]


@dataclass(frozen=True)
class PlayedVideo:
    """A video that the page plays. system: whose job kept it. path: the MP4 file."""

    system: str
    title: str
    path: Path


def played_videos(report: RunReport, benchmark: BenchmarkReport) -> list[PlayedVideo]:
    """The videos of all sheets of a benchmark, system by system.

    Raises:
        RunFolderError: a sheet breaks the contract.
    """
    return [
        PlayedVideo(found.system, video.title, found.folder / video.file)
        for found in _find(report, benchmark)
        for video in found.sheet.videos
    ]


def sheet_of(run: Path, job: str) -> tuple[Path, list[SheetRow]] | None:
    """The folder and the rows of the sheet that a job of a run folder kept; None where it kept none.

    Raises:
        RunFolderError: the sheet breaks the contract.
    """
    folder = run / "artifacts" / folder_name(job) / "reconstructions"
    if not (folder / "sheet.json").is_file():
        return None
    return folder, _read(folder / "sheet.json").rows


def _find(report: RunReport, benchmark: BenchmarkReport) -> list[_Found]:
    found = []
    for job in report.jobs:
        if job.benchmark != benchmark.info.id:
            continue
        path = report.folders[job.benchmark, job.system]
        folder = path / "artifacts" / folder_name(job.id) / "reconstructions"
        if (folder / "sheet.json").is_file():
            found.append(_Found(folder, _read(folder / "sheet.json"), job.system))
    return found


def _read(path: Path) -> ReconstructionSheet:
    try:
        return ReconstructionSheet.model_validate_json(path.read_bytes())
    except OSError as error:
        raise RunFolderError(f"cannot read {path}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise RunFolderError(f"{path}: {where or 'the sheet'}: {first['msg']}") from error


def _picture(found: _Found, benchmark: BenchmarkReport, label: str) -> Picture:
    title = f"{benchmark.info.id}: what {benchmark.title_of(found.system)} decodes"
    lines = [
        _Line(f"{row.clip}: {row.title}" if row.clip else row.title, (_paths(found, row),))
        for row in found.sheet.rows
    ]
    grid = _Grid(("",), tuple(lines))
    return Picture(
        name=f"{benchmark.info.id}-{folder_name(found.system)}-reconstructions",
        title=title,
        alt=f"{title} ({label}). {found.sheet.alt}",
        data=_data([found], label),
        draw=lambda theme: _draw(grid, theme, label=label),
    )


def _picture_of_all(found: list[_Found], benchmark: BenchmarkReport, label: str) -> Picture:
    title = f"{benchmark.info.id}: what {len(found)} systems decode"
    grid = _side_by_side(found)
    return Picture(
        name=f"{benchmark.info.id}-reconstructions",
        title=title,
        alt=f"{title} ({label}). Frames of the clips {', '.join(grid.clips)} side by side; from top to "
        f"bottom: {', '.join(line.title for line in grid.lines)}.",
        data=_data(found, label),
        draw=lambda theme: _draw(grid, theme, label=label),
    )


def _side_by_side(found: list[_Found]) -> _Grid:
    """A line for each title; what has one title in two sheets and differs gets the system's name too."""
    clips = tuple(dict.fromkeys(row.clip for one in found for row in one.sheet.rows))
    first: dict[tuple[str, str], list[bytes]] = {}
    unlike: set[str] = set()
    for one in found:
        for row in one.sheet.rows:
            content = _bytes(_paths(one, row))
            if first.setdefault((row.title, row.clip), content) != content:
                unlike.add(row.title)
    lines: dict[str, dict[str, tuple[Path, ...]]] = {}
    for one in found:
        for row in one.sheet.rows:
            title = f"{one.system}: {row.title}" if row.title in unlike else row.title
            lines.setdefault(title, {}).setdefault(row.clip, _paths(one, row))
    return _Grid(
        clips, tuple(_Line(title, tuple(at.get(c, ()) for c in clips)) for title, at in lines.items())
    )


def _paths(found: _Found, row: SheetRow) -> tuple[Path, ...]:
    return tuple(found.folder / name for name in row.frames)


def _bytes(paths: tuple[Path, ...]) -> list[bytes]:
    try:
        return [path.read_bytes() for path in paths]
    except OSError as error:
        raise RunFolderError(f"cannot read {error.filename}: {error.strerror}") from error


def _data(found: list[_Found], label: str) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        {
            "row": row.title, "clip": row.clip, "column": i, "file": name,
            "system": one.system, "label": label,
        }
        for one in found
        for row in one.sheet.rows
        for i, name in enumerate(row.frames)
    )  # fmt: skip


def _draw(grid: _Grid, theme: Theme, *, label: str) -> Figure:
    longest = 14 if theme.in_column else 28
    titles = [_in_lines(line.title, longest) for line in grid.lines]
    left = 0.12 + 0.064 * min(longest, max(len(line) for title in titles for line in title.split("\n")))
    room = (COLUMN_WIDTH if theme.in_column else 9.0) - 0.1 - left
    columns = max(len(frames) for line in grid.lines for frames in line.frames)
    n_clips = min(len(grid.clips), max(1, int(room / (columns * LEAST_CELL))))
    cell = min(CELL, (room - GAP * (n_clips - 1)) / (columns * n_clips))
    top = 0.26 if any(grid.clips) else 0.08
    width = max(left + (cell * columns + GAP) * n_clips - GAP + 0.1, COLUMN_WIDTH)
    height = top + cell * len(grid.lines) + 0.04 + label_height(label, width)
    figure = new_figure(theme, width=width, height=height)
    # One pair of axes, in inches: a pair for each frame would take seconds. Each image keeps its own pixels.
    figure.suppressComposite = True
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    write = partial(figure.text, fontsize=SMALL + 0.5, color=theme.text)
    for x, clip in enumerate(grid.clips[:n_clips]):
        at = (left + x * (cell * columns + GAP)) / width
        write(at, 1 - 0.06 / height, literal(clip), va="top")
    for y, line in enumerate(grid.lines):
        bottom = height - top - cell * (y + 1)
        write(0.06 / width, (bottom + cell / 2) / height, literal(titles[y]), va="center")
        for x, frames in enumerate(line.frames[:n_clips]):
            for i, path in enumerate(frames):
                at = left + x * (cell * columns + GAP) + cell * i
                _draw_frame(axes, path, left=at, bottom=bottom, side=0.95 * cell)
    write_label(figure, label, theme)
    return figure


def _draw_frame(axes: Axes, path: Path, *, left: float, bottom: float, side: float) -> None:
    """Draw a frame into the middle of a square, its longer side as long as the square's."""
    from matplotlib.image import AxesImage, imread

    try:
        frame = imread(path)
    except (OSError, ValueError, SyntaxError) as error:  # Pillow calls a broken PNG a SyntaxError
        raise RunFolderError(f"{path}: cannot be read as PNG: {error}") from error
    rows, columns = frame.shape[:2]
    width, height = side * columns / max(rows, columns), side * rows / max(rows, columns)
    x, y = left + (side - width) / 2, bottom + (side - height) / 2
    # "none": vector files hold a frame's own pixels, which viewers enlarge without smoothing.
    image = AxesImage(axes, cmap="gray", interpolation="none", extent=(x, x + width, y, y + height))
    image.set_data(frame)
    axes.add_image(image)


def _in_lines(title: str, width: int) -> str:
    """A row's title in at most two lines."""
    return "\n".join(textwrap.wrap(title, width=width, max_lines=2, placeholder="…", break_on_hyphens=False))
