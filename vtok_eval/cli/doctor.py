"""`vtok-eval doctor`: what this machine has, what is missing and how to get it."""

from __future__ import annotations

from typing import Annotated

import typer

from vtok_eval.cli.exit_codes import EXIT_INCOMPLETE
from vtok_eval.errors import SpecError


def doctor(
    what: Annotated[
        str, typer.Argument(help="Nothing for vtok-eval itself, or vbench, reconstruction.")
    ] = "",
    fetch: Annotated[bool, typer.Option("--fetch", help="Download what is missing and can be.")] = False,
    hashes: Annotated[bool, typer.Option("--hash", help="Show the SHA-256 of files.")] = False,
) -> None:
    """Say what is present, what is missing and how to get it."""
    from vtok_eval.cli.machine_checks import checks, healthy, render
    from vtok_eval.registry import DOCTORS

    if what:
        raise typer.Exit(DOCTORS.resolve(what)(fetch=fetch, hashes=hashes))
    if fetch or hashes:
        raise SpecError(
            f"--fetch and --hash go with one of: {', '.join(DOCTORS)}; "
            "vtok-eval fetch SPEC downloads other weights"
        )
    found = checks()
    typer.echo(render(found))
    if not healthy(found):
        raise typer.Exit(EXIT_INCOMPLETE)
