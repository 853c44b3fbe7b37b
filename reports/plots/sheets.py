"""Reconstruction sheets: frames that a benchmark kept of what a system decodes, beside the clip's own.

The contract: a job's artifacts hold `reconstructions/sheet.json`, strict JSON of the form
{"rows": [{"title": "clip 3", "frames": ["a.png", "b.png"]}, ...], "alt": "what is to be seen"}, and beside it
the PNG files that it names, all frames of one size.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from reports.gather import BenchmarkReport, RunReport
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
from vtok_eval.errors import RunFolderError
from vtok_eval.results.store import folder_name

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

CELL = 0.72
"""Inches of a frame's longer side."""


class SheetRow(BaseModel):
    """One line of frames. frames: names of PNG files in the sheet's own folder."""

    model_config = ConfigDict(extra="forbid")

    title: str
    frames: list[str] = Field(min_length=1, max_length=32)

    @field_validator("frames")
    @classmethod
    def _in_the_folder(cls, names: list[str]) -> list[str]:
        for name in names:
            if Path(name).name != name or not name.endswith(".png"):
                raise ValueError(f"{name!r} is no name of a PNG file in the sheet's folder")
        return names


class Sheet(BaseModel):
    """What sheet.json holds."""

    model_config = ConfigDict(extra="forbid")

    rows: list[SheetRow] = Field(min_length=1, max_length=64)
    alt: str = Field(min_length=1)


@dataclass(frozen=True)
class _Found:
    folder: Path
    sheet: Sheet
    system: str


def sheets(report: RunReport, benchmark: BenchmarkReport) -> list[Picture]:
    """A picture for each system whose job kept a sheet.

    Raises:
        RunFolderError: a sheet breaks the contract, or a frame of it cannot be read.
    """
    label = report.label_of(benchmark)
    return [_picture(found, benchmark, label) for found in _find(report, benchmark)]


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


def _read(path: Path) -> Sheet:
    try:
        return Sheet.model_validate_json(path.read_bytes())
    except OSError as error:
        raise RunFolderError(f"cannot read {path}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise RunFolderError(f"{path}: {where or 'the sheet'}: {first['msg']}") from error


def _picture(found: _Found, benchmark: BenchmarkReport, label: str) -> Picture:
    title = f"{benchmark.info.id}: what {benchmark.title_of(found.system)} decodes"
    return Picture(
        name=f"{benchmark.info.id}-{folder_name(found.system)}-reconstructions",
        title=title,
        alt=f"{title} ({label}). {found.sheet.alt}",
        data=_data(found, label),
        draw=lambda theme: _draw(found, theme, label=label),
    )


def _data(found: _Found, label: str) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        {"row": row.title, "column": i, "file": name, "system": found.system, "label": label}
        for row in found.sheet.rows
        for i, name in enumerate(row.frames)
    )


def _draw(found: _Found, theme: Theme, *, label: str) -> Figure:
    from matplotlib.image import imread

    rows = found.sheet.rows
    columns = max(len(row.frames) for row in rows)
    longest = 14 if theme.in_column else 28
    titles = [_in_lines(row.title, longest) for row in rows]
    left = 0.1 + 0.058 * min(longest, max(len(line) for title in titles for line in title.split("\n")))
    widest = COLUMN_WIDTH if theme.in_column else 9.0
    cell = min(CELL, (widest - 0.1 - left) / columns)
    width = COLUMN_WIDTH if theme.in_column else max(left + cell * columns + 0.1, 3.6)
    height = cell * len(rows) + 0.12 + label_height(label, width)
    figure = new_figure(theme, width=width, height=height)
    for y, row in enumerate(rows):
        bottom = height - 0.08 - cell * (y + 1)
        figure.text(
            0.06 / width, (bottom + cell / 2) / height, literal(titles[y]),
            fontsize=SMALL + 0.5, color=theme.text, va="center",
        )  # fmt: skip
        for x, name in enumerate(row.frames):
            place = ((left + cell * x) / width, bottom / height, 0.95 * cell / width, 0.95 * cell / height)
            axes = figure.add_axes(place)
            axes.set_axis_off()
            try:
                frame = imread(found.folder / name)
            except (OSError, ValueError, SyntaxError) as error:  # Pillow calls a broken PNG a SyntaxError
                raise RunFolderError(f"{found.folder / name}: cannot be read as PNG: {error}") from error
            axes.imshow(frame, interpolation="nearest", cmap="gray")
    write_label(figure, label, theme)
    return figure


def _in_lines(title: str, width: int) -> str:
    """A row's title in at most two lines."""
    return "\n".join(textwrap.wrap(title, width=width, max_lines=2, placeholder="…", break_on_hyphens=False))
