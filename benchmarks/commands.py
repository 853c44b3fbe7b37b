"""The command line's part about benchmarks' data and weights: data, doctor vbench."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def data(
    benchmark: Annotated[str, typer.Argument(help="A benchmark of the catalogue or a YAML file.")],
    folder: Annotated[Path | None, typer.Argument(help="Where its data lie.")] = None,
    decode: Annotated[bool, typer.Option(help="Decode every video to find broken ones.")] = True,
) -> None:
    """Say what a benchmark's data are, and check a folder against that before anything runs."""
    from benchmarks.understanding.data_report import check_data

    report = check_data(benchmark, folder, decode=decode)
    typer.echo(report.render())
    if not report.is_complete:
        raise typer.Exit(1)


def vbench_doctor(*, fetch: bool, hashes: bool) -> int:
    """Say what each of VBench's dimensions needs, where it is looked for, and whether it is there.

    Returns the exit code: 0 where every dimension is ready, else 1.
    """
    from benchmarks.vbench.doctor import main

    return main(["all", *(["--fetch"] if fetch else []), *(["--hash"] if hashes else [])])
