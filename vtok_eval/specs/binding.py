"""Binds a spec's options to what it names: they become keyword arguments, read as the annotations say."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import PydanticUserError, TypeAdapter, ValidationError

from vtok_eval.errors import SpecError, UnknownNameError, VtokEvalError, nearest, one_line

# Any: annotations, which are types or forms of `typing` without a common type.

Made = TypeVar("Made")


def bind(
    make: Callable[..., object],
    options: Mapping[str, str],
    *,
    what: str,
    subject: str = "",
    given: Mapping[str, object] | None = None,
    read: Mapping[str, Callable[[str | None], object]] | None = None,
    prefixes: Mapping[str, Callable[[str], object]] | None = None,
) -> dict[str, Any]:  # Any: each value has its parameter's type
    """The keyword arguments that options give a class or function.

    Args:
        make: what will be called.
        options: as written, by `parse_options`.
        what: how errors call it, e.g. "judge clip".
        subject: the option that may be written without its name; only for the error that it is missing.
        given: further arguments, which no option may set; one that `make` has no parameter for is left out.
        read: parameter -> what reads its text, or makes its value of None where the option is not written.
        prefixes: beginning of a value, such as `match:`, -> what reads such a value, whatever the annotation.

    Raises:
        UnknownNameError: no such option; names the nearest.
        SpecError: an option is missing or has a bad value.

    Example:
        >>> def judge(model: str, frames: int = 8): ...
        >>> bind(judge, {"model": "ViT-B-32", "frames": "4"}, what="judge clip")
        {'model': 'ViT-B-32', 'frames': 4}
    """
    given, read = given or {}, read or {}
    every = _parameters(make)
    parameters = {name: parameter for name, parameter in every.items() if name not in given}
    for name in options:
        if name not in parameters:
            raise UnknownNameError(what=f"option of {what}", name=name, known=parameters)
    arguments: dict[str, Any] = {}
    for name, parameter in parameters.items():
        text = options.get(name)
        if name in read:
            arguments[name] = read[name](text)
        elif text is not None:
            arguments[name] = _value(make, parameter, text, what=what, prefixes=prefixes or {})
        elif parameter.default is parameter.empty:
            raise SpecError(_missing(name, what=what, subject=subject))
    return {**arguments, **{name: value for name, value in given.items() if name in every}}


def construct(make: Callable[..., Made], arguments: Mapping[str, Any], *, what: str) -> Made:
    """Call a class or function; turn any exception into one line.

    Raises:
        SpecError: it raised; a `VtokEvalError` passes as it is.

    Example:
        >>> construct(int, {"x": "four"}, what="number")
        Traceback (most recent call last):
        vtok_eval.errors.SpecError: number cannot be built: ...
    """
    try:
        return make(**arguments)
    except VtokEvalError:
        raise
    except Exception as error:
        raise SpecError(f"{what} cannot be built: {one_line(error)}") from error


def effective_options(
    make: Callable[..., object], arguments: Mapping[str, object], *, leave_out: Sequence[str]
) -> dict[str, object]:
    """Every parameter of `make` with its value, given or default, as JSON can hold it.

    Example:
        >>> def judge(model: str, frames: int = 8, device: str = "cpu"): ...
        >>> effective_options(judge, {"model": "ViT-B-32"}, leave_out=["device"])
        {'model': 'ViT-B-32', 'frames': 8}
    """
    values = {
        name: arguments.get(name, parameter.default)
        for name, parameter in inspect.signature(make).parameters.items()
        if name not in leave_out
    }
    return {
        name: value if value is None or isinstance(value, bool | int | float | str) else str(value)
        for name, value in values.items()
    }


def _parameters(make: Callable[..., object]) -> dict[str, inspect.Parameter]:
    return {
        name: parameter
        for name, parameter in inspect.signature(make).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }


def _missing(name: str, *, what: str, subject: str) -> str:
    if name == subject:
        return f"{what} does not say which {name}: write {what}:{name.upper()}"
    first = f"{subject.upper()}," if subject else ""
    return f"{what} needs the option {name!r}: write {what}:{first}{name}=..."


def _value(
    make: Callable[..., object],
    parameter: inspect.Parameter,
    text: str,
    *,
    what: str,
    prefixes: Mapping[str, Callable[[str], object]],
) -> object:
    for prefix, reads in prefixes.items():
        if text.startswith(prefix):
            return reads(text)
    annotation = _annotation(make, parameter)
    try:
        return TypeAdapter(annotation).validate_python(text)
    except ValidationError as error:
        reasons = ", or ".join(dict.fromkeys(detail["msg"].lower() for detail in error.errors()))
        choices = list(_choices(annotation))
        hint = f"; {nearest(text, choices)}" if choices else ""
        raise SpecError(f"{what}: {parameter.name}={text} is not valid: {reasons}{hint}") from error
    except PydanticUserError as error:
        raise SpecError(_unreadable(parameter)) from error


def _annotation(make: Callable[..., object], parameter: inspect.Parameter) -> Any:  # Any: a type or a form
    """The parameter's type without what no string can express; without annotation, its default's type."""
    annotation = parameter.annotation
    if annotation is parameter.empty:
        known = isinstance(parameter.default, bool | int | float | str)
        return type(parameter.default) if known else str
    if isinstance(annotation, str):
        try:
            annotation = eval(annotation, _namespace(make))
        except NameError as error:
            raise SpecError(_unreadable(parameter)) from error
    return _from_text(annotation)


def _namespace(make: Callable[..., object]) -> dict[str, Any]:
    """The names that the annotations of `make` may use; an inherited constructor has its own module's."""
    function = make.__init__ if isinstance(make, type) else make  # type: ignore[misc]
    found = getattr(function, "__globals__", None)
    return found if isinstance(found, dict) else vars(sys.modules[make.__module__])


def _unreadable(parameter: inspect.Parameter) -> str:
    return (
        f"option {parameter.name!r} cannot be read: its annotation {parameter.annotation} is not known when "
        "the program runs"
    )


def _from_text(annotation: Any) -> Any:
    """`annotation` without the members of a union that no text can become: None and protocols."""
    if get_origin(annotation) not in (Union, UnionType):
        return annotation
    kept = [
        part
        for part in get_args(annotation)
        if part is not NoneType and not getattr(part, "_is_protocol", False)
    ]
    return Union[tuple(kept)]  # noqa: UP007


def _choices(annotation: Any) -> Iterator[str]:
    """The words that an annotation allows, where it lists any."""
    if get_origin(annotation) is Literal:
        yield from (value for value in get_args(annotation) if isinstance(value, str))
        return
    for part in get_args(annotation):
        yield from _choices(part)
