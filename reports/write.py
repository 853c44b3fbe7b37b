"""Writes a run's report: tables in three forms, pictures with their data, one page; or draws one picture."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reports.merged_runs import gather_runs
from reports.page.html import page
from reports.plots.gallery import pictures_of, write_pictures
from reports.plots.style import LIGHT
from reports.tables.budget import budget_tables, needed_table
from reports.tables.csv_text import csv_text
from reports.tables.latex import latex
from reports.tables.markdown import markdown
from reports.tables.score_table import tidy
from reports.tables.terminal import summary, terminal
from vtok_eval.errors import RunFolderError, UnknownNameError
from vtok_eval.results.budget import BudgetUnit
from vtok_eval.results.store import RunFolder, write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from reports.run_report import RunReport


@dataclass(frozen=True)
class ReportPaths:
    """What `write_report` wrote, and the report itself.

    csv holds every score; comparison what the short tables show; budget the tokens or bits that others need
    for each score.
    """

    report: RunReport
    folder: Path
    html: Path
    markdown: Path
    latex: Path
    csv: Path
    comparison: Path
    budget: Path
    pictures: tuple[Path, ...]


def write_report(
    run_folder: Path | Sequence[Path],
    out: Path | None = None,
    *,
    baseline: str | None = None,
    versions: bool = False,
    unit: BudgetUnit | None = None,
) -> ReportPaths:
    """Write the report of one run, finished or not, or of several as one.

    out: default: the run's report folder; that of several must be named.
    baseline: another system than the (first) run's to compare the others with.
    versions: with the earlier versions of systems and benchmarks that the folders hold.
    unit: what budgets are counted in; None for what the (first) run says.

    Raises:
        RunFolderError: there is no run, a file of it cannot be read, several cannot share one table, no
            folder is named for the report of several, or it cannot be written.
        UnknownNameError: there is no such baseline.
    """
    with _rare_garbage_collections():
        return _written(run_folder, out, baseline=baseline, versions=versions, unit=unit)


@contextmanager
def _rare_garbage_collections() -> Iterator[None]:
    """Look for circles of objects more rarely: matplotlib makes hundreds of thousands of objects for a
    report, and going through them again and again takes a tenth of its time."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _written(
    run_folder: Path | Sequence[Path],
    out: Path | None,
    *,
    baseline: str | None,
    versions: bool,
    unit: BudgetUnit | None,
) -> ReportPaths:
    folders = _folders(run_folder)
    report = gather_runs(folders, baseline=baseline, versions=versions, unit=unit)
    if out is None and len(folders) > 1:
        raise RunFolderError("a report of several runs belongs to none of them: name its folder with --out")
    folder = RunFolder(folders[0]).report() if out is None else _made(Path(out))
    budget = budget_tables(report)
    pictures = write_pictures(report, folder)
    paths = ReportPaths(
        report=report,
        folder=folder,
        html=folder / "report.html",
        markdown=folder / "tables.md",
        latex=folder / "tables.tex",
        csv=folder / "scores.csv",
        comparison=folder / "comparison.csv",
        budget=folder / "equal-budget.csv",
        pictures=tuple(written.png for written in pictures),
    )
    for path, text in (
        (paths.html, page(report, pictures, budget)),
        (paths.markdown, markdown(report, budget)),
        (paths.latex, latex(report, budget)),
        (paths.csv, csv_text(tidy(report))),
        (paths.comparison, csv_text(tidy(report, headline_only=True))),
        (paths.budget, csv_text(needed_table(report, budget))),
    ):
        write_bytes(path, text.encode())
    return paths


def terminal_text(report: RunReport, *, full: bool = False) -> str:
    """The report for a terminal, at most 100 columns: the answer in about a dozen lines, or every table."""
    return terminal(report) if full else summary(report)


def figure(
    run_folder: Path | Sequence[Path], title: str | None = None, *, benchmark: str | None = None
) -> Figure:
    """A picture of the report on white, as a figure of matplotlib.

    title: the picture's title, or part of it; None for the first picture.
    benchmark: only of this one, by its id.

    Raises:
        RunFolderError: as `write_report`; or the run has no numbers for a picture.
        UnknownNameError: no picture has such a title.
    """
    report = gather_runs(_folders(run_folder))
    chosen = [entry for entry in report.benchmarks if benchmark in (None, entry.info.id)]
    pictures = {picture.title: picture for entry in chosen for picture in pictures_of(report, entry)}
    if not pictures:
        raise RunFolderError(f"{_folders(run_folder)[0]} has no numbers for a picture yet")
    found = [name for name in pictures if title is None or title.lower() in name.lower()]
    if not found:
        raise UnknownNameError(what="picture", name=title or "", known=pictures)
    return pictures[found[0]].draw(LIGHT)


def _folders(run_folder: Path | Sequence[Path]) -> list[Path]:
    return [Path(run_folder)] if isinstance(run_folder, str | Path) else [Path(path) for path in run_folder]


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"cannot make the folder {folder}: {error.strerror}") from error
    return folder
