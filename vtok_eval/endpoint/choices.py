"""Asking for one of a few answers: the JSON schema that is sent, and reading what comes back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from vtok_eval.answerers.reading.final_text import final_text
from vtok_eval.answerers.reading.letters import read_letter
from vtok_eval.answerers.reading.option_texts import read_option_text
from vtok_eval.answerers.reading.yes_no import read_yes_no

YES_NO = ("yes", "no")

_FENCE = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)


def choice_format(choices: Sequence[str]) -> Mapping[str, object]:
    """`response_format` for a JSON object whose only key "answer" is one of `choices`."""
    schema = {
        "type": "object",
        "properties": {"answer": {"type": "string", "enum": list(choices)}},
        "required": ["answer"],
        "additionalProperties": False,
    }
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}


def read_structured(text: str, choices: Sequence[str]) -> str | None:
    """The choice under "answer" in a JSON object, bare or in a code fence; None if there is none.

    Example:
        >>> read_structured('{"answer": " YES "}', YES_NO)
        'yes'
    """
    said = final_text(text)
    fenced = _FENCE.search(said)
    try:
        found = json.loads(fenced[1] if fenced else said)
    except (json.JSONDecodeError, RecursionError):
        return None
    if not isinstance(found, dict) or not isinstance(found.get("answer"), str):
        return None
    cleaned = found["answer"].strip().lower()
    return next((choice for choice in choices if choice.lower() == cleaned), None)


def read_choice(text: str, choices: Sequence[str]) -> str | None:
    """The one choice that `text` settles on; None where it names none, or more than one.

    Yes and no, letters, and other choices are read by the rules of `vtok_eval.answerers.reading`, as question
    benchmarks read them.

    Example:
        >>> read_choice("<think>The answer is no at first.</think>Yes", YES_NO)
        'yes'
        >>> read_choice("It is B, not A.", ("A", "B"))
        'B'
    """
    structured = read_structured(text, choices)
    if structured is not None:
        return structured
    if sorted(choice.lower() for choice in choices) == ["no", "yes"]:
        position = read_yes_no(text, choices, choices)
    elif all(len(choice) == 1 for choice in choices):
        position = read_letter(text, choices, ())
    else:
        position = read_option_text(text, (), choices)
    return None if position is None else choices[position]
