"""How lmms-eval (75571cf) reads an answer, rule by rule as it does, so that its numbers can be checked.

Every rule here differs from `extraction` in some way that moves scores; docs/benchmarks.md lists them. A rule
gives the option's position, or None where lmms-eval reads nothing and its fallback decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from benchmarks.understanding.questions.question import VideoQuestion

_PHRASES = (
    "the answer is", "answer is", "the correct answer is", "correct answer is", "the best answer is",
    "best answer is", "the correct option is", "correct option is", "the best option is", "best option is",
    "the choice is", "choice is", "the correct choice is", "correct choice is", "i choose", "i select",
    "i pick", "my answer is", "my choice is", "옵션", "정답은", "답은", "답:",
    "答案是", "答案为", "选", "答えは",
)  # fmt: skip
_FIRST_LETTER_PREFIXES = (
    "The best answer is", "The correct answer is", "The answer is", "The answer", "The best option is",
    "The correct option is", "Best answer:", "Best option:",
)  # fmt: skip
_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'

PeerRule = Callable[[str, VideoQuestion, Sequence[str]], "int | None"]


def read_as_peer(rule: str, answer: str, question: VideoQuestion, letters: str | None) -> int | None:
    """The option that lmms-eval reads; None where it falls back.

    letters: those it looks for; the question's labels where None. A letter beyond the options counts as one
    that was read and is wrong: its position is the number of options.
    """
    return _RULES[rule](answer, question, tuple(letters) if letters else question.labels)


def _position(letter: str, question: VideoQuestion) -> int:
    labels = question.labels
    return labels.index(letter) if letter in labels else len(labels)


def _letter_word(answer: str, question: VideoQuestion, letters: Sequence[str]) -> int | None:
    """MVBench: a leading "X.", else the first word A to E of either case, the article "a" included."""
    leading = re.match(r"^([A-E])\.\s*(.+)$", answer.strip(), re.IGNORECASE)
    if leading:
        return _position(leading[1].upper(), question)
    text = answer.replace("\n", " ").replace("\t", " ").strip()
    stripped = text
    has_number = re.search(r"(\d)(\,)(\d)", text) is not None
    for mark in _PUNCTUATION:
        beside_space = mark + " " in text or " " + mark in text
        stripped = stripped.replace(mark, "" if beside_space or has_number else " ")
    # Its call hands re.UNICODE (32) over as the number of full stops to remove.
    stripped = re.sub(r"(?!<=\d)(\.)(?!\d)", "", stripped, count=32)
    found = re.search(r"\b([A-E])\b", stripped, re.IGNORECASE)
    return _position(found[1].upper(), question) if found else None


def _ranked(answer: str, question: VideoQuestion, letters: Sequence[str]) -> int | None:
    """Video-MME, MLVU: the best-ranked form wins, a later place within it; a letter in a word is the last."""
    text = answer.strip()
    if not text:
        return None
    for mark in (",", ".", "!", "?", ";", ":", "'", '"'):
        text = text.strip(mark)
    text = f" {text} "
    found: list[tuple[int, int, str]] = []
    for letter in letters:
        for rank, form in ((6, f"({letter})"), (5, f"{letter}."), (4, f"{letter}:"), (3, f"{letter})")):
            if form in text:
                found.append((rank, text.rfind(form), letter))
        if f"{letter} " in text:
            found.append((2, text.rfind(f"{letter} "), letter))
    for phrase in _PHRASES:
        at = text.lower().find(phrase)
        for letter in letters if at != -1 else ():
            place = text.find(letter, at + len(phrase))
            if place != -1:
                found.append((7, place, letter))
    core = text.strip()
    for letter in letters:
        if core.startswith(letter) and not core[1:2].isalpha():
            found.append((10, 0, letter))
        if core.endswith(letter) and (len(core) == 1 or not core[-2].isalpha()):
            found.append((9, len(text) - 1, letter))
    if not found:
        found = [(0, text.rfind(letter), letter) for letter in letters if letter in text]
    if not found:
        return None
    # Equal in rank and place, the first letter wins, as in a stable sort.
    best = max(found, key=lambda entry: entry[:2])
    return _position(best[2], question)


def _stripped(answer: str) -> str:
    for mark in (",", ".", "!", "?", ";", ":", "'"):
        answer = answer.strip(mark)
    return f" {answer} "


def _by_content(text: str, question: VideoQuestion, options: Sequence[str]) -> list[tuple[int, int]]:
    """Options whose text occurs in an answer of more than five words: position and last place."""
    if len(text.split()) <= 5:
        return []
    lowered = text.lower()
    return [
        (i, lowered.rfind(option.lower())) for i, option in enumerate(options) if option.lower() in lowered
    ]


def _mmmu(answer: str, question: VideoQuestion, letters: Sequence[str]) -> int | None:
    """NExT-QA: "(X)", else "X " anywhere (also at a word's end), else "X."; of several the last one."""
    text = _stripped(answer)
    bracketed = [letter for letter in letters if f"({letter})" in text]
    spaced = [letter for letter in letters if f"{letter} " in text]
    dotted = [letter for letter in letters if f"{letter}." in text]
    named = bracketed or spaced or dotted
    if not named:
        content = _by_content(text, question, question.options)
        return max(content, key=lambda entry: entry[1])[0] if content else None
    form = "({})" if bracketed else " {} "
    return _position(max(named, key=lambda letter: text.rfind(form.format(letter))), question)


def _mmmu_earliest(answer: str, question: VideoQuestion, letters: Sequence[str]) -> int | None:
    """EgoSchema: of "(X)", "X " and "X." the one whose last occurrence is the earliest."""
    text = _stripped(answer)
    forms = [f"({letter})" for letter in letters] + [f"{letter} " for letter in letters]
    forms += [f"{letter}." for letter in letters]
    found = [form for form in forms if form in text]
    if not found:
        listed = [
            f"{label}. {option}" for label, option in zip(question.labels, question.options, strict=True)
        ]
        content = _by_content(text, question, listed)
        return min(content, key=lambda entry: entry[1])[0] if content else None
    return _position(min(found, key=text.rfind).strip("(). "), question)


def _first_letter(answer: str, question: VideoQuestion, letters: Sequence[str]) -> int | None:
    """LongVideoBench: the first capital A to E anywhere, also inside a word, after phrases are cut out."""
    text = answer.strip()
    for prefix in _FIRST_LETTER_PREFIXES:
        text = text.replace(prefix, "")
    found = re.search("[ABCDE]", text)
    return _position(found[0], question) if found else None


def _first_letter_word(answer: str, question: VideoQuestion, letters: Sequence[str]) -> int | None:
    """PerceptionTest: the first A to D that is a separate word, the capital article included."""
    found = re.search(r"\b[A-D]\b", answer)
    return _position(found[0], question) if found else None


def _any_capital(answer: str, question: VideoQuestion, letters: Sequence[str]) -> int | None:
    """TOMATO: any option's capital anywhere; of several the last in brackets, else the first option."""
    text = _stripped(answer)
    found = [letter for letter in letters if letter in text]
    if not found:
        content = _by_content(text, question, question.options)
        return max(content, key=lambda entry: entry[1])[0] if content else None
    return _position(max(found, key=lambda letter: text.rfind(f"({letter})")), question)


def _letter_or_text(answer: str, question: VideoQuestion, letters: Sequence[str]) -> int | None:
    """TVBench: the first single letter if it is an option's ("a" too), else a leading one, else the text."""
    text = answer.strip().upper()
    choices = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: max(len(question.options), 2)]
    for found in (re.search(r"\b([A-Z])\b", text), re.match(r"^\s*[\(\[]?([A-Z])[\)\].:]?", text)):
        if found and found[1] in choices:
            return _position(found[1], question)
    lowered = " ".join(answer.lower().split())
    texts = [" ".join(option.lower().split()) for option in question.options]
    held = [i for i, option in enumerate(texts) if option and option in lowered]
    return held[0] if len(held) == 1 else None


def _exact_or_prefix(answer: str, question: VideoQuestion, letters: Sequence[str]) -> int | None:
    """TempCompass, multiple choice: the option's line, its letter, or a leading "X." or "X)", untrimmed."""
    for i, (label, option) in enumerate(zip(question.labels, question.options, strict=True)):
        if answer in (f"{label}. {option}", label):
            return i
    found = re.match(r"([A-D])[.)]", answer)
    return _position(found[1], question) if found else None


def _caption(answer: str, question: VideoQuestion, letters: Sequence[str]) -> int | None:
    """TempCompass, caption matching: the option's line, its text or its name, untrimmed."""
    leads = question.leads or ("",) * len(question.options)
    read = None
    for i, (lead, label, option) in enumerate(zip(leads, question.labels, question.options, strict=True)):
        after_bracket = answer.split(") ")[1] if ") " in answer else None
        names = (f"{lead}{label}", label)
        if f"{lead}{label}: {option}" == answer or option in (answer, after_bracket):
            read = i
        if answer in names or answer.replace(".", "") in names:
            read = i
    return read


def _yes_no_prefix(answer: str, question: VideoQuestion, letters: Sequence[str]) -> int | None:
    """TempCompass, yes/no: what the answer begins with, so that "not sure" is a no."""
    lowered = answer.lower()
    for i, label in enumerate(question.labels):
        if lowered.startswith(label):
            return i
    return None


def _first_character(answer: str, question: VideoQuestion, letters: Sequence[str]) -> int | None:
    """Vinoground: the first character, whatever follows; an empty answer stops lmms-eval with an error."""
    upper = [label.upper() for label in question.labels]
    return upper.index(answer[0].upper()) if answer and answer[0].upper() in upper else None


_RULES: dict[str, PeerRule] = {
    "letter-word": _letter_word,
    "ranked": _ranked,
    "mmmu": _mmmu,
    "mmmu-earliest": _mmmu_earliest,
    "first-letter": _first_letter,
    "first-letter-word": _first_letter_word,
    "any-capital": _any_capital,
    "letter-or-text": _letter_or_text,
    "exact-or-prefix": _exact_or_prefix,
    "caption": _caption,
    "yes-no-prefix": _yes_no_prefix,
    "first-character": _first_character,
}


def rule_in_words(rule: str) -> str:
    """What a rule does, in a sentence, without the benchmark's name in front."""
    words = (_RULES[rule].__doc__ or "").partition(": ")[2]
    return words[:1].upper() + words[1:]
