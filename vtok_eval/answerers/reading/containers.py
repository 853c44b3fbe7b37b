"""Places where models are asked to put their answer: boxes, tags, and keys of JSON objects."""

from __future__ import annotations

import re
from dataclasses import dataclass

_BOX = re.compile(r"(?:\\|\b)(?:boxed|fbox|framebox)\s*\{")
_TAG = re.compile(
    r"<\s*(answer|final_?answer|ans|output|response|solution|choice|option|result|final|conclusion)\s*>"
    r"(.*?)(?:<\s*/|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_TAG_END = re.compile(r"\s*[\w-]*\s*>?")
_KEY = re.compile(
    r"""["'](?:(?:final|correct|predicted|selected|chosen|my|best|your)[_ -]?)?"""
    r"""(?:answer|choice|option|prediction|response|selection|label|letter|result|verdict|答案|정답|回答)"""
    r"""(?:[_ -]?(?:letter|option|choice|label|text|id|key|value))?["']\s*:\s*"""
    r"""(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|\[([^\[\]]*)\]|([\w.]+))""",
    re.IGNORECASE,
)
_DENIED = re.compile(r"\b(?:not|than|instead of)\s+(?:the answer\s+)?[$(\[]*\Z", re.IGNORECASE)
_ITEM = re.compile(r""""((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'""")


@dataclass(frozen=True)
class Contained:
    """contents: what the containers hold, the last first. rest: the text without them."""

    contents: tuple[str, ...]
    rest: str


def contained(text: str) -> Contained:
    r"""The answers that a text puts into containers, and the rest of the text.

    A key of a JSON object counts where it is called answer, choice or the like. Its value is found also where
    the object was cut later on. A list of several answers is not an answer; true and false are yes and no.

    Example:
        >>> contained(r'So \boxed{\text{B}}.')
        Contained(contents=('\\text{B}',), rest='So  .')
        >>> contained('{"why": "it is not A", "answer": "C"}').contents
        ('C',)
    """
    spans = [*_boxes(text), *_tags(text), *_keys(text)]
    spans.sort(reverse=True)
    denied = [span for span in spans if _DENIED.search(text, max(0, span[0] - 40), span[0])]
    outer = [s for s in spans if not any(o[0] < s[0] and s[1] <= o[1] for o in spans)]
    rest = text
    for start, end, _ in outer:
        rest = f"{rest[:start]} {rest[end:]}"
    return Contained(tuple(span[2] for span in spans if span[2].strip() and span not in denied), rest)


def _boxes(text: str) -> list[tuple[int, int, str]]:
    """Every box that is closed, by counting braces."""
    begins = {match.end() - 1: match.start() for match in _BOX.finditer(text)}
    found, opened = [], []
    for brace in re.finditer(r"[{}]", text) if begins else ():
        if brace[0] == "{":
            opened.append(brace.start())
        elif opened and (start := opened.pop()) in begins:
            found.append((begins[start], brace.end(), text[start + 1 : brace.start()]))
    return found


def _tags(text: str) -> list[tuple[int, int, str]]:
    found = []
    for match in _TAG.finditer(text):
        closing = _TAG_END.match(text, match.end())
        found.append((match.start(), closing.end() if closing else match.end(), match[2]))
    return found


def _keys(text: str) -> list[tuple[int, int, str]]:
    found = []
    for match in _KEY.finditer(text):
        double, single, items, word = match.groups()
        value = double if double is not None else single
        if items is not None:
            texts = [first or second for first, second in _ITEM.findall(items)]
            value = texts[0] if len(texts) == 1 else ""
        elif word is not None:
            value = {"true": "yes", "false": "no", "null": "", "none": ""}.get(word.lower(), word)
        found.append((match.start(), match.end(), value or ""))
    return found
