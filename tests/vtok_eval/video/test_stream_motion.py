"""Motion read from a coded stream, held against clips whose motion is known."""

from __future__ import annotations

import numpy as np
import torch

from vtok_eval.data import Clip
from vtok_eval.video.stream_motion import stream_motion


def picture(seed: int = 0, *, size: int = 160) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randint(0, 256, (1, 3, size // 8, size // 8), generator=generator).float()
    smooth = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bicubic")
    return smooth.clamp(0, 255)[0].to(torch.uint8)


def test_a_window_that_moves_over_a_picture() -> None:
    whole = picture()
    # Frame t shows the picture from row 60 - 2t and column 30 + 3t on: what is at (y, x) in frame t + 1 was
    # at (y - 2, x + 3) in frame t, so it moved by 2 pixels down and 3 to the left.
    frames = [whole[:, 60 - 2 * t : 124 - 2 * t, 30 + 3 * t : 94 + 3 * t] for t in range(6)]
    motion = stream_motion(Clip(torch.stack(frames), 8.0), crf=18)
    assert motion.shift.shape == (5, 64, 64, 2)
    inside = motion.shift[:, 16:48, 16:48]
    assert np.allclose(inside, (-3.0, 2.0), atol=0.3)
    assert not motion.coded_anew[:, 16:48, 16:48].any()
    assert np.abs(motion.residual).mean() < 0.02


def test_nothing_moves_in_a_still_clip() -> None:
    motion = stream_motion(Clip(picture()[None, :, :33, :47].expand(4, -1, -1, -1).contiguous(), 8.0), crf=23)
    # An odd size: what was padded for the encoder is cut off again.
    assert motion.residual.shape == (3, 33, 47)
    assert float(np.abs(motion.shift).max()) == 0.0
    assert float(np.abs(motion.residual).max()) < 0.02


def test_a_new_scene_is_coded_anew() -> None:
    scenes = [picture(0)[:, :64, :64], picture(0)[:, :64, :64], picture(9)[:, :64, :64]]
    motion = stream_motion(Clip(torch.stack(scenes), 8.0), crf=18)
    assert motion.coded_anew[0].mean() < 0.1
    assert motion.coded_anew[1].mean() > 0.5
    assert np.abs(motion.residual[1]).mean() > 5 * np.abs(motion.residual[0]).mean()


def test_one_frame_has_no_motion() -> None:
    motion = stream_motion(Clip(picture()[None, :, :32, :48], 8.0), crf=23)
    assert motion.shift.shape == (0, 32, 48, 2)
    assert motion.coded_anew.shape == motion.residual.shape == (0, 32, 48)
