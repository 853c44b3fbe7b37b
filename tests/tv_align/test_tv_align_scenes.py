"""Prompts in the scenes' vocabulary: facts, their questions, and truth held against the scenes' labels."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter, defaultdict

import numpy as np
import pytest

from tv_align.prompts.load import load_prompts
from tv_align.prompts.schema import CATEGORIES
from tv_align.scenes import fact_questions as facts
from tv_align.scenes.counterfactuals import askable
from tv_align.scenes.drafts import DRAFTS
from tv_align.scenes.fact_questions import ShapeKind, ask, read
from tv_align.scenes.observation import observe_scene
from tv_align.scenes.prompts import ScenePrompt, reference_clips, scene_prompts
from tv_align.scenes.truth import holds
from tv_align.scenes.words import VOCABULARY, telling_words, words_of
from vtok_eval.scenes.dataset import SceneClip
from vtok_eval.scenes.truth import WAYS, labels
from vtok_eval.scenes.vocabulary import OPPOSITE

RED, BLUE = ShapeKind("red", "star"), ShapeKind("orange", "ring")


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


def test_no_word_of_the_prompts_is_more_often_true_than_false(drawn: tuple[ScenePrompt, ...]) -> None:
    """In every category, up to the odd one out; words that name a shape are drawn evenly, not held to it."""
    for category in CATEGORIES:
        balance: Counter[str] = Counter()
        for item in drawn:
            if item.category == category:
                asked = {read(question): answer for question, answer in item.entry.questions.items()}
                true = [fact for fact, answer in asked.items() if answer == "yes"]
                false = [fact for fact, answer in asked.items() if answer == "no"]
                balance.update(telling_words(true, false))
        assert all(abs(count) <= 1 for count in balance.values()), (category, balance)


def text_features(questions: list[str]) -> np.ndarray:
    """Each word of a question, and each pair of its words, as a column, hashed."""
    rows = np.zeros((len(questions), 4096), dtype=np.float32)
    for row, question in zip(rows, questions, strict=True):
        words = words_of(read(question))
        every = sorted({*words.asked, *words.claimed})
        for text in [*every, *(f"{one} & {other}" for one, other in itertools.combinations(every, 2))]:
            row[int.from_bytes(hashlib.md5(text.encode()).digest()[:4]) % rows.shape[1]] = 1
    return rows


def test_answers_cannot_be_learnt_from_the_text(drawn: tuple[ScenePrompt, ...]) -> None:
    """A linear reader of words and pairs of words, taught by the drafts of 700 other scenes, is at chance."""
    from sklearn.linear_model import LogisticRegression

    questions, answers = [], []
    for index in range(700):
        scene = SceneClip(7, "train", index).scene
        rng = np.random.default_rng(index)
        for draft_of in DRAFTS.values():
            for level in ("basic", "compound"):
                draft = draft_of(scene, level, rng)
                for question, answer in draft.questions().items() if draft is not None else ():
                    questions.append(question)
                    answers.append(answer)
    assert len(questions) > 10_000
    learnt = LogisticRegression(C=0.1, max_iter=200).fit(text_features(questions), answers)
    asked = [pair for item in drawn for pair in item.entry.questions.items()]
    right = learnt.predict(text_features([question for question, _ in asked])) == [a for _, a in asked]
    # 1,200 questions: the standard error is 1.4 points.
    assert 0.45 < np.mean(right) < 0.55


def test_drafts_are_as_often_true_as_false() -> None:
    """Over 3,000 scenes, for every word but those that name a shape: within four standard errors."""
    count: dict[str, Counter[int]] = defaultdict(Counter)
    for index in range(3000):
        scene = SceneClip(8, "train", index).scene
        rng = np.random.default_rng(index)
        for category, draft_of in DRAFTS.items():
            # One level a scene, so that the two do not repeat each other.
            draft = draft_of(scene, ("basic", "compound")[index % 2], rng)
            if draft is not None:
                for word, difference in telling_words(draft.true, draft.false).items():
                    count[f"{category}: {word}"][difference] += 1
    assert len(count) > 60
    for word, seen in count.items():
        # Drafts in which the word tells by one or two, so many more true ones than false ones of these.
        more = sum(difference * number for difference, number in seen.items())
        variance = sum(difference**2 * number for difference, number in seen.items())
        assert abs(more) < 4 * variance**0.5 + 1, (word, seen)


def test_splits_share_no_photo_and_no_scene() -> None:
    photos = {
        split: {item.scene.backdrop.photo for item in scene_prompts(split=split, per_level=3)}
        for split in ("train", "validation", "test")
    }
    assert not photos["test"] & (photos["train"] | photos["validation"])
    assert not photos["train"] & photos["validation"]


class TestWords:
    def test_two_parts_by_hand(self) -> None:
        words = words_of(facts.SetsOut(RED, "left"))
        assert words.asked == (
            "SetsOut", "SetsOut.kind.colour=red", "colour=red", "SetsOut.kind.shape=star", "shape=star",
        )  # fmt: skip
        assert words.claimed == ("SetsOut", "SetsOut.direction=left", "direction=left")

    def test_what_is_asked_does_not_tell_what_is_claimed(self) -> None:
        left, right = words_of(facts.SetsOut(RED, "left")), words_of(facts.SetsOut(RED, "right"))
        assert left.asked == right.asked
        assert left.claimed != right.claimed

    def test_different_facts_have_different_words_of_the_vocabulary(self) -> None:
        vocabulary, seen = set(VOCABULARY), {}
        assert len(vocabulary) == len(VOCABULARY)
        for item in scene_prompts(per_level=10):
            for group in itertools.chain.from_iterable(askable(item.scene).values()):
                for fact in (group.true, *group.false):
                    words = words_of(fact)
                    assert {*words.asked, *words.claimed} <= vocabulary
                    assert seen.setdefault(words, fact) == fact
        assert len(seen) > 1000


class TestAskable:
    def test_true_facts_hold_and_counterfactuals_do_not(self) -> None:
        asked: Counter[str] = Counter()
        for index in range(200):
            scene = SceneClip(9, "validation", index).scene
            seen = observe_scene(scene)
            for category, groups in askable(scene).items():
                asked[category] += len(groups)
                for group in groups:
                    assert holds(group.true, seen), (group.true, scene)
                    assert not any(holds(fact, seen) for fact in group.false), (group, scene)
        assert set(asked) == set(CATEGORIES)

    def test_it_holds_whatever_the_drafts_ask(self) -> None:
        for index in range(100):
            scene = SceneClip(9, "validation", index).scene
            known = {
                fact: group
                for groups in askable(scene).values()
                for group in groups
                for fact in (group.true,)
            }
            for category, draft_of in DRAFTS.items():
                draft = draft_of(scene, "compound", np.random.default_rng(index))
                for true in () if draft is None else draft.true:
                    assert true in known, (category, true)

    def test_a_claim_is_as_often_true_as_false(self) -> None:
        """In training the false ones of a group weigh as much as its true one; here over all scenes."""
        true: Counter[tuple[str, ...]] = Counter()
        false: dict[tuple[str, ...], float] = defaultdict(float)
        for index in range(3000):
            for groups in askable(SceneClip(10, "train", index).scene).values():
                for group in groups:
                    true[words_of(group.true).claimed] += 1
                    for fact in group.false:
                        false[words_of(fact).claimed] += 1 / len(group.false)
        for claim in true:
            # Facts that come together (four shapes' quadrants) vary more than single ones: six errors.
            assert abs(true[claim] - false[claim]) < 6 * (true[claim] + false[claim]) ** 0.5, claim


def test_reference_clips_are_named_by_prompt(drawn: tuple[ScenePrompt, ...]) -> None:
    clips = reference_clips(drawn[:3], size=32, n_frames=4)
    assert list(clips) == [item.entry.id for item in drawn[:3]]
    assert clips[drawn[0].entry.id].load().frames.shape == (4, 3, 32, 32)


def test_the_kept_choice_is_what_would_be_chosen(monkeypatch):
    from tools.scene_choices import SHOWN_PER_LEVEL, TARGET, choices
    from tv_align.scenes import prompts

    assert json.loads(TARGET.read_text()) == choices()
    kept = {n: prompts.scene_prompts(per_level=n) for n in (prompts.PER_LEVEL, SHOWN_PER_LEVEL)}
    prompts._scene_prompts.cache_clear()
    monkeypatch.setattr(prompts, "_kept_choice", lambda *asked: None)
    assert {n: prompts.scene_prompts(per_level=n) for n in kept} == kept
    prompts._scene_prompts.cache_clear()


def test_one_choice_is_kept_however_it_is_asked_for():
    from tv_align.scenes.prompts import SEED, SPLIT, scene_prompts

    assert scene_prompts(per_level=3) is scene_prompts(split=SPLIT, seed=SEED, per_level=3)
