"""Hard answers, as models really give them, and what each must be read as; None is "cannot be read"."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.understanding.questions.answering.extraction import (
    READERS,
    read_first_character,
    read_letter,
    read_option,
    read_option_text,
    read_yes_no,
)

LABELS = ("A", "B", "C", "D")
OPTIONS = ("one", "two", "a red ball", "a dark red ball")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("B", "B"),
        ("b", "B"),
        (" B. ", "B"),
        ("(b)", "B"),
        ("[C]", "C"),
        ("B)", "B"),
        ("B) two", "B"),
        ("B. two", "B"),
        ("B: two", "B"),
        ("B two", "B"),
        ("B - two", "B"),
        ("c. a red ball", "C"),
        ("The answer is (B).", "B"),
        ("The answer is B", "B"),
        ("the correct answer is: b", "B"),
        ("Answer: D", "D"),
        ("Answer:\nD", "D"),
        ("option c", "C"),
        ("Option C is correct.", "C"),
        ("I would choose option D because it falls.", "D"),
        ("I choose B", "B"),
        ("The best option is C, not A.", "C"),
        ("**B**", "B"),
        ("**Answer:** B", "B"),
        ("The answer is **B**.", "B"),
        ("`B`", "B"),
        ("__B__", "B"),
        ('"B"', "B"),
        ("Ｂ", "B"),
        ("（Ｂ）", "B"),
        ("Ｂ．", "B"),
        ("答案是Ｂ", "B"),
        ("答案：C", "C"),
        ("选 D。", "D"),
        (r"\boxed{C}", "C"),
        (r"So A is out. \boxed{\text{C}}", "C"),
        ("<answer>B</answer>", "B"),
        ("<think>A? no, C.</think>B", "B"),
        ("The ball starts left and stops right.\nD", "D"),
        ("It is not A, since nothing moves. B would need a turn. So the answer is C", "C"),
        ("A shows red, B shows blue; the clip shows green, therefore D.", "D"),
        ("First I thought the answer is A. But the answer is B.", "B"),
        ("It must be (C), as the ball is red.", "C"),
        ("Option A is wrong. Option B is right.", "B"),
        # What names no option, or more than one, is not read.
        ("", None),
        ("   ", None),
        ("...", None),
        ("A or B", None),
        ("A, B", None),
        ("A/B", None),
        ("A and B", None),
        ("(A) or (B)", None),
        ("The answer is A or B.", None),
        ("It could be A, B", None),
        ("A. one\nB. two\nC. a red ball", None),
        ("I can't tell", None),
        ("I cannot see the video.", None),
        ("Because", None),
        ("Blue, clearly", None),
        ("cab", None),
        ("A man is running.", None),
        ("a man is running", None),
        ("The answer is a man running", None),
        ("E", None),
        ("It is not (B).", None),
        ("<think>The answer is B", None),
        ("None of the above", None),
        ("Option A is wrong.", None),
        ("The answer is not A", None),
    ],
)
def test_letters(answer, expected):
    position = read_letter(answer, LABELS, OPTIONS)
    assert (None if position is None else LABELS[position]) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("two", 1),
        ("Two.", 1),
        ("It is two", 1),
        ("a dark red ball", 3),  # "a red ball" is not in it
        ("I see a dark red ball there", 3),
        ("a red ball", 2),
        ("one or two", None),
        ("a red ball and a dark red ball", None),
        ("someone", None),  # "one" inside a word
        ("", None),
        ("three", None),
    ],
)
def test_option_texts(answer, expected):
    assert read_option_text(answer, LABELS, OPTIONS) == expected


def test_an_option_that_stands_twice_is_no_answer_by_its_text():
    assert read_option_text("red", ("A", "B"), ("red", "Red")) is None


def test_readers_are_tried_in_order():
    assert read_option("C", ("letter", "option-text"), labels=LABELS, options=OPTIONS) == 2
    assert read_option("two", ("letter", "option-text"), labels=LABELS, options=OPTIONS) == 1
    assert read_option("two", ("letter",), labels=LABELS, options=OPTIONS) is None


def test_labels_that_are_numbers():
    labels = ("1", "2")
    assert read_letter("Option 2", labels, ("x", "y")) == 1
    assert read_letter("2.", labels, ("x", "y")) == 1
    assert read_letter("12", labels, ("x", "y")) is None


@pytest.mark.parametrize(
    ("answer", "expected"),
    [("B", 1), ("b.", 1), ("(B)", 1), ("A: first", 0), ("Both", None), ("A1", None), ("", None), ("C", None)],
)
def test_first_character(answer, expected):
    assert read_first_character(answer, ("A", "B"), ()) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("yes", "yes"),
        ("Yes.", "yes"),
        ("YES, it does", "yes"),
        ("No", "no"),
        ("no, nothing moves", "no"),
        ("The answer is no.", "no"),
        ("**Yes**", "yes"),
        ("ｙｅｓ", "yes"),
        ("是的", "yes"),
        ("不是", "no"),
        ("I would say yes", "yes"),
        ("The ball falls, so the answer is: yes", "yes"),
        ("<think>no</think>Yes", "yes"),
        ("yes or no", None),
        ("Yes and no", None),
        ("no idea", None),
        ("No one can tell", None),
        ("There is no dog", None),
        ("I know", None),
        ("yesterday", None),
        ("not sure", None),
        ("", None),
    ],
)
def test_yes_and_no(answer, expected):
    labels = ("yes", "no")
    position = read_yes_no(answer, labels, labels)
    assert (None if position is None else labels[position]) == expected


@given(st.text(max_size=200))
def test_any_text_is_read_without_an_error_and_the_same_twice(answer):
    for name, read in READERS.items():
        labels = ("yes", "no") if name == "yes-no" else LABELS
        options = labels if name == "yes-no" else OPTIONS
        position = read(answer, labels, options)
        assert position is None or 0 <= position < len(labels)
        assert read(answer, labels, options) == position


@given(st.sampled_from(LABELS), st.sampled_from(["{}", "({})", "{}.", "Answer: {}", "The answer is {}."]))
def test_turning_the_labels_turns_the_answer(label, form):
    turned = dict(zip(LABELS, (*LABELS[1:], LABELS[0]), strict=True))
    first = read_letter(form.format(label), LABELS, OPTIONS)
    second = read_letter(form.format(turned[label]), LABELS, OPTIONS)
    assert second == (first + 1) % len(LABELS)


@given(st.text(alphabet=string.ascii_lowercase + " ", max_size=60))
def test_plain_lower_case_words_name_no_label_by_accident(answer):
    """Only a lone letter, or one after option/answer/choice, may be read from words without punctuation."""
    words = answer.split()
    if len(words) > 1 and not {"answer", "option", "choice", "choose", "pick", "select"} & set(words):
        assert read_letter(answer, LABELS, ("w x", "y z", "q r", "s t")) is None
