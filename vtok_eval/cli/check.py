"""`vtok-eval check SPEC`: whether a tokenizer keeps the protocol."""

from __future__ import annotations

from typing import Annotated

import typer

from vtok_eval.results.json_document import json_text

EXIT_BROKEN = 1


def check(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="A tokenizer, such as my_file.py:Mine.")],
    frames: Annotated[int, typer.Option(min=2, help="Frames of the clips.")] = 16,
    size: Annotated[int, typer.Option(min=8, help="Height and width of the clips in pixels.")] = 64,
    device: Annotated[
        str, typer.Option(help="cpu, cuda, cuda:1, ...; auto takes a GPU if there is one.")
    ] = "auto",
    as_json: bool = False,
) -> None:
    """Check a tokenizer against the protocol on three real clips; exit code 1 where it is broken."""
    from vtok_eval.checks.check import check as check_spec

    report = check_spec(spec, n_frames=frames, size=size, device=device)
    typer.echo(json_text("check", report.as_json()) if as_json else report.as_text())
    if not report.ok:
        raise typer.Exit(EXIT_BROKEN)
