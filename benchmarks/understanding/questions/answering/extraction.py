"""Reads which option a text answers with: by rule, never by chance; what cannot be read is None.

A reader is a function of the answer's text and the question's labels and options. It gives the option's
position. Where a text names two options, or none, no reader guesses.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

Reader = Callable[[str, Sequence[str], Sequence[str]], "int | None"]

_THOUGHTS = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_CONTAINER = re.compile(
    r"\\boxed\s*\{(?:\\text\s*\{)?([^{}]*)\}|<answer>(.*?)</answer>", re.DOTALL | re.IGNORECASE
)
_DECLARATION = (
    r"(?:\b(?:answer|option|choice)\b\s*(?:is\b|would be\b|must be\b|should be\b|[:=])?"
    r"|\bi(?:'d)?\s+(?:choose|pick|select|go with)\b|答案(?:是|为|为:|:)|应?选(?:择)?)"
    r"[\s:]*(?:(?:option|choice|letter)\b[\s:]*)?"
)
_OR = r"\s*(?:,|/|&|\bor\b|\band\b|\bnor\b|或|和)\s*(?:either\s+)?(?:option\s+)?\(?"
_REFUSED = re.compile(
    r"[)\]\"']*\s*(?:is|was|seems|looks)\s+(?:not\b|wrong|incorrect|false|out\b)", re.IGNORECASE
)
_CONCLUSION = r"(?:\A|[\n.,;:!?]|\b(?:so|therefore|thus|hence|is|be|with|option|choose)\b)\s*"


def clean(text: str) -> str:
    """The text in compatibility form (full-width letters made plain), without thoughts and emphasis."""
    plain = unicodedata.normalize("NFKC", _THOUGHTS.sub(" ", text)).replace("。", ".")
    return re.sub(r"[*`]|(?<!\w)_+|_+(?!\w)", "", plain).strip().strip("\"'“”‘’").strip()


def read_letter(text: str, labels: Sequence[str], options: Sequence[str]) -> int | None:
    """The option named by its label: "B", "(b)", "B) two", "The answer is B.", a last line that is only "B".

    A label inside a word is none, nor is "A" before a word ("A man"), unless that is the option's text. Two
    labels without a word that decides between them ("A or B") are no answer.
    """
    if not labels:
        return None
    cleaned = clean(text)
    containers = [first or second for first, second in _CONTAINER.findall(cleaned)]
    if containers:
        cleaned = clean(containers[-1])
    label = "|".join(re.escape(name) for name in sorted(labels, key=len, reverse=True))
    named = _declared(cleaned, label) or _leading(cleaned, label) or _with_its_text(
        cleaned, labels, options
    ) or _concluding(cleaned, label) or _in_brackets(cleaned, label)  # fmt: skip
    if not named:
        return None
    upper = [name.upper() for name in labels]
    return upper.index(named.upper())


def read_option_text(text: str, labels: Sequence[str], options: Sequence[str]) -> int | None:
    """The option whose text the answer is, or the only one whose text it holds as whole words.

    An option whose text only occurs inside a longer option's ("red" in "dark red") is not counted.
    """
    answer = _squeezed(text)
    texts = [_squeezed(option) for option in options]
    if not answer or len(set(texts)) < len(texts):
        return None
    if answer in texts:
        return texts.index(answer)
    remaining = answer
    found = []
    for position in sorted(range(len(texts)), key=lambda i: len(texts[i]), reverse=True):
        pattern = rf"(?<!\w){re.escape(texts[position])}(?!\w)"
        if texts[position] and re.search(pattern, remaining):
            found.append(position)
            remaining = re.sub(pattern, "|", remaining)
    return found[0] if len(found) == 1 else None


def read_first_character(text: str, labels: Sequence[str], options: Sequence[str]) -> int | None:
    """The label that is the answer's first character, unless a word begins with it."""
    cleaned = clean(text).lstrip("([{ ")
    upper = [name.upper() for name in labels]
    if not cleaned or cleaned[0].upper() not in upper or cleaned[1:2].isalnum():
        return None
    return upper.index(cleaned[0].upper())


def read_yes_no(text: str, labels: Sequence[str], options: Sequence[str]) -> int | None:
    """Yes or no at the answer's beginning or end, or after "the answer is"; "yes or no" is neither."""
    cleaned = clean(text).lower()
    if re.search(r"\byes\b\W+(?:or|and|/)?\W*no\b|\bno\b\W+(?:or|and|/)\W*yes\b|yes/no", cleaned):
        return None
    chinese = {"是": "yes", "是的": "yes", "对": "yes", "不是": "no", "否": "no", "不": "no"}
    word = chinese.get(cleaned.rstrip("., !"))
    containers = [first or second for first, second in _CONTAINER.findall(cleaned)]
    if containers:
        cleaned = clean(containers[-1])
    for pattern in (
        r"\banswer\s*(?:is|:)?\s*(yes|no)\b(?!.*\banswer\s*(?:is|:)?\s*(?:yes|no)\b)",
        r"\A\W*(yes|no)\b(?!\s+(?:one|idea|way|clue|doubt|answer)\b)",
        r"(?:\A|[\n.,;:!?]|\bsay|\bis|\bbe)\s*(yes|no)\W*\Z",
    ):
        match = None if word else re.search(pattern, cleaned, re.DOTALL)
        word = word or (match[1] if match else None)
    lowered = [name.lower() for name in labels]
    return lowered.index(word) if word in lowered else None


READERS: dict[str, Reader] = {
    "letter": read_letter,
    "option-text": read_option_text,
    "first-character": read_first_character,
    "yes-no": read_yes_no,
}


def read_option(
    text: str, extraction: Sequence[str], *, labels: Sequence[str], options: Sequence[str]
) -> int | None:
    """The position that the first of the readers which reads anything gives; None where none does."""
    for name in extraction:
        position = READERS[name](text, labels, options)
        if position is not None:
            return position
    return None


def _alternative(rest: str, label: str) -> bool:
    """Whether another label stands beside one: "A or B", "A, B", "A/B"; not "A, but B is close"."""
    return re.match(rf"[).\]]*{_OR}(?:{label})(?:[).\]:,]|\s*\Z|{_OR})", rest, re.IGNORECASE) is not None


def _declared(text: str, label: str) -> str | None:
    """The last label that the text calls its answer."""
    pattern = rf"{_DECLARATION}[(\[\"']*\s*({label})(?![\w'])"
    found = re.finditer(pattern, text, re.IGNORECASE)
    matches = [match for match in found if not _REFUSED.match(text, match.end())]
    if not matches:
        return None
    last = matches[-1]
    rest = text[last.end() :]
    is_article = last[1] in {"a", "A"} and re.match(r"\s+[a-z]", rest) is not None
    if is_article or _alternative(rest, label):
        return None
    before = text[max(0, last.start() - 6) : last.start()].lower()
    return None if before.endswith(("not ", "wrong ")) else last[1]


def _leading(text: str, label: str) -> str | None:
    """A label at the very beginning, alone or before ")", ".", ":", "," or a dash."""
    match = re.match(rf"[(\[]?\s*({label})\s*(?:[)\].:,]|\s[-–—]\s|\Z|\n)", text, re.IGNORECASE)
    if match is None or _alternative(text[match.end(1) :], label):
        return None
    listed = re.findall(rf"(?:\A|[\s(])({label})[).:](?=\s|\Z)", text)
    return match[1] if len({name.upper() for name in (*listed, match[1])}) == 1 else None


def _with_its_text(text: str, labels: Sequence[str], options: Sequence[str]) -> str | None:
    """A label followed by its own option's text and nothing else: "B two"."""
    squeezed = _squeezed(text)
    found = [
        label
        for label, option in zip(labels, options, strict=False)
        if option and squeezed == f"{label.lower()} {_squeezed(option)}"
    ]
    return found[0] if len(found) == 1 else None


def _concluding(text: str, label: str) -> str | None:
    """A capital label alone at the end: on its own line, or after a comma, a full stop or "so"."""
    match = re.search(rf"{_CONCLUSION}[(\[]?({label})[)\]]?[.!]*\s*\Z", text)
    if match is None:
        return None
    before = text[: match.start() + 1].rstrip(" ,;")
    return None if re.search(rf"(?<!\w)[(\[]?(?:{label})[)\]]?\Z", before) else match[1]


def _in_brackets(text: str, label: str) -> str | None:
    """The only label that stands in brackets."""
    found = set(re.findall(rf"[(\[]({label})[)\]]", text))
    negated = re.search(rf"\bnot\s+[(\[](?:{label})[)\]]", text, re.IGNORECASE)
    return found.pop() if len(found) == 1 and not negated else None


def _squeezed(text: str) -> str:
    """Lower case, one space between words, without the punctuation around it."""
    return " ".join(re.sub(r"[\"'“”‘’`*().,;:!?\[\]]", " ", clean(text).lower()).split())
