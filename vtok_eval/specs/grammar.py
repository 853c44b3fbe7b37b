"""The grammar of spec strings, such as `vtok:grid=4,stride=6`, by which everything under test is named."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from vtok_eval.errors import SpecError, UnknownNameError
from vtok_eval.registry import TOKENIZERS

MATCH = "match:"
"""Before a spec or a system's name, as an option's value: "what that tokenizer has"."""

LEADING: Mapping[str, str] = {"codec": "codec", "diffusers": "model"}
"""Tokenizers whose first option is written without its name and ends at a colon, and that option."""

_FRAMES_COUNT = re.compile(r"frames-(.*)")
_OPTION_NAME = re.compile(r"[A-Za-z_]\w*")
_OPTION = re.compile(r"[A-Za-z_]\w*\s*=")
_NAMED = re.compile(r"(?P<name>[A-Za-z0-9][\w.+-]*)=(?P<spec>.+)", re.DOTALL)


@dataclass(frozen=True)
class Spec:
    """A spec string taken apart.

    name: a registered name, or for a user's own class `FILE.py:Class` or `package.module:Class`.
    options: the constructor's keyword arguments, values as written, without enclosing parentheses.

    Example:
        >>> Spec("vtok", {"grid": "4"}).is_user_class, Spec("my_file.py:Mine").is_user_class
        (False, True)
    """

    name: str
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_user_class(self) -> bool:
        """Whether it names a class in a file or module instead of something registered."""
        return ":" in self.name


def parse_spec(
    text: str,
    *,
    known: Collection[str] | None = None,
    what: str = "tokenizer",
    subject: str = "",
) -> Spec:
    """Take a spec string apart: `NAME`, `NAME:option=value,...`, `FILE.py:Class:option=value,...`.

    `frames-4` means `frames:count=4`, and `codec:libx264:crf=28` means `codec:codec=libx264,crf=28`. A value
    that holds commas is written in parentheses: `frames:budget=match:(vtok:stride=1,pool=grid)`.

    Args:
        text: the spec string.
        known: the registered names; tokenizers' where not given.
        what: what is named, for errors.
        subject: the option that may come first without its name, as `MODEL` in `clip:MODEL,frames=4`.

    Raises:
        SpecError: naming the part that cannot be read.
        UnknownNameError: nothing is registered under the name; names the nearest.

    Example:
        >>> parse_spec("my_file.py:Mine:width=64")
        Spec(name='my_file.py:Mine', options=mappingproxy({'width': '64'}))
    """
    known = TOKENIZERS if known is None else known
    text = text.strip()
    head, _, rest = text.partition(":")
    if not head:
        raise SpecError(f"{what} spec {text!r} has no name; write NAME or NAME:option=value,...")
    if head not in known and _names_user_class(head, rest):
        class_name, _, rest = rest.partition(":")
        return Spec(f"{head}:{class_name}", parse_options(rest, spec=text))
    match = _FRAMES_COUNT.fullmatch(head) if "frames" in known else None
    if head not in known and match is None:
        raise UnknownNameError(what=what, name=head, known=known)
    if known is TOKENIZERS and head in LEADING:
        subject, rest = LEADING[head], _as_first_option(rest)
    options = dict(parse_options(rest, spec=text, subject=subject))
    if head not in known and match is not None:
        if "count" in options:
            raise SpecError(f"{text!r} gives the number of frames twice: frames-K and count=")
        head, options["count"] = "frames", _positive_count(match[1], spec=text)
    return Spec(head, MappingProxyType(options))


def parse_options(text: str, *, spec: str, subject: str = "") -> Mapping[str, str]:
    """Read `option=value,option=value`.

    Args:
        text: the options.
        spec: the whole string, for errors.
        subject: the option that may come first without its name, as `MODEL` in `MODEL,frames=4`; a value
            with commas or an equals sign after a word is written in parentheses.

    Raises:
        SpecError: an option without a value, one given twice, or unbalanced parentheses.

    Example:
        >>> dict(parse_options("(a,b),frames=4", spec="clip:(a,b),frames=4", subject="model"))
        {'model': 'a,b', 'frames': '4'}
    """
    options: dict[str, str] = {}
    parts = list(_split_at_commas(text, spec=spec)) if text else []
    if subject and parts and parts[0].strip() and not _OPTION.match(parts[0].strip()):
        options[subject] = without_parentheses(parts.pop(0).strip())
    for part in parts:
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not value or not _OPTION_NAME.fullmatch(key):
            raise SpecError(f"{part!r} in {spec!r} is not an option; write option=value, separated by commas")
        if key in options:
            raise SpecError(f"{spec!r} gives {key} twice")
        options[key] = without_parentheses(value)
    return MappingProxyType(options)


def split_name(text: str) -> tuple[str, str]:
    """The name that the command line gives a system, empty where it gives none, and the system's spec.

    A name has letters, digits and `._+-`, and comes before the first colon or slash.

    Example:
        >>> split_name("mine=my_file.py:Mine:width=64")
        ('mine', 'my_file.py:Mine:width=64')
        >>> split_name("vtok:grid=4")
        ('', 'vtok:grid=4')
    """
    found = _NAMED.fullmatch(text)
    return (found["name"], found["spec"]) if found else ("", text)


def without_parentheses(text: str) -> str:
    """`text` without one pair of parentheses that encloses all of it.

    Example:
        >>> without_parentheses("(a,b)")
        'a,b'
    """
    if not (text.startswith("(") and text.endswith(")")):
        return text
    depth = 0
    for position, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0 and position < len(text) - 1:
            return text
    return text[1:-1]


def _as_first_option(rest: str) -> str:
    """`libx264:crf=28` as `libx264,crf=28`."""
    first, colon, options = rest.partition(":")
    return f"{first},{options}" if colon and options and not _OPTION.match(first) else rest.rstrip(":")


def _names_user_class(head: str, rest: str) -> bool:
    """Whether `head:rest`, whose head is not registered, is `FILE.py:Class...` or `module:Class...`."""
    if not rest or _FRAMES_COUNT.fullmatch(head):
        return False
    if head.endswith(".py") or "/" in head:
        return True
    return rest.partition(":")[0].isidentifier()


def _positive_count(text: str, *, spec: str) -> str:
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise SpecError(f"{spec!r}: the K of frames-K is a number of frames from 1 on, such as frames-4")
    return text


def _split_at_commas(text: str, *, spec: str) -> Iterator[str]:
    """The parts of `text` between commas that are outside parentheses."""
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
