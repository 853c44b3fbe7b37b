"""Frames in a message are the clip's frames."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from vtok_eval.data import Clip
from vtok_eval.endpoint.content import user_message
from vtok_eval.errors import SpecError
from vtok_eval.video.decoding.decode import decode


@pytest.fixture
def clip() -> Clip:
    ramp = torch.arange(24 * 32).reshape(24, 32) % 200
    frames = torch.stack([torch.stack([ramp, ramp.flip(0), (ramp + 20 * t) % 255]) for t in range(3)])
    return Clip(frames.to(torch.uint8), 5.0)


def data_of(part) -> tuple[str, bytes]:
    (url,) = [value["url"] for key, value in part.items() if key != "type"]
    head, _, data = url.partition(";base64,")
    return head, base64.b64decode(data)


def test_png_frames_are_exact_in_order_and_before_the_text(clip):
    *pictures, text = user_message("What moves?", clip, frame_format="png")["content"]
    assert text == {"type": "text", "text": "What moves?"}
    assert len(pictures) == 3
    for frame, part in zip(clip.frames, pictures, strict=True):
        assert part["type"] == "image_url"
        head, data = data_of(part)
        assert head == "data:image/png"
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), frame.permute(1, 2, 0).numpy())


def test_jpeg_frames_are_near(clip):
    flat = Clip(torch.full((1, 3, 16, 16), 90, dtype=torch.uint8), 1.0)
    head, data = data_of(user_message("?", flat)["content"][0])
    assert head == "data:image/jpeg"
    assert abs(np.asarray(Image.open(io.BytesIO(data))).astype(int) - 90).max() <= 2


def test_a_video_part_is_an_mp4_of_the_clip(clip, tmp_path):
    part, _ = user_message("?", clip, frame_format="video")["content"]
    head, data = data_of(part)
    assert (part["type"], head) == ("video_url", "data:video/mp4")
    (tmp_path / "clip.mp4").write_bytes(data)
    decoded = decode(tmp_path / "clip.mp4")
    assert decoded.frames.shape == clip.frames.shape
    assert decoded.fps == pytest.approx(5.0)


@pytest.mark.parametrize("frame_format", ["jpeg", "png", "video"])
def test_equal_frames_give_equal_bytes(clip, frame_format):
    """Else the cache would never find an answer again."""
    copy = Clip(clip.frames.clone(), clip.fps)
    assert user_message("?", clip, frame_format=frame_format) == user_message(
        "?", copy, frame_format=frame_format
    )


def test_unknown_format(clip):
    with pytest.raises(SpecError, match="jpeg, png or video, not 'gif'"):
        user_message("?", clip, frame_format="gif")
