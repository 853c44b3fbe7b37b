"""Reading yes, no or a letter out of what models really write; never a guess."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtok_eval.endpoint.choices import YES_NO, choice_format, read_choice, read_structured
from vtok_eval.endpoint.retry import retry_after_s, wait_s

LETTERS = ("A", "B", "C", "D")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"answer": "yes"}', "yes"),
        ('```json\n{"answer": "No"}\n```', "no"),
        ("Yes", "yes"),
        (" **No.**", "no"),
        ("yes, the ball moves left", "yes"),
        ("No. There are three, yes three, balls.", "no"),
        ("The ball is red. So the answer is: yes", "yes"),
        ("Answer: no", "no"),
        ("**Answer:** no", "no"),
        ("I would say yes", "yes"),
        ("", None),
        ("I can't tell", None),
        ("Nothing moves", None),  # "no" inside a word
        ("Yesterday it was red", None),
        ("yes or no", None),
        ("yes/no", None),
        ("It could be yes, it could be no", None),
        ("The answer is not yes", None),
        ("I cannot answer no matter what", None),
        ("<think>The answer is no at first.</think>Yes", "yes"),
        ("The answer is no, it seems.\n</think>\n\nYes", "yes"),
        ("[THINK]no[/THINK] yes</s>", "yes"),
        ("<|channel|>analysis<|message|>no<|end|><|start|>assistant<|channel|>final<|message|>Yes.", "yes"),
        ("<think>yes, I am sure of", None),
        ('<think>{"answer": "no"}</think>{"answer": "yes"}', "yes"),
        ("\\boxed{No}", "no"),
        ("はい", "yes"),
        ('{"answer": "maybe"}', None),
        ('{"verdict": "yes"}', "yes"),  # no key "answer", but one choice as a word
        ('{"answer": "ye', None),
        ("I'm sorry, I can't help with that.", None),
    ],
)
def test_yes_no(text, expected):
    assert read_choice(text, YES_NO) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"answer": "B"}', "B"),
        ("B", "B"),
        ("b", "B"),
        ("(B)", "B"),
        ("B.", "B"),
        ("B) two", "B"),
        ("**C**", "C"),
        ("The answer is (B).", "B"),
        ("the answer is D", "D"),
        ("First I thought the answer is A. But the correct answer is C", "C"),
        ("Looking closely, option B fits", "B"),
        ("It is (D), two balls.", "D"),
        ("A cat walks by", None),
        ("The answer is a cat", None),
        ("A or B", None),
        ("(A) and (B)", None),
        ("A. no, B.", None),
        ("E", None),
        ("Dogs", None),
        ("I can't tell", None),
    ],
)
def test_letters(text, expected):
    assert read_choice(text, LETTERS) == expected


def test_structured_only_reads_the_object():
    assert read_structured("yes", YES_NO) is None
    assert read_structured('["yes"]', YES_NO) is None
    assert read_structured('{"answer": true}', YES_NO) is None
    assert read_structured('{"answer": " YES "}', YES_NO) == "yes"


@given(st.text(max_size=60))
def test_whatever_is_written_it_is_a_choice_or_none(text):
    assert read_choice(text, YES_NO) in ("yes", "no", None)
    assert read_choice(text, LETTERS) in (*LETTERS, None)


@given(st.sampled_from(LETTERS))
def test_what_the_schema_allows_is_read_back(letter):
    schema = choice_format(LETTERS)["json_schema"]["schema"]
    assert schema["properties"]["answer"]["enum"] == list(LETTERS)
    assert schema["additionalProperties"] is False
    assert read_choice(json.dumps({"answer": letter}), LETTERS) == letter


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("headers", "expected"),
        [
            ({"retry-after": "3"}, 3.0),
            ({"retry-after": "0.5"}, 0.5),
            ({"retry-after-ms": "250", "retry-after": "3"}, 0.25),
            ({"retry-after": "Tue, 24 Nov 2026 02:00:30 GMT"}, 30.0),
            ({"retry-after": "Tue, 24 Nov 2026 01:00:00 GMT"}, 0.0),  # in the past
            ({"retry-after": "soon"}, None),
            ({"retry-after": "-1"}, None),
            ({"retry-after": "inf"}, None),
            ({}, None),
        ],
    )
    def test_read(self, headers, expected):
        assert retry_after_s(headers, now=datetime(2026, 11, 24, 2, 0, 0, tzinfo=UTC)) == expected

    @given(st.integers(0, 2000))
    def test_waits_stay_within_bounds(self, attempt):
        wait = wait_s(attempt, {}, backoff_s=1.0, max_wait_s=60.0, draw=random.Random(attempt))
        assert 0.5 <= wait <= 60.0
