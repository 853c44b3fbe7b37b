from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from vtok_eval.data import Clip
from vtok_eval.errors import VideoError
from vtok_eval.video.clip_cache import ClipCache

FRAME_BYTES = 3 * 8 * 8


class CountedSource:
    """A source that counts its loads; `gate` holds a load back until it is set."""

    def __init__(self, key: str, *, n_frames: int = 1, gate: threading.Event | None = None, fails: int = 0):
        self.key, self.n_frames, self.gate, self.fails = key, n_frames, gate, fails
        self.loads = 0
        self.started = threading.Event()

    def load(self) -> Clip:
        self.loads += 1
        self.started.set()
        if self.gate is not None:
            assert self.gate.wait(timeout=30)
        if self.loads <= self.fails:
            raise VideoError(f"{self.key}: broken")
        return Clip(frames=torch.zeros(self.n_frames, 3, 8, 8, dtype=torch.uint8), fps=8.0)


def test_second_load_comes_from_memory():
    cache, source = ClipCache(10 * FRAME_BYTES), CountedSource("a", n_frames=2)
    first = cache.load(source)
    assert cache.load(source) is first
    assert cache.load(CountedSource("a")) is first  # the key names the content
    assert source.loads == 1
    assert (len(cache), cache.n_bytes) == (1, 2 * FRAME_BYTES)


def test_least_recently_used_is_forgotten():
    cache = ClipCache(2 * FRAME_BYTES)
    a, b, c = CountedSource("a"), CountedSource("b"), CountedSource("c")
    for source in (a, b, a, c):  # c pushes out b, which was used longest ago
        cache.load(source)
    assert cache.n_bytes == 2 * FRAME_BYTES
    cache.load(a)
    cache.load(b)
    assert (a.loads, b.loads, c.loads) == (1, 2, 1)


def test_clip_larger_than_the_cache_is_given_but_not_kept():
    cache, small, large = ClipCache(2 * FRAME_BYTES), CountedSource("s"), CountedSource("l", n_frames=3)
    cache.load(small)
    assert cache.load(large).frames.shape[0] == 3
    assert cache.load(large).frames.shape[0] == 3
    cache.load(small)
    assert (small.loads, large.loads) == (1, 2)


def test_threads_share_one_load():
    gate = threading.Event()
    cache, source = ClipCache(10 * FRAME_BYTES), CountedSource("a", gate=gate)
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(cache.load, source) for _ in range(8)]
        assert source.started.wait(timeout=30)
        # Another key is not held up by the load that is under way.
        assert cache.load(CountedSource("b")).fps == 8.0
        gate.set()
        clips = [future.result(timeout=30) for future in futures]
    assert source.loads == 1
    assert all(clip is clips[0] for clip in clips)


def test_failure_reaches_every_waiter_and_is_not_kept():
    gate = threading.Event()
    source = CountedSource("a", gate=gate, fails=1)
    cache = ClipCache(10 * FRAME_BYTES)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(cache.load, source)
        assert source.started.wait(timeout=30)
        gate.set()
        with pytest.raises(VideoError, match="broken"):
            waiting.result(timeout=30)
    assert len(cache) == 0
    assert cache.load(source).fps == 8.0
    assert source.loads == 2


def test_bound_holds_under_many_threads():
    cache = ClipCache(5 * FRAME_BYTES)
    sources = [CountedSource(str(i), n_frames=1 + i % 3) for i in range(20)]
    with ThreadPoolExecutor(8) as pool:
        clips = list(pool.map(cache.load, sources * 20))
    assert [len(clip.frames) for clip in clips] == [source.n_frames for source in sources * 20]
    assert cache.n_bytes <= 5 * FRAME_BYTES


def test_zero_bytes_keeps_nothing_and_negative_is_refused():
    cache, source = ClipCache(0), CountedSource("a")
    cache.load(source)
    cache.load(source)
    assert (source.loads, len(cache)) == (2, 0)
    with pytest.raises(ValueError, match="negative"):
        ClipCache(-1)
