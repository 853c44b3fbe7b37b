"""The command line `vtok-eval`: its own commands, a module each, and those of other packages (COMMANDS)."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from vtok_eval.cli.check import check
from vtok_eval.cli.doctor import doctor
from vtok_eval.cli.exit_codes import EXIT_USAGE
from vtok_eval.cli.fetch import fetch
from vtok_eval.cli.listing import list_
from vtok_eval.cli.report import report
from vtok_eval.cli.run import run
from vtok_eval.cli.shared_options import (
    JsonOption,
    OutBefore,
    QuietOption,
    SharedOptionsGroup,
    VerboseOption,
    shared_before,
    with_shared_options,
)
from vtok_eval.cli.view import view
from vtok_eval.errors import SpecError, VtokEvalError
from vtok_eval.version import __version__

app = typer.Typer(
    name="vtok-eval",
    cls=SharedOptionsGroup,
    help="Find out whether a video tokenizer's tokens are worth what they cost.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line; a user's error is one line on standard error and exit code 2."""
    # Read when torch loads. Threads that wait by sleeping, not spinning, cost nothing on an idle machine and
    # keep loading clips during computation, or another process, from stalling both (docs/performance.md).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    warnings.filterwarnings("ignore", message="`torch.jit.interface` is deprecated")
    try:
        _refuse_undecodable(sys.argv)
        _add_commands_of_other_packages()
        app(args=_with_ray_address(sys.argv[1:]))
    except VtokEvalError as error:
        typer.echo(f"vtok-eval: {error}", err=True)
        sys.exit(EXIT_USAGE)


def _refuse_undecodable(arguments: Sequence[str]) -> None:
    """Refuse arguments that no record of the run could hold.

    Raises:
        SpecError: an argument has such bytes.
    """
    for text in arguments:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise SpecError(f"argument {text!r}: its bytes are no UTF-8 text") from error


def _with_ray_address(arguments: Sequence[str]) -> list[str]:
    """The arguments, with the address that `--ray` means where none follows it."""
    given: list[str] = []
    for at, text in enumerate(arguments):
        given.append(text)
        following = arguments[at + 1 : at + 2]
        if text == "--ray" and (not following or following[0].startswith("-")):
            given.append("local")
    return given


def _add_commands_of_other_packages() -> None:
    from vtok_eval.registry import COMMANDS

    for name in COMMANDS:
        command = COMMANDS.resolve(name)
        if isinstance(command, typer.Typer):
            app.add_typer(_group(command, name), name=name)
        else:
            _add(command, name)


def _add(command: Callable[..., None], name: str) -> None:
    app.command(name)(with_shared_options(command, name))


def _group(commands: typer.Typer, name: str) -> typer.Typer:
    """The commands of a group, each with the shared options, which may stand before its name too."""
    group = typer.Typer(cls=SharedOptionsGroup, help=commands.info.help, no_args_is_help=True)
    group.callback()(shared_before)
    for info in commands.registered_commands:
        if info.callback is not None:
            own = info.name or info.callback.__name__.replace("_", "-")
            group.command(own)(with_shared_options(info.callback, f"{name} {own}"))
    return group


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vtok-eval {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    verbose: VerboseOption = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    out: OutBefore = None,
) -> None:
    """Options of all commands, which may stand before a command's name; the group hands them on."""


_add(run, "run")
_add(report, "report")
_add(view, "view")
_add(list_, "list")
_add(doctor, "doctor")
_add(check, "check")
_add(fetch, "fetch")


if __name__ == "__main__":
    main()
