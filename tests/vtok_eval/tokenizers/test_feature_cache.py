from __future__ import annotations

import errno
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vtok_eval.data import Clips
from vtok_eval.results.description import Description
from vtok_eval.scenes.dataset import SceneSet
from vtok_eval.tokenizers.backbones.base import Backbone, FrameFeatures
from vtok_eval.tokenizers.backbones.cached import CachedBackbone
from vtok_eval.tokenizers.feature_cache import FeatureCache
from vtok_eval.tokenizers.frames import FrameSampling
from vtok_eval.tokenizers.vtok import KeyFrame, VTok


class Counting(Backbone):
    """The map is the picture; counts the frames that it is asked for."""

    channels = 3

    def __init__(self) -> None:
        self.device = torch.device("cpu")
        self.seen = 0

    def describe(self) -> Description:
        return Description(facts={"name": "counting"})

    def maps(self, frames: torch.Tensor) -> torch.Tensor:
        self.seen += len(frames)
        return super().maps(frames)

    def features(
        self, frames: torch.Tensor | Sequence[torch.Tensor], grids: Collection[int]
    ) -> FrameFeatures:
        self.seen += len(frames)
        return super().features(frames, grids)

    def _forward(self, frames: torch.Tensor) -> torch.Tensor:
        return frames.float()


def frames_of(n: int, seed: int = 0, size: tuple[int, int] = (8, 8)) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, *size), generator=generator, dtype=torch.uint8)


def test_a_frame_passes_the_backbone_once_however_many_tokenizers_read_it(
    pixels, random_clips, tmp_path
) -> None:
    cached = CachedBackbone(pixels, FeatureCache(tmp_path / "store"))
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
    cache = FeatureCache(tmp_path / "store")
    two = frames_of(2)
    maps = cache.maps(pixels, two[[0, 1, 0, 0, 1]])
    assert pixels.frames_seen == 2
    assert (cache.hits, cache.misses) == (0, 2)
    assert torch.equal(maps, two[[0, 1, 0, 0, 1]].half())


def test_hits_and_misses_in_order_and_across_processes_of_use(pixels, tmp_path) -> None:
    frames = frames_of(600)
    first = FeatureCache(tmp_path / "store")
    first.maps(pixels, frames[::2])
    first.close()
    second = FeatureCache(tmp_path / "store")
    assert torch.equal(second.maps(pixels, frames), frames.half())
    assert (second.hits, second.misses) == (300, 300)
    assert pixels.frames_seen == 600


def test_backbone_and_frame_shape_are_part_of_the_key(pixels, tmp_path) -> None:
    class Other(type(pixels)):
        def describe(self):
            return {"name": "other"}

        def _forward(self, frames):
            return frames.float() + 1

    cache = FeatureCache(tmp_path / "store")
    frames = frames_of(2)
    cache.maps(pixels, frames)
    assert torch.equal(cache.maps(Other(), frames), frames.half() + 1)
    # The same bytes read as 4 x 16 pixels are another picture.
    reshaped = frames.reshape(2, 3, 4, 16)
    assert torch.equal(cache.maps(pixels, reshaped), reshaped.half())


def test_size_stays_bounded_and_the_oldest_go_first(pixels, tmp_path) -> None:
    bound = 2**20
    cache = FeatureCache(tmp_path / "store", max_bytes=bound)
    # A map is 3 x 32 x 32 halves = 6 KiB; 400 of them are 2.4 MiB.
    frames = frames_of(400, size=(32, 32))
    for part in frames.split(20):
        cache.maps(pixels, part)
    cache.close()
    assert sum(path.stat().st_size for path in (tmp_path / "store").iterdir()) <= bound
    again = FeatureCache(tmp_path / "store", max_bytes=bound)
    again.maps(pixels, frames[-20:])
    assert (again.hits, again.misses) == (20, 0)
    again.maps(pixels, frames[:20])
    assert again.misses == 20


def test_use_keeps_a_map_alive(pixels, tmp_path, monkeypatch) -> None:
    day = 24 * 3600
    now = {"s": 10 * day}
    monkeypatch.setattr("vtok_eval.tokenizers.feature_store.store.time.time", lambda: now["s"])
    cache = FeatureCache(tmp_path / "store", max_bytes=2**20)
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


@pytest.mark.parametrize("damage", ["junk", "truncated", "index", "gone"])
def test_a_damaged_shard_is_thrown_away_with_a_warning(pixels, tmp_path, caplog, damage: str) -> None:
    frames = frames_of(64, size=(32, 32))
    cache = FeatureCache(tmp_path / "store")
    cache.maps(pixels, frames)
    cache.close()
    (data,) = (tmp_path / "store").glob("*.data")
    whole = data.read_bytes()
    if damage == "gone":
        data.unlink()
    elif damage == "index":
        index = data.with_suffix(".index")
        index.write_bytes(b"not an index" + index.read_bytes()[12:])
    else:
        data.write_bytes(b"junk" * (len(whole) // 4) if damage == "junk" else whole[: len(whole) // 3])
    broken = FeatureCache(tmp_path / "store")
    with caplog.at_level(logging.WARNING):
        assert torch.equal(broken.maps(pixels, frames), frames.half())
    assert ("corrupt" in caplog.text) == (damage != "gone")
    broken.maps(pixels, frames)
    broken.close()
    after = FeatureCache(tmp_path / "store")
    assert torch.equal(after.maps(pixels, frames), frames.half())
    assert after.misses == 0


def test_a_flipped_bit_never_becomes_a_feature(pixels, tmp_path, caplog) -> None:
    frames = frames_of(4)
    cache = FeatureCache(tmp_path / "store")
    cache.maps(pixels, frames)
    cache.close()
    (data,) = (tmp_path / "store").glob("*.data")
    stored = bytearray(data.read_bytes())
    stored[len(stored) // 2] ^= 1
    data.write_bytes(stored)
    with caplog.at_level(logging.WARNING):
        assert torch.equal(FeatureCache(tmp_path / "store").maps(pixels, frames), frames.half())
    assert "checksum" in caplog.text


def test_full_disk_is_said_once_counted_and_the_run_continues(pixels, tmp_path, caplog, monkeypatch) -> None:
    cache = FeatureCache(tmp_path / "store")
    cache.maps(pixels, frames_of(1))
    written = os.pwrite

    def full(descriptor: int, data: bytes, offset: int) -> int:
        """Some of it fits; then the disk is full."""
        if offset > 4096:
            raise OSError(errno.ENOSPC, "No space left on device")
        return written(descriptor, data[:4096], offset)

    monkeypatch.setattr("vtok_eval.tokenizers.feature_store.shards.os.pwrite", full)
    frames = frames_of(500, seed=1, size=(32, 32))
    with caplog.at_level(logging.WARNING):
        for part in frames.split(250):
            assert torch.equal(cache.maps(pixels, part), part.half())
    assert caplog.text.count("not written any more") == 1
    assert "No space left" in caplog.text
    assert torch.equal(cache.maps(pixels, frames_of(1)), frames_of(1).half())
    assert cache.hits == 1
    cache.close()
    assert cache.unwritten == 500
    assert "500 frames could not be kept" in caplog.text
    monkeypatch.undo()
    after = FeatureCache(tmp_path / "store")
    assert torch.equal(after.maps(pixels, frames_of(1)), frames_of(1).half())
    assert torch.equal(after.maps(pixels, frames), frames.half())
    assert (after.hits, after.misses) == (1, 500)


def test_folder_that_cannot_be_made_costs_a_warning_only(pixels, tmp_path, caplog) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = FeatureCache(tmp_path / "file" / "store")
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
    path = tmp_path / "store"
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
    one, two = (FeatureCache(tmp_path / "store") for _ in range(2))
    frames = frames_of(96)
    for start in range(0, 96, 32):
        part = frames[start : start + 32]
        one.maps(pixels, part)
        assert torch.equal(two.maps(pixels, part), part.half())
    assert (two.hits, two.misses) == (96, 0)


class Coarse(Counting):
    """Maps of 4 x 4 cells: small enough to be kept whole."""

    def _forward(self, frames: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(frames.float(), 4)


def named(clips: Clips, name: str = "clip") -> Clips:
    return clips.with_keys([f"{name}-{row}" for row in range(len(clips))])


@pytest.mark.parametrize("backbone", [Counting(), Coarse()], ids=["pooled", "whole"])
def test_cells_are_the_same_bits_cold_warm_and_without_a_cache(backbone, random_clips, tmp_path) -> None:
    clips = named(random_clips(3, 6))
    tokenizers = [lambda b: VTok(backbone=b, stride=2), lambda b: FrameSampling(backbone=b, count=3, grid=2)]
    cached = CachedBackbone(backbone, FeatureCache(tmp_path / "store"))
    for make in tokenizers:
        bare = make(backbone).features(clips)
        for _ in range(2):
            for group, same in zip(bare, make(cached).features(clips), strict=True):
                assert torch.equal(group.values, same.values)
        one = make(cached).features(clips.part(1, 2))
        assert torch.equal(one[0].values[0], bare[0].values[1])


def test_a_warm_clip_is_not_looked_at(random_clips, tmp_path) -> None:
    """Found by the clip's key: other pixels under the same key are not even read; by another key they are."""
    backbone = Counting()
    clips = named(random_clips(2, 4))
    tokenizer = VTok(backbone=CachedBackbone(backbone, FeatureCache(tmp_path / "store")), stride=1)
    first = tokenizer.features(clips)
    assert backbone.seen == 8
    black = replace(clips, frames=torch.zeros_like(clips.frames))
    for group, same in zip(first, tokenizer.features(named(black)), strict=True):
        assert torch.equal(group.values, same.values)
    assert backbone.seen == 8
    tokenizer.features(named(black, "other"))
    assert backbone.seen == 16
    # A clip made of another's changed frames has no key, and is known by its pixels.
    assert black.keys == ()
    assert tokenizer.features(black)[0].values.abs().max() == 0
    assert backbone.seen == 17


def test_all_announced_grids_are_kept_at_once(random_clips, tmp_path) -> None:
    backbone = Counting()
    cached = CachedBackbone(backbone, FeatureCache(tmp_path / "store"))
    tokenizers = [VTok(backbone=cached, stride=1), FrameSampling(backbone=cached, count=4, grid=2)]
    clips = named(random_clips(2, 4))
    for tokenizer in tokenizers:
        tokenizer.features(clips)
    assert backbone.seen == 8
    # Nobody announced a grid of 3.
    FrameSampling(backbone=cached, budget=9, grid=3).features(clips)
    assert backbone.seen == 10


def test_what_whole_maps_take_is_said_once(random_clips, tmp_path, caplog) -> None:
    cached = CachedBackbone(Counting(), FeatureCache(tmp_path / "store"))
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            cached.maps(random_clips(1, 2).frames[0])
    assert caplog.text.count("whole maps of counting are kept, 0.01 MB a frame") == 1


def test_two_processes_write_and_read_one_store(pixels, tmp_path) -> None:
    """Each has a shard of its own; each finds the other's frames."""
    code = WRITER.format(tests=str(Path(__file__).parent), path=str(tmp_path / "store"))
    root = str(Path(__file__).parents[3])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([root, *sys.path])}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "wrote\n"
    cache = FeatureCache(tmp_path / "store")
    cache.maps(pixels, frames_of(8, seed=9, size=(32, 32)))
    generator = torch.Generator().manual_seed(0)
    theirs = torch.randint(0, 256, (64, 3, 32, 32), generator=generator, dtype=torch.uint8)
    assert torch.equal(cache.maps(pixels, theirs), theirs.half())
    process.kill()
    process.wait()
    process.stdout.close()
    assert cache.hits == 64
    assert len(list((tmp_path / "store").glob("*.data"))) == 2


EXTRACTS = """
import sys
sys.path.insert(0, {tests!r})
import torch
from conftest import PixelBackbone
from vtok_eval.benchmark import Sample
from vtok_eval.probes.training_clips.collection import collect
from vtok_eval.run.runners.runner import Runner
from vtok_eval.scenes.dataset import SceneSet
from vtok_eval.tokenizers.feature_cache import FeatureCache
from vtok_eval.tokenizers.backbones.cached import CachedBackbone
from vtok_eval.tokenizers.vtok import VTok

begin_at = float(sys.argv[1])
clips = list(SceneSet(0, "test", 24, size=32, n_frames=4).clips())
samples = [Sample(id=clip.key, cluster=clip.key, clip=clip) for clip in clips]
backbone = PixelBackbone()
cache = FeatureCache({path!r})
runner = Runner(torch.device("cpu"), batch_size=2, loader_threads=1, begin_at=begin_at)
sys.stdout.write("ready\\n")
sys.stdout.flush()
sys.stdin.readline()
found = collect(VTok(backbone=CachedBackbone(backbone, cache), stride=1), samples, runner, description="x")
cache.close()
sys.stdout.write(found.digest + " " + str(cache.hits + cache.misses) + "\\n")
"""


def test_two_runs_that_share_a_store_at_once_get_the_numbers_of_one(pixels, tmp_path, caplog) -> None:
    """They extract the features of the same clips, from both ends; neither finds half of anything."""

    def start(store: str, begin_at: float) -> subprocess.Popen[str]:
        code = EXTRACTS.format(tests=str(Path(__file__).parent), path=str(tmp_path / store))
        root = str(Path(__file__).parents[3])
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([root, *sys.path])}
        return subprocess.Popen(
            [sys.executable, "-c", code, str(begin_at)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )

    processes = [start("alone", 0.0), start("shared", 0.0), start("shared", 0.5)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    results = []
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        out, said = process.communicate()
        assert process.returncode == 0, said
        assert "feature cache" not in said
        results.append(out.split())
    assert len({digest for digest, _ in results}) == 1
    assert {frames for _, frames in results} == {str(24 * 4)}
    # What they left is whole: every array passes its checksum.
    store = FeatureCache(tmp_path / "shared")
    with caplog.at_level(logging.WARNING):
        keys = [clip.key for clip in SceneSet(0, "test", 24, size=32, n_frames=4).clips()]
        assert all(store.has(pixels, key, range(4), (1, 4)) for key in keys)
    assert not caplog.records
