from __future__ import annotations

import json

import pytest
import torch

from vtok_eval.data import Clips, Tokens
from vtok_eval.errors import GenerationError
from vtok_eval.results.shape_change import ShapeChange, changes_in_words
from vtok_eval.video.encode import encode
from vtok_eval.video.folder import VideoFolder
from vtok_eval.video.made import ReconstructedVideos, how_made
from vtok_eval.video.returned_clips import checked_clips, shape_change


def clips(*shape: int, dtype: torch.dtype = torch.uint8, fps: object = None) -> Clips:
    rate = torch.full((shape[0],), 8.0, dtype=torch.float64) if fps is None else fps
    return Clips(torch.zeros(shape, dtype=dtype), rate)


GOOD = (2, 4, 3, 8, 10)


@pytest.mark.parametrize("rate", [torch.float64, torch.float32])
def test_good_clips_are_given_back(rate):
    good = clips(*GOOD, fps=torch.ones(2, dtype=rate))
    assert checked_clips(good, n_clips=2, made_by="decode") is good


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (None, "not NoneType"),
        (torch.zeros(GOOD, dtype=torch.uint8), "with 2 clips here, not torch.Tensor (2, 4, 3, 8, 10)"),
        ([clips(*GOOD)], "not list"),
        (clips(*GOOD, fps=8.0), "(2,), not the float 8.0; write torch.full((2,), 8.0)"),
        (clips(*GOOD, fps=8), "not the int 8; write torch.full((2,), 8.0)"),
        (clips(*GOOD, fps=[8.0, 8.0]), "not list"),
        (clips(*GOOD, fps=torch.tensor(8.0)), "not torch.float32 ()"),
        (clips(*GOOD, fps=torch.ones(1)), "not torch.float32 (1,)"),
        (clips(*GOOD, fps=torch.ones(2, dtype=torch.int64)), "not torch.int64 (2,)"),
        (clips(*GOOD, fps=torch.tensor([8.0, 0.0])), "positive and finite"),
        (clips(*GOOD, fps=torch.tensor([torch.nan, 8.0])), "positive and finite, not nan"),
        (clips(1, 4, 3, 8, 10), "not 1 clips"),
        (clips(4, 3, 8, 10), "not torch.uint8 (4, 3, 8, 10)"),
        (clips(2, 3, 4, 8, 10), "its axes seem to be in the order (B, 3, T, H, W)"),
        (clips(2, 4, 8, 10, 3), "its axes seem to be in the order (B, T, H, W, 3)"),
        (clips(2, 4, 4, 8, 10), "not torch.uint8 (2, 4, 4, 8, 10)"),
        (clips(2, 0, 3, 8, 10), "not torch.uint8 (2, 0, 3, 8, 10)"),
        (clips(*GOOD, dtype=torch.float32), "from 0 to 0; write (255 * frames).round().to(torch.uint8)"),
        (clips(*GOOD, dtype=torch.int32), "not torch.int32 (2, 4, 3, 8, 10) from 0 to 0"),
        (clips(*GOOD, dtype=torch.bool), "not torch.bool"),
        (Clips(torch.full(GOOD, -1.0), torch.ones(2)), "write (127.5 * (frames + 1)).round()"),
        (Clips(torch.full(GOOD, 200.0), torch.ones(2)), "write frames.clamp(0, 255).round()"),
        (
            Clips(torch.zeros(GOOD, dtype=torch.uint8).numpy(), torch.ones(2)),
            "not numpy.ndarray (2, 4, 3, 8, 10)",
        ),
    ],
)
def test_what_breaks_the_protocol_is_named(given, says):
    with pytest.raises(GenerationError) as caught:
        checked_clips(given, n_clips=2, made_by="decode")
    message = str(caught.value)
    assert message.startswith("decode must give Clips ")
    assert says in message
    assert "\n" not in message


def test_changes_in_words():
    assert shape_change(clips(1, 16, 3, 60, 64), clips(1, 13, 3, 56, 64)).text() == (
        "13 of 16 frames, 56 x 64 of 60 x 64 pixels"
    )
    same, more = ShapeChange((16, 8, 8), (16, 8, 8)), ShapeChange((16, 8, 8), (17, 8, 8))
    assert (same.text(), more.text()) == ("", "17 frames for 16")
    assert changes_in_words([same]) == changes_in_words([]) == ""
    assert changes_in_words([more]) == "17 frames for 16 (1 of 1 clips)"
    assert changes_in_words([more, more]) == "17 frames for 16 (all 2 clips)"
    several = [ShapeChange((n, 8, 8), (8, 8, 8)) for n in (10, 11, 12, 13, 14)]
    assert changes_in_words(several).endswith("; other changes (2 of 5 clips)")


@pytest.mark.parametrize("content", [None, 3, {}, {"given": [1, 2, 3]}, {"given": [1], "returned": [1]}])
def test_other_json_is_no_change(content):
    assert ShapeChange.of_json(content) is None
    change = ShapeChange((16, 8, 8), (17, 8, 8))
    assert ShapeChange.of_json(json.loads(json.dumps(change.to_json()))) == change


class Cuts:
    """Keeps 13 frames of 16, and a size divisible by 8, as some autoencoders do."""

    def encode(self, given: Clips) -> Tokens:
        self.given = given
        return Tokens.of(torch.ones(len(given), 5, 2))

    def decode(self, tokens: Tokens) -> Clips:
        height, width = (side // 8 * 8 for side in self.given.frames.shape[3:])
        return Clips(self.given.frames[:, :13, :, :height, :width], self.given.fps)


class FloatRate(Cuts):
    def decode(self, tokens: Tokens) -> Clips:
        return Clips(self.given.frames, 8.0)


@pytest.fixture
def originals(tmp_path):
    from vtok_eval.data import Clip

    folder = tmp_path / "originals"
    folder.mkdir()
    frames = torch.randint(0, 255, (16, 3, 60, 64), dtype=torch.uint8)
    encode(Clip(frames, 8.0), folder / "a-0.mp4", crf=0, codec="libx264rgb")
    return VideoFolder(folder)


def test_what_a_reconstruction_changes_is_noted(tmp_path, originals):
    videos = ReconstructedVideos(Cuts(), originals, tmp_path / "made", torch.device("cpu"))
    (entry,) = videos.entries()
    videos.ensure(entry)
    assert how_made(entry.path)["decoded"] == {"given": [16, 60, 64], "returned": [13, 56, 64]}


def test_a_decode_with_a_float_rate_is_named(tmp_path, originals):
    videos = ReconstructedVideos(FloatRate(), originals, tmp_path / "made", torch.device("cpu"))
    (entry,) = videos.entries()
    with pytest.raises(GenerationError, match=r"decode must give Clips whose fps .* not the float 8\.0"):
        videos.ensure(entry)
