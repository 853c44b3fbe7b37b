"""Frames in pieces: what the decoders give, in order, whatever the pieces and whichever video fails."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.vbench.frames import decoders as frames
from benchmarks.vbench.frames.decoded_frames import DecodedAhead
from benchmarks.vbench.frames.decoders import Decoder, DecodingTask
from benchmarks.vbench.package import installed_version, vbench_module
from benchmarks.vbench.scorers.scorer import middle_frames
from vtok_eval.errors import VideoError

pytestmark = [
    pytest.mark.vbench,
    pytest.mark.skipif(installed_version() is None, reason="the vbench extra is not installed"),
]

WriteVideo = Callable[..., Path]


def read(
    tasks: list[DecodingTask], *, at_once: int = 3, depth: int = 2
) -> list[tuple[np.ndarray, tuple[int, ...]]]:
    import torch

    found = []
    with DecodedAhead(tasks, torch.device("cpu"), frames_per_piece=at_once, depth=depth) as stream:
        for _ in tasks:
            _, pieces = stream.next_video()
            held = list(pieces)
            numbers = tuple(number for piece in held for number in piece.numbers)
            found.append((np.concatenate([piece.array for piece in held]), numbers))
    return found


@pytest.fixture
def noise(write_video: WriteVideo) -> Path:
    """Eleven frames of noise in H.264: with B frames, so that decoding order is not showing order."""
    pictures = np.random.default_rng(0).integers(0, 256, (11, 32, 64, 3), dtype=np.uint8)
    return write_video("noise.mp4", pictures, codec="libx264")


@pytest.mark.parametrize("at_once", [1, 3, 16])
def test_pieces_are_what_the_package_reads_at_once(noise: Path, at_once: int) -> None:
    import cv2

    (decord_frames, numbers), (cv2_frames, _) = read(
        [DecodingTask(noise, "decord"), DecodingTask(noise, "cv2")], at_once=at_once
    )
    whole = vbench_module("utils").load_video(str(noise)).permute(0, 2, 3, 1).numpy()
    assert (decord_frames == whole).all()
    assert numbers == tuple(range(11))
    theirs = vbench_module("temporal_flickering").get_frames(str(noise))
    assert (cv2_frames == np.stack([cv2.cvtColor(frame, cv2.COLOR_BGR2RGB) for frame in theirs])).all()


def test_picked_frames_are_those_of_the_whole(noise: Path) -> None:
    (whole, _), (picked, numbers) = read(
        [
            DecodingTask(noise, "decord"),
            DecodingTask(noise, "decord", pick=lambda n_frames: [1, 4, n_frames - 1]),
        ],
        at_once=2,
    )
    assert numbers == (1, 4, 10)
    assert (picked == whole[[1, 4, 10]]).all()


@pytest.mark.parametrize("n_frames", [1, 2, 7, 8, 9, 31, 120])
@pytest.mark.parametrize("count", [8, 16])
def test_middles_are_the_packages(n_frames: int, count: int) -> None:
    theirs = vbench_module("utils").get_frame_indices(count, n_frames, sample="middle")
    assert middle_frames(n_frames, count) == tuple(int(number) for number in theirs)


def test_gifs_are_read_as_the_package_does(tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "x.gif"
    first, *others = [Image.new("RGB", (20, 10), (level, 0, 255 - level)) for level in (0, 80, 160, 240)]
    first.save(path, save_all=True, append_images=others, duration=125)
    whole = vbench_module("utils").load_video(str(path)).permute(0, 2, 3, 1).numpy()
    ((found, _),) = read([DecodingTask(path, "decord")])
    assert (found == whole).all()
    ((picked, numbers),) = read([DecodingTask(path, "decord", pick=lambda n_frames: [0, 3, 3])])
    assert numbers == (0, 3, 3)
    assert (picked == whole[[0, 3, 3]]).all()


def test_large_frames_come_in_smaller_pieces(noise: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(frames, "MAX_PIXELS_PER_PIECE", 2 * 32 * 64)
    decoders: tuple[Decoder, ...] = ("decord", "cv2")
    for decoder in decoders:
        with DecodedAhead([DecodingTask(noise, decoder)], torch.device("cpu"), frames_per_piece=16) as stream:
            _, pieces = stream.next_video()
            assert [len(piece.array) for piece in pieces] == [2, 2, 2, 2, 2, 1]


def test_a_failure_belongs_to_its_task(noise: Path, tmp_path: Path) -> None:
    import torch

    text = tmp_path / "text.mp4"
    text.write_text("no video")
    tasks = [
        DecodingTask(noise, "cv2"),
        DecodingTask(text, "cv2"),
        DecodingTask(tmp_path / "gone.mp4", "cv2"),
        DecodingTask(noise, "cv2"),
    ]
    with DecodedAhead(tasks, torch.device("cpu")) as stream:
        assert sum(len(piece.array) for piece in stream.next_video()[1]) == 11
        for path in (text, tmp_path / "gone.mp4"):
            with pytest.raises(VideoError, match=path.name):
                stream.next_video()
        assert sum(len(piece.array) for piece in stream.next_video()[1]) == 11


def test_a_file_that_is_cut_short_is_refused(noise: Path, tmp_path: Path) -> None:
    """OpenCV would give what is left of it."""
    import av
    import torch

    cut = tmp_path / "cut.mp4"
    with av.open(str(noise)) as given, av.open(str(cut), "w", options={"movflags": "faststart"}) as written:
        stream = written.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.size:
                packet.stream = stream
                written.mux(packet)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * 6 // 10])
    decoders: tuple[Decoder, ...] = ("decord", "cv2")
    for decoder in decoders:
        ahead = DecodedAhead([DecodingTask(cut, decoder)], torch.device("cpu"))
        with ahead, pytest.raises(VideoError, match="truncated or damaged"):
            ahead.next_video()


def test_leaving_early_ends_the_thread(noise: Path) -> None:
    import torch

    with DecodedAhead(
        [DecodingTask(noise, "cv2")] * 5, torch.device("cpu"), frames_per_piece=1, depth=1
    ) as stream:
        stream.next_video()
        assert any(thread.name == "vbench-decode" for thread in threading.enumerate())
    assert not any(thread.name == "vbench-decode" for thread in threading.enumerate())
