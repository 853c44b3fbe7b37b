"""The reader on the labelled answers: few are read wrongly, few are not read, and the docs say how many."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tools.reading_quality import labelled_answers, quality_table

PAGE = Path(__file__).parents[4] / "docs" / "benchmarks.md"


def test_at_most_one_in_a_hundred_is_wrong_and_five_are_unread():
    answers = labelled_answers()
    counts = Counter(each.outcome() for each in answers)
    assert len(answers) >= 300
    assert len({each.style for each in answers}) == 12
    assert counts["wrong"] <= 0.01 * len(answers)
    assert counts["unread"] <= 0.05 * len(answers)


def test_the_set_asks_for_reading_and_for_not_reading():
    """A reader that always or never reads would fail: in a fifth of the answers there is nothing to read."""
    answers = labelled_answers()
    nothing = sum(each.expected is None for each in answers)
    assert 0.15 * len(answers) < nothing < 0.4 * len(answers)
    assert len({(each.options, each.text) for each in answers}) == len(answers)
    held_out = sum(each.part == "held_out" for each in answers)
    assert held_out >= len(answers) / 3 - 1


def test_the_table_in_the_docs_is_what_the_reader_gives():
    assert "\n".join(quality_table(labelled_answers())) in PAGE.read_text(encoding="utf-8")
