from __future__ import annotations

import logging
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from vtok_eval.tokenizers.feature_cache import CachedBackbone, FeatureCache
from vtok_eval.tokenizers.frames import FrameSampling
from vtok_eval.tokenizers.vtok import KeyFrame, VTok


def frames_of(n: int, seed: int = 0, size: tuple[int, int] = (8, 8)) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, *size), generator=generator, dtype=torch.uint8)


def test_a_frame_passes_the_backbone_once_however_many_tokenizers_read_it(
    pixels, random_clips, tmp_path
) -> None:
    cached = CachedBackbone(pixels, FeatureCache(tmp_path / "f.sqlite"))
    clips = random_clips(3, 8)
    VTok(backbone=cached, stride=1).encode(clips)
    assert pixels.frames_seen == 3 * 8
    for tokenizer in (
        VTok(backbone=cached, stride=2, pool="grid"),
        FrameSampling(backbone=cached, count=4),
        KeyFrame(backbone=cached),
    ):
        tokenizer.encode(clips)
    assert pixels.frames_seen == 3 * 8


def test_equal_frames_of_one_call_pass_once(pixels, tmp_path) -> None:
    cache = FeatureCache(tmp_path / "f.sqlite")
    two = frames_of(2)
    maps = cache.maps(pixels, two[[0, 1, 0, 0, 1]])
    assert pixels.frames_seen == 2
    assert (cache.hits, cache.misses) == (0, 2)
    assert torch.equal(maps, two[[0, 1, 0, 0, 1]].half())


def test_hits_and_misses_in_order_and_across_processes_of_use(pixels, tmp_path) -> None:
    frames = frames_of(600)
    first = FeatureCache(tmp_path / "f.sqlite")
    first.maps(pixels, frames[::2])
    first.close()
    second = FeatureCache(tmp_path / "f.sqlite")
    assert torch.equal(second.maps(pixels, frames), frames.half())
    assert (second.hits, second.misses) == (300, 300)
    assert pixels.frames_seen == 600


def test_backbone_and_frame_shape_are_part_of_the_key(pixels, tmp_path) -> None:
    class Other(type(pixels)):
        def describe(self):
            return {"name": "other"}

        def _forward(self, frames):
            return frames.float() + 1

    cache = FeatureCache(tmp_path / "f.sqlite")
    frames = frames_of(2)
    cache.maps(pixels, frames)
    assert torch.equal(cache.maps(Other(), frames), frames.half() + 1)
    # The same bytes read as 4 x 16 pixels are another picture.
    reshaped = frames.reshape(2, 3, 4, 16)
    assert torch.equal(cache.maps(pixels, reshaped), reshaped.half())


def test_size_stays_bounded_and_the_oldest_go_first(pixels, tmp_path) -> None:
    bound = 2**20
    cache = FeatureCache(tmp_path / "f.sqlite", max_bytes=bound)
    # A map is 3 x 32 x 32 halves = 6 KiB; 400 of them are 2.4 MiB.
    frames = frames_of(400, size=(32, 32))
    for part in frames.split(20):
        cache.maps(pixels, part)
    cache.close()
    assert (tmp_path / "f.sqlite").stat().st_size <= bound
    again = FeatureCache(tmp_path / "f.sqlite", max_bytes=bound)
    again.maps(pixels, frames[-20:])
    assert (again.hits, again.misses) == (20, 0)
    again.maps(pixels, frames[:20])
    assert again.misses == 20


def test_use_keeps_a_map_alive(pixels, tmp_path, monkeypatch) -> None:
    day = 24 * 3600
    now = {"s": 10 * day}
    monkeypatch.setattr("vtok_eval.tokenizers.feature_cache.time.time", lambda: now["s"])
    cache = FeatureCache(tmp_path / "f.sqlite", max_bytes=2**20)
    frames = frames_of(300, size=(32, 32))
    cache.maps(pixels, frames[:100])
    now["s"] += day
    cache.maps(pixels, frames[:10])
    cache.maps(pixels, frames[100:200].clone())
    assert cache.hits == 10
    cache.maps(pixels, frames[:10])
    assert cache.hits == 20
    cache.maps(pixels, frames[10:20])
    assert cache.hits == 20


@pytest.mark.parametrize("damage", ["junk", "truncated"])
def test_broken_file_is_begun_anew_with_a_warning(pixels, tmp_path, caplog, damage: str) -> None:
    path = tmp_path / "f.sqlite"
    frames = frames_of(64, size=(32, 32))
    cache = FeatureCache(path)
    cache.maps(pixels, frames)
    cache.close()
    data = path.read_bytes()
    path.write_bytes(b"not a database" * 5000 if damage == "junk" else data[: len(data) // 3])
    broken = FeatureCache(path)
    with caplog.at_level(logging.WARNING):
        assert torch.equal(broken.maps(pixels, frames), frames.half())
    assert "corrupt" in caplog.text
    broken.maps(pixels, frames)
    broken.close()
    after = FeatureCache(path)
    assert torch.equal(after.maps(pixels, frames), frames.half())
    assert after.misses == 0


def test_a_flipped_bit_never_becomes_a_feature(pixels, tmp_path, caplog) -> None:
    path = tmp_path / "f.sqlite"
    frames = frames_of(4)
    cache = FeatureCache(path)
    cache.maps(pixels, frames)
    cache.close()
    with sqlite3.connect(path) as connection:
        (data,) = connection.execute("SELECT features FROM map WHERE id = 3").fetchone()
        flipped = bytes([data[0] ^ 1]) + data[1:]
        connection.execute("UPDATE map SET features = ? WHERE id = 3", (flipped,))
    connection.close()
    with caplog.at_level(logging.WARNING):
        assert torch.equal(FeatureCache(path).maps(pixels, frames), frames.half())
    assert "checksum" in caplog.text


def test_full_disk_is_said_once_and_the_run_goes_on(pixels, tmp_path, caplog) -> None:
    cache = FeatureCache(tmp_path / "f.sqlite")
    cache.maps(pixels, frames_of(1))
    # SQLite's own "database or disk is full", provoked by forbidding the file to grow.
    cache._connection.execute("PRAGMA max_page_count = 1")
    frames = frames_of(500, seed=1, size=(32, 32))
    with caplog.at_level(logging.WARNING):
        for part in frames.split(250):
            assert torch.equal(cache.maps(pixels, part), part.half())
    assert caplog.text.count("not written any more") == 1
    assert "full" in caplog.text
    assert torch.equal(cache.maps(pixels, frames_of(1)), frames_of(1).half())


def test_folder_that_cannot_be_made_costs_a_warning_only(pixels, tmp_path, caplog) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = FeatureCache(tmp_path / "file" / "f.sqlite")
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert torch.equal(cache.maps(pixels, frames_of(3)), frames_of(3).half())
    assert caplog.text.count("not written any more") == 1


WRITER = """
import sys
sys.path.insert(0, {tests!r})
import torch
from conftest import PixelBackbone
from vtok_eval.tokenizers.feature_cache import FeatureCache

cache, backbone = FeatureCache({path!r}), PixelBackbone()
generator = torch.Generator().manual_seed(0)
while True:
    frames = torch.randint(0, 256, (64, 3, 32, 32), generator=generator, dtype=torch.uint8)
    cache.maps(backbone, frames)
    sys.stdout.write("wrote\\n")
    sys.stdout.flush()
"""


@pytest.mark.parametrize("batches", [3])
def test_killed_writer_leaves_a_cache_that_can_be_used(pixels, tmp_path, caplog, batches: int) -> None:
    path = tmp_path / "f.sqlite"
    code = WRITER.format(tests=str(Path(__file__).parent), path=str(path))
    root = str(Path(__file__).parents[3])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([root, *sys.path])}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    for _ in range(batches):
        assert process.stdout.readline() == "wrote\n"
    # It is in the middle of the next batch, wherever that is.
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    generator = torch.Generator().manual_seed(0)
    cache = FeatureCache(path)
    with caplog.at_level(logging.WARNING):
        for _ in range(batches):
            frames = torch.randint(0, 256, (64, 3, 32, 32), generator=generator, dtype=torch.uint8)
            assert torch.equal(cache.maps(pixels, frames), frames.half())
    assert (cache.hits, cache.misses) == (64 * batches, 0)
    assert not caplog.records


def test_two_at_once(pixels, tmp_path) -> None:
    one, two = (FeatureCache(tmp_path / "f.sqlite") for _ in range(2))
    frames = frames_of(96)
    for start in range(0, 96, 32):
        part = frames[start : start + 32]
        one.maps(pixels, part)
        assert torch.equal(two.maps(pixels, part), part.half())
    assert (two.hits, two.misses) == (96, 0)
