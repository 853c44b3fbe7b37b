"""Frames that Pillow reads: folders of pictures and GIFs, whole and broken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.vbench.frames.decoders import DecodingTask, open_video
from benchmarks.vbench.frames.image_frames import frame_files, gif_length, read_folder, read_gif
from vtok_eval.errors import VideoError
from vtok_eval.video.folder import VideoFolder


def picture(level: int, *, size: tuple[int, int] = (6, 4), mode: str = "RGB") -> Image.Image:
    return Image.new("RGB", size, (level, level // 2, 0)).convert(mode)


def test_frames_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("10.png", "9.png", "a2b10.PNG", "a2b9.png", "x.txt", ".hidden.png", "01.png"):
        (tmp_path / name).touch()
    assert [path.name for path in frame_files(tmp_path)] == [
        "01.png",
        "9.png",
        "10.png",
        "a2b9.png",
        "a2b10.PNG",
    ]


def test_a_folder_is_read_as_rgb_and_its_frames_repeatedly(tmp_path: Path) -> None:
    picture(10).save(tmp_path / "0.png")
    picture(20, mode="RGBA").save(tmp_path / "1.png")
    picture(30).save(tmp_path / "2.bmp")
    info, batches = open_video(DecodingTask(tmp_path, "decord", pick=lambda n: [0, 1, 1, n - 1], fps=8.0))
    assert (info.n_frames, info.fps) == (3, 8.0)
    pieces = list(batches(3))
    assert [numbers for _, numbers in pieces] == [(0, 1, 1), (2,)]
    frames = np.concatenate([array for array, _ in pieces])
    assert frames.shape == (4, 4, 6, 3)
    assert frames[:, 0, 0].tolist() == [[10, 5, 0], [20, 10, 0], [20, 10, 0], [30, 15, 0]]


def test_broken_folders_name_the_frame(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="no frames in this folder"):
        frame_files(tmp_path)
    picture(1).save(tmp_path / "0.png")
    picture(1, size=(8, 4)).save(tmp_path / "1.png")
    (tmp_path / "2.png").write_bytes((tmp_path / "0.png").read_bytes()[:40])
    (tmp_path / "3.png").write_text("no picture")
    files = frame_files(tmp_path)
    for number, complaint in (
        (1, "of another size than the first"),
        (2, "cannot be read"),
        (3, "cannot be read"),
    ):
        with pytest.raises(VideoError, match=rf"{number}.png: this frame .*{complaint}"):
            list(read_folder(files, [0, number]))


def write_gif(path: Path, levels: list[int], *, duration: int) -> Path:
    first, *others = [picture(level) for level in levels]
    first.save(path, save_all=True, append_images=others, duration=duration)
    return path


def test_a_gif_says_its_length_and_rate(tmp_path: Path) -> None:
    assert gif_length(write_gif(tmp_path / "a.gif", [0, 50, 100], duration=40)) == (3, 25.0)
    assert gif_length(write_gif(tmp_path / "b.gif", [0, 50], duration=0)) == (2, 0.0)
    assert gif_length(write_gif(tmp_path / "c.gif", [7], duration=100))[0] == 1


def test_picked_frames_of_a_gif(tmp_path: Path) -> None:
    path = write_gif(tmp_path / "a.gif", [0, 50, 100, 150], duration=40)
    found = [frame[0, 0, 0] for frame in read_gif(path, [1, 3, 3])]
    assert found == pytest.approx([50, 150, 150], abs=2)


def test_a_broken_gif_is_named(tmp_path: Path) -> None:
    text = tmp_path / "text.gif"
    text.write_text("no picture")
    with pytest.raises(VideoError, match=r"text.gif: cannot be opened as a GIF"):
        gif_length(text)


def test_folders_of_frames_are_videos_of_a_folder(tmp_path: Path) -> None:
    for name in ("a cat-3", "b", "no frames"):
        (tmp_path / name).mkdir()
    picture(1).save(tmp_path / "a cat-3" / "0.png")
    picture(1).save(tmp_path / "b" / "0.jpg")
    (tmp_path / "a cat-0.mp4").touch()
    found = [(entry.path.name, entry.prompt, entry.index) for entry in VideoFolder(tmp_path).entries()]
    assert found == [("a cat-0.mp4", "a cat", 0), ("a cat-3", "a cat", 3), ("b", None, None)]
    (tmp_path / "a cat-0.mp4").unlink()
    assert len(VideoFolder(tmp_path, names=("b",)).entries()) == 1
