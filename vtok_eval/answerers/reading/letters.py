"""The option that a text names by its label: "B", "(b) a bus", "I would go with B, not A"."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vtok_eval.answerers.reading import phrases
from vtok_eval.answerers.reading.containers import contained
from vtok_eval.answerers.reading.final_text import final_text
from vtok_eval.answerers.reading.mentions import (
    CLOSE,
    KIND,
    OPEN,
    LabelPattern,
    Mention,
    Standing,
    is_superseded,
    mentions,
)
from vtok_eval.answerers.reading.option_texts import named_text, squeezed
from vtok_eval.answerers.reading.plain_text import plain

_EMPHASISED = re.compile(r"\*\*(.+?)\*\*|__(.+?)__", re.DOTALL)
_AFTER_LEAD = (
    r"(?:\s*[.:,;)\]}>\"'」』】]|\s+[-–—]+\s|\s*\Z|\s*\n|\s*!"
    r"|\s+(?=(?:because|since|as|due|for\s+sure|i\s+(?:think|believe|guess|suppose)|it\s+is\s*[.!]|(?:most\s+)?likely"
    r"|probably|definitely|certainly|maybe|perhaps|surely)\b|it\s+is\s*(?:[.,!]|\Z)|not\s+[(\[]?[A-Z]\b|\())"
)
_LISTED = r"(?:\A|\n|[.;]\s)\s*(?:[-*•]\s*|\d[.)]\s*)?(?:[Oo]ption\s+)?[(\[]?({one})[)\]]?\s*[.):](?=\s|\Z)"
_CONCLUSION = r"(?:[\n.,;:!?]|\b(?:so|therefore|thus|hence|is|be|with|option|choose|but)\b)\s*"


@dataclass(frozen=True)
class Settled:
    """position: the option that a text settles on. ambiguous: it names several and settles on none."""

    position: int | None
    ambiguous: bool = False


def read_letter(text: str, labels: Sequence[str], options: Sequence[str]) -> int | None:
    """The position of the option that a reply names by its label; None where it settles on none.

    Tried in turn: what containers hold (boxes, answer tags, JSON); the last plain statement ("the answer is
    B", "B is correct", "I would go with B"); a label at the beginning; what the text concludes ("so B.");
    a label alone at the end; the only label that is emphasised or in brackets. A label that is negated, ruled
    out, only supposed, or named together with another one decides nothing. After a correction ("A. Wait, B.")
    what follows it counts.

    Args:
        text: the reply as the model gave it.
        labels: how the options are called.
        options: the options' texts; may be empty where they are not known.

    Example:
        >>> read_letter("A is a car, so it must be B, not C.", ("A", "B", "C"), ("car", "bus", "bike"))
        1
    """
    if not labels:
        return None
    said = final_text(text)
    parts = contained(said)
    for content in parts.contents:
        reading = _read(content, labels, options)
        if reading.position is not None:
            return reading.position
        position = named_text(content, options)
        if position is not None:
            return position
    return _read(parts.rest, labels, options).position


def _read(text: str, labels: Sequence[str], options: Sequence[str]) -> Settled:
    """What a text without containers says; a correction in it counts more than what is before it."""
    cleaned = plain(text)
    pattern = LabelPattern(labels)
    for match in reversed(list(phrases.CORRECTION.finditer(cleaned))):
        later = _settled(cleaned[match.end() :], text, pattern, labels, options)
        if later.position is not None or later.ambiguous:
            return later
    return _settled(cleaned, text, pattern, labels, options)


def _settled(
    text: str, marked_up: str, pattern: LabelPattern, labels: Sequence[str], options: Sequence[str]
) -> Settled:
    text = text.strip().strip("\"'").strip()
    found = mentions(text, pattern)
    stated = _last(found, Standing.STATED)
    if stated is not None:
        return stated
    leading = _leading(text, pattern, labels, options, found)
    alone = _alone_at_end(text, pattern)
    if leading is not None:
        last = Settled(alone) if alone is not None else _concluding(text, pattern, found)
        agrees = last is None or last.position in (None, leading.position)
        return leading if agrees else Settled(None, ambiguous=True)
    refusal = phrases.REFUSAL.search(text)
    if refusal is not None:
        return _guessed(text[refusal.end() :], found, offset=refusal.end()) or Settled(None)
    steps: tuple[Callable[[], Settled | None], ...] = (
        lambda: _last(found, Standing.CONCLUDED),
        lambda: None if alone is None else Settled(alone),
        lambda: _concluding(text, pattern, found),
        lambda: _emphasised(marked_up, pattern, labels, options),
        lambda: _in_brackets(text, pattern, found),
    )
    for step in steps:
        reading = step()
        if reading is not None:
            return reading
    return Settled(None)


def _guessed(later: str, found: Sequence[Mention], *, offset: int) -> Settled | None:
    """What a model guesses after it has said that it cannot tell: "I don't know, maybe B"."""
    turn = re.search(r"[,.;!?\n]|\bbut\b", later)
    if turn is None:
        return None
    return _last([each for each in found if each.start >= offset + turn.start()], Standing.CONCLUDED)


def _last(found: Sequence[Mention], standing: Standing) -> Settled | None:
    """What the last of the mentions with this standing names; ambiguous where two of one sentence differ."""
    chosen = [mention for mention in found if mention.standing == standing]
    if not chosen:
        return None
    last = chosen[-1]
    named = {label for each in chosen if each.sentence == last.sentence for label in each.labels}
    if len(named) > 1:
        return Settled(None, ambiguous=True)
    denied = any(
        each.standing == Standing.RULED_OUT and each.start > last.start for each in _of(found, named)
    )
    return Settled(None, ambiguous=True) if denied else Settled(last.labels[0])


def _of(found: Sequence[Mention], labels: set[int]) -> list[Mention]:
    return [mention for mention in found if labels & set(mention.labels)]


def _leading(
    text: str,
    pattern: LabelPattern,
    labels: Sequence[str],
    options: Sequence[str],
    found: Sequence[Mention],
) -> Settled | None:
    """A label at the very beginning, alone or before a sign, a reason or its own option's text."""
    match = re.match(rf"{KIND}{OPEN}({pattern.one}){CLOSE}", text, re.IGNORECASE)
    if match is None:
        return None
    position = pattern.position(match[1])
    after = text[match.end(1) :]
    first = next((each for each in found if each.start <= match.start(1) < each.end), None)
    if first is not None and len(first.labels) > 1:
        return Settled(None, ambiguous=True)
    if first is not None and first.standing == Standing.RULED_OUT:
        return None
    if not re.match(_AFTER_LEAD, after, re.IGNORECASE):
        return Settled(position) if _has_own_text(after, position, options) else None
    if match[1] in {"a", "i"} and not re.match(r"\s*(?:[.):\]]|\Z)", after):
        return None
    is_alone = re.match(r"\s*[.)\]]*\s*(?:\n|\Z)", after) is not None
    listed = {pattern.position(m) for m in re.findall(_LISTED.format(one=pattern.one), text)}
    if not is_alone and len(listed | {position}) > 1:
        return None  # the options are gone through; what is concluded from it may follow
    denied = any(each.standing == Standing.RULED_OUT for each in _of(found, {position}))
    return Settled(None, ambiguous=True) if denied else Settled(position)


def _has_own_text(after: str, position: int, options: Sequence[str]) -> bool:
    """Whether the label's own option follows it, perhaps cut off: "B a blue b"."""
    if position >= len(options) or not after.startswith((" ", "\t")):
        return False
    own, given = squeezed(options[position]), squeezed(after)
    return bool(own) and len(given) > 1 and (given.startswith(own) or own.startswith(given))


def _alone_at_end(text: str, pattern: LabelPattern) -> int | None:
    """A label that is all of the last line of several."""
    match = re.search(rf"\n\s*{KIND}{OPEN}({pattern.one}){CLOSE}[.!]*\s*\Z", text)
    return pattern.position(match[1]) if match else None


def _concluding(text: str, pattern: LabelPattern, found: Sequence[Mention]) -> Settled | None:
    """A capital label at the end, after a sign or a word such as "so"."""
    match = re.search(rf"{_CONCLUSION}{KIND}{OPEN}({pattern.one}){CLOSE}[.!]*\s*\Z", text)
    if match is None:
        return None
    own = [each for each in found if each.start <= match.start(1) < each.end]
    if any(len(each.labels) > 1 or each.standing == Standing.RULED_OUT for each in own):
        return Settled(None, ambiguous=True)
    position = pattern.position(match[1])
    is_first_thought = any(each.standing == Standing.MENTIONED for each in own) and is_superseded(
        text[: match.start(1)]
    )
    return None if is_first_thought else Settled(position)


def _emphasised(
    marked_up: str, pattern: LabelPattern, labels: Sequence[str], options: Sequence[str]
) -> Settled | None:
    """The only label that is printed in bold, alone or with its option's text."""
    found = set()
    for first, second in _EMPHASISED.findall(marked_up):
        match = re.match(rf"{KIND}{OPEN}({pattern.one}){CLOSE}(?:\s*[.:)]|\s*\Z)", plain(first or second))
        if match:
            found.add(pattern.position(match[1]))
    return Settled(found.pop()) if len(found) == 1 else None


def _in_brackets(text: str, pattern: LabelPattern, found: Sequence[Mention]) -> Settled | None:
    """The only label in brackets, where no other label is mentioned and nothing denies it."""
    bracketed = {pattern.position(name) for name in re.findall(rf"[(\[]({pattern.one})[)\]]", text)}
    denied = {label for each in found if each.standing == Standing.RULED_OUT for label in each.labels}
    if len(bracketed) != 1 or denied:
        return None
    return Settled(bracketed.pop())
