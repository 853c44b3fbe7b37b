"""Frames of videos in pieces, decoded ahead of what reads them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from benchmarks.vbench.frames.decoders import DecodingTask, VideoHeader, open_video

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor


@dataclass(frozen=True)
class Piece:
    """Some frames of a video: `array` uint8 `(n, H, W, 3)` in RGB, and their numbers in the video."""

    array: NDArray[np.uint8]
    numbers: tuple[int, ...]
    device: torch.device

    @cached_property
    def frames(self) -> Tensor:
        """The frames on the device, uint8 `(n, 3, H, W)`."""
        import torch

        return torch.from_numpy(self.array).to(self.device, non_blocking=True).permute(0, 3, 1, 2)

    @cached_property
    def clip_pixels(self) -> Tensor:
        """What CLIP's image towers read, float32 `(n, 3, 224, 224)`, by the reference's own transform."""
        from benchmarks.vbench.package import vbench_module

        pixels: Tensor = vbench_module("utils").clip_transform(224)(self.frames.float())
        return pixels


@dataclass(frozen=True)
class _End:
    """The last thing that a task leaves: why it failed, or None."""

    error: Exception | None


@dataclass
class DecodedAhead:
    """Decodes tasks one after the other on its own thread, at most `depth` pieces ahead of the reader.

    Use as a context; leaving it ends the thread. Tasks must be read in their order.
    frames_per_piece: at most so many, fewer for large frames.
    """

    tasks: Sequence[DecodingTask]
    device: torch.device
    frames_per_piece: int = 16
    depth: int = 2
    _queue: queue.Queue[VideoHeader | Piece | _End] = field(init=False)
    _stopped: threading.Event = field(init=False, default_factory=threading.Event)
    _thread: threading.Thread = field(init=False)

    def __enter__(self) -> DecodedAhead:
        self._queue = queue.Queue(maxsize=self.depth)
        self._thread = threading.Thread(target=self._work, name="vbench-decode", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stopped.set()
        while self._thread.is_alive():
            self._drop_one()
        self._thread.join()

    def next_video(self) -> tuple[VideoHeader, Iterator[Piece]]:
        """The next task's video; all its pieces must be read before the next call.

        Raises:
            VideoError: it cannot be opened; the call after this one gives the following task.
        """
        first = self._queue.get()
        if isinstance(first, VideoHeader):
            return first, self._pieces()
        if isinstance(first, _End) and first.error is not None:
            raise first.error
        raise RuntimeError("the pieces of the video before were not all read")

    def _pieces(self) -> Iterator[Piece]:
        while True:
            item = self._queue.get()
            if isinstance(item, Piece):
                yield item
                continue
            if isinstance(item, _End) and item.error is not None:
                raise item.error
            return

    def _work(self) -> None:
        for task in self.tasks:
            error: Exception | None = None
            try:
                self._decode(task)
            except Exception as raised:  # noqa: BLE001 - handed to the reader, who raises it
                error = raised
            if self._stopped.is_set():
                return
            self._put(_End(error))

    def _decode(self, task: DecodingTask) -> None:
        info, batches = open_video(task)
        self._put(info)
        for array, numbers in batches(self.frames_per_piece):
            if self._stopped.is_set():
                return
            self._put(Piece(array=array, numbers=numbers, device=self.device))

    def _put(self, item: VideoHeader | Piece | _End) -> None:
        while not self._stopped.is_set():
            with suppress(queue.Full):
                self._queue.put(item, timeout=0.1)
                return

    def _drop_one(self) -> None:
        with suppress(queue.Empty):
            self._queue.get(timeout=0.02)
