"""The command line's part that reads finished runs: leaderboard, reproduce, submit, verify, export."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from vtok_eval.errors import UnknownNameError
from vtok_eval.results.json_document import json_text

RunFolderArgument = Annotated[Path, typer.Argument(help="A run folder, e.g. runs/mini.")]
FORMS = ("model-index", "eval-results", "lm-eval", "vbench")


def leaderboard(
    runs: Annotated[Path, typer.Argument(help="A folder that holds run folders and submissions.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the site goes.")] = Path("site"),
    as_json: bool = False,
) -> None:
    """Build a static site that ranks the systems of many runs."""
    from reports.leaderboard.left_out import left_out_line
    from reports.leaderboard.site import build_site
    from reports.leaderboard.sources import find_runs

    found = find_runs(runs)
    site = build_site(found, out)
    if as_json:
        left_out = [{"path": str(entry.path), "reason": entry.reason} for entry in site.left_out]
        typer.echo(json_text("leaderboard", {"site": str(site.index), "left_out": left_out}))
    else:
        if site.left_out:
            typer.echo(left_out_line(site.left_out, n_runs=len(found)), err=True)
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
    as_json: bool = False,
) -> None:
    """Hold the paper's claims against what the runs measured: published number, ours, verdict."""
    from reports.reproduce.claims import published_claims
    from reports.reproduce.write import as_lines, as_text, gather_rows, write_reproduce

    found = gather_rows(runs, systems=system or ())
    paths = write_reproduce(found, runs, out)
    if as_json:
        typer.echo(json_text("reproduce", {"table": str(paths.html), "claims": as_lines(found)}))
        return
    typer.echo(as_text(published_claims(), found))
    typer.echo(f"\ntable: {paths.html}")


def submit(
    run: RunFolderArgument,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Default: RUN.vtok-run.zip.")] = None,
    submitter: Annotated[str, typer.Option(help="Who submits.")] = "",
    notes: Annotated[str, typer.Option(help="What a reader should know.")] = "",
    link: Annotated[list[str] | None, typer.Option(help="TITLE=https://... May be repeated.")] = None,
    as_json: bool = False,
) -> None:
    """Pack a finished run into one file that others can verify."""
    from reports.submission.pack import submit as pack

    links = [(title, address) for title, _, address in (text.partition("=") for text in link or [])]
    packed = pack(run, out, submitter=submitter, notes=notes, links=links)
    typer.echo(json_text("submit", {"file": str(packed)}) if as_json else packed)


def verify(
    file: Annotated[Path, typer.Argument(help="A submission, *.vtok-run.zip.")],
    as_json: bool = False,
) -> None:
    """Check a submission: sizes, hashes, schema, and that its scores follow from its records."""
    from reports.submission.verify import verify as check

    found = check(file)
    n_records = sum(len(records) for records in found.records.values())
    if as_json:
        content = {
            "file": str(file),
            "sha256": found.sha256,
            "scores": len(found.scores),
            "records": n_records,
        }
        typer.echo(json_text("verify", content))
        return
    typer.echo(f"{file}: verified, {len(found.scores)} scores computed again from {n_records} records")


def export(
    run: RunFolderArgument,
    system: Annotated[str, typer.Option(help="The system's name in the run.")],
    form: Annotated[str, typer.Option(help=f"One of: {', '.join(FORMS)}.")] = "model-index",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write it into this file in place of printing it.")
    ] = None,
) -> None:
    """Print a system's results in a form of the Hugging Face hub's (two), of lm-eval's or of VBench's."""
    from reports.exports.eval_results import eval_results
    from reports.exports.lm_eval import lm_eval_results
    from reports.exports.model_card import model_index
    from reports.exports.vbench import vbench_results
    from vtok_eval.results.store import write_bytes

    forms: dict[str, Callable[[Path, str], str]] = {
        "model-index": model_index,
        "eval-results": eval_results,
        "lm-eval": lambda run, system: json.dumps(lm_eval_results(run, system), indent=2),
        "vbench": lambda run, system: json.dumps(vbench_results(run, system), indent=2),
    }
    if form not in forms:
        raise UnknownNameError(what="form", name=form, known=forms)
    text = forms[form](run, system)
    if out is None:
        typer.echo(text)
        return
    write_bytes(out, f"{text.rstrip()}\n".encode())
    typer.echo(f"written: {out}")
