"""Asking for one of a few answers: the JSON schema that is sent, and reading what comes back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

YES_NO = ("yes", "no")

_FENCE = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)
_ANSWER_IS = re.compile(r"\banswer\W{0,3}\s*(?:is\s*:?|[:=])\s*(?:option\s+)?", re.IGNORECASE)
_DECORATION = "*_`\"'([{< "
_MARKS = (".", ")", ":", "]", "*", "")


def choice_format(choices: Sequence[str]) -> Mapping[str, Any]:
    """`response_format` for a JSON object whose only key "answer" is one of `choices`."""
    schema = {
        "type": "object",
        "properties": {"answer": {"type": "string", "enum": list(choices)}},
        "required": ["answer"],
        "additionalProperties": False,
    }
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}


def read_structured(text: str, choices: Sequence[str]) -> str | None:
    """The choice under "answer" in a JSON object, bare or in a code fence; None where there is none."""
    fenced = _FENCE.search(text)
    try:
        found = json.loads(fenced[1] if fenced else text)
    except json.JSONDecodeError:
        return None
    if not isinstance(found, dict) or not isinstance(found.get("answer"), str):
        return None
    return _matching(found["answer"], choices)


def read_choice(text: str, choices: Sequence[str]) -> str | None:
    """The one choice that `text` settles on; None where it names none, or more than one.

    Tried in turn: a JSON object; the text is a choice and no more; what stands after the last "answer is" or
    "answer:"; the choice that the text begins with; the only choice that stands anywhere in it as a word and
    is not denied ("not yes"). Upper and lower case are the same, but for choices of one letter inside a
    sentence: "a" is an article there, and the letter must be marked as a choice: "(A)", "A.", "**A**",
    "option A".
    """
    structured = read_structured(text, choices)
    if structured is not None:
        return structured
    whole = _matching(text.strip().strip("*_`\"'()[]{}<>.:!, \n"), choices)
    if whole is not None:
        return whole
    for conclusion in reversed(list(_ANSWER_IS.finditer(text))):
        concluded = _leading(text[conclusion.end() :], choices, concluding=True)
        if concluded is not None:
            return concluded
    leading = _leading(text, choices, concluding=False)
    mentioned = {choice for choice in choices if _mentions(text, choice)}
    if leading is not None and (not _one_letter(leading) or mentioned <= {leading}):
        return leading
    return mentioned.pop() if len(mentioned) == 1 else None


def _matching(text: str, choices: Sequence[str]) -> str | None:
    cleaned = text.strip().lower()
    return next((choice for choice in choices if choice.lower() == cleaned), None)


def _leading(text: str, choices: Sequence[str], *, concluding: bool) -> str | None:
    """The choice that `text` begins with, unless another one is set beside it ("A or B")."""
    bare = text.strip()
    rest = bare.lstrip(_DECORATION)
    for choice in sorted(choices, key=len, reverse=True):
        head, tail = rest[: len(choice)], rest[len(choice) :]
        if head.lower() != choice.lower() or tail[:1].isalnum():
            continue
        marked = len(rest) < len(bare) or tail[:1] in _MARKS
        if _one_letter(choice) and not (marked or (concluding and head == choice)):
            continue
        others = "|".join(re.escape(other) for other in choices if other != choice)
        beside = re.match(rf"\W*(?:or|and|/)\W*(?:{others})(?!\w)", tail, re.IGNORECASE)
        return None if others and beside else choice
    return None


def _mentions(text: str, choice: str) -> bool:
    quoted = re.escape(choice)
    if _one_letter(choice):
        forms = (
            rf"[(\[*`\"]{quoted}[)\]*`\".:]",
            rf"(?<!\w){quoted}[).:](?!\w)",
            rf"\b[Oo]ption\s+{quoted}(?!\w)",
        )
        return any(re.search(form, text) for form in forms)
    return re.search(rf"(?<!\w)(?<!not ){quoted}(?!\w)", text, re.IGNORECASE) is not None


def _one_letter(choice: str) -> bool:
    return len(choice) == 1 and choice.isalpha()
