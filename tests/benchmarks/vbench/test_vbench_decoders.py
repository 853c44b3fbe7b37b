"""Video files that VBench's decoders trip over, and how reconstructions are sampled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.vbench.frames.decoders import DecodingTask, UnsupportedVideoError, open_video, stated_fps
from benchmarks.vbench.package import installed_version
from tests.vtok_eval.video.conftest import patch_display_matrix
from tests.vtok_eval.video.odd_videos import KINDS, VARIABLE, patch_avi_frames, piped, write
from vtok_eval.errors import VideoError
from vtok_eval.video.decoding.decode import decode
from vtok_eval.video.encode import encode

pytestmark = [
    pytest.mark.vbench,
    pytest.mark.skipif(installed_version() is None, reason="the vbench extra is not installed"),
]


def frames_of(task: DecodingTask) -> np.ndarray:
    _, batches = open_video(task)
    return np.concatenate([array for array, _ in batches(16)])


@pytest.mark.parametrize("name", ["Anime: a girl-0.mp4", "rtsp:x-0.mp4", "100%d-0.mp4", "a|b -i c-0.mp4"])
@pytest.mark.parametrize("decoder", ["cv2", "decord", "decord384"])
def test_names_that_look_like_protocols(tmp_path, monkeypatch, name, decoder):
    plain = write(tmp_path / "plain.mp4", n_frames=4)
    (tmp_path / name).write_bytes(plain.read_bytes())
    monkeypatch.chdir(tmp_path)
    assert np.array_equal(
        frames_of(DecodingTask(Path(name), decoder)), frames_of(DecodingTask(plain, decoder))
    )


def test_a_codec_that_a_decoder_lacks_is_named(tmp_path):
    path = write(tmp_path / "a.mp4", n_frames=4, codec="libsvtav1", options={"preset": "12"}, size=(64, 64))
    assert len(decode(path).frames) == 4
    for decoder, library in (("cv2", "OpenCV"), ("decord", "decord")):
        task = DecodingTask(path, decoder, dimensions=("imaging_quality", "scene"))
        with pytest.raises(UnsupportedVideoError) as caught:
            frames_of(task)
        message = str(caught.value)
        assert f"{library}, which VBench reads it with for imaging_quality, scene, " in message
        assert "no decoder here for av1 in yuv420p" in message


def test_a_header_without_a_duration_is_named(tmp_path):
    path = piped(tmp_path / "a.webm", "webm", n_frames=6, codec="libvpx-vp9", options={})
    assert len(frames_of(DecodingTask(path, "cv2"))) == 6
    with pytest.raises(UnsupportedVideoError, match=r"decord, .* subject_consistency, needs a duration"):
        open_video(DecodingTask(path, "decord", dimensions=("subject_consistency",)))


@pytest.mark.parametrize("decoder", ["cv2", "decord"])
def test_avi_that_holds_less_than_its_header_says(tmp_path, decoder):
    path = patch_avi_frames(write(tmp_path / "a.avi", n_frames=17, codec="mpeg4", options={}), 111)
    with pytest.raises(VideoError, match="17 packets of the 111 in its header") as caught:
        open_video(DecodingTask(path, decoder))
    assert not isinstance(caught.value, UnsupportedVideoError)


@pytest.mark.parametrize("kind", ["variable rate", "avi with b-frames", "edit list", "interlaced"][:4])
def test_a_reconstruction_is_sampled_as_its_original(tmp_path, kind):
    original = KINDS[kind](tmp_path)
    made = tmp_path / "made.mp4"
    clip = decode(original)
    encode(clip, made, crf=0, codec="libx264rgb")
    assert decode(made).fps == pytest.approx(clip.fps, rel=1e-5)
    for decoder in ("cv2", "decord"):
        stated = stated_fps(DecodingTask(original, decoder))
        assert open_video(DecodingTask(made, decoder, rate_of=original))[0].fps == stated


def test_variable_rates_state_another_rate_than_their_frames_have(tmp_path):
    """So the test above is not void."""
    original, made = write(tmp_path / "a.mp4", ticks=VARIABLE), tmp_path / "made.mp4"
    clip = decode(original)
    encode(clip, made, crf=0, codec="libx264rgb")
    assert stated_fps(DecodingTask(original, "cv2")) != pytest.approx(
        stated_fps(DecodingTask(made, "cv2")), rel=1e-3
    )


def by_cv2(path: Path) -> list[np.ndarray]:
    """Frames as the reference's functions have them from OpenCV."""
    import cv2

    capture, found = cv2.VideoCapture(str(path)), []
    while (read := capture.read())[0]:
        found.append(read[1])
    return found


def test_the_reference_sees_a_rotated_file_upright_and_sideways(tmp_path):
    import decord

    upright = write(tmp_path / "a.mp4", n_frames=3, size=(96, 128))
    path = patch_display_matrix(upright, tmp_path / "turned.mp4", (0, 1, -1, 0))
    assert by_cv2(path)[0].shape == (96, 128, 3)
    assert decord.VideoReader(str(path))[0].shape == (128, 96, 3)
    assert decode(path).frames.shape == (3, 3, 128, 96)


def test_the_reference_reads_an_edit_list_in_two_ways(tmp_path):
    """Of 60 frames it hides 20; decord shows those of them that follow the last key frame before the cut."""
    import decord

    path = KINDS["edit list"](tmp_path)
    assert len(by_cv2(path)) == len(decode(path).frames) == 40
    assert len(decord.VideoReader(str(path))) == 48
