"""The options of a class or function, each with its default and what its docstring says of it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import yaml

# Parts of a docstring that do not describe options.
_OTHER_SECTION = re.compile(r"(?:Raises|Returns|Yields|Example|Examples|Source|Note):")


@dataclass(frozen=True)
class OptionHelp:
    """One option.

    default: as YAML, which is how `--set` reads it, or "required". text: empty if it is not documented.

    Example:
        >>> OptionHelp("width", default="64", text="of a token, in channels").default
        '64'
    """

    name: str
    default: str
    text: str


def options_of(make: Callable[..., object]) -> tuple[OptionHelp, ...]:
    """What `make` takes, in the order of its signature.

    An option is described by `name: text` in the docstring of the class, its constructor, the schema of its
    options (`takes_options`) or a class that one of them derives from; the first that has it counts.

    Example:
        >>> def make(*, width: int = 64, keep: str | None = None) -> None:
        ...     '''Makes one. width: of a token,
        ...     in channels. keep: "last" or "best".'''
        >>> options_of(make)[0]
        OptionHelp(name='width', default='64', text='of a token, in channels')
    """
    parameters = inspect.signature(make).parameters
    texts: dict[str, str] = {}
    for docstring in _docstrings(make):
        for name, text in _described(docstring, tuple(parameters)):
            texts.setdefault(name, text)
    return tuple(
        OptionHelp(name, _as_yaml(parameter.default), texts.get(name, ""))
        for name, parameter in parameters.items()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    )


def _docstrings(make: Callable[..., object]) -> Iterator[str]:
    if not inspect.isclass(make):
        yield make.__doc__ or ""
        return
    schema = getattr(make, "option_schema", None)
    for owner in (*inspect.getmro(make), *(inspect.getmro(schema) if schema else ())):
        yield vars(owner).get("__doc__") or ""
        if "__init__" in vars(owner):
            yield vars(owner)["__init__"].__doc__ or ""


def _described(docstring: str, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Each name that the docstring describes, with the text up to the next one or the paragraph's end."""
    if not names:
        return
    name = "|".join(re.escape(each) for each in names)
    start = re.compile(rf"(?:^|[.;:]\s|\n)\s*((?:{name})(?:,\s+(?:{name}))*)(?: \([^)]*\))?:\s")
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(docstring)):
        if _OTHER_SECTION.match(paragraph):
            continue
        found = list(start.finditer(paragraph))
        for place, match in enumerate(found, start=1):
            end = found[place].start() if place < len(found) else len(paragraph)
            text = " ".join(paragraph[match.end() : end].split()).rstrip(".;")
            yield from ((each, text) for each in re.split(r",\s+", match[1]))


def _as_yaml(value: object) -> str:
    if value is inspect.Parameter.empty:
        return "required"
    plain: object = value
    if isinstance(value, tuple | frozenset | set):
        plain = list(value)
    elif isinstance(value, Mapping):
        plain = dict(value)
    return yaml.safe_dump(plain, default_flow_style=True).removesuffix("...\n").strip()
