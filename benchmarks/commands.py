"""The command line's part about benchmarks' data and servers: data, answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vtok_eval.results.json_document import json_text


def data(
    benchmark: Annotated[
        str, typer.Argument(help="A benchmark of the catalogue, a YAML file, or a preset of reconstruction.")
    ],
    folder: Annotated[Path | None, typer.Argument(help="The folder with its data.")] = None,
    decode: Annotated[bool, typer.Option(help="Decode every video to find broken ones.")] = True,
    as_json: bool = False,
) -> None:
    """Say what a benchmark's data are, and check a folder against that before anything runs."""
    from benchmarks.reconstruction.data.presets import PRESETS

    if benchmark in PRESETS:
        text, complete = PRESETS[benchmark].report(folder, decode=decode)
    else:
        from benchmarks.understanding.questions.data.report import check_data

        report = check_data(benchmark, folder, decode=decode)
        text, complete = report.render(), report.is_complete
    if as_json:
        typer.echo(
            json_text("data", {"benchmark": benchmark, "complete": complete, "report": text.splitlines()})
        )
    else:
        typer.echo(text)
    if not complete:
        raise typer.Exit(1)


def answers(
    run: Annotated[Path, typer.Argument(help="A run folder, e.g. runs/mini.")],
    benchmark: Annotated[str, typer.Argument(help="As the run names it, e.g. egoschema:GENERATION.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write.")],
    system: Annotated[str, typer.Option(help="Whose answers; needed where the run has several.")] = "",
    as_json: bool = False,
) -> None:
    """Write the answers to questions without published answers, in the format of the benchmark's server."""
    from benchmarks.understanding.questions.submission import write_answers_of_run

    written, unread = write_answers_of_run(run, benchmark, system or None, out)
    if as_json:
        typer.echo(json_text("answers", {"file": str(out), "answers": written, "unread": unread}))
        return
    typer.echo(f"{out}: {written:,} answers" + (f", {unread:,} of them unread (-1)" if unread else ""))
