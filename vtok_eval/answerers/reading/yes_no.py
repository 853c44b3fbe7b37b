"""Reads yes or no from a text, in several languages."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vtok_eval.answerers.reading import phrases
from vtok_eval.answerers.reading.containers import contained
from vtok_eval.answerers.reading.final_text import final_text
from vtok_eval.answerers.reading.plain_text import WORD, plain

_YES = r"yes|yeah|yep|yup|ja|jawohl|oui|sí|si|sì|sim|да|tak|evet|ya|نعم"
_NO = r"no|nope|nah|nein|non|não|nao|нет|nie|nee|nej|hayır|tidak|không|لا"
_CJK_YES = r"はい|ええ|是的|是|对的|对|對|有|正确|네|예|맞습니다|그렇습니다"
_CJK_NO = r"いいえ|いえ|不是的?|否|没有|沒有|不对|不對|不|아니[요오]?|아닙니다"
_WORD = rf"(?:(?<!{WORD})(?:(?P<yes>{_YES})|(?P<no>{_NO}))(?!{WORD}))"
_CJK_WHOLE = re.compile(rf"\A\W*(?:(?P<no>{_CJK_NO})|(?P<yes>{_CJK_YES}))\s*(?:[.,!:]|\Z)")
_BESIDE = r"[\s,\"']*(?:\b(?:or|and|oder|ou|o|et|y|e)\b|[/&])?[\s,\"']*"
_BOTH = re.compile(
    rf"(?<!{WORD})(?:(?:{_YES}){_BESIDE}(?:{_NO})|(?:{_NO})\s*(?:or|and|/)\s*(?:{_YES}))(?!{WORD})(?!\s+\w)"
)
_ASKED = re.compile(r"\byes\s*(?:or|/)\s*no\s*\?")
_LISTED = re.compile(rf"[;\n]\s*{_WORD}\s*:")
_LEADING = re.compile(
    rf"\A\W*{_WORD}(?:(?![ \t]+\w)|(?=\s+(?:it|there|the|he|she|they|this|that|i|because|since|as)\b))"
)
"""Not "no" before a noun: "no dog", "no idea"."""
_ENDING = re.compile(
    r"(?:\A|[\n.,;:!?]|\b(?:say|answer|is|be|so|likely|probably|definitely|think|therefore|thus|hence|guess)\b"
    rf"[:,]?)\s*{_WORD}\W*\Z"
)


def read_yes_no(text: str, labels: Sequence[str], options: Sequence[str]) -> int | None:
    """The position of yes or no among the labels; None where a reply settles on neither.

    Tried in turn: what containers hold; "the answer is yes"; the word that the text begins or ends with. "Yes
    or no" is neither, and so is "no" before a noun ("no dog").

    Example:
        >>> read_yes_no("<think>no</think>Yes, it turns.", ("yes", "no"), ("yes", "no"))
        0
    """
    parts = contained(final_text(text))
    word = None
    for piece in (*parts.contents, parts.rest):
        word = word or _word(plain(piece).lower())
    lowered = [name.lower() for name in labels]
    return lowered.index(word) if word in lowered else None


def _word(text: str) -> str | None:
    whole = _CJK_WHOLE.match(text)
    if whole is not None:
        return _named(whole)
    text = _ASKED.sub(" ", text)
    stated = _stated(text)
    if stated is not None:
        return stated
    if _BOTH.search(text):
        return None
    for match in reversed(list(phrases.CORRECTION.finditer(text))):
        if later := _word(text[match.end() :]):
            return later
    leading = _LEADING.match(text)
    if leading is not None:
        listed = _LISTED.search(text)
        return None if listed and _named(listed) != _named(leading) else _named(leading)
    ending = _ENDING.search(text)
    if ending is None:
        return None
    if phrases.REFUSAL.search(text) and not text[ending.start() :].startswith((".", ",", "\n")):
        return None
    word = _named(ending)
    others = {_named(match) for match in re.finditer(_WORD, text)} - {word}
    return None if others and re.search(r"\b(?:could|may|might)\b", text) else word


def _stated(text: str) -> str | None:
    """What follows the last "the answer is" or "answer:"."""
    found = None
    for match in re.finditer(_WORD, text):
        before, after = text[max(0, match.start() - 160) : match.start()].rstrip("\"'(["), text[match.end() :]
        if not phrases.ANSWER_IS.search(before):
            continue
        if phrases.NOT_BEFORE.search(before) or re.match(r"\W*(?:or|and|/)\W*(?:yes|no)\b", after):
            found = None
        elif not re.match(r"\s+(?:one|idea|way|matter)\b", after):
            found = _named(match)
    return found


def _named(match: re.Match[str]) -> str:
    return "yes" if match["yes"] else "no"
