from __future__ import annotations

import math
import os
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from vtok_eval.errors import VideoError
from vtok_eval.video.decoding.decode import DecodeLimits, count_frames, decode, probe
from vtok_eval.video.sources import shipped_clips

SHIPPED = {entry.path.name: entry.path for entry in shipped_clips().entries()}


def channels_last(frames: torch.Tensor) -> np.ndarray:
    return frames.permute(0, 2, 3, 1).numpy()


def write_growing_video(path: Path, sizes: list[tuple[int, int]]) -> Path:
    """Matroska with Motion JPEG, whose packets may differ in size: one frame per (height, width)."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.height, stream.width = sizes[0]
        stream.pix_fmt = "yuvj420p"
        container.start_encoding()
        for i, (height, width) in enumerate(sizes):
            encoder = av.CodecContext.create("mjpeg", "w")
            encoder.thread_count = 1
            encoder.height, encoder.width, encoder.pix_fmt = height, width, "yuvj420p"
            encoder.time_base = Fraction(1, 25)
            picture = av.VideoFrame.from_ndarray(np.full((height, width, 3), 99, np.uint8), format="rgb24")
            for packet in encoder.encode(picture.reformat(format="yuvj420p")) + encoder.encode(None):
                packet.pts = packet.dts = i
                packet.time_base = Fraction(1, 25)
                packet.stream = stream
                container.mux(packet)
    return path


def error_of(path: Path, **options) -> str:
    with pytest.raises(VideoError) as caught:
        decode(path, **options)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


# Agreement with other readers


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_pixels_equal_decord(name):
    decord = pytest.importorskip("decord")
    reader = decord.VideoReader(str(SHIPPED[name]))
    chosen = [0, 1, len(reader) // 2, len(reader) - 1]
    clip = decode(SHIPPED[name], indices=chosen)
    assert np.array_equal(channels_last(clip.frames), reader.get_batch(chosen).asnumpy())
    assert count_frames(SHIPPED[name]) == probe(SHIPPED[name]).n_frames == len(reader)


@pytest.mark.parametrize("name", ["bikes.mp4", "carphone_pristine.mp4"])
def test_pixels_equal_opencv(name):
    cv2 = pytest.importorskip("cv2")
    capture = cv2.VideoCapture(str(SHIPPED[name]))
    clip = decode(SHIPPED[name])
    for picture in channels_last(clip.frames):
        there, bgr = capture.read()
        assert there
        assert np.array_equal(picture, bgr[..., ::-1])
    assert not capture.read()[0]
    assert clip.fps == pytest.approx(capture.get(cv2.CAP_PROP_FPS), rel=1e-12)


@pytest.mark.parametrize(
    ("matrix", "full_range", "kr", "kb"),
    [
        (1, False, 0.2126, 0.0722),
        (6, False, 0.299, 0.114),
        (2, False, 0.299, 0.114),
        (1, True, 0.2126, 0.0722),
    ],
)
def test_colour_tags_are_honoured(tmp_path, matrix, full_range, kr, kb):
    """Against the defining equations (ITU-T H.273): BT.709, BT.601, no tag (taken for BT.601), full range."""
    path, (y, cb, cr) = tmp_path / "tagged.mp4", (120, 90, 170)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "0"})
        stream.codec_context.thread_count = 1
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = matrix, 2 if full_range else 1
        planes = np.concatenate([np.full(48 * 64, y), np.full(24 * 32, cb), np.full(24 * 32, cr)])
        frame = av.VideoFrame.from_ndarray(planes.astype(np.uint8).reshape(72, 64), format="yuv420p")
        frame.colorspace, frame.color_range = matrix, 2 if full_range else 1
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    luma = y / 255 if full_range else (y - 16) / 219
    blue, red = ((c - 128) / (255 if full_range else 224) for c in (cb, cr))
    r, b = luma + 2 * (1 - kr) * red, luma + 2 * (1 - kb) * blue
    g = (luma - kr * r - kb * b) / (1 - kr - kb)
    got = decode(path).frames[0, :, 24, 32].tolist()
    assert got == pytest.approx([255 * r, 255 * g, 255 * b], abs=3)


# Good files of every kind


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", {}),
        ("a.mkv", {}),
        ("a.mov", {}),
        ("vp8.webm", {"codec": "libvpx"}),
        ("vp9.webm", {"codec": "libvpx-vp9"}),
        ("a.avi", {"codec": "mpeg4"}),
        ("a.gif", {"codec": "gif", "pixel_format": "rgb8"}),
        ("with sound.mp4", {"audio": True}),
        ("odd.mp4", {"height": 47, "width": 63, "pixel_format": "yuv444p"}),
        ("odd-chroma.mp4", {"height": 47, "width": 63, "codec": "mpeg4"}),
        ("a cat: 100% cute %03d-0.mp4", {}),
    ],
)
def test_containers_and_sizes(make_video, pictures, name, options):
    path = make_video(name, **options)
    height, width = options.get("height", 48), options.get("width", 64)
    clip = decode(path)
    assert clip.frames.shape == (10, 3, height, width)
    assert clip.frames.dtype == torch.uint8
    assert clip.frames.is_contiguous()
    assert clip.fps == 25.0
    info = probe(path)
    assert (info.height, info.width, info.rotation_degrees, info.mirrored) == (height, width, 0, False)
    assert info.fps == 25.0
    assert info.duration_s == pytest.approx(0.4)
    assert info.n_frames in (10, None)
    assert count_frames(path) == 10
    # Lossy codecs and a GIF's 256 colours: within a coarse tolerance it is the picture that was written.
    difference = channels_last(clip.frames).astype(int) - pictures(10, height, width)
    assert np.abs(difference).mean() < 20


def test_one_frame(make_video):
    clip = decode(make_video(n_frames=1))
    assert clip.frames.shape == (1, 3, 48, 64)
    assert clip.fps == 25.0


def test_indices_are_the_frames_of_the_whole(make_video):
    path = make_video(n_frames=12)
    whole = decode(path)
    some = decode(path, indices=[7, 0, 3, 7])
    assert torch.equal(some.frames, whole.frames[[7, 0, 3, 7]])
    assert torch.equal(decode(path, indices=[11]).frames, whole.frames[11:])


def test_rate_of_sampled_frames_is_the_rate_of_sampling(make_video):
    path = make_video(n_frames=13)
    assert decode(path, indices=[0, 5, 10]).fps == 5.0  # every fifth of 25 a second
    assert decode(path, indices=[10, 0, 5]).fps == 5.0
    assert decode(path, indices=[4]).fps == 25.0


def test_ntsc_rate_is_exact(make_video):
    for name in ("a.mp4", "a.mkv"):  # Matroska rounds timestamps to milliseconds
        assert decode(make_video(name, rate=Fraction(30000, 1001))).fps == 30000 / 1001


def test_variable_frame_rate(make_video, pictures):
    ticks = [0, 4, 5, 20, 21, 22, 40, 70, 71, 90]
    path = make_video(ticks=ticks, time_base=Fraction(1, 100), rate=25)
    clip = decode(path)
    assert clip.frames.shape[0] == 10
    assert clip.fps == 10.0  # 9 gaps in 0.90 s
    # Brightness rises with time, so presentation order is a rising mean.
    means = clip.frames.float().mean(dim=(1, 2, 3))
    assert torch.all(means[1:] > means[:-1])
    assert decode(path, indices=[0, 9]).fps == pytest.approx(1 / 0.9)


def test_rate_of_zero_in_the_header_comes_from_timestamps(make_video):
    # AVI's header: "avih" microseconds per frame, and "strh" scale and rate 20 and 24 bytes into the chunk.
    path = make_video("a.avi", codec="mpeg4")
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.index(b"avih") + 8, 0)
    struct.pack_into("<I", data, data.index(b"strh") + 8 + 24, 0)
    path.write_bytes(data)
    clip = decode(path)
    assert clip.frames.shape[0] == 10
    assert math.isfinite(clip.fps)
    assert clip.fps > 0


def test_edit_list_is_applied(make_video, tmp_path):
    path, trimmed = make_video(n_frames=12), tmp_path / "trimmed.mp4"
    options = {"avoid_negative_ts": "disabled", "use_editlist": "1"}
    with av.open(str(path)) as source, av.open(str(trimmed), "w", options=options) as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        shift = int(3 / 25 / stream.time_base)
        for packet in source.demux(stream):
            if packet.size:
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = copy
                target.mux(packet)
    assert probe(trimmed).n_frames == 12  # what the container states
    assert count_frames(trimmed) == 9  # what is to be shown
    assert torch.equal(decode(trimmed).frames, decode(path).frames[3:])


def test_cover_picture_is_not_the_video(make_video, tmp_path):
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=8000)
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 16, 16, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic.value  # type: ignore[assignment]
        picture = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
        container.mux(cover.encode(picture.reformat(format="yuvj420p")))
        container.mux(cover.encode(None))
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    assert "no video stream" in error_of(path)


# Rotation


@pytest.mark.parametrize(
    ("abcd", "degrees", "mirrored", "upright"),
    [
        # Independent of the code under test: how numpy turns a picture (k counts counter-clockwise quarters).
        ((0, 1, -1, 0), 90, False, lambda p: np.rot90(p, k=-1)),
        ((-1, 0, 0, -1), 180, False, lambda p: np.rot90(p, k=2)),
        ((0, -1, 1, 0), 270, False, lambda p: np.rot90(p, k=1)),
        ((-1, 0, 0, 1), 0, True, np.fliplr),
        ((1, 0, 0, -1), 180, True, np.flipud),
        ((0, 1, 1, 0), 270, True, lambda p: p.swapaxes(0, 1)),
        ((0, -1, -1, 0), 90, True, lambda p: np.rot90(np.fliplr(p), k=-1)),
    ],
)
def test_display_matrix(turned_video, tmp_path, abcd, degrees, mirrored, upright):
    turned = turned_video(abcd)
    stored = channels_last(decode(tmp_path / "upright.mp4").frames)
    shown = channels_last(decode(turned).frames)
    assert np.array_equal(shown, np.stack([upright(picture) for picture in stored]))
    info = probe(turned)
    assert (info.rotation_degrees, info.mirrored) == (degrees, mirrored)
    assert (info.height, info.width) == shown.shape[1:3]
    # The words hold too: mirrored left to right first, then turned clockwise.
    said = [np.rot90(np.fliplr(p) if mirrored else p, k=-degrees // 90) for p in stored]
    assert np.array_equal(shown, np.stack(said))


@pytest.mark.parametrize("abcd", [(0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0)])
def test_rotation_agrees_with_ffmpeg(turned_video, abcd):
    turned = turned_video(abcd)
    with av.open(str(turned)) as container:
        counter_clockwise = next(container.decode(video=0)).rotation
    assert probe(turned).rotation_degrees == -counter_clockwise % 360


def test_half_turn_agrees_with_decord(turned_video):
    decord = pytest.importorskip("decord")
    turned = turned_video((-1, 0, 0, -1))
    theirs = decord.VideoReader(str(turned)).get_batch([0, 1, 2]).asnumpy()
    assert np.array_equal(channels_last(decode(turned).frames), theirs)


def test_slanted_display_matrix_is_refused(turned_video):
    assert "multiple of 90 degrees" in error_of(turned_video((1, 1, -1, 1)))


# Bad files


def test_missing_directory_and_empty(tmp_path):
    assert "no such video file" in error_of(tmp_path / "none.mp4")
    assert "is a directory" in error_of(tmp_path)
    (tmp_path / "empty.mp4").touch()
    assert "empty (0 bytes)" in error_of(tmp_path / "empty.mp4")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable(make_video):
    path = make_video()
    path.chmod(0)
    assert "no permission" in error_of(path)


@pytest.mark.parametrize("name", ["notes.mp4", "notes.txt", "list.m3u8", "script.ffconcat"])
def test_text_is_no_video(tmp_path, make_video, name):
    make_video("real.mp4")
    text = {
        "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nreal.mp4\n#EXT-X-ENDLIST\n",
        "script.ffconcat": "ffconcat version 1.0\nfile real.mp4\n",
    }.get(name, "not a video\n" * 100)
    (tmp_path / name).write_text(text)
    assert "not a video" in error_of(tmp_path / name)


def test_random_bytes_and_pictures_are_no_video(tmp_path):
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
    assert "not a video" in error_of(tmp_path / "noise.mp4")
    png = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de")
    (tmp_path / "picture.png").write_bytes(png + b"\0" * 100)
    assert "not a video" in error_of(tmp_path / "picture.png")


@pytest.mark.parametrize("name", ["sound.mp4", "sound.mka", "sound.wav"])
def test_sound_alone(tmp_path, name):
    codec = "pcm_s16le" if name.endswith("wav") else "aac"
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream(codec, rate=8000)
        kind = "s16" if codec == "pcm_s16le" else "fltp"
        samples = np.zeros((1, 8000), np.int16 if kind == "s16" else np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format=kind, layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert "has no video stream (it holds: audio)" in error_of(tmp_path / name)


def test_video_stream_without_frames(tmp_path):
    path = tmp_path / "hollow.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    assert "no frame in it" in error_of(path)
    for function in (probe, count_frames):
        with pytest.raises(VideoError, match="no frame in it"):
            function(path)


@pytest.mark.parametrize("share", [0.5, 0.8, 0.95, 0.995])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", {}),
        ("a.mkv", {}),
        ("a.webm", {"codec": "libvpx-vp9"}),
        ("a.gif", {"codec": "gif", "pixel_format": "rgb8"}),
    ],
)
def test_truncated_is_an_error_not_a_shorter_clip(make_video, cut, name, options, share):
    path = cut(make_video(name, n_frames=30, **options), share)
    assert "truncated" in error_of(path)
    with pytest.raises(VideoError, match="truncated"):
        count_frames(path)


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_truncated_avi(make_video, cut, share):
    assert "truncated" in error_of(cut(make_video("a.avi", codec="mpeg4", n_frames=60), share))


def test_truncated_before_the_index(tmp_path, cut, make_video):
    # A .mov without faststart keeps its index at the end.
    assert "truncated" in error_of(cut(make_video("a.mov"), 0.9))


def test_damaged_in_the_middle(make_video):
    path = make_video("a.mp4", n_frames=30)
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    data[start:] = b"\xff" * (len(data) - start)
    path.write_bytes(data)
    assert "damaged" in error_of(path)


def test_frame_size_changes_in_mid_stream(tmp_path):
    path = write_growing_video(tmp_path / "growing.mkv", [(48, 64)] * 3 + [(96, 128)])
    assert "changes from 64x48 to 128x96 at frame 3" in error_of(path)
    assert decode(path, indices=[0, 1, 2]).frames.shape == (3, 3, 48, 64)


@pytest.mark.parametrize(("indices", "says"), [([10], "it has 10 frames (0 to 9)"), ([2, 99], "frame 99")])
def test_index_out_of_range(make_video, indices, says):
    assert says in error_of(make_video(n_frames=10), indices=indices)


def test_senseless_indices(make_video):
    path = make_video()
    assert "negative" in error_of(path, indices=[0, -1])
    assert "indices is empty" in error_of(path, indices=[])


# Limits


def test_limits(make_video):
    path = make_video(n_frames=10)  # 10 x 48 x 64 x 3 = 92,160 bytes
    assert "64x48 are beyond the limit" in error_of(path, limits=DecodeLimits(max_pixels_per_frame=3071))
    assert "limit of 9" in error_of(path, limits=DecodeLimits(max_frames=9))
    assert "limit of 92159 bytes" in error_of(path, limits=DecodeLimits(max_total_bytes=92_159))
    just = DecodeLimits(max_pixels_per_frame=3072, max_frames=10, max_total_bytes=92_160)
    assert decode(path, limits=just).frames.shape[0] == 10
    two = DecodeLimits(max_frames=2)
    assert decode(path, limits=two, indices=[0, 9]).frames.shape[0] == 2


def test_limits_hold_where_the_container_states_no_count(make_video):
    path = make_video("a.webm", codec="libvpx", n_frames=40)
    assert "limit of 39" in error_of(path, limits=DecodeLimits(max_frames=39))
    assert "bytes" in error_of(path, limits=DecodeLimits(max_total_bytes=39 * 9216))
    assert decode(path, limits=DecodeLimits(max_frames=40, max_total_bytes=40 * 9216)).frames.shape[0] == 40


def test_bomb_is_refused_before_a_frame_is_decoded(make_video, monkeypatch):
    path = make_video("a.gif", codec="gif", pixel_format="rgb8")
    data = bytearray(path.read_bytes())
    data[6:10] = struct.pack("<HH", 16000, 16000)  # GIF89a: logical screen width, height
    path.write_bytes(data)
    monkeypatch.setattr(
        "vtok_eval.video.decoding.decode.frames", lambda *_: pytest.fail("a frame was decoded")
    )
    assert "beyond the limit of 35389440 pixels" in error_of(path)


def test_stream_that_outgrows_its_header_is_stopped(tmp_path):
    path = write_growing_video(tmp_path / "growing.mkv", [(48, 64)] * 3 + [(96, 128)])
    message = error_of(path, limits=DecodeLimits(max_pixels_per_frame=4096))
    assert "frames of 128x96 are beyond the limit of 4096 pixels" in message
    # Far beyond the limit FFmpeg itself refuses, before it takes memory for the frame.
    path = write_growing_video(tmp_path / "bomb.mkv", [(48, 64)] * 3 + [(2000, 2000)])
    assert "cannot be decoded" in error_of(path, limits=DecodeLimits(max_pixels_per_frame=4096))
