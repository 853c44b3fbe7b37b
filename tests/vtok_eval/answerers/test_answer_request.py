"""Requests: labels and grouping by clip."""

from __future__ import annotations

import pytest

from vtok_eval.answerers.request import Answer, AnswererError, AnswerRequest, by_clip, option_labels


def test_labels():
    assert AnswerRequest(None, "?", ["red", "blue"]).labels == ("A", "B")
    assert AnswerRequest(None, "?", ("a", "b"), ("1", "2")).labels == ("1", "2")
    assert option_labels(()) == ()
    assert option_labels(("Yes", "no")) == ("Yes", "no")
    with pytest.raises(AnswererError, match="27 options"):
        option_labels(["x"] * 27)
    with pytest.raises(AnswererError, match="1 labels for 2 options"):
        AnswerRequest(None, "?", ("a", "b"), ("A",))


def test_scores_go_before_text():
    assert Answer(text="x", scores=(0.5,)).value() == (0.5,)
    assert Answer(text="x").value() == "x"
    assert Answer().value() == ""


def test_clips_are_told_apart_by_identity(random_clip):
    first, equal = random_clip(0), random_clip(0)
    requests = [AnswerRequest(clip, "?") for clip in (first, equal, None, first, None)]
    assert [(clip, places) for clip, places in by_clip(requests)] == [
        (first, [0, 3]),
        (equal, [1]),
        (None, [2, 4]),
    ]
