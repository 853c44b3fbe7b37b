"""Each named protocol: which clips it takes, which conventions it fixes, and what it says of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.reconstruction.benchmark import Reconstruction
from benchmarks.reconstruction.data.listing import FoundVideo, list_videos
from benchmarks.reconstruction.data.presets import PRESETS, Preset
from benchmarks.reconstruction.data.video_part import VideoPart
from benchmarks.reconstruction.protocols import PROTOCOLS, CutOptions, named_protocol
from tests.benchmarks.reconstruction.clips import pattern
from vtok_eval.data import Clip
from vtok_eval.errors import DataError, MissingDependencyError
from vtok_eval.video.encode import encode


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> FoundVideo:
    """40 frames at 60 frames a second, 40 x 64 pixels."""
    path = tmp_path_factory.mktemp("video") / "a.mp4"
    encode(Clip(pattern(n_frames=40, height=40), 60.0), path)
    return FoundVideo("a.mp4", path)


def _frames(video: FoundVideo, name: str, options: CutOptions | None = None) -> list[tuple[int, ...] | None]:
    cutting = named_protocol(name).cutting(options or CutOptions())
    return [part.part.frames for part in cutting.parts(video)]


def test_vidtok_takes_every_second_frame_of_60_and_fills_the_last_clip(video: FoundVideo) -> None:
    # round(60 / 30) = 2: 20 frames in clips of 17, the last with 3 frames and 14 repeats.
    assert _frames(video, "vidtok") == [tuple(range(0, 34, 2)), (34, 36, 38, *[38] * 14)]
    assert [len(frames or ()) for frames in _frames(video, "vidtok", CutOptions(n_frames=16))] == [16, 16]


def test_larp_takes_the_middle(video: FoundVideo) -> None:
    assert _frames(video, "larp") == [tuple(range(12, 28))]
    [part] = named_protocol("larp").cutting(CutOptions()).parts(video)
    assert tuple(part.part.load().frames.shape) == (16, 3, 128, 128)


def test_tokenbench_takes_ten_seconds_or_300_frames_and_never_enlarges(video: FoundVideo) -> None:
    [part] = named_protocol("tokenbench").cutting(CutOptions()).parts(video)
    # ceil(10 x 60) = 600 frames; the video has 40.
    assert (part.part.most, part.whole) == (600, True)
    assert tuple(part.part.load().frames.shape) == (40, 3, 40, 64)
    large = torch.zeros(1, 3, 1090, 1200, dtype=torch.uint8)
    assert tuple(part.part._fitted(large).shape) == (1, 3, 1080, 1189)


def test_every_protocol_says_each_convention() -> None:
    for name, protocol in PROTOCOLS.items():
        said = protocol.text(protocol.metrics, protocol.cutting(CutOptions()))
        assert said[0].startswith("clips: ")
        assert protocol.psnr.value in said
        assert ("it is not FVD" in " ".join(said)) is (name == "default")


def test_a_run_says_its_protocol_and_its_lacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VTOK_EVAL_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    about = Reconstruction(protocol="vidtok").describe()
    assert "average pooling by round(min side / 256)" in str(about.facts["protocol"])
    assert any(note.startswith("lpips: LPIPS (VGG-16) needs") for note in about.notes)
    assert any("published on mcl-jcv" in note for note in about.notes)
    assert about.options["metrics"] == ["psnr", "ssim"]


def test_the_shipped_clips_give_several_windows_and_sizes() -> None:
    samples = Reconstruction("psnr")._clips
    sizes = [sample.id.rpartition(", ")[2] for sample in samples]
    assert (sizes.count("128 px"), sizes.count("256 px")) == (12, 4)
    assert {sample.meta["n_frames"] for sample in samples} == {16}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Preset:
    one = Preset("small", "a small set", {"x_": 2, "y_": 1}, "fetch it from example.org")
    monkeypatch.setitem(PRESETS, "small", one)
    return one


def _video(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    encode(Clip(pattern(n_frames=2), 8.0), path)


def test_a_preset_says_what_is_missing_and_what_to_fetch(small: Preset, tmp_path: Path) -> None:
    _video(tmp_path / "deep" / "x_1.mp4")
    _video(tmp_path / "z.mp4")
    with pytest.raises(
        MissingDependencyError,
        match=r"1 of 2 videos x_\*; 0 of 1 videos y_\*; 1 videos that are not part of it, the first is z.mp4"
        r"; to do: fetch it from example.org",
    ):
        Reconstruction("psnr", preset="small", data=str(tmp_path))


def test_a_whole_preset_is_complete_until_a_file_is_cut_short(small: Preset, tmp_path: Path) -> None:
    for name in ("x_1.mp4", "x_2.mp4", "y_1.mp4"):
        _video(tmp_path / name)
    text, complete = small.report(tmp_path, decode=True)
    assert complete
    assert "3 videos, as expected" in text
    assert f"--set preset=small --data {tmp_path}" in text
    assert Reconstruction("psnr", preset="small", data=str(tmp_path)).describe().data["n_videos"] == 3
    whole = (tmp_path / "x_1.mp4").read_bytes()
    (tmp_path / "x_1.mp4").write_bytes(whole[: len(whole) // 2])
    text, complete = small.report(tmp_path, decode=True)
    assert not complete
    assert "x_1.mp4" in text


def test_presets_of_the_papers_are_there() -> None:
    assert {"mcl-jcv", "davis", "ucf101", "tokenbench"} <= set(PRESETS)


def test_a_list_chooses_videos(tmp_path: Path) -> None:
    for name in ("One/a.mp4", "One/b.mp4", "Two/c.mp4"):
        _video(tmp_path / name)
    listed = tmp_path / "train.txt"
    listed.write_text("Two/c.mp4 2\n\nOne/a.mp4 1\n")
    assert [video.name for video in list_videos(tmp_path, only=listed)] == ["Two/c.mp4", "One/a.mp4"]
    listed.write_text("One/gone.mp4\n")
    with pytest.raises(DataError, match=r"train\.txt, line 1: One/gone\.mp4 is not among the 3 videos"):
        list_videos(tmp_path, only=listed)
    listed.write_text("")
    with pytest.raises(DataError, match="names no video"):
        list_videos(tmp_path, only=listed)


def test_keys_name_the_content(tmp_path: Path) -> None:
    _video(tmp_path / "a.mp4")
    (tmp_path / "copy.mp4").write_bytes((tmp_path / "a.mp4").read_bytes())
    part = VideoPart(tmp_path / "a.mp4", (0, 1), short_side=16, square=True)
    assert part.key == VideoPart(tmp_path / "copy.mp4", (0, 1), short_side=16, square=True).key
    assert part.key != VideoPart(tmp_path / "a.mp4", (1, 0), short_side=16, square=True).key
    assert part.key != VideoPart(tmp_path / "a.mp4", (0, 1), short_side=16).key
