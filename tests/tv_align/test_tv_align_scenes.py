"""Prompts in the scenes' vocabulary: facts, their questions, and truth held against the scenes' labels."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest

from tv_align.prompts.load import load_prompts
from tv_align.prompts.schema import CATEGORIES
from tv_align.scenes import facts
from tv_align.scenes.facts import Kind, ask, read
from tv_align.scenes.observation import observe_scene
from tv_align.scenes.prompts import ScenePrompt, reference_clips, scene_prompts
from tv_align.scenes.truth import holds
from vtok_eval.scenes.truth import WAYS, labels
from vtok_eval.scenes.vocabulary import OPPOSITE

RED, BLUE = Kind("red", "star"), Kind("orange", "ring")


@pytest.fixture(scope="module")
def drawn() -> tuple[ScenePrompt, ...]:
    return scene_prompts()


@pytest.mark.parametrize(
    ("fact", "question"),
    [
        (facts.Count(1), "Is there exactly one shape?"),
        (facts.Count(4), "Are there exactly four shapes?"),
        (facts.Has(BLUE), "Is there an orange ring?"),
        (facts.HasColour("star", "red"), "Is the star red?"),
        (facts.Stands(RED, "left", BLUE), "Is the red star to the left of the orange ring?"),
        (facts.Stands(RED, "above", BLUE), "Is the red star above the orange ring?"),
        (facts.InQuadrant(RED, "top left"), "Is the red star in the top left quarter of the frame?"),
        (facts.SetsOut(RED, "down right"), "Does the red star start moving down and to the right?"),
        (facts.Moves(RED), "Is the red star the shape that moves?"),
        (facts.Takes("circle"), "Does the moving shape go around in a circle?"),
        (facts.Goes("slow"), "Does the moving shape go slowly?"),
        (facts.CameraDoes("rotate counter-clockwise"), "Does the camera rotate counter-clockwise?"),
        (facts.CameraDoes("still"), "Does the camera stay still?"),
        (facts.CameraKind("pan"), "Does the camera pan in any direction?"),
        (facts.CameraKind("still"), "Is the camera fixed?"),
        (facts.Happens("changes colour", None), "Does any shape change colour?"),
        (facts.Happens("appears", RED), "Does the red star appear?"),
        (
            facts.HappensIn("disappears", RED, "first half"),
            "Does the red star disappear in the first half of the clip?",
        ),
        (facts.Recolours("star", "red", "blue"), "Is the star first red and then blue?"),
        (facts.Returns("up", "down"), "Does the moving shape go first up and then down?"),
    ],
)
def test_a_fact_is_asked_in_words_and_read_back(fact: facts.Fact, question: str) -> None:
    assert ask(fact) == question
    assert read(question) == fact


@pytest.mark.parametrize("question", ["", "Is the dog red?", "Is the star red", "Are there two kites?"])
def test_other_words_are_no_fact(question: str) -> None:
    assert read(question) is None


def test_eight_categories_with_as_many_prompts_each(drawn: tuple[ScenePrompt, ...]) -> None:
    counts = Counter((item.category, item.entry.level) for item in drawn)
    assert counts == {(category, level): 25 for category in CATEGORIES for level in ("basic", "compound")}
    assert len({item.entry.text for item in drawn}) == len(drawn)
    assert len({item.scene.index for item in drawn}) == len(drawn)
    suite = load_prompts("scenes")
    assert suite.name == "tv-align-scenes"
    assert {prompt.id for prompt in suite.prompts} == {item.entry.id for item in drawn}


def test_every_answer_is_true_of_its_scene(drawn: tuple[ScenePrompt, ...]) -> None:
    for item in drawn:
        seen = observe_scene(item.scene)
        for question, answer in item.entry.questions.items():
            fact = read(question)
            assert fact is not None
            assert holds(fact, seen) is (answer == "yes"), (item.entry, question)


def test_answers_agree_with_the_labels_that_the_scenes_give(drawn: tuple[ScenePrompt, ...]) -> None:
    """The same truths by another way: the understanding benchmark's labels."""
    checked = 0
    for item in drawn:
        truth = labels(item.scene)
        for question, answer in item.entry.questions.items():
            match read(question):
                case facts.Count(number):
                    expected = truth["count"] == str(number)
                case facts.SetsOut(_, direction):
                    expected = truth["direction"] == direction
                case facts.Takes(path):
                    expected = truth["path"] == path
                case facts.Goes(speed):
                    expected = truth["speed"] == speed
                case facts.CameraDoes(motion):
                    expected = truth["camera_motion"] == motion
                case facts.Happens(event, None):
                    expected = item.scene.event == event
                case facts.HappensIn(_, _, half):
                    expected = item.scene.event_half == half
                case facts.Returns(first, then):
                    expected = truth["direction"] == first and then == OPPOSITE[first]
                case _:
                    continue
            checked += 1
            assert expected is (answer == "yes"), (item.entry, question)
    assert checked > 500


def test_the_text_says_what_is_asked(drawn: tuple[ScenePrompt, ...]) -> None:
    for item in drawn:
        for question, answer in item.entry.questions.items():
            fact = read(question)
            if answer == "yes" and isinstance(fact, facts.SetsOut):
                assert f"starts moving {WAYS[fact.direction]} " in item.entry.text
            if answer == "yes" and isinstance(fact, facts.Has | facts.Moves):
                assert str(fact.kind) in item.entry.text.lower()


def test_a_question_alone_says_nothing(drawn: tuple[ScenePrompt, ...]) -> None:
    """For questions without a named shape: the best answer by text alone, learnt on other prompts."""
    train = scene_prompts(split="train", per_level=60)
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for item in train:
        for question, answer in item.entry.questions.items():
            votes[question][answer] += 1
    right = [
        (votes[question].most_common(1)[0][0] == answer if votes[question] else 0.5)
        for item in drawn
        for question, answer in item.entry.questions.items()
    ]
    # 1200 questions: a standard error of 1.4 points; chance is 50 %.
    assert np.mean(right) < 0.56


def test_reference_clips_are_named_by_prompt(drawn: tuple[ScenePrompt, ...]) -> None:
    clips = reference_clips(drawn[:3], size=32, n_frames=4)
    assert list(clips) == [item.entry.id for item in drawn[:3]]
    assert clips[drawn[0].entry.id].load().frames.shape == (4, 3, 32, 32)
