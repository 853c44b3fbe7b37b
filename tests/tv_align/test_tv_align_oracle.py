"""The oracle against rendered truth: clean, compressed, blurred and noisy, and the parts it is made of."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from tv_align.judges.oracle.camera import camera_motion
from tv_align.judges.oracle.judge import Oracle
from tv_align.judges.oracle.motion import fit_motion
from tv_align.scenes.prompts import reference_clips, scene_prompts
from vtok_eval.errors import VideoError
from vtok_eval.systems import Clip
from vtok_eval.video.decode import decode
from vtok_eval.video.encode import encode


def compressed(clip: Clip, folder: Path) -> Clip:
    path = folder / "clip.mp4"
    encode(clip, path, crf=28)
    return decode(path)


def blurred_and_noisy(clip: Clip, seed: int) -> Clip:
    """Gaussian blur of 0.6 pixels, then noise of 6 levels."""
    from scipy import ndimage

    pixels = ndimage.gaussian_filter(clip.frames.numpy().astype(np.float32), (0, 0, 0.6, 0.6))
    pixels += np.random.default_rng(seed).normal(0, 6, pixels.shape)
    return Clip(torch.from_numpy(np.clip(pixels, 0, 255).astype(np.uint8)), clip.fps)


def accuracies(make, *, per_level: int, size: int) -> dict[str, float]:
    drawn = scene_prompts(per_level=per_level)
    clips = reference_clips(drawn, size=size)
    oracle, right, asked = Oracle(), Counter(), Counter()
    for number, item in enumerate(drawn):
        clip = make(clips[item.entry.id].load(), number)
        verdicts = oracle.judge(clip, list(item.entry.questions))
        for verdict, answer in zip(verdicts, item.entry.questions.values(), strict=True):
            right[item.category] += verdict.reply == answer
            asked[item.category] += 1
    return {category: right[category] / asked[category] for category in asked}


@pytest.mark.slow
def test_rendered_clips_98_percent_in_every_category() -> None:
    found = accuracies(lambda clip, _: clip, per_level=13, size=64)
    assert len(found) == 8
    assert min(found.values()) >= 0.98, found


@pytest.mark.slow
def test_compression_costs_at_most_to_95_percent(tmp_path: Path) -> None:
    found = accuracies(lambda clip, _: compressed(clip, tmp_path), per_level=13, size=64)
    assert min(found.values()) >= 0.95, found


@pytest.mark.slow
def test_blur_and_noise_cost_at_most_to_95_percent() -> None:
    found = accuracies(blurred_and_noisy, per_level=13, size=64)
    assert min(found.values()) >= 0.95, found


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
