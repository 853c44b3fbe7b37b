"""What is drawn: balance, independence, JSON, and the rules by which labels apply."""

import itertools
import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, chisquare

from tests.profiles import drawing
from vtok_eval.errors import UnknownNameError
from vtok_eval.scenes import layout
from vtok_eval.scenes.dataset import SceneSet, caption, labels
from vtok_eval.scenes.drawing import draw_scene
from vtok_eval.scenes.photos import PHOTOS, SPLITS
from vtok_eval.scenes.scene import Scene
from vtok_eval.scenes.vocabulary import ATTRIBUTES, COLOURS, OPPOSITE, SHAPES, Attribute, attribute

N = 4000
P_TOO_UNLIKELY = 1e-4


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [draw_scene(11, "train", index) for index in range(N)]


@pytest.mark.parametrize("item", [a for a in ATTRIBUTES if a.kind == "single"], ids=lambda a: a.name)
def test_single_labels_are_uniform_where_they_apply(scenes: list[Scene], item: Attribute) -> None:
    found = Counter(labels(scene)[item.name] for scene in scenes)
    found.pop(None, None)
    assert set(found) == set(item.labels)
    assert sum(found.values()) > 0.3 * N
    assert chisquare([found[label] for label in item.labels]).pvalue > P_TOO_UNLIKELY
    assert item.chance == 1 / len(item.labels)


@pytest.mark.parametrize("item", [a for a in ATTRIBUTES if a.kind == "multi"], ids=lambda a: a.name)
def test_a_blind_guess_of_a_set_scores_one_half(scenes: list[Scene], item: Attribute) -> None:
    truths = [truth for scene in scenes if (truth := labels(scene)[item.name])]
    assert len(truths) > 0.3 * N
    most_frequent = [label for label, _ in Counter(itertools.chain(*truths)).most_common()]
    for m in (0, 1, 3, len(item.labels)):
        values = [item.score(most_frequent[:m], truth) for truth in truths]
        assert np.mean(values) == pytest.approx(0.5, abs=4 * np.std(values) / len(values) ** 0.5 + 1e-9)


def test_balanced_accuracy_by_hand_and_its_chance_by_enumeration() -> None:
    item = Attribute("x", "X", "static", "multi", ("a", "b", "c", "d", "e"))
    # One of two true labels named: 1/2. One of three false ones named too: 2/3 avoided. Mean 7/12.
    assert item.score(["a", "c"], ["a", "b"]) == pytest.approx(7 / 12)
    assert item.score(["a", "b"], ["a", "b"]) == 1.0
    for m in range(6):
        for k in range(1, 5):
            values = [item.score(item.labels[:m], truth) for truth in itertools.combinations(item.labels, k)]
            assert np.mean(values) == pytest.approx(item.chance)


def test_an_unknown_label_is_refused() -> None:
    with pytest.raises(ValueError, match="count has no label '5'"):
        attribute("count").score("5", "4")
    with pytest.raises(ValueError, match="shapes_present"):
        attribute("shapes_present").score([], [])


def test_what_happens_is_independent_of_the_first_frame(scenes: list[Scene]) -> None:
    """The number of shapes in the first frame, and the first one's place, reveal no temporal label."""
    first_counts = [sum(item.visible(0.0) for item in scene.objects) for scene in scenes]
    first_sides = [scene.objects[0].x < 0.5 for scene in scenes]
    for name in (
        "direction",
        "speed",
        "path",
        "appears",
        "disappears",
        "colour_change",
        "event_time",
        "camera_motion",
    ):
        for known in (first_counts, first_sides):
            pairs = Counter(
                (value, truth)
                for value, scene in zip(known, scenes, strict=True)
                if (truth := labels(scene)[name])
            )
            table = [[pairs[a, b] for b in attribute(name).labels] for a in sorted(set(known))]
            assert chi2_contingency(table).pvalue > P_TOO_UNLIKELY, name


def test_every_opening_leaves_every_direction_and_a_circle_open(scenes: list[Scene]) -> None:
    for scene in scenes[:500]:
        opening = [item for item in scene.objects if item.appears_at is None]
        for (ux, uy), heading in zip(layout.UNIT, range(0, 360, 45), strict=True):
            assert any(_way_is_free(opening, mover, ux, uy) for mover in range(len(opening))), (
                scene.name,
                heading,
            )


def _way_is_free(opening: list, mover: int, ux: float, uy: float) -> bool:
    """Walks the way in 50 steps: an independent check of the closed form in `layout.straight_open`."""
    start = opening[mover]
    for step in np.linspace(0, layout.MAX_LENGTH, 50):
        x, y = start.x + step * ux, start.y + step * uy
        if not (0.08 < x < 0.92 and 0.08 < y < 0.92):
            return False
        for index, other in enumerate(opening):
            apart = np.hypot(other.x - x, other.y - y)
            if index != mover and apart < 0.79 * (start.radius + other.radius):
                return False
    return True


def test_shapes_stay_in_view_and_apart(scenes: list[Scene]) -> None:
    times = np.linspace(0, 1, 33)
    for scene in scenes:
        opening = [item for item in scene.objects if item.appears_at is None]
        for a, b in itertools.combinations(opening, 2):
            assert np.hypot(a.x - b.x, a.y - b.y) > a.radius + b.radius
        for time in times:
            places = [scene.position(i, time) for i in range(len(scene.objects))]
            assert all(0.08 < value < 0.92 for place in places for value in place)
            for i, item in enumerate(scene.objects):
                if i != scene.mover and item.appears_at is None:
                    (x, y), (mx, my) = places[i], places[scene.mover]
                    touch = 0.79 * (item.radius + scene.objects[scene.mover].radius)
                    assert np.hypot(x - mx, y - my) > touch


def test_a_shape_that_appears_stands_free(scenes: list[Scene]) -> None:
    for scene in scenes:
        for new in (item for item in scene.objects if item.appears_at is not None):
            for i, item in enumerate(scene.objects):
                if item is new:
                    continue
                for time in np.linspace(0, 1, 33):
                    x, y = scene.position(i, time)
                    assert np.hypot(x - new.x, y - new.y) > item.radius + new.radius, scene.name


def test_static_labels_apply_only_where_every_frame_agrees(scenes: list[Scene]) -> None:
    for scene in scenes[:1000]:
        truth = labels(scene)
        seen = [[item for item in scene.objects if item.visible(time)] for time in np.linspace(0, 1, 41)]
        at = np.linspace(0, 1, 41)
        counts = {len(items) for items in seen}
        assert truth["count"] == (str(*counts) if len(counts) == 1 else None)
        shapes = {frozenset(item.shape for item in items) for items in seen}
        assert (truth["shapes_present"] is not None) == (len(shapes) == 1)
        if truth["shapes_present"]:
            assert {frozenset(truth["shapes_present"])} == shapes
        colours = {frozenset(item.colour_at(t) for item in items) for items, t in zip(seen, at, strict=True)}
        assert (truth["colours_present"] is not None) == (len(colours) == 1)


def test_json_round_trip(scenes: list[Scene]) -> None:
    for scene in scenes[:200]:
        assert Scene.from_json(json.loads(json.dumps(scene.to_json()))) == scene


@drawing(40)
@given(st.integers(0, 2**40), st.sampled_from(SPLITS), st.integers(0, 10**6))
def test_a_scene_depends_on_its_own_key_only(seed: int, split: str, index: int) -> None:
    scene = draw_scene(seed, split, index)
    draw_scene(seed, split, index + 1)
    assert draw_scene(seed, split, index) == scene
    others = (draw_scene(seed + 1, split, index), draw_scene(seed, split, index + 1))
    assert all(replace(other, seed=seed, index=index) != scene for other in others)
    assert 1 <= sum(item.visible(0.0) for item in scene.objects) <= 4


def test_splits_share_no_photo() -> None:
    used = {split: {draw_scene(0, split, i).backdrop.photo for i in range(150)} for split in SPLITS}
    assert used == {split: {photo.name for photo in PHOTOS if photo.split == split} for split in SPLITS}
    for a, b in itertools.combinations(SPLITS, 2):
        assert not used[a] & used[b]
    assert len({photo.sha256 for photo in PHOTOS}) == len(PHOTOS)


def test_captions_name_what_is_there(scenes: list[Scene]) -> None:
    for scene in scenes[:500]:
        text = caption(scene)
        for item in scene.objects:
            assert f"{item.colour} {item.shape}" in text.replace("A ", "a ")
            assert item.new_colour is None or f"turns {item.new_colour}" in text
        assert text.count(".") == (2 if scene.event == "none" else 3)
        assert " a orange" not in text


def test_a_caption_by_hand(scenes: list[Scene]) -> None:
    scene = scenes[0]
    still = replace(scene.camera, motion="pan left", amount=0.3)
    one = replace(
        scene.objects[0], shape="star", colour="orange", appears_at=None, disappears_at=None, new_colour=None
    )
    motion = replace(
        scene.motion, path="straight", speed="slow", direction="up left", turns_at=None, turns=None
    )
    made = replace(
        scene,
        objects=(one,),
        mover=0,
        largest=None,
        motion=motion,
        event="none",
        event_half=None,
        camera=still,
    )
    assert caption(made) == "An orange star moves slowly up and to the left. The camera pans left."


def test_opposites_are_mutual() -> None:
    assert all(OPPOSITE[OPPOSITE[name]] == name != OPPOSITE[name] for name in OPPOSITE)
    assert len(OPPOSITE) == 8 + 8
    assert OPPOSITE["up right"] == "down left"
    assert len(set(SHAPES)) == 6
    assert len(set(COLOURS)) == 8


def test_bad_requests_are_one_clear_line() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'train'"):
        draw_scene(0, "trian", 0)
    with pytest.raises(UnknownNameError, match="did you mean 'validation'"):
        SceneSet(0, "valid", 3)
    with pytest.raises(ValueError, match="must not be negative"):
        draw_scene(-1, "train", 0)
    with pytest.raises(ValueError, match="2 frames or more"):
        SceneSet(0, "train", 3, n_frames=1)
    with pytest.raises(ValueError, match="32 pixels"):
        SceneSet(0, "train", 3, size=16)
