"""What `vtok-eval list` prints: every name that can be used, with a line about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from vtok_eval.decoders.catalogue import shipped_decoders
from vtok_eval.errors import UnknownNameError
from vtok_eval.registry import (
    ANSWERERS,
    BACKBONES,
    BENCHMARKS,
    DETAILS,
    GENERATORS,
    LISTED,
    TOKENIZERS,
    Registry,
)
from vtok_eval.results.json_document import json_text
from vtok_eval.run.suite import shipped_suites
from vtok_eval.specs.option_help import options_of

_ELSEWHERE = "exec:PYTHON@FILE.py:Class"
_OWN_GENERATOR = "generator:FILE.py:Class"


def _names(registry: Registry) -> Mapping[str, str]:
    return {name: registry.summary(name) for name in registry}


def _registered(registry: Registry) -> Callable[[], Mapping[str, str]]:
    return lambda: _names(registry)


def _of_other_package(what: str) -> Callable[[], Mapping[str, str]]:
    return lambda: _names(LISTED.resolve(what))


def _tokenizers() -> Mapping[str, str]:
    elsewhere = "a class of your own in another Python environment; also for generators and answerers"
    return {**_names(TOKENIZERS), _ELSEWHERE: elsewhere}


def _generators() -> Mapping[str, str]:
    own = "a class of your own with generate(prompts, seeds) -> Clips"
    return {**_names(GENERATORS), _OWN_GENERATOR: own}


LISTINGS: Mapping[str, Callable[[], Mapping[str, str]]] = {
    "tokenizers": _tokenizers,
    "backbones": _registered(BACKBONES),
    "benchmarks": _registered(BENCHMARKS),
    "answerers": _registered(ANSWERERS),
    "judges": _of_other_package("judges"),
    "generators": _generators,
    "decoders": shipped_decoders,
    "suites": shipped_suites,
}


@dataclass(frozen=True)
class Entry:
    """A name that can be used. details: lines on what else is known of it."""

    summary: str
    details: tuple[str, ...] = ()


def list_(
    what: Annotated[
        str,
        typer.Argument(help="One kind, such as tokenizers, or a benchmark for its options; default: all."),
    ] = "",
    data: Annotated[Path | None, typer.Option(help="Where the benchmarks' data are looked for.")] = None,
    as_json: bool = False,
) -> None:
    """List what can be named: tokenizers, backbones, benchmarks, answerers, judges, suites and so on."""
    where = None if data is None else str(data)
    if what in BENCHMARKS and what not in LISTINGS:
        typer.echo(_benchmark_json(what, data=where) if as_json else render_benchmark(what, data=where))
        return
    if what and what not in LISTINGS:
        raise UnknownNameError(what="listing or benchmark", name=what, known=[*LISTINGS, *BENCHMARKS])
    kinds = [what] if what else list(LISTINGS)
    if as_json:
        listings = {
            kind: {
                name: asdict(entry) for name, entry in _entries(kind, data=where, details=bool(what)).items()
            }
            for kind in kinds
        }
        typer.echo(json_text("list", {"listings": listings}))
        return
    listed = [render_listing(kind, data=where, details=bool(what)) for kind in kinds]
    typer.echo("\n\n".join(listed))


def _entries(what: str, *, data: str | None, details: bool) -> dict[str, Entry]:
    more = DETAILS.resolve(what)(data) if details and what in DETAILS else {}
    return {
        name: Entry(summary=summary, details=tuple(more.get(name, ())))
        for name, summary in LISTINGS[what]().items()
    }


def _benchmark_json(name: str, *, data: str | None) -> str:
    options = [asdict(option) for option in options_of(BENCHMARKS.resolve(name))]
    entry = _entries("benchmarks", data=data, details=True)[name]
    return json_text("benchmark", {"name": name, **asdict(entry), "options": options})


def render_benchmark(name: str, *, data: str | None = None) -> str:
    """A benchmark's line, what else is known of it, and its options with their defaults, a line each.

    Raises:
        MissingDependencyError: the benchmark needs a package that is not installed.
    """
    options = options_of(BENCHMARKS.resolve(name))
    more = DETAILS.resolve("benchmarks")(data).get(name, ())
    lines = [f"{name}  {BENCHMARKS.summary(name)}", *(f"  {line}" for line in more)]
    if not options:
        return "\n".join([*lines, "It has no options."])
    names, defaults = (
        max(map(len, column)) for column in zip(*((o.name, o.default) for o in options), strict=True)
    )
    lines.append("options, each with its default (--set NAME=VALUE, the value as YAML):")
    lines += [f"  {o.name:<{names}}  {o.default:<{defaults}}  {o.text}".rstrip() for o in options]
    return "\n".join(lines)


def render_listing(what: str, *, data: str | None = None, details: bool = True) -> str:
    """The names of one kind under its heading, aligned, each with what else is known of it.

    data: where benchmarks' data are looked for, as their option. details: false leaves a line for each.
    """
    entries = _entries(what, data=data, details=details)
    width = max((len(name) for name in entries), default=0)
    lines = [what]
    for name, entry in entries.items():
        lines.append(f"  {name:<{width}}  {entry.summary}")
        lines += [f"  {'':<{width}}  {line}" for line in entry.details]
    return "\n".join(lines)
