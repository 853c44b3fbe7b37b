"""Reads which option an answer names: the readers that a benchmark's description can ask for, by name.

A reader is a function of the answer's text and the question's labels and options. It gives the option's
position; where a text names two options, or none, it gives None and never guesses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vtok_eval.answerers.reading.final_text import final_text
from vtok_eval.answerers.reading.letters import read_letter
from vtok_eval.answerers.reading.option_texts import read_option_text
from vtok_eval.answerers.reading.plain_text import plain
from vtok_eval.answerers.reading.yes_no import read_yes_no

Reader = Callable[[str, Sequence[str], Sequence[str]], "int | None"]


def clean(text: str) -> str:
    """The text without thoughts and markup, with letters of all widths made plain.

    Example:
        >>> clean("<think>two?</think>**Ｔhree**")
        'Three'
    """
    return plain(final_text(text)).strip("\"'").strip()


def read_first_character(text: str, labels: Sequence[str], options: Sequence[str]) -> int | None:
    """The label that is the answer's first character, unless a word begins with it.

    Example:
        >>> read_first_character("A: first", ("A", "B"), ())
        0
        >>> read_first_character("Both", ("A", "B"), ()) is None
        True
    """
    cleaned = clean(text).lstrip("([{ ")
    upper = [name.upper() for name in labels]
    if not cleaned or cleaned[0].upper() not in upper or cleaned[1:2].isalnum():
        return None
    return upper.index(cleaned[0].upper())


READERS: dict[str, Reader] = {
    "letter": read_letter,
    "option-text": read_option_text,
    "first-character": read_first_character,
    "yes-no": read_yes_no,
}


def read_option(
    text: str, extraction: Sequence[str], *, labels: Sequence[str], options: Sequence[str]
) -> int | None:
    """The position that the first of the readers which reads anything gives; None where none does.

    Example:
        >>> read_option("It is blue.", ("letter", "option-text"), labels=("A", "B"), options=("red", "blue"))
        1
    """
    for name in extraction:
        position = READERS[name](text, labels, options)
        if position is not None:
            return position
    return None
