"""Writes a run's report: tables in three forms, pictures with their data, and one page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reports.budget import budget_tables, needed_table
from reports.gather import gather
from reports.html import page
from reports.latex import latex
from reports.markdown import markdown
from reports.plots.gallery import write_pictures
from reports.terminal import terminal
from reports.tidy import tidy
from vtok_eval.errors import RunFolderError
from vtok_eval.results.store import RunFolder, write_bytes


@dataclass(frozen=True)
class ReportPaths:
    """What `write_report` wrote. csv holds every score; comparison what the short tables show; budget
    the tokens that others need for each score.
    """

    folder: Path
    html: Path
    markdown: Path
    latex: Path
    csv: Path
    comparison: Path
    budget: Path
    pictures: tuple[Path, ...]


def write_report(run_folder: Path, out: Path | None = None) -> ReportPaths:
    """Write the report of the run at `run_folder`, finished or not, into `out` (default: its report folder).

    Raises:
        RunFolderError: there is no run, a file of it cannot be read, or the report cannot be written.
    """
    report = gather(run_folder)
    folder = RunFolder(Path(run_folder)).report() if out is None else _made(Path(out))
    budget = budget_tables(report)
    pictures = write_pictures(report, folder)
    paths = ReportPaths(
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
        (paths.csv, tidy(report).to_csv(index=False)),
        (paths.comparison, tidy(report, headline_only=True).to_csv(index=False)),
        (paths.budget, needed_table(report, budget).to_csv(index=False)),
    ):
        write_bytes(path, text.encode())
    return paths


def terminal_table(run_folder: Path) -> str:
    """The finding and the comparison tables of the run, as text of at most 100 columns.

    Raises:
        RunFolderError: there is no run, or a file of it cannot be read.
    """
    return terminal(gather(run_folder))


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"cannot make the folder {folder}: {error.strerror}") from error
    return folder
