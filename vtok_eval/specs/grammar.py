"""The grammar of spec strings, such as `vtok:grid=4,stride=6`, by which a tokenizer is named."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from vtok_eval.errors import SpecError
from vtok_eval.registry import TOKENIZERS

MATCH = "match:"
"""Before a spec or a system's name, as an option's value: "what that tokenizer has"."""

_FRAMES_COUNT = re.compile(r"frames-(.*)")
_OPTION_NAME = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True)
class TokenizerSpec:
    """A spec string taken apart.

    name: a registered name, or for a user's own class `FILE.py:Class` or `package.module:Class`.
    options: the constructor's keyword arguments, values as written, without enclosing parentheses.
    """

    name: str
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_user_class(self) -> bool:
        """Whether it names a class in a file or module instead of a registered tokenizer."""
        return ":" in self.name


def parse_spec(text: str) -> TokenizerSpec:
    """Take a spec string apart: `NAME`, `NAME:key=value,...`, `FILE.py:Class:key=value,...`.

    `frames-4` means `frames:count=4`. A value that holds commas stands in parentheses:
    `frames:budget=match:(vtok:stride=1,pool=grid)`.

    Raises:
        SpecError: naming the part that cannot be read.
    """
    text = text.strip()
    head, _, rest = text.partition(":")
    if not head:
        raise SpecError(f"tokenizer spec {text!r} has no name; write NAME or NAME:option=value,...")
    if _names_user_class(head, rest):
        class_name, _, rest = rest.partition(":")
        return TokenizerSpec(f"{head}:{class_name}", parse_options(rest, spec=text))
    options = dict(parse_options(rest, spec=text))
    if head not in TOKENIZERS and (match := _FRAMES_COUNT.fullmatch(head)):
        if "count" in options:
            raise SpecError(f"{text!r} gives the number of frames twice: frames-K and count=")
        head, options["count"] = "frames", _positive_count(match[1], spec=text)
    return TokenizerSpec(head, MappingProxyType(options))


def parse_options(text: str, *, spec: str) -> Mapping[str, str]:
    """Read `key=value,key=value`; `spec` is the whole string, for errors.

    Raises:
        SpecError: an option without a value, one given twice, or unbalanced parentheses.
    """
    options: dict[str, str] = {}
    for part in _split_at_commas(text, spec=spec) if text else ():
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not value or not _OPTION_NAME.fullmatch(key):
            raise SpecError(f"{part!r} in {spec!r} is no option; write option=value, separated by commas")
        if key in options:
            raise SpecError(f"{spec!r} gives the option {key!r} twice")
        options[key] = without_parentheses(value)
    return MappingProxyType(options)


def without_parentheses(text: str) -> str:
    """`text` without one pair of parentheses that encloses all of it."""
    if not (text.startswith("(") and text.endswith(")")):
        return text
    depth = 0
    for position, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0 and position < len(text) - 1:
            return text
    return text[1:-1]


def _names_user_class(head: str, rest: str) -> bool:
    if not rest or head in TOKENIZERS or _FRAMES_COUNT.fullmatch(head):
        return False
    return "=" not in rest.partition(":")[0]


def _positive_count(text: str, *, spec: str) -> str:
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise SpecError(f"{spec!r}: the K of frames-K is a number of frames from 1 on, such as frames-4")
    return text


def _split_at_commas(text: str, *, spec: str) -> Iterator[str]:
    """The parts of `text` between commas that stand outside parentheses."""
    depth = start = 0
    for position, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth < 0:
            break
        if character == "," and depth == 0:
            yield text[start:position]
            start = position + 1
    if depth != 0:
        raise SpecError(f"the parentheses of {spec!r} do not pair up")
    yield text[start:]
