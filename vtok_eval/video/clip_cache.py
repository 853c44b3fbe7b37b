"""Keeps recently decoded or rendered clips in memory, so that several readers load a clip once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import Future

from vtok_eval.benchmark import ClipSource
from vtok_eval.data import Clip


class ClipCache:
    """A bounded cache of clips by `ClipSource.key`, safe to share between threads.

    Holds at most `max_bytes` of frames and drops the least recently used clips first. The clips it returns
    are shared: callers must not write into their frames.
    """

    def __init__(self, max_bytes: int) -> None:
        """An empty cache for `max_bytes` of frames; 0 keeps nothing, yet loads a key once at a time."""
        if max_bytes < 0:
            raise ValueError(f"max_bytes must not be negative, not {max_bytes}")
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._clips: OrderedDict[str, Clip] = OrderedDict()
        self._loading: dict[str, Future[Clip]] = {}
        self._bytes = 0

    @property
    def n_bytes(self) -> int:
        """Bytes of frames held now."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._clips)

    def load(self, source: ClipSource) -> Clip:
        """The source's clip, from memory or by `source.load()`.

        Threads that ask for one key at the same time wait for a single load. What that load raises, each of
        them raises; nothing is kept of it, so the next call tries again.

        Raises:
            VideoError: what `source.load()` raises.
        """
        key = source.key
        with self._lock:
            if key in self._clips:
                self._clips.move_to_end(key)
                return self._clips[key]
            running = self._loading.get(key)
            if running is None:
                mine = self._loading[key] = Future()
        if running is not None:
            return running.result()
        return self._load_for_all(source, key, mine)

    def _load_for_all(self, source: ClipSource, key: str, future: Future[Clip]) -> Clip:
        try:
            clip = source.load()
        except BaseException as error:
            with self._lock:
                del self._loading[key]
            future.set_exception(error)
            raise
        with self._lock:
            del self._loading[key]
            self._keep(key, clip)
        future.set_result(clip)
        return clip

    def _keep(self, key: str, clip: Clip) -> None:
        size = _n_bytes(clip)
        if size > self._max_bytes:
            return
        self._clips[key] = clip
        self._bytes += size
        while self._bytes > self._max_bytes:
            _, oldest = self._clips.popitem(last=False)
            self._bytes -= _n_bytes(oldest)


def _n_bytes(clip: Clip) -> int:
    return clip.frames.numel() * clip.frames.element_size()
