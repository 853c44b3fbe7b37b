"""Text as BERT's uncased word pieces, from a vocabulary file alone."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path

from vtok_eval.errors import DataError

_LONGEST_WORD = 100
"""Characters; a longer word is unknown, as BERT has it."""
_CJK = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
)  # fmt: skip


class WordPieces:
    """Ids of a text's pieces by greedy longest match (Devlin et al., arXiv 1810.04805; uncased).

    Lower case, accents off, punctuation and CJK characters apart. A special token's name in a text ("[SEP]")
    is text.

    vocabulary: a file with one piece a line; a line's number is its id. max_length: ids in all, `[CLS]` and
    `[SEP]` included; what is beyond is cut off.

    Raises:
        DataError: the file cannot be read, or lacks one of BERT's special tokens.
    """

    def __init__(self, vocabulary: Path, *, max_length: int) -> None:
        try:
            pieces = vocabulary.read_text(encoding="utf-8").rstrip("\n").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{vocabulary}: cannot be read ({error})") from error
        self._ids = {piece: number for number, piece in enumerate(pieces)}
        for name in ("[CLS]", "[SEP]", "[UNK]"):
            if name not in self._ids:
                raise DataError(f"{vocabulary}: no vocabulary of BERT's, {name} is not in it")
        self._max_length = max_length

    def ids(self, text: str) -> list[int]:
        """`[CLS]`, the pieces, `[SEP]`."""
        inner = [self._ids[piece] for word in _words(text) for piece in self._pieces(word)]
        return [self._ids["[CLS]"], *inner[: self._max_length - 2], self._ids["[SEP]"]]

    def _pieces(self, word: str) -> list[str]:
        if len(word) > _LONGEST_WORD:
            return ["[UNK]"]
        found: list[str] = []
        start = 0
        while start < len(word):
            piece = self._longest(word, start)
            if piece is None:
                return ["[UNK]"]
            found.append(piece)
            start += len(piece) - (2 if start else 0)
        return found

    def _longest(self, word: str, start: int) -> str | None:
        prefix = "##" if start else ""
        for end in range(len(word), start, -1):
            if prefix + word[start:end] in self._ids:
                return prefix + word[start:end]
        return None


def _words(text: str) -> Iterator[str]:
    spaced = "".join(f" {c} " if _is_cjk(c) else c for c in _cleaned(text))
    plain = unicodedata.normalize("NFD", spaced.lower())
    for chunk in "".join(c for c in plain if unicodedata.category(c) != "Mn").split():
        yield from _split_at_punctuation(chunk)


def _cleaned(text: str) -> Iterator[str]:
    for character in text:
        if character in "\t\n\r" or unicodedata.category(character) == "Zs":
            yield " "
        elif character != "\ufffd" and unicodedata.category(character) not in {"Cc", "Cf", "Co"}:
            yield character


def _split_at_punctuation(chunk: str) -> Iterator[str]:
    word = ""
    for character in chunk:
        if not _is_punctuation(character):
            word += character
            continue
        if word:
            yield word
        word = ""
        yield character
    if word:
        yield word


def _is_punctuation(character: str) -> bool:
    """Unicode's, and all that ASCII has besides letters, digits and white space, such as "$" and "^"."""
    if character.isascii():
        return character.isprintable() and not character.isalnum() and character != " "
    return unicodedata.category(character).startswith("P")


def _is_cjk(character: str) -> bool:
    return any(first <= ord(character) <= last for first, last in _CJK)
