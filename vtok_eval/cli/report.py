"""`vtok-eval report`: tables, plots and page of one run folder or of several."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vtok_eval.cli.json_output import headline_differences
from vtok_eval.errors import SpecError
from vtok_eval.results.budget import BudgetUnit
from vtok_eval.results.json_document import json_text


def report(
    run_folders: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="A run folder, e.g. runs/mini; or several.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Where to write; default: RUN/report. Needed for several runs."),
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(help="The system that the others are compared with; default: the run's.")
    ] = None,
    versions: Annotated[
        bool,
        typer.Option("--versions", help="Also show the earlier versions (mine@d631) that the folder keeps."),
    ] = False,
    budget: Annotated[
        BudgetUnit | None, typer.Option(help="What budgets are counted in; default: what the run says.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Print every table, not the answer alone.")] = False,
    as_json: bool = False,
) -> None:
    """Write the tables, plots and page of a run again, or of several runs side by side."""
    from vtok_eval.registry import REPORTS

    if as_json and (full or baseline is not None):
        left_out = "full" if full else "baseline"
        raise SpecError(f"--json gives the differences as the runs recorded them; leave out --{left_out}")
    write = REPORTS.resolve("folder")
    paths = write(run_folders, out, baseline=baseline, versions=versions, unit=budget)
    if as_json:
        runs = [str(run) for run in run_folders]
        differences = headline_differences(run_folders)
        typer.echo(json_text("report", {"runs": runs, "report": str(paths.html), "differences": differences}))
        return
    typer.echo(REPORTS.resolve("terminal")(paths.report, full=full))
    typer.echo(f"report: {paths.html}")
