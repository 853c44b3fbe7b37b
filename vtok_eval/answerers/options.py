"""From `NAME:SUBJECT,option=value,...` to the keyword arguments of what answers."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from types import NoneType
from typing import Any, Union, get_args

from pydantic import TypeAdapter, ValidationError

from vtok_eval.errors import SpecError, UnknownNameError
from vtok_eval.specs.grammar import parse_options, without_parentheses

_OPTION = re.compile(r"[A-Za-z_]\w*\s*=")


def arguments_for(
    function: Callable[..., Any], argument: str, *, name: str, subject: str, given: Mapping[str, Any]
) -> dict[str, Any]:
    """The keyword arguments that `NAME:argument` gives `function`, read as its annotations say.

    What stands before the first comma is the parameter called `subject` unless it is an option itself; one
    with commas in it stands in parentheses. given: further arguments, which no option may
    set.

    Raises:
        SpecError: an option cannot be read, has a bad value, or is missing.
        UnknownNameError: there is no such option; names the nearest.
    """
    spec = f"{name}:{argument}"
    parameters = {
        key: parameter
        for key, parameter in inspect.signature(function, eval_str=True).parameters.items()
        if key not in given
    }
    written = _written(argument, spec=spec, subject=subject)
    for key in written:
        if key not in parameters:
            raise UnknownNameError(what=f"option of {name}", name=key, known=parameters)
    missing = [k for k, p in parameters.items() if p.default is p.empty and k not in written]
    if missing:
        form = f"{name}:{subject.upper()}" if missing[0] == subject else f"{name}:...,{missing[0]}=..."
        raise SpecError(f"{spec} does not say which {missing[0]}: write {form}")
    values = {key: _value(parameters[key], text, name=name) for key, text in written.items()}
    return {**values, **given}


def with_defaults(
    function: Callable[..., Any], arguments: Mapping[str, Any], *, leave_out: Sequence[str]
) -> dict[str, Any]:
    """Every parameter of `function` with its value, given or default, as JSON can hold it."""
    values = {
        name: arguments.get(name, parameter.default)
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in leave_out
    }
    return {
        name: value if value is None or isinstance(value, bool | int | float | str) else str(value)
        for name, value in values.items()
    }


def _written(argument: str, *, spec: str, subject: str) -> dict[str, str]:
    head, rest = _head(argument, spec=spec)
    if not head or _OPTION.match(head):
        return dict(parse_options(argument, spec=spec))
    options = dict(parse_options(rest, spec=spec))
    if subject in options:
        raise SpecError(f"{spec!r} gives {subject} twice")
    return {subject: without_parentheses(head), **options}


def _head(argument: str, *, spec: str) -> tuple[str, str]:
    """`argument` before and after its first comma outside parentheses."""
    depth = 0
    for position, character in enumerate(argument):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            return argument[:position].strip(), argument[position + 1 :]
    if depth != 0:
        raise SpecError(f"the parentheses of {spec!r} do not pair up")
    return argument.strip(), ""


def _value(parameter: inspect.Parameter, text: str, *, name: str) -> Any:
    try:
        return TypeAdapter(_without_none(_annotation(parameter))).validate_python(text)
    except ValidationError as error:
        reasons = dict.fromkeys(detail["msg"].lower() for detail in error.errors())
        raise SpecError(f"{name}: {parameter.name}={text} is not valid: {', or '.join(reasons)}") from error


def _annotation(parameter: inspect.Parameter) -> Any:
    """The parameter's type; for want of an annotation, its default's."""
    if parameter.annotation is not parameter.empty:
        return parameter.annotation
    return type(parameter.default) if isinstance(parameter.default, bool | int | float | str) else str


def _without_none(annotation: Any) -> Any:
    members = get_args(annotation)
    if NoneType not in members:
        return annotation
    return Union[tuple(member for member in members if member is not NoneType)]  # noqa: UP007
