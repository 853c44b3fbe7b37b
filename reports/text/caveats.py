"""What must stand beside a name wherever its numbers are shown: random weights, a stand-in, a re-creation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

RANDOM_WEIGHTS = "random weights"
STAND_IN = "stand-in"
RE_CREATION = "re-creation"

_SIGNS = {
    RANDOM_WEIGHTS: re.compile(r"\brandom[- ]weights?\b", re.IGNORECASE),
    STAND_IN: re.compile(r"\bstand-ins?\b", re.IGNORECASE),
    RE_CREATION: re.compile(r"\bre-?creat(ion|ed)\b", re.IGNORECASE),
}
_RANDOM_SPEC = re.compile(r"\brandom=(?!null\b|none\b|off\b|false\b)", re.IGNORECASE)


def caveats(description: Mapping[str, Any], *, spec: str = "") -> tuple[str, ...]:
    """What a system or a benchmark says of itself, anywhere in its description, that a reader must know.

    spec: of a system; `random=SEED` in it means random weights, whatever the description holds.
    """
    texts = list(_texts(description))
    found = [name for name, sign in _SIGNS.items() if any(sign.search(text) for text in texts)]
    if _RANDOM_SPEC.search(spec) and RANDOM_WEIGHTS not in found:
        found.insert(0, RANDOM_WEIGHTS)
    return tuple(found)


def with_caveats(name: str, found: tuple[str, ...]) -> str:
    """The name as it is shown, e.g. "mine (random weights)"."""
    return f"{name} ({', '.join(found)})" if found else name


def _texts(content: Any) -> Iterator[str]:
    """Every text among the values; a key whose value is true counts with its underscores as spaces."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, Mapping):
        for key, value in content.items():
            if value is True:
                yield str(key).replace("_", " ")
            yield from _texts(value)
    elif isinstance(content, list | tuple):
        for value in content:
            yield from _texts(value)
