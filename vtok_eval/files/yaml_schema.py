"""YAML text checked against a pydantic model, with errors that name file, line and key."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from vtok_eval.errors import UnknownNameError, VtokEvalError

Model = TypeVar("Model", bound=BaseModel)


def parse_yaml(text: str, model: type[Model], *, origin: str, what: str, error: type[VtokEvalError]) -> Model:
    """The model that YAML text describes.

    origin: the file's name, for errors. what: what the text is, in words ("a suite"). error: what to raise.

    Raises:
        VtokEvalError: of class `error`, one line: not YAML, no mapping, or a key that breaks the schema.

    Example:
        >>> from vtok_eval.errors import SuiteError
        >>> class Sides(BaseModel):
        ...     side: int
        >>> parse_yaml("side: 64", Sides, origin="sides.yaml", what="sides", error=SuiteError).side
        64
    """
    try:
        document = yaml.safe_load(text)
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        where = f"{origin}:{mark.line + 1}" if mark else origin
        raise error(f"{where}: not YAML: {getattr(problem, 'problem', None) or problem}") from problem
    if not isinstance(document, Mapping):
        raise error(f"{origin}: {what} is a mapping with the keys {', '.join(model.model_fields)}")
    try:
        return model.model_validate(document)
    except ValidationError as problem:
        raise error(_explain(problem, model, origin=origin, tree=tree)) from problem


def _explain(problem: ValidationError, model: type[BaseModel], *, origin: str, tree: yaml.Node | None) -> str:
    """The first violation as one line: file, line, key, what was expected."""
    violations = problem.errors()
    # A key that is misspelt is also missing; the first of the two says more.
    first = next((each for each in violations if each["type"] == "extra_forbidden"), violations[0])
    location = tuple(first["loc"])
    where = f"{origin}:{_line_of(tree, location)}"
    key = ".".join(str(part) for part in location)
    if first["type"] == "extra_forbidden":
        known = _model_at(model, location[:-1]).model_fields
        return f"{where}: {UnknownNameError(what='key', name=str(location[-1]), known=known)}"
    message = re.sub("^Value error, ", "", first["msg"])
    return f"{where}: {key}: {message}" if key else f"{where}: {message}"


def _model_at(model: type[BaseModel], location: Sequence[str | int]) -> type[BaseModel]:
    """The model that checks the mapping at `location`; a place's own key need not be known."""
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            inner = list(_models_in(model.model_fields[part].annotation))
            model = inner[0] if inner else model
    return model


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _line_of(node: yaml.Node | None, location: Sequence[str | int]) -> int:
    """The line of the deepest node on the way to `location`, counted from 1."""
    line = 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            pair = next((pair for pair in node.value if pair[0].value == part), None)
            if pair is None:
                return line
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line
