"""`vtok-eval doctor`: what this machine has, what is missing and how to get it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from vtok_eval.cli.exit_codes import EXIT_INCOMPLETE
from vtok_eval.cli.json_output import prints_go_to_stderr
from vtok_eval.errors import SpecError
from vtok_eval.results.json_document import json_text


def doctor(
    what: Annotated[
        str,
        typer.Argument(
            help="Nothing for vtok-eval itself; vbench, reconstruction; a suite with needs, e.g. paper-small."
        ),
    ] = "",
    fetch: Annotated[bool, typer.Option("--fetch", help="Download what is missing and can be.")] = False,
    hashes: Annotated[bool, typer.Option("--hash", help="Show the SHA-256 of files.")] = False,
    imports: Annotated[
        bool, typer.Option("--imports", help="Also load torch and every extra: finds broken builds, slow.")
    ] = False,
    as_json: bool = False,
) -> None:
    """Say what is present, what is missing and how to get it."""
    from vtok_eval.cli.machine_checks import checks, healthy, render
    from vtok_eval.registry import DOCTORS
    from vtok_eval.run.suite import shipped_suites

    if what and as_json:
        raise SpecError(f"--json goes with doctor alone, not with doctor {what}")
    if what and imports:
        raise SpecError(f"--imports goes with doctor alone, not with doctor {what}")
    if what and what not in DOCTORS and what in shipped_suites():
        _of_suite(what, fetch=fetch, hashes=hashes)
        return
    if what:
        raise typer.Exit(DOCTORS.resolve(what)(fetch=fetch, hashes=hashes))
    if fetch or hashes:
        raise SpecError(
            f"--fetch and --hash go with one of: {', '.join(DOCTORS)}; "
            "vtok-eval fetch SPEC downloads other weights"
        )
    with prints_go_to_stderr(as_json):
        found = checks(imports=imports)
    if as_json:
        listed = [asdict(check) for check in found]
        typer.echo(json_text("doctor", {"healthy": healthy(found), "checks": listed}))
    else:
        typer.echo(render(found))
    if not healthy(found):
        raise typer.Exit(EXIT_INCOMPLETE)


def _of_suite(name: str, *, fetch: bool, hashes: bool) -> None:
    """Print what a shipped suite needs and what of it is here; where some is missing, exit with that code."""
    from vtok_eval.cli.machine_checks import healthy, render
    from vtok_eval.cli.suite_checks import doctor_of
    from vtok_eval.run.suite import load_suite

    if hashes:
        raise SpecError("--hash goes with doctor vbench and doctor reconstruction")
    suite = load_suite(name)
    found = doctor_of(suite, fetch=fetch)
    typer.echo(render(found))
    for line in suite.needs.cost if suite.needs else ():
        typer.echo(f"cost: {line}")
    if not healthy(found):
        raise typer.Exit(EXIT_INCOMPLETE)
