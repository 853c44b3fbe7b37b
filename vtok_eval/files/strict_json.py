"""JSON read strictly: no key twice in an object, no NaN or infinity; errors name the line."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import NoReturn, TypeAlias

from vtok_eval.errors import VtokEvalError

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"

_SPACE = re.compile(r"[ \t\n\r]*")
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class _JsonDefectError(ValueError):
    """What strict JSON forbids and the json module lets through."""


def parse_json(
    text: str, *, where: str, error: type[VtokEvalError], line: int = 1, nan_is_null: bool = False
) -> JsonValue:
    """The value that a JSON text describes.

    Args:
        text: one JSON document.
        where: the file's name, for errors.
        error: class of what is raised.
        line: number of the text's first line in the file.
        nan_is_null: read NaN, Infinity and -Infinity, which some programs write, as null.

    Raises:
        VtokEvalError: of class `error`: the text is not strict JSON; names file, line and reason.

    Example:
        >>> parse_json('{"a": [1, null]}', where="a.json", error=VtokEvalError)
        {'a': [1, None]}
        >>> parse_json('{"a": 1, "a": 2}', where="a.json", error=VtokEvalError)
        Traceback (most recent call last):
        ...
        vtok_eval.errors.VtokEvalError: a.json, line 1: the key 'a' is there twice in one object
    """
    document = JsonDocument(text, where=where, error=error, line=line, nan_is_null=nan_is_null)
    return document.value()


class JsonDocument:
    """A JSON text whose outermost list or object can be read item by item, each with its line.

    Args:
        text, where, error, line, nan_is_null: as of `parse_json`.

    Example:
        >>> list(JsonDocument('[1,\\n 2]', where="a.json", error=VtokEvalError).items())
        [(1, 1), (2, 2)]
    """

    def __init__(
        self, text: str, *, where: str, error: type[VtokEvalError], line: int = 1, nan_is_null: bool = False
    ) -> None:
        self._text = text
        self._where = where
        self._error = error
        self._first_line = line
        self._counted = (0, line)
        self._end = 0
        self._decoder = json.JSONDecoder(
            object_pairs_hook=_unique_keys,
            parse_constant=_null if nan_is_null else _refuse_constant,
            parse_float=_finite,
        )

    def value(self, start: int = 0) -> JsonValue:
        """The whole document, which begins at character `start`."""
        value, end = self._decode(self._skip(start))
        self._expect_end(end)
        return value

    def kind(self, start: int = 0) -> str:
        """What the document is: "list", "object" or "value"."""
        position = self._skip(start)
        first = self._text[position : position + 1]
        return {"[": "list", "{": "object"}.get(first, "value")

    def items(self, start: int = 0, *, is_whole: bool = True) -> Iterator[tuple[int, JsonValue]]:
        """Line and value of every item of the list that begins at character `start`.

        is_whole: nothing may follow the list.
        """
        for position, value in self._items(self._skip(start) + 1):
            yield self.line_of(position), value
        if is_whole:
            self._expect_end(self._end)

    def members(self) -> Iterator[tuple[int, str, int]]:
        """Line, key and position of the value of every member of the outermost object.

        Raises:
            VtokEvalError: as `parse_json`; also where a key is there twice.
        """
        seen: set[str] = set()
        position = self._skip(self._skip(0) + 1)
        if self._text[position : position + 1] == "}":
            self._expect_end(position + 1)
            return
        while True:
            if self._text[position : position + 1] != '"':
                self._complain(position, "a key in double quotes is expected")
            key, end = self._decode(position)
            line = self.line_of(position)
            if key in seen:
                raise self._error(f"{self._where}, line {line}: the key {key!r} is there twice in one object")
            seen.add(str(key))
            end = self._skip(end)
            if self._text[end : end + 1] != ":":
                self._complain(end, "a colon is expected")
            start = self._skip(end + 1)
            yield line, str(key), start
            position = self._skip(self._decode(start)[1])
            separator = self._text[position : position + 1]
            if separator == "}":
                self._expect_end(position + 1)
                return
            if separator != ",":
                self._complain(position, "a comma or a closing brace is expected")
            position = self._skip(position + 1)

    def value_at(self, start: int) -> JsonValue:
        """The value that begins at character `start`; more may follow."""
        return self._decode(start)[0]

    def line_of(self, position: int) -> int:
        """The number of the line in the file that holds the character at `position`."""
        known, line = self._counted if self._counted[0] <= position else (0, self._first_line)
        line += self._text.count("\n", known, position)
        self._counted = (position, line)  # so that the lines of many items are counted once
        return line

    def _items(self, position: int) -> Iterator[tuple[int, JsonValue]]:
        position = self._skip(position)
        self._end = position + 1
        if self._text[position : position + 1] == "]":
            return
        while True:
            value, end = self._decode(position)
            yield position, value
            end = self._skip(end)
            self._end = end + 1
            separator = self._text[end : end + 1]
            if separator == "]":
                return
            if separator != ",":
                self._complain(end, "a comma or a closing bracket is expected")
            position = self._skip(end + 1)

    def _decode(self, position: int) -> tuple[JsonValue, int]:
        try:
            value: JsonValue
            value, end = self._decoder.raw_decode(self._text, position)
        except json.JSONDecodeError as problem:
            self._complain(problem.pos, problem.msg)
        except _JsonDefectError as problem:
            raise self._error(f"{self._where}, line {self.line_of(position)}: {problem}") from problem
        except (RecursionError, ValueError) as problem:  # ValueError: an integer of thousands of digits
            what = "nested too deeply" if isinstance(problem, RecursionError) else "has too long a number"
            raise self._error(f"{self._where}, line {self.line_of(position)}: {what}") from problem
        if _ESCAPED_SURROGATE.search(self._text, position, end) and _has_surrogate(value):
            line = self.line_of(position)
            raise self._error(f"{self._where}, line {line}: has half of a character (a lone surrogate)")
        return value, end

    def _skip(self, position: int) -> int:
        match = _SPACE.match(self._text, position)
        return match.end() if match else position

    def _expect_end(self, position: int) -> None:
        position = self._skip(position)
        if position < len(self._text):
            self._complain(position, "more text follows; several values belong in JSON Lines (.jsonl)")

    def _complain(self, position: int, what: str) -> NoReturn:
        line, place = self.line_of(position), position - self._text.rfind("\n", 0, position)
        raise self._error(f"{self._where}, line {line}: not JSON ({what}, at character {place})")


def _unique_keys(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for number, key in enumerate(keys) if key in keys[:number])
        raise _JsonDefectError(f"the key {twice!r} is there twice in one object")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise _JsonDefectError(f"{name} is not a JSON number; write null where a value is missing")


def _null(name: str) -> None:
    return None


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise _JsonDefectError(f"{digits} is too large a number")
    return number


def _has_surrogate(value: JsonValue) -> bool:
    if isinstance(value, str):
        return _SURROGATE.search(value) is not None
    if isinstance(value, list):
        return any(map(_has_surrogate, value))
    if isinstance(value, dict):
        return any(_has_surrogate(key) or _has_surrogate(item) for key, item in value.items())
    return False
