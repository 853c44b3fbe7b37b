"""Mentions of labels in a text, and what is said of each: that it is the answer or not, or neither."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from vtok_eval.answerers.reading import phrases
from vtok_eval.answerers.reading.plain_text import WORD

OPEN = r"(?:[(\[{<#\"'「『【《]\s*){0,4}"
CLOSE = r"\s*[)\]}>#\"'」』】》]*"
KIND = (
    r"(?:(?:the\s+|l')?(?:options?|choices?|answers?|letters?|statement|caption|sentence|description|label"
    r"|opci[óo]n|opzione|op[çc][ãa]o|opcja|optie|alternativa|antwort|letra|lettre|lettera|buchstabe|вариант|буква|选项|選項|選択肢|보기|선택지)\s*:?\s*)?"
)
_JOIN = (
    r"\s*(?:,?\s*(?:\b(?:and|or|nor|oder|und|ou|et|y|e|или|и)\b|&|/|\||\+|或者?|和|与|또는|か|と)|,)\s*"
    r"(?:(?:maybe|perhaps|possibly|even|either|also)\s+)?"
)
_AFTER_LETTER_WORD = re.compile(
    r"\s+(?!(?:is|isn't|was|wasn't|are|seems?|looks?|appears?|match(?:es)?|fits?|shows?|describes?|works?|because"
    r"|since|as|and|or|but|nor|would|wouldn't|could|couldn't|can|can't|cannot|must|should|shouldn't|might|may|has"
    r"|had|does|doesn't|did|didn't|with|for|instead|rather|over|not|then|best|correctly|clearly|remains?|makes?|out"
    r"|leaves?|wins?|due|from|here|fails?|lacks?|contradicts?|being|to\s+be|ist|w[äa]re|w[äa]hlen|nehmen|est|es"
    r"|[èé]|jest|weil|car|porque|perch[ée]|adalah|правиль\w*|верн\w*|является)(?!\w))[^\W\d_]"
)
"""A word after "A" or "I" that makes it an article or a pronoun."""
_TURN = re.compile(r"\b(?:but|however|yet|now|though|although|aber|mais|pero|ma|mas|но)\b", re.IGNORECASE)
"""Words at which a sentence turns away from what it said before."""
_SENTENCE_END = re.compile(r"[!?;\n]|\.(?=\s|\Z)|…")


class Standing(IntEnum):
    """What a text says of a label it mentions; the higher, the plainer."""

    RULED_OUT = -1
    MENTIONED = 0
    CONCLUDED = 1
    STATED = 2


@dataclass(frozen=True)
class Mention:
    """labels: positions of the labels that are mentioned as one ("A or B"). start, end: in the text."""

    labels: tuple[int, ...]
    start: int
    end: int
    sentence: int
    standing: Standing


class LabelPattern:
    """How the labels of a question are recognised in plain text."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._positions = {name.upper(): place for place, name in enumerate(labels)}
        names = "|".join(re.escape(name) for name in sorted(labels, key=len, reverse=True))
        bound = rf"(?!{WORD})(?!['’]\w)(?!-\w)(?!\.\w\.)"
        self.one = rf"(?<!{WORD})(?<!\w-)(?<!\w')(?:{names}){bound}"
        single = rf"{KIND}{OPEN}({self.one}){CLOSE}"
        # After a comma alone, the next label must be followed by another sign, not by a word.
        closed = r"(?=\s*(?:[,.;:)\]/\n]|\Z|(?:and|or|nor|are|oder|und|et|ou|y|e)\b))"
        more = rf"(?:{_JOIN}{KIND}{OPEN}{self.one}{CLOSE}{closed})*"
        self.group = re.compile(single + more, re.IGNORECASE)
        self._each = re.compile(self.one, re.IGNORECASE)

    def position(self, name: str) -> int:
        """The position of a label."""
        return self._positions[name.upper()]

    def groups(self, text: str) -> Iterator[re.Match[str]]:
        """Every place where one label or several joined ones are mentioned; articles and pronouns are not."""
        position = 0
        while match := self.group.search(text, position):
            position = match.end(1)
            if not _is_word(text, match[1], match.end(1)):
                yield match
                position = match.end()

    def labels_in(self, match: re.Match[str]) -> tuple[int, ...]:
        """The positions of the labels in one place, each once."""
        found = [m[0] for m in self._each.finditer(match[0], match.start(1) - match.start())]
        kept = [name for name in found if name == match[1] or name.isupper() or name.isdigit()]
        return tuple(dict.fromkeys(self.position(name) for name in kept))


def mentions(text: str, pattern: LabelPattern) -> list[Mention]:
    """Every mention of a label in plain text, in order, with what is said of it."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    found = []
    for match in pattern.groups(text):
        labels = pattern.labels_in(match)
        sentence = sum(end <= match.start() for end in ends)
        start = ends[sentence - 1] if sentence else 0
        end = ends[sentence] if sentence < len(ends) else len(text)
        # A dot that belongs to the label ("B. a bus") does not end what is said of it.
        standing = _standing(
            text, match, sentence=text[start:end], before_in_sentence=text[start : match.start()]
        )
        if standing is not None:
            found.append(Mention(labels, match.start(), match.end(), sentence, standing))
    return found


def _standing(text: str, match: re.Match[str], *, sentence: str, before_in_sentence: str) -> Standing | None:
    """What is said of a label; None where a small letter is not meant as a label."""
    before, after = text[max(0, match.start() - 160) : match.start()], text[match.end() : match.end() + 160]
    kind = match[0][: match.start(1) - match.start()]
    lead = f"{before}{kind}" if kind.strip(" ([{\"'") else before
    stated = phrases.says_answer(before) or (lead != before and phrases.says_answer(lead))
    name = match[1]
    named = kind.strip().lower() in {"option", "choice", "letter"} and phrases.is_right(after)
    if name.islower() and not (named or _is_marked(match, text) or (stated and _ends(text, match))):
        return None
    if phrases.NOT_BEFORE.search(before) or phrases.CJK_NOT_BEFORE.search(before):
        return Standing.RULED_OUT
    if phrases.NOT_AFTER.match(after) or phrases.CJK_NOT_AFTER.match(after):
        return Standing.RULED_OUT
    if _is_unsure(before_in_sentence, sentence) or after.lstrip(" )]\"'").startswith("?"):
        question = after.lstrip(" )]\"'").startswith("?") and phrases.SO.search(before)
        return (
            Standing.CONCLUDED
            if question and not _is_unsure(before_in_sentence, sentence)
            else Standing.MENTIONED
        )
    if stated or phrases.is_right(after) or phrases.CJK_AFTER.match(after):
        return Standing.STATED
    if phrases.FITS.match(after) or (phrases.SO.search(before) and phrases.ENDS.match(after)):
        return Standing.CONCLUDED
    return Standing.MENTIONED


def _is_unsure(before: str, sentence: str) -> bool:
    """Whether the sentence supposes, or tells what was thought before or what others think."""
    return bool(phrases.HYPOTHESIS.search(sentence) or is_superseded(before))


def is_superseded(before: str) -> bool:
    """Whether the words before a mention tell what was thought at first, or what others think."""
    said = _TURN.split(before)[-1]
    return bool(phrases.SUPERSEDED.search(said) or phrases.OTHERS.search(said))


def _is_word(text: str, name: str, end: int) -> bool:
    """Whether "A" or "I" is an article or a pronoun here."""
    return name in {"A", "I", "a", "i"} and _AFTER_LETTER_WORD.match(text, end) is not None


def _is_marked(match: re.Match[str], text: str) -> bool:
    """Whether brackets or quotes show that a letter is meant: "(b)"."""
    opening = text[match.start(1) - 1 : match.start(1)]
    return (
        opening in {"(", "[", '"', "'", "「", "【"} and text[match.end(1) : match.end(1) + 1] in ")]\"'」】"
    )


def _ends(text: str, match: re.Match[str]) -> bool:
    """Whether a small letter is followed by what follows a label; "a" at a text's end may be a cut word."""
    rest = text[match.end(1) :]
    if re.match(r"\s*[.,;:!)\]\n]", rest):
        return True
    return not rest.strip() and match[1] not in {"a", "i"}
