"""Questions: right answers, hard negatives, and nothing to be learned from the text."""

from collections import Counter, defaultdict
from collections.abc import Iterable

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.stats import chisquare
from sklearn.feature_extraction import FeatureHasher
from sklearn.linear_model import LogisticRegression

from vtok_eval.scenes.dataset import labels
from vtok_eval.scenes.drawing import draw_scene
from vtok_eval.scenes.questions import SceneQuestion, questions
from vtok_eval.scenes.truth import WAYS
from vtok_eval.scenes.vocabulary import OPPOSITE

N = 2400


@pytest.fixture(scope="module")
def by_scene() -> list[tuple[SceneQuestion, ...]]:
    return [questions(draw_scene(21, "train", index), seed=0) for index in range(N)]


def option_features(item: SceneQuestion, number: int) -> Iterable[str]:
    """Everything a reader of the text can use: words, whole options, their places, and the other options."""
    option = item.options[number]
    yield f"place {number}"
    yield from (f"word {word} | {item.text}" for word in option.split())
    yield f"option {option} | {item.text}"
    yield from (f"beside {other} | {option} | {item.text}" for other in item.options if other != option)
    words = [set(other.split()) for other in item.options]
    shared = [sum(len(mine & other) for other in words) for mine in words]
    yield f"resembles the others most {shared[number] == max(shared)} | {item.text}"


def blind_hits(train: list[SceneQuestion], test: list[SceneQuestion]) -> np.ndarray:
    """Train a reader that sees no clip on some scenes' questions; whether it is right on others."""
    hasher = FeatureHasher(2**16, input_type="string", alternate_sign=False)

    def encode(items: list[SceneQuestion]) -> csr_matrix:
        return hasher.transform(option_features(q, i) for q in items for i in range(len(q.options)))

    right = np.array([i == q.answer for q in train for i in range(len(q.options))])
    model = LogisticRegression(max_iter=200, C=0.3).fit(encode(train), right)
    scores = iter(model.decision_function(encode(test)))
    return np.array([np.argmax([next(scores) for _ in q.options]) == q.answer for q in test])


def excess(hits: np.ndarray, items: list[SceneQuestion]) -> float:
    """How many standard errors the hits are above chance."""
    chance = np.array([q.chance for q in items])
    return float((hits - chance).sum() / np.sqrt((chance * (1 - chance)).sum()))


@pytest.mark.slow
def test_a_blind_reader_stays_at_chance(by_scene: list[tuple[SceneQuestion, ...]]) -> None:
    train = [q for group in by_scene[: N // 2] for q in group]
    test = [q for group in by_scene[N // 2 :] for q in group]
    hits = blind_hits(train, test)
    assert abs(excess(hits, test)) < 3
    for kind in sorted({q.attribute for q in test}):
        chosen = [i for i, q in enumerate(test) if q.attribute == kind]
        assert excess(hits[chosen], [test[i] for i in chosen]) < 3.5, kind


def test_the_blind_reader_would_find_a_leak(by_scene: list[tuple[SceneQuestion, ...]]) -> None:
    """The usual mistake: each wrong description differs from the right one in one fact only."""

    def leaky(item: SceneQuestion) -> SceneQuestion:
        motion, camera = item.options[item.answer].split("; ")
        wrong = {option for option in item.options if motion in option or camera in option}
        third = f"{motion}; camera: " + ("zoom in" if "pan" in camera else "pan left")
        order = tuple(sorted({*wrong, third}))  # by the alphabet: places say nothing of the answer
        answer = order.index(item.options[item.answer])
        return SceneQuestion(item.id, item.text, order, answer, item.attribute, item.group)

    items = [leaky(q) for group in by_scene for q in group if q.attribute == "motion_and_camera"]
    half = len(items) // 2
    assert excess(blind_hits(items[:half], items[half:]), items[half:]) > 10


def test_answers_are_in_every_place_as_often(by_scene: list[tuple[SceneQuestion, ...]]) -> None:
    places: dict[int, Counter[int]] = defaultdict(Counter)
    for item in (q for group in by_scene for q in group):
        places[len(item.options)][item.answer] += 1
    assert set(places) == {2, 3, 4}
    for n_options, found in places.items():
        assert chisquare([found[place] for place in range(n_options)]).pvalue > 1e-4


def test_given_the_options_each_is_as_often_right(by_scene: list[tuple[SceneQuestion, ...]]) -> None:
    """Each option is right as often as its appearances give by chance, for each kind of question."""
    shown: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    right: dict[str, Counter[str]] = defaultdict(Counter)
    for item in (q for group in by_scene for q in group):
        right[item.attribute][item.options[item.answer]] += 1
        for option in item.options:
            shown[item.attribute][option] += item.chance
    for kind, expected in shown.items():
        common = [option for option in expected if expected[option] > 20]
        z = [(right[kind][o] - expected[o]) / np.sqrt(expected[o]) for o in common]
        assert np.abs(z).max(initial=0) < 4.5, kind


def test_questions_are_well_formed_and_stable(by_scene: list[tuple[SceneQuestion, ...]]) -> None:
    ids = [q.id for group in by_scene for q in group]
    assert len(set(ids)) == len(ids)
    kinds = Counter(q.attribute for group in by_scene for q in group)
    assert min(kinds.values()) > 0.1 * N
    assert {q.group for group in by_scene for q in group} == {"static", "temporal", "camera"}
    for item in (q for group in by_scene for q in group):
        assert len(set(item.options)) == len(item.options)
        assert 0 <= item.answer < len(item.options)
        assert not any(" a orange" in f" {option}" for option in item.options)
    scene = draw_scene(21, "train", 5)
    assert questions(scene, seed=0) == by_scene[5]
    assert questions(scene, seed=1) != by_scene[5]
    with pytest.raises(ValueError, match="must not be negative"):
        questions(scene, seed=-1)


def test_answers_agree_with_the_labels(by_scene: list[tuple[SceneQuestion, ...]]) -> None:
    for index, group in enumerate(by_scene[:600]):
        scene = draw_scene(21, "train", index)
        truth = labels(scene)
        for item in group:
            answer, wrong = item.options[item.answer], set(item.options) - {item.options[item.answer]}
            match item.attribute:
                case "count" | "position" | "speed" | "path" | "camera_motion":
                    assert answer == truth[item.attribute]
                case "shapes_present" | "colours_present":
                    assert answer in truth[item.attribute]
                    assert not wrong & set(truth[item.attribute])
                case "direction":
                    assert answer == WAYS[truth["direction"]]
                    assert WAYS[OPPOSITE[truth["direction"]]] in wrong
                case "event_time":
                    assert answer == f"in the {truth['event_time']}"
                case "camera_moves":
                    assert (answer == "no") == (truth["camera_motion"] == "still")
                case "moving_colour":
                    mover = scene.objects[scene.mover]
                    others = {o.colour_at(t) for o in scene.objects for t in (0, 1)} - {mover.colour}
                    assert answer == mover.colour
                    assert len(wrong & others) >= min(3, len(others))  # hard: what else the scene shows
                case "colour_of_shape":
                    shape = item.text.removeprefix("What colour is the ").removesuffix("?")
                    assert [o.colour for o in scene.objects if o.shape == shape] == [answer]
                case "event":
                    assert (
                        answer
                        == ("no shape comes, goes or changes colour", f"a shape {scene.event}")[
                            scene.event != "none"
                        ]
                    )
                case "event_colour":
                    changed = [o for o in scene.objects if o.appears_at or o.disappears_at or o.new_colour]
                    assert [o.new_colour or o.colour for o in changed] == [answer]
                case "motion_and_camera":
                    assert (
                        answer
                        == f"a shape sets out {WAYS[truth['direction']]}; camera: {truth['camera_motion']}"
                    )
                case "what_moves":
                    mover = scene.objects[scene.mover]
                    assert f"{mover.colour} {mover.shape} moves" in answer
                    assert not any(f"{mover.colour} {mover.shape} moves" in option for option in wrong)
                case other:
                    raise AssertionError(f"no check for {other}")
