"""The command line's part about VBench: `vtok-eval vbench totals`, `vbench convert` and `doctor vbench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="VBench: totals of a run, checkpoints that need converting.", no_args_is_help=True)


@app.command()
def totals(
    run: Annotated[Path, typer.Argument(help="A run folder, e.g. runs/mine.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A folder for the reference's result files.")
    ] = None,
) -> None:
    """Print each system's dimensions and the Quality, Semantic and Total score, with intervals."""
    from benchmarks.vbench.run_totals import lines, of_run, write_reference_files

    for system in of_run(run):
        typer.echo("\n".join(lines(system)))
        if out is not None:
            typer.echo(f"  written: {write_reference_files(system, out)}")


@app.command()
def convert(
    file: Annotated[Path, typer.Argument(help="A checkpoint whose source you trust.")],
    within: Annotated[str, typer.Option(help="The key that holds the tensors, e.g. state_dict.")] = "",
) -> None:
    """Unpickle a trusted checkpoint, which runs the code in it, and keep its tensors as FILE.safetensors."""
    from benchmarks.vbench.networks.checkpoints import convert as convert_checkpoint

    typer.echo(f"written: {convert_checkpoint(file, within=within or None)}")


def doctor(*, fetch: bool, hashes: bool) -> int:
    """Print what each dimension needs, where it is looked for, and whether it is there.

    Returns:
        The exit code: 0 where every dimension is ready, else 1.
    """
    from benchmarks.vbench.doctor import report

    return report(fetch_missing=fetch, hashes=hashes, say=typer.echo)
