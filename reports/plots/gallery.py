"""Which pictures a report has, and their files: PNG, SVG light and dark, PDF of a paper's column, data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from reports.plots.attributes import attributes
from reports.plots.calibration import calibration
from reports.plots.cost import growth, latency, memory
from reports.plots.forest import forest
from reports.plots.frontier import against_bits, against_seconds, frontier
from reports.plots.radar import radar
from reports.plots.sheets import sheets
from reports.plots.style import COLUMN, DARK, LIGHT, Picture, render
from reports.run_report import BenchmarkReport, RunReport
from reports.tables.csv_text import csv_text
from vtok_eval.results.store import write_bytes

DRAWERS: tuple[Callable[[RunReport, BenchmarkReport], Picture | None], ...] = (
    frontier,
    against_bits,
    against_seconds,
    attributes,
    growth,
    latency,
    memory,
    radar,
    calibration,
)

WHOLE_RUN = ""
"""In place of a benchmark's id, for a picture of all of them."""


@dataclass(frozen=True)
class WrittenPicture:
    """A picture's files.

    png and light (SVG) are drawn for white paper, dark (SVG) for dark screens, column (PDF) for a paper's
    column; data is CSV.
    """

    picture: Picture
    benchmark: str
    png: Path
    light: Path
    dark: Path
    column: Path
    data: Path


def write_pictures(report: RunReport, folder: Path) -> list[WrittenPicture]:
    """Draw every picture that the run has numbers for, into `folder`.

    Raises:
        RunFolderError: a file cannot be written, or a sheet of reconstructions not be read.
    """
    differences = forest(report)
    return [
        *([] if differences is None else [_write(differences, WHOLE_RUN, folder)]),
        *(
            _write(picture, benchmark.info.id, folder)
            for benchmark in report.benchmarks
            for picture in pictures_of(report, benchmark)
        ),
    ]


def pictures_of(report: RunReport, benchmark: BenchmarkReport) -> list[Picture]:
    """Every picture of a benchmark."""
    drawn = (drawer(report, benchmark) for drawer in DRAWERS)
    return [*(picture for picture in drawn if picture is not None), *sheets(report, benchmark)]


def _write(picture: Picture, benchmark: str, folder: Path) -> WrittenPicture:
    written = WrittenPicture(
        picture=picture,
        benchmark=benchmark,
        png=folder / f"{picture.name}.png",
        light=folder / f"{picture.name}.svg",
        dark=folder / f"{picture.name}-dark.svg",
        column=folder / f"{picture.name}-column.pdf",
        data=folder / f"{picture.name}.csv",
    )
    light = picture.draw(LIGHT)
    for path, figure in (
        (written.png, light),
        (written.light, light),
        (written.dark, picture.draw(DARK)),
        (written.column, picture.draw(COLUMN)),
    ):
        write_bytes(path, render(figure, path.suffix[1:], title=picture.title, alt=picture.alt))
    write_bytes(written.data, csv_text(picture.data).encode())
    return written
