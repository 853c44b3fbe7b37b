"""The oracle against rendered truth: clean, compressed, blurred and noisy, and the parts it is made of."""

from __future__ import annotations

import sys
from collections import Counter
from importlib import resources

import numpy as np
import pytest
import torch

from tv_align.calibration.calibrate import calibrate
from tv_align.calibration.control_set import scenes_control_set
from tv_align.calibration.report import read_calibration
from tv_align.judges.oracle.camera import camera_motion
from tv_align.judges.oracle.judge import Oracle
from tv_align.judges.oracle.motion import fit_motion
from tv_align.prompts.schema import CATEGORIES
from tv_align.scenes.prompts import reference_clips, scene_prompts
from vtok_eval.data import Clip
from vtok_eval.errors import VideoError

FRESH = {"split": "test", "seed": 20261126}
"""Drawn once the judge was finished: nothing of it was chosen on clips of this seed, and its weights were
fitted on none of this split's photos. docs/tv_align.md has the figures of 400 clips in each state."""
MINUTES = pytest.mark.skipif(
    sys.version_info >= (3, 12), reason="minutes; once, under Python 3.11, is enough"
)


def wrong_and_asked(*, degradation: str, per_level: int) -> dict[str, tuple[int, int]]:
    """By category, over `16 * per_level` clips of 64 pixels and 16 frames."""
    oracle, wrong, asked = Oracle(), Counter(), Counter()
    for item in scenes_control_set(**FRESH, degradation=degradation, per_level=per_level):
        verdicts = oracle.judge(item.clip.load(), [question for question, _ in item.questions])
        for verdict, (_, truth) in zip(verdicts, item.questions, strict=True):
            wrong[item.category] += verdict.reply != truth
            asked[item.category] += 1
    return {category: (wrong[category], asked[category]) for category in asked}


@pytest.mark.slow
@MINUTES
def test_rendered_clips_98_percent_in_every_category() -> None:
    found = wrong_and_asked(degradation="none", per_level=25)
    assert {asked for _, asked in found.values()} == {150}
    assert len(found) == 8
    assert all(wrong <= 0.02 * asked for wrong, asked in found.values()), found


@pytest.mark.slow
@MINUTES
@pytest.mark.parametrize("degradation", ["crf28", "blur+noise"])
def test_degraded_clips_95_percent_in_every_category(degradation: str) -> None:
    found = wrong_and_asked(degradation=degradation, per_level=13)
    assert len(found) == 8
    assert all(wrong <= 0.05 * asked for wrong, asked in found.values()), found


def test_the_calibration_that_ships_is_what_calibrate_measures() -> None:
    """Of the judge as it is, for one category again."""
    with resources.as_file(resources.files("tv_align.calibration") / "oracle.json") as path:
        shipped = read_calibration(path)
    assert dict(shipped.description) == Oracle().describe().identity()
    assert {row.category for row in shipped.rows} == set(CATEGORIES)
    assert all(row.near_chance is None for row in shipped.rows)
    items = [item for item in scenes_control_set() if item.category == "order"]
    again = calibrate(Oracle(), items, control_set=shipped.control_set)
    assert again.rows == (shipped.row("order"),)


def test_it_reads_the_pixels_and_nothing_else() -> None:
    """The same questions about another scene's pixels are answered otherwise."""
    drawn = [item for item in scene_prompts(per_level=3) if item.category == "counting"]
    clips = reference_clips(drawn)
    one, other = (
        drawn[0],
        next(item for item in drawn if len(item.scene.objects) != len(drawn[0].scene.objects)),
    )
    questions = list(one.entry.questions)
    own = Oracle().judge(clips[one.entry.id].load(), questions)
    foreign = Oracle().judge(clips[other.entry.id].load(), questions)
    assert [v.reply for v in own] == list(one.entry.questions.values())
    assert (
        foreign[questions.index(next(q for q, a in one.entry.questions.items() if a == "yes"))].reply == "no"
    )


def test_unknown_words_make_it_unsure() -> None:
    clip = Clip(torch.zeros(4, 3, 64, 64, dtype=torch.uint8), 4.0)
    (verdict,) = Oracle().judge(clip, ["Is a dog barking?"])
    assert verdict.reply == "unsure"
    assert verdict.probability is None


def test_an_empty_clip_shows_no_shape_and_a_still_camera() -> None:
    clip = Clip(torch.full((8, 3, 64, 64), 90, dtype=torch.uint8), 4.0)
    replies = [
        v.reply for v in Oracle().judge(clip, ["Are there exactly no shapes?", "Is the camera fixed?"])
    ]
    assert replies == ["yes", "yes"]


def test_one_frame_is_refused() -> None:
    with pytest.raises(VideoError, match="2 frames"):
        Oracle().judge(Clip(torch.zeros(1, 3, 64, 64, dtype=torch.uint8), 4.0), ["Is the camera fixed?"])


@pytest.mark.parametrize("angle", range(0, 360, 45))
@pytest.mark.parametrize(("length", "speed"), [(0.1, "slow"), (0.18, "medium"), (0.32, "fast")])
def test_motion_of_exact_tracks(angle: int, length: float, speed: str) -> None:
    order = ("right", "down right", "down", "down left", "left", "up left", "up", "up right")
    times = np.linspace(0, 1, 16)
    way = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    straight = fit_motion(times, 0.5 + length * times[:, None] * way)
    assert (straight.path, straight.direction, straight.speed) == ("straight", order[angle // 45], speed)
    folded = np.minimum(times, 1.0 - times)  # turns at one half
    back = fit_motion(times, 0.5 + length * folded[:, None] * way)
    assert (back.path, back.direction, back.speed) == ("back and forth", order[angle // 45], speed)


@pytest.mark.parametrize("turns", [1.0, -1.2])
def test_motion_on_a_circle(turns: float) -> None:
    phase = 2 * np.pi * turns * np.linspace(0, 1, 16)
    places = 0.5 + 0.08 * np.stack([np.cos(phase), np.sin(phase)], axis=1)
    assert fit_motion(np.linspace(0, 1, 16), places).path == "circle"


@pytest.mark.parametrize(
    ("dx", "dy", "camera"),
    [(1, 0, "pan left"), (-1, 0, "pan right"), (0, 1, "tilt up"), (0, -1, "tilt down"), (0, 0, "still")],
)
def test_camera_on_a_picture_that_slides(dx: int, dy: int, camera: str) -> None:
    """A picture moved by whole pixels: it slides right when the camera pans left."""
    from scipy import ndimage

    rng = np.random.default_rng(0)
    picture = ndimage.gaussian_filter(rng.normal(size=(3, 120, 120)), (0, 2, 2)) * 400 + 128
    frames = np.stack(
        [picture[:, 30 - dy * t : 94 - dy * t, 30 - dx * t : 94 - dx * t] for t in range(16)]
    ).astype(np.float32)
    found, amounts = camera_motion(frames, np.zeros((16, 64, 64), dtype=bool))
    assert found == camera
    # 15 pixels of 64 are 0.234 sides.
    for kind, moved in (("pan", -dx), ("tilt", -dy)):
        assert amounts[kind] == pytest.approx(moved * 15 / 64, abs=0.02)
