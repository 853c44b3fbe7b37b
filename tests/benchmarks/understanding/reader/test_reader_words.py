"""Questions, answers and conversations about rendered scenes, and that no turn tells of a later answer."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest

from benchmarks.understanding.reader.conversations import conversation, drawn_order
from benchmarks.understanding.reader.evaluator import scores_by_attribute, unread_share
from benchmarks.understanding.reader.wording import (
    QUESTIONS,
    answer_score,
    answer_words,
    read_answer,
    vocabulary,
)
from benchmarks.understanding.scenes.benchmark import scene_sample
from vtok_eval.scenes.dataset import SceneSet
from vtok_eval.scenes.vocabulary import ATTRIBUTES, attribute

NAMES = [item.name for item in ATTRIBUTES]
TRUTHS = [dict(scene_sample(clip).target) for clip in SceneSet(0, "train", 200).clips()]


def test_every_attribute_has_a_question_of_its_own():
    assert list(QUESTIONS) == NAMES
    # The word that an answer follows says what was asked.
    assert len({question.split()[-1] for question in QUESTIONS.values()}) == len(NAMES)


@pytest.mark.parametrize("item", ATTRIBUTES, ids=lambda item: item.name)
def test_every_answer_is_read_as_it_was_meant(item):
    if item.kind == "single":
        for label in item.labels:
            assert read_answer(item, answer_words(label)) == label
            assert answer_score(item, read_answer(item, answer_words(label)), label) == 1.0
        return
    for size in (1, 2, 3, 4):
        for labels in combinations(item.labels, size):
            assert read_answer(item, answer_words(labels)) == labels


def test_an_answer_that_names_nothing_is_wrong():
    assert read_answer(attribute("speed"), "circle") is None
    assert scores_by_attribute({"speed": "circle"}, {"speed": "fast"}) == {"speed": 0.0}
    # Of six shapes one is there: none of the true is named, all five false ones are avoided.
    assert scores_by_attribute({"shapes_present": "fast"}, {"shapes_present": ["star"]}) == {
        "shapes_present": 0.5
    }
    assert unread_share({"speed": "circle", "path": "circle"}) == 0.5
    assert unread_share({}) == 0.0


def test_two_labels_are_no_single_answer():
    assert read_answer(attribute("speed"), "slow and fast") is None


def test_the_vocabulary_is_closed():
    words = set(vocabulary())
    for number, truth in enumerate(TRUTHS):
        for question, answer in conversation(truth, number):
            assert set(question.split()) <= words
            assert set(answer.split()) <= words


def test_what_is_asked_does_not_depend_on_the_answers():
    order = drawn_order(3, 1)
    for truth in TRUTHS[:50]:
        asked = [question for question, _ in conversation(truth, 3, 1)]
        assert asked == [QUESTIONS[name] for name in order if name in truth]


def test_a_conversation_is_the_same_for_the_same_key_and_another_for_another():
    truth = TRUTHS[0]
    assert conversation(truth, 0, 5) == conversation(truth, 0, 5)
    assert len({conversation(truth, 0, key) for key in range(20)}) > 10


CONTENTS = ("count", "shapes_present", "colours_present")
EVENTS = ("appears", "disappears", "colour_change")
TELLS = {
    **{name: {*EVENTS, *CONTENTS, "event_time", "position"} for name in EVENTS},
    **{name: {*CONTENTS, "position"} for name in CONTENTS},
    "path": {"direction", "speed"},
}
"""What tells something of an attribute's answer: by its own answer, or by being asked at all."""


def test_no_turn_tells_of_a_later_answer():
    for key in range(500):
        order = drawn_order(key)
        for place, name in enumerate(order):
            assert not set(order[:place]) & (TELLS.get(name, set()) - {name})


def test_presence_is_what_tells():
    """The table above, checked on scenes: what else is asked of a clip never moves an answer's frequencies
    unless the table says so."""
    for asked, other in ((a, b) for a in NAMES for b in NAMES if a != b):
        every = [truth for truth in TRUTHS if asked in truth]
        given = [truth for truth in every if other in truth]
        if attribute(asked).kind == "multi" or not given or other in TELLS.get(asked, set()):
            continue
        whole, part = (Counter(truth[asked] for truth in found) for found in (every, given))
        for label in attribute(asked).labels:
            expected, found = whole[label] / len(every), part[label] / len(given)
            assert abs(expected - found) < 0.25, (asked, other, label)


def test_each_attribute_is_asked_often():
    counts = Counter(name for key in range(600) for name in drawn_order(0, key))
    assert set(counts) == set(NAMES)
    assert min(counts.values()) > 150
