"""The options of a class in another environment, read by the parameters that its worker names."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, Union

from vtok_eval.environments.spec import ExecSpec
from vtok_eval.errors import SpecError
from vtok_eval.specs.binding import bind
from vtok_eval.specs.grammar import MATCH

if TYPE_CHECKING:
    from vtok_eval.environments.worker.messages import Content

_TYPES: Mapping[str, object] = {
    "int": int, "float": float, "bool": bool, "str": str, "Path": Path, "NoneType": NoneType,
}  # fmt: skip


def read_options(spec: ExecSpec, parameters: Sequence[Content]) -> dict[str, object]:
    """The arguments that a spec's options give the class, as JSON can hold them.

    A `Path` becomes `{"path": ...}`. A parameter `device` gets the run's, unless an option says which.

    Raises:
        UnknownNameError: no such option; names the nearest.
        SpecError: an option is missing or has a bad value.
    """
    for name, value in spec.options.items():
        if value.startswith(MATCH):
            raise SpecError(
                f"{spec.name}: {name}={value} names a tokenizer, which cannot be sent to a worker"
            )
    signature = _Signature(spec, parameters)
    given: dict[str, object] = {} if "device" in spec.options else {"device": ""}
    arguments = bind(signature, spec.options, what=spec.name, given=given)
    if "device" in given:
        arguments.pop("device", None)  # the worker knows its own
    return {name: _as_json(value) for name, value in arguments.items()}


class _Signature:
    """Stands for the class where options are bound to its parameters."""

    def __init__(self, spec: ExecSpec, parameters: Sequence[Content]) -> None:
        self.__signature__ = inspect.Signature(
            [
                inspect.Parameter(
                    each["name"],
                    inspect._ParameterKind[each["kind"]],
                    default=inspect.Parameter.empty if each["required"] else each["default"],
                    annotation=_annotation(each, spec),
                )
                for each in parameters
            ]
        )

    def __call__(self, **arguments: object) -> None:
        """Never called: the worker calls the class."""


def _annotation(parameter: Content, spec: ExecSpec) -> Any:  # Any: a type or a form
    """The parameter's type, of what text can express.

    Raises:
        SpecError: text cannot express it, and an option gives the parameter.
    """
    text = parameter["annotation"]
    if not text:
        return inspect.Parameter.empty
    try:
        return _type_of(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError) as error:
        if parameter["name"] not in spec.options:
            return str
        raise SpecError(
            f"{spec.name}: the option {parameter['name']!r} cannot be read: its annotation {text} must be of "
            "int, float, bool, str, Path, Literal and Optional"
        ) from error


def _type_of(node: ast.expr) -> Any:  # Any: a type or a form
    """The type that an annotation's expression names.

    Raises:
        ValueError: it names another than those of `_TYPES`, their unions and literals.
    """
    if isinstance(node, ast.Constant) and node.value is None:
        return NoneType
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _type_of(ast.parse(node.value, mode="eval").body)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _type_of(node.left) | _type_of(node.right)
    name = _last_name(node.value if isinstance(node, ast.Subscript) else node)
    if not isinstance(node, ast.Subscript):
        if name not in _TYPES:
            raise ValueError(name)
        return _TYPES[name]
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if name == "Literal":
        return Literal[tuple(ast.literal_eval(part) for part in parts)]
    if name in ("Optional", "Union"):
        return Union[(*map(_type_of, parts), NoneType)]
    raise ValueError(name)


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _as_json(value: object) -> object:
    return {"path": str(value.absolute())} if isinstance(value, Path) else value
