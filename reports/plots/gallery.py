"""Which pictures a report has, and their files: PNG, SVG, PDF of a paper's column, data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from reports.plots.attributes import attributes
from reports.plots.calibration import calibration
from reports.plots.cost import growth, latency, memory
from reports.plots.forest import forest
from reports.plots.frontier import against_bits, against_seconds, frontier
from reports.plots.learning import learning
from reports.plots.radar import radar
from reports.plots.sheets import sheets
from reports.plots.style import COLUMN, LIGHT, Picture, render
from reports.plots.svg import inline_svg, svg_file
from reports.run_report import BenchmarkReport, RunReport
from reports.tables.csv_text import csv_text
from vtok_eval.results.store import write_bytes

DRAWERS: tuple[Callable[[RunReport, BenchmarkReport], Picture | None], ...] = (
    frontier,
    against_bits,
    against_seconds,
    attributes,
    learning,
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
    """A picture's files, and what a page holds of it.

    png and svg are drawn for a page, column (PDF) for a paper's column; data is CSV. wide, narrow: SVG to be
    put into a page's HTML; narrow is the picture of a column, whose text stays legible on a phone.
    """

    picture: Picture
    benchmark: str
    png: Path
    svg: Path
    column: Path
    data: Path
    wide: str
    narrow: str


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
    """Draw twice, for a page and for a column; each figure is saved in all of its forms."""
    on_page, in_column = picture.draw(LIGHT), picture.draw(COLUMN)
    png, page, pdf, column = (
        render(figure, form, title=picture.title, alt=picture.alt)
        for figure, form in ((on_page, "png"), (on_page, "svg"), (in_column, "pdf"), (in_column, "svg"))
    )
    written = WrittenPicture(
        picture=picture,
        benchmark=benchmark,
        png=folder / f"{picture.name}.png",
        svg=folder / f"{picture.name}.svg",
        column=folder / f"{picture.name}-column.pdf",
        data=folder / f"{picture.name}.csv",
        wide=inline_svg(page, name=picture.name, alt=picture.alt),
        narrow=inline_svg(column, name=f"{picture.name}-column", alt=picture.alt, narrow=True),
    )
    for path, content in (
        (written.png, png),
        (written.svg, svg_file(page)),
        (written.column, pdf),
        (written.data, csv_text(picture.data).encode()),
    ):
        write_bytes(path, content)
    return written
