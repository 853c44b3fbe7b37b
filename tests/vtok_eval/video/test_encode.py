from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from vtok_eval.data import Clip
from vtok_eval.errors import UnknownNameError, VideoError
from vtok_eval.video.decoding.decode import decode, probe
from vtok_eval.video.encode import encode

FLAT_COLOURS = [
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (255, 255, 255),
    (0, 0, 0),
    (128, 128, 128),
    (250, 128, 3),
    (17, 200, 90),
]


def flat(colour: tuple[int, int, int], *, height: int = 48, width: int = 64, n_frames: int = 3) -> Clip:
    frames = torch.tensor(colour, dtype=torch.uint8)[None, :, None, None].expand(n_frames, 3, height, width)
    return Clip(frames=frames.contiguous(), fps=25.0)


def noise(n_frames: int, height: int, width: int, *, fps: float = 25.0) -> Clip:
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (n_frames, 3, height, width), generator=generator, dtype=torch.uint8)
    return Clip(frames=frames, fps=fps)


@pytest.mark.parametrize("colour", FLAT_COLOURS)
@pytest.mark.parametrize(("height", "width", "crf"), [(48, 64, 18), (47, 63, 18), (48, 64, 0)])
def test_no_colour_shift(tmp_path, colour, height, width, crf):
    # Mistaking BT.601 for BT.709 moves pure green by 20 levels and more, limited for full range by 16.
    path = tmp_path / "flat.mp4"
    encode(flat(colour, height=height, width=width), path, crf=crf)
    decoded = decode(path).frames
    assert decoded.shape == (3, 3, height, width)
    error = (decoded.int() - torch.tensor(colour)[None, :, None, None]).abs().max()
    assert error <= 4


@pytest.mark.parametrize("colour", FLAT_COLOURS)
def test_other_readers_see_the_same_colours(tmp_path, colour):
    cv2 = pytest.importorskip("cv2")
    decord = pytest.importorskip("decord")
    path = tmp_path / "flat.mp4"
    encode(flat(colour), path)
    ours = decode(path).frames[0].permute(1, 2, 0).numpy()
    assert np.array_equal(cv2.VideoCapture(str(path)).read()[1][..., ::-1], ours)
    assert np.array_equal(decord.VideoReader(str(path))[0].asnumpy(), ours)


@pytest.mark.parametrize(("height", "width"), [(48, 64), (47, 63), (1, 1), (33, 2)])
def test_lossless_rgb(tmp_path, height, width):
    clip = noise(5, height, width)
    encode(clip, tmp_path / "exact.mp4", crf=0, codec="libx264rgb")
    assert torch.equal(decode(tmp_path / "exact.mp4").frames, clip.frames)


def test_crf_0_loses_only_the_rounding_of_colours(tmp_path):
    # 8-bit YCbCr of limited range has 219 levels of luma and 224 of chroma for 256 of RGB.
    clip = noise(5, 48, 64)
    encode(clip, tmp_path / "near.mp4", crf=0)
    error = (decode(tmp_path / "near.mp4").frames.int() - clip.frames.int()).abs()
    assert error.max() <= 4
    assert error.float().mean() < 1


@pytest.mark.parametrize("fps", [25.0, 30000 / 1001, 24000 / 1001, 8.0, 7.5, 1.0, 120.0, 0.5])
def test_fps_survives(tmp_path, fps):
    encode(noise(4, 16, 16, fps=fps), tmp_path / "rate.mp4")
    assert decode(tmp_path / "rate.mp4").fps == fps
    assert probe(tmp_path / "rate.mp4").fps == pytest.approx(fps)


def test_frames_keep_their_order_and_number(tmp_path):
    levels = torch.arange(0, 250, 10, dtype=torch.uint8)
    frames = levels[:, None, None, None].expand(-1, 3, 32, 32).contiguous()
    encode(Clip(frames=frames, fps=25.0), tmp_path / "ramp.mp4")
    decoded = decode(tmp_path / "ramp.mp4").frames.float().mean(dim=(1, 2, 3))
    assert torch.all((decoded - levels.float()).abs() < 4)


def test_a_view_of_a_batch_is_written_as_it_looks(tmp_path):
    clip = noise(4, 32, 48)
    mirrored = Clip(frames=clip.frames.flip(3)[::2], fps=25.0)
    encode(mirrored, tmp_path / "view.mp4", crf=0, codec="libx264rgb")
    assert torch.equal(decode(tmp_path / "view.mp4").frames, mirrored.frames)


def test_same_clip_same_bytes(tmp_path):
    digests = set()
    for name in ("a.mp4", "b.mp4"):
        encode(noise(6, 48, 64), tmp_path / name)
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1


def test_stored_for_players_everywhere(tmp_path):
    encode(noise(2, 48, 64), tmp_path / "even.mp4")
    with av.open(str(tmp_path / "even.mp4")) as container:
        codec = container.streams.video[0].codec_context
        assert (codec.name, codec.pix_fmt) == ("h264", "yuv420p")
        assert (int(codec.colorspace), int(codec.color_range)) == (6, 1)  # H.273: SMPTE 170M; limited


# Bad requests and failures


@pytest.mark.parametrize(
    ("clip", "options", "says"),
    [
        (Clip(frames=torch.zeros(3, 3, 8, 8), fps=25.0), {}, "must be uint8"),
        (Clip(frames=torch.zeros(3, 8, 8, 3, dtype=torch.uint8), fps=25.0), {}, r"\(T, 3, H, W\)"),
        (Clip(frames=torch.zeros(0, 3, 8, 8, dtype=torch.uint8), fps=25.0), {}, "must be uint8"),
        (Clip(frames=torch.zeros(1, 3, 8, 8, dtype=torch.uint8), fps=0.0), {}, "fps must be positive"),
        (Clip(frames=torch.zeros(1, 3, 8, 8, dtype=torch.uint8), fps=float("nan")), {}, "fps"),
        (Clip(frames=torch.zeros(1, 3, 8, 8, dtype=torch.uint8), fps=25.0), {"crf": 52}, "crf"),
    ],
)
def test_bad_clips(tmp_path, clip, options, says):
    with pytest.raises(VideoError, match=says):
        encode(clip, tmp_path / "bad.mp4", **options)
    assert list(tmp_path.iterdir()) == []


def test_bad_names(tmp_path):
    clip = noise(1, 8, 8)
    with pytest.raises(VideoError, match=r"must end in \.mp4"):
        encode(clip, tmp_path / "clip.webm")
    with pytest.raises(VideoError, match="no folder"):
        encode(clip, tmp_path / "nowhere" / "clip.mp4")
    with pytest.raises(UnknownNameError, match="did you mean 'libx264'"):
        encode(clip, tmp_path / "clip.mp4", codec="x264")


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    target = tmp_path / "clip.mp4"
    encode(noise(2, 16, 16), target)
    before = target.read_bytes()

    def full_disk(source: Path, destination: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vtok_eval.video.encode.os.replace", full_disk)
    with pytest.raises(VideoError, match="No space left on device"):
        encode(noise(4, 16, 16), target)
    assert target.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_disk_that_fills_up_while_writing(tmp_path):
    # A separate process whose files may not exceed 2,000 bytes: writing fails within FFmpeg.
    code = (
        "import resource, signal, sys, torch\n"
        "from vtok_eval.errors import VideoError\n"
        "from vtok_eval.data import Clip\n"
        "from vtok_eval.video.encode import encode\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "frames = torch.randint(0, 256, (30, 3, 64, 64), dtype=torch.uint8)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
        "try:\n"
        "    encode(Clip(frames=frames, fps=25.0), sys.argv[1])\n"
        "except VideoError as error:\n"
        "    assert 'cannot be written' in str(error), error\n"
        "else:\n"
        "    raise SystemExit('no error')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "clip.mp4"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []
