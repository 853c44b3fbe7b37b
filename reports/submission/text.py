"""Texts and links that come from others: what they may hold before a page shows them."""

from __future__ import annotations

import unicodedata
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, StringConstraints

SHORT = 200
"""Characters of a name or a heading, at most."""

LONG = 4_000
"""Characters of a note, a label or a reason, at most."""

LINK_SCHEMES = ("http", "https")


def check_visible(text: str) -> str:
    """Refuse characters that show nothing or turn the text around: control, format and surrogate characters.

    A name with a right-to-left override could be shown as another name. Line breaks and tabs are allowed.

    Raises:
        ValueError: names the character.
    """
    if text.isprintable():
        return text
    for character in text:
        if _is_hidden(character):
            raise ValueError(f"holds the invisible character U+{ord(character):04X}")
    return text


def check_one_line(text: str) -> str:
    """Refuse line breaks and tabs.

    Raises:
        ValueError: there is one.

    Example:
        >>> check_one_line("two words")
        'two words'
    """
    if "\n" in text or "\t" in text:
        raise ValueError("must be one line")
    return text


def check_link(link: str) -> str:
    """Refuse every link but one to a web page: `http://` or `https://`, a host, no user name or password.

    Raises:
        ValueError: says what is wrong.
    """
    if any(character.isspace() or character in "\"'<>\\`" for character in link):
        raise ValueError("a link must not hold spaces, quotes, backslashes or angle brackets")
    parts = urlsplit(link)
    if parts.scheme not in LINK_SCHEMES:
        raise ValueError(f"a link must begin with http:// or https://, not {parts.scheme[:20]!r}")
    if not parts.hostname or "@" in parts.netloc:
        raise ValueError("a link must name a host, without a user name")
    return link


Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=SHORT),
    AfterValidator(check_visible),
    AfterValidator(check_one_line),
]
ShortText = Annotated[
    str, StringConstraints(max_length=SHORT), AfterValidator(check_visible), AfterValidator(check_one_line)
]
LongText = Annotated[str, StringConstraints(max_length=LONG), AfterValidator(check_visible)]
Link = Annotated[
    str, StringConstraints(max_length=500), AfterValidator(check_visible), AfterValidator(check_link)
]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


def visible(text: str) -> str:
    """The text with a replacement character for each one that `check_visible` would refuse.

    Example:
        >>> visible("plain")
        'plain'
    """
    if text.isprintable():
        return text
    return "".join("\ufffd" if _is_hidden(character) else character for character in text)


def _is_hidden(character: str) -> bool:
    hidden = unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    return hidden and character not in "\n\t"
