"""Options that mean the same on every command, before or after its name: -o/--out, -v, -q and --json."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from vtok_eval.cli.log_output import say_repeats, set_verbosity
from vtok_eval.errors import SpecError

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on standard output, and nothing else there.")
]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Only the answer, warnings and errors; no progress.")
]
_OUT = ("--out", "-o")
OutBefore = Annotated[Path | None, typer.Option(*_OUT, help="Where the command writes.")]
_OutRefused = Annotated[Path | None, typer.Option(*_OUT, hidden=True)]
_JsonRefused = Annotated[bool, typer.Option("--json", hidden=True)]


class SharedOptionsGroup(TyperGroup):
    """A group of commands that hands the shared options given before a command's name to that command."""

    # Any: typer brings click along in some of its versions, so that its classes have no one name
    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        """The command that `args` begin with, and its arguments with the shared options first."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command, [*_as_arguments(ctx.params), *rest]


def shared_before(
    verbose: VerboseOption = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    out: OutBefore = None,
) -> None:
    """The shared options of a group, which the group hands on."""


def _as_arguments(given: dict[str, Any]) -> list[str]:
    """The shared options of a group as arguments of the command that follows."""
    flags = {"verbose": "--verbose", "quiet": "--quiet", "as_json": "--json"}
    arguments = [flag for name, flag in flags.items() if given.get(name)]
    return arguments if given.get("out") is None else ["--out", str(given["out"]), *arguments]


def with_shared_options(command: Callable[..., None], name: str) -> Callable[..., None]:
    """The command with -v and -q, and with a line of its own where it takes no --out or no --json.

    command: may have parameters `out` (an option -o/--out) and `as_json` (a bool, which gets the option).
    """
    given = inspect.signature(command, eval_str=True).parameters
    added: dict[str, Any] = {"verbose": VerboseOption, "quiet": QuietOption}
    added |= {} if "out" in given else {"out": _OutRefused}
    added |= {} if "as_json" in given else {"as_json": _JsonRefused}

    @functools.wraps(command)
    def shared(**values: Any) -> None:  # Any: what the command's own parameters take
        own = {key: value for key, value in values.items() if key in given}
        if "out" not in given and values["out"] is not None:
            raise SpecError(f"{name} writes no file that --out could name; leave it out")
        if "as_json" not in given and values["as_json"]:
            raise SpecError(f"{name} has no answer as JSON; leave out --json")
        set_verbosity(verbose=values["verbose"], quiet=values["quiet"])
        try:
            command(**own)
        finally:
            say_repeats()

    parameters = [
        parameter.replace(annotation=JsonOption) if key == "as_json" else parameter
        for key, parameter in given.items()
    ]
    parameters += [_option(key, annotation) for key, annotation in added.items()]
    shared.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    shared.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return shared


def _option(name: str, annotation: object) -> inspect.Parameter:
    default = None if name == "out" else False
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
