"""JSON from others: strict, without duplicate keys, and every error in one line."""

from __future__ import annotations

import json
from typing import NoReturn

from pydantic import ValidationError


def parse(text: bytes) -> object:
    """Parse UTF-8 JSON.

    Raises:
        ValueError: it is not strict JSON, names a key twice in one object, holds a number beyond a double's
            range or an integer of thousands of digits, or is nested too deeply.

    Example:
        >>> parse(b'{"n": 1}')
        {'n': 1}
    """
    try:
        return json.loads(text.decode("utf-8"), object_pairs_hook=_once_each, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def complaint(error: ValidationError) -> str:
    """A validation's first error in one line: where, and what is wrong. The value itself is not repeated."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part)[:60] for part in first["loc"]) or "the whole"
    message = "unknown key" if first["type"] == "extra_forbidden" else first["msg"]
    return ascii(f"{place}: {message}")[1:-1]


def _once_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has a key twice")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")
