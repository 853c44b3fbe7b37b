"""The option that a text names by its words: "It is a blue bus.", "blue bus" for the option "a blue bus"."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vtok_eval.answerers.reading import phrases
from vtok_eval.answerers.reading.plain_text import plain

_ARTICLES = {"a", "an", "the"}
_SUBJECT = re.compile(
    r"\A(?:(?:it|this|that|there|he|she|they|the answer|answer|the correct answer|the final answer)\s+"
    r"(?:is|are|was|were)\s+|(?:it|he|she|they|answer)\s+)"
)
_NUMBERS = {
    word: str(number)
    for number, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    )
}
_SENTENCE = re.compile(r"[.!?;\n]+|,?\s+\bbut\b\s+|,\s+(?=(?:it|there|so|and|the)\b)")
_NOT = re.compile(
    r"\b(?:no|not|never|neither|nor|without|none|cannot|rather\s+than|instead\s+of|nicht|kein\w*|pas|sin|sem"
    r"|whether|unlike|except)\b|n't\b|\b\w+n\s+t\b|\bcan\s+t\b|没有|不是|ない",
    re.IGNORECASE,
)
_NOT_AFTER = re.compile(
    r"\W*(?:(?:is|was|are|were|does|do|did|has|can|could)\s*(?:n't|not|never)\b|(?:is|was|are)\s+(?:wrong|incorrect)"
    r"|(?:isn|wasn|doesn|don|didn|can|aren|weren)(?:'|\s+)t\b|cannot\b)",
    re.IGNORECASE,
)


def squeezed(text: str) -> str:
    """Lower case, one space between words, without the punctuation around them.

    Example:
        >>> squeezed("  The  Red ball. ")
        'the red ball'
    """
    return " ".join(re.sub(r"[\"'`*().,;:!?\[\]{}<>~\\]", " ", plain(text).lower()).split())


def read_option_text(text: str, labels: Sequence[str], options: Sequence[str]) -> int | None:
    """The position of the option whose text a reply gives, or of the only one that it claims.

    Case, punctuation, articles, plural endings and numbers in words or digits make no difference, as long as
    they do not tell two options apart. An option inside a longer one ("red" in "dark red") is not counted,
    nor is one that is negated, asked after, or repeated with its label.

    Args:
        text: the reply as the model gave it.
        labels: how the options are called.
        options: the options' texts.

    Example:
        >>> options = ("a red car", "a blue bus")
        >>> read_option_text("Blue bus.", ("A", "B"), options)
        1
        >>> read_option_text("I can't see a blue bus.", ("A", "B"), options) is None
        True
    """
    from vtok_eval.answerers.reading.containers import contained
    from vtok_eval.answerers.reading.final_text import final_text

    parts = contained(final_text(text))
    for content in parts.contents:
        position = named_text(content, options)
        if position is not None:
            return position
    position = named_text(parts.rest, options)
    if position is not None:
        return position
    return _claimed(parts.rest, labels, options)


def named_text(text: str, options: Sequence[str]) -> int | None:
    """The option that the whole text is, in the same words or nearly; None where it is none or several.

    Example:
        >>> named_text("The red ball.", ["red ball", "blue ball"])
        0
    """
    for normal in (squeezed, _loose, _without_subject):
        texts = [normal(option) for option in options]
        answer = normal(text)
        if answer and texts.count(answer) == 1:
            return texts.index(answer)
    return None


def _loose(text: str) -> str:
    """Without articles; plural endings off; numbers as digits."""
    words = [word for word in squeezed(text).split() if word not in _ARTICLES]
    return " ".join(_singular(_NUMBERS.get(word, word)) for word in words)


def _without_subject(text: str) -> str:
    return _loose(_SUBJECT.sub("", squeezed(text)))


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith(("ses", "xes", "zes", "ches", "shes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def _claimed(text: str, labels: Sequence[str], options: Sequence[str]) -> int | None:
    """The only option that some sentence of the text claims."""
    cleaned = _without_listing(plain(text), labels, options)
    if len({squeezed(option) for option in options}) < len(options):
        return None
    normal = _loose if len({_loose(option) for option in options}) == len(options) else squeezed
    texts = [normal(option) for option in options]
    stated, claimed = set(), set()
    start = 0
    for end in [*(match.end() for match in _SENTENCE.finditer(cleaned)), len(cleaned)]:
        sentence, start = cleaned[start:end], end
        for position, before, after in _mentioned(normal(sentence), texts):
            if _NOT.search(before) or _NOT_AFTER.match(after) or _is_listed(sentence, labels[position:][:1]):
                continue
            if phrases.REFUSAL.search(sentence) or sentence.rstrip().endswith("?"):
                continue
            claimed.add(position)
            if re.search(r"\b(?:answer|option|choice)\s+(?:is|be)\s*\Z", before):
                stated.add(position)
    if phrases.REFUSAL.search(cleaned) and not stated:
        return None
    found = stated or claimed
    return found.pop() if len(found) == 1 else None


def _mentioned(sentence: str, texts: Sequence[str]) -> list[tuple[int, str, str]]:
    """Position, and the words before and after, of every option that a sentence has as whole words."""
    found = []
    remaining = sentence
    for position in sorted(range(len(texts)), key=lambda i: len(texts[i]), reverse=True):
        pattern = re.compile(rf"(?<!\w){re.escape(texts[position])}(?!\w)")
        for match in pattern.finditer(remaining) if texts[position] else ():
            found.append((position, sentence[: match.start()], sentence[match.end() :]))
        if texts[position]:
            remaining = pattern.sub(lambda match: "|" * len(match[0]), remaining)
    return found


def _without_listing(text: str, labels: Sequence[str], options: Sequence[str]) -> str:
    """The text without options that are repeated with their labels: "A. a red car"."""
    for label, option in zip(labels, options, strict=False):
        words = r"\s+".join(re.escape(word) for word in option.split())
        if label and words:
            text = re.sub(
                rf"(?<!\w){re.escape(label)}\s*[.):\]]+\s*{words}(?!\w)", " ", text, flags=re.IGNORECASE
            )
    return text


def _is_listed(sentence: str, label: Sequence[str]) -> bool:
    """Whether a sentence calls the option by its label too: it describes the option."""
    if not label or not label[0]:
        return False
    name = re.escape(label[0])
    return re.search(rf"(?<!\w){name}[).:\]]|\b[Oo]ption\s+{name}\b|\A\W*{name}\W+\Z", sentence) is not None
