"""The command line's part that reads finished runs: leaderboard, reproduce, submit, verify, export."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from vtok_eval.errors import UnknownNameError

RunFolderArgument = Annotated[Path, typer.Argument(help="A run folder, e.g. runs/mini.")]
FORMS = ("model-index", "lm-eval", "vbench")


def leaderboard(
    runs: Annotated[Path, typer.Argument(help="A folder that holds run folders and submissions.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the site goes.")] = Path("site"),
) -> None:
    """Build a static site that ranks the systems of many runs."""
    from reports.leaderboard.site import build_site
    from reports.leaderboard.sources import find_runs

    site = build_site(find_runs(runs), out)
    for entry in site.left_out:
        typer.echo(f"left out: {entry.path}: {entry.reason}", err=True)
    typer.echo(f"site: {site.index}")
    if site.left_out:
        raise typer.Exit(1)


def reproduce(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders, e.g. runs/mini.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Where to write; default: RUN/report, of one run.")
    ] = None,
    system: Annotated[
        list[str] | None,
        typer.Option(help="A system to treat as VTok; default: those called vtok. May be repeated."),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON document on standard output, and nothing else there."),
    ] = False,
) -> None:
    """Hold the paper's claims against what the runs measured: published number, ours, verdict."""
    from reports.reproduce.claims import published_claims
    from reports.reproduce.write import as_lines, as_text, gather_rows, write_reproduce

    found = gather_rows(runs, systems=system or ())
    paths = write_reproduce(found, runs, out)
    if as_json:
        document = {"schema": "vtok-eval/reproduce/1", "table": str(paths.html), "claims": as_lines(found)}
        typer.echo(json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False))
        return
    typer.echo(as_text(published_claims(), found))
    typer.echo(f"\ntable: {paths.html}")


def submit(
    run: RunFolderArgument,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Default: RUN.vtok-run.zip.")] = None,
    submitter: Annotated[str, typer.Option(help="Who submits.")] = "",
    notes: Annotated[str, typer.Option(help="What a reader should know.")] = "",
    link: Annotated[list[str] | None, typer.Option(help="TITLE=https://... May be repeated.")] = None,
) -> None:
    """Pack a finished run into one file that others can verify."""
    from reports.submission.pack import submit as pack

    links = [(title, address) for title, _, address in (text.partition("=") for text in link or [])]
    typer.echo(pack(run, out, submitter=submitter, notes=notes, links=links))


def verify(file: Annotated[Path, typer.Argument(help="A submission, *.vtok-run.zip.")]) -> None:
    """Check a submission: sizes, hashes, schema, and that its scores follow from its records."""
    from reports.submission.verify import verify as check

    found = check(file)
    n_records = sum(len(records) for records in found.records.values())
    typer.echo(f"{file}: verified, {len(found.scores)} scores computed again from {n_records} records")


def export(
    run: RunFolderArgument,
    system: Annotated[str, typer.Option(help="The system's name in the run.")],
    form: Annotated[str, typer.Option(help=f"One of: {', '.join(FORMS)}.")] = "model-index",
) -> None:
    """Print a system's results as a model card's block, an lm-eval results.json or VBench's result file."""
    from reports.exports.lm_eval import lm_eval_results
    from reports.exports.model_card import model_index
    from reports.exports.vbench import vbench_results

    forms: dict[str, Callable[[Path, str], str]] = {
        "model-index": model_index,
        "lm-eval": lambda run, system: json.dumps(lm_eval_results(run, system), indent=2),
        "vbench": lambda run, system: json.dumps(vbench_results(run, system), indent=2),
    }
    if form not in forms:
        raise UnknownNameError(what="form", name=form, known=forms)
    typer.echo(forms[form](run, system))
