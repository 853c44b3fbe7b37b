"""Which frames are shown, and how large: worked out by hand."""

from __future__ import annotations

import pytest
import torch

from vtok_eval.answerers.shown_frames import FrameRule, show
from vtok_eval.data import Clip
from vtok_eval.errors import SpecError


def numbered(n_frames: int, size: tuple[int, int] = (10, 20), fps: float = 5.0) -> Clip:
    frames = torch.arange(n_frames, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, *size)
    return Clip(frames, fps)


def test_linspace_and_the_rate_among_the_shown_frames():
    shown = show(numbered(9), FrameRule(count=3))
    assert shown.indices == (0, 4, 8)
    assert shown.frames[:, 0, 0, 0].tolist() == [0, 4, 8]
    # 9 frames at 5 a second last 1.8 s; 3 frames in 1.8 s are 5/3 a second.
    assert shown.fps == pytest.approx(5 / 3)
    assert shown.cost() == {"frames": 3.0, "pixels": 600.0}


def test_fps_rule():
    # 2 frames a second of a clip at 5: indices 0, 2.5, 5, 7.5 -> 0, 2, 5, 7 of 10 frames (2 s).
    assert show(numbered(10), FrameRule(count=8, sampling="fps", fps=2.0)).indices == (0, 2, 5, 7)


def test_pixels_are_bounded_and_proportions_kept():
    shown = show(numbered(2, (100, 200)), FrameRule(max_pixels=5000))
    # sqrt(5000 / 20000) = 0.5
    assert shown.frames.shape == (2, 3, 50, 100)
    assert shown.frames.dtype == torch.uint8
    assert shown.frames[1].unique().tolist() == [1]
    assert show(numbered(2, (50, 100)), FrameRule(max_pixels=5000)).frames.shape[-2:] == (50, 100)


def test_short_clip_shows_every_frame_once():
    assert show(numbered(3), FrameRule(count=8)).indices == (0, 1, 2)


@pytest.mark.parametrize("bad", [{"count": 0}, {"sampling": "fps"}, {"fps": 1.0}, {"max_pixels": 0}])
def test_bad_rules(bad):
    with pytest.raises(SpecError):
        FrameRule(**bad)
