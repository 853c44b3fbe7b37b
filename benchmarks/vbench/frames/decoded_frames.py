"""Frames of a video as VBench's two decoders give them, in pieces, decoded ahead of what reads them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from benchmarks.vbench.frames.image_frames import frame_files, gif_length, read_folder, read_gif
from vtok_eval.errors import VideoError
from vtok_eval.video.containers import check_complete, check_file
from vtok_eval.video.decode import count_frames

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from torch import Tensor

Decoder = Literal["decord", "cv2", "decord384"]
"""Which library reads a video, as in the reference; the last scales frames to 384 x 384 while it decodes."""

_SCALED_TO = {"decord384": 384}

MAX_PIXELS_PER_PIECE = 16 * 1920 * 1080
"""Of a piece, whatever its number of frames: bounds what the float copies of it take (about 0.4 GiB)."""


@dataclass(frozen=True)
class VideoInfo:
    """What is known of a video before its frames are read.

    n_frames: None where the decoder cannot tell (cv2). fps: as the container states it; 0 where it does not.
    """

    path: Path
    n_frames: int | None
    fps: float


@dataclass(frozen=True)
class Piece:
    """Some frames of a video: `array` uint8 `(n, H, W, 3)` in RGB, and their numbers in the video."""

    array: NDArray
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

        return vbench_module("utils").clip_transform(224)(self.frames.float())


@dataclass(frozen=True)
class Task:
    """A video to be decoded.

    fps: of a folder of frames, which cannot say it.
    pick: from the number of frames to the numbers of those wanted, sorted; None for all. Only decord picks.
    """

    path: Path
    decoder: Decoder
    pick: Callable[[int], Sequence[int]] | None = None
    fps: float = 0.0


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

    tasks: Sequence[Task]
    device: torch.device
    frames_per_piece: int = 16
    depth: int = 2
    _queue: queue.Queue[VideoInfo | Piece | _End] = field(init=False)
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

    def next_video(self) -> tuple[VideoInfo, Iterator[Piece]]:
        """The next task's video; all its pieces must be read before the next call.

        Raises:
            VideoError: it cannot be opened; the call after this one gives the following task.
        """
        first = self._queue.get()
        if isinstance(first, VideoInfo):
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

    def _decode(self, task: Task) -> None:
        info, batches = open_video(task)
        self._put(info)
        for array, numbers in batches(self.frames_per_piece):
            if self._stopped.is_set():
                return
            self._put(Piece(array=array, numbers=numbers, device=self.device))

    def _put(self, item: VideoInfo | Piece | _End) -> None:
        while not self._stopped.is_set():
            with suppress(queue.Full):
                self._queue.put(item, timeout=0.1)
                return

    def _drop_one(self) -> None:
        with suppress(queue.Empty):
            self._queue.get(timeout=0.02)


def open_video(task: Task) -> tuple[VideoInfo, Batches]:
    """What a video says of itself, and the function that reads it in pieces of at most so many frames.

    Raises:
        VideoError: it is missing, cut short or no video; the function raises it where decoding fails.
    """
    if task.path.is_dir():
        return _open_pictures(task)
    check_whole(task.path)
    if task.decoder == "cv2":
        return _open_cv2(task.path)
    return _open_pictures(task) if task.path.suffix.lower() == ".gif" else _open_decord(task)


def check_whole(path: Path) -> None:
    """Refuse a file that is missing, empty, no video, or cut short; frames are not decoded for it.

    OpenCV reads a file that is cut short to its early end without a word, and the reference scores that.

    Raises:
        VideoError: says what is wrong with it.
    """
    check_file(path)
    if path.suffix.lower() in _PACKETS_TELL:
        count_frames(path)
    else:
        check_complete(path)


_PACKETS_TELL = (".m4v", ".mov", ".mp4")
"""Containers whose packets tell whether they are whole; of others the header does, or nothing does."""

Batches = Callable[[int], Iterator[tuple["NDArray", tuple[int, ...]]]]


def _piece_length(wanted: int, height: int, width: int) -> int:
    return max(1, min(wanted, MAX_PIXELS_PER_PIECE // (height * width)))


def _open_cv2(path: Path) -> tuple[VideoInfo, Batches]:
    """As `vbench.temporal_flickering` and its like read: every frame, in order, RGB."""
    import cv2

    video = cv2.VideoCapture(str(path))
    if not video.isOpened():
        raise VideoError(f"{path}: cannot be opened as a video")
    fps = float(video.get(cv2.CAP_PROP_FPS))

    def batches(wanted: int) -> Iterator[tuple[NDArray, tuple[int, ...]]]:
        import numpy as np

        piece: NDArray | None = None
        start = held = 0
        try:
            success, frame = video.read()
            if not success:
                raise VideoError(f"{path}: no frame can be decoded")
            shape = frame.shape
            length = _piece_length(wanted, *shape[:2])
            while success:
                if frame.shape != shape:
                    raise VideoError(f"{path}: changes its size at frame {start + held}")
                piece = np.empty((length, *shape), dtype=np.uint8) if piece is None else piece
                cv2.cvtColor(frame, cv2.COLOR_BGR2RGB, dst=piece[held])
                held += 1
                success, frame = video.read()
                if held == length or not success:
                    yield piece[:held], tuple(range(start, start + held))
                    start, held, piece = start + held, 0, None
        finally:
            video.release()

    return VideoInfo(path=path, n_frames=None, fps=fps if fps > 0 else 0.0), batches


def _open_decord(task: Task) -> tuple[VideoInfo, Batches]:
    """As `vbench.utils.load_video` reads."""
    import decord

    side = _SCALED_TO.get(task.decoder, -1)
    try:
        reader = decord.VideoReader(str(task.path), width=side, height=side, num_threads=1)
    except (decord.DECORDError, RuntimeError) as error:
        raise VideoError(f"{task.path}: cannot be opened as a video") from error
    n_frames = len(reader)
    if n_frames == 0:
        raise VideoError(f"{task.path}: no frame can be decoded")
    chosen = tuple(range(n_frames)) if task.pick is None else tuple(task.pick(n_frames))

    def batches(wanted: int) -> Iterator[tuple[NDArray, tuple[int, ...]]]:
        height, width = reader[0].shape[:2]
        length = _piece_length(wanted, height, width)
        for start in range(0, len(chosen), length):
            numbers = chosen[start : start + length]
            try:
                batch = reader.get_batch(list(numbers))
            except (decord.DECORDError, RuntimeError) as error:
                raise VideoError(
                    f"{task.path}: frames {numbers[0]} to {numbers[-1]} cannot be decoded"
                ) from error
            # The package switches decord's bridge between numpy and torch as it goes.
            yield (batch.asnumpy() if hasattr(batch, "asnumpy") else batch.numpy()), numbers

    return VideoInfo(path=task.path, n_frames=n_frames, fps=float(reader.get_avg_fps())), batches


def _open_pictures(task: Task) -> tuple[VideoInfo, Batches]:
    """What Pillow reads, as `load_video` reads a GIF: never scaled."""
    files = frame_files(task.path) if task.path.is_dir() else []
    n_frames, fps = (len(files), task.fps) if files else gif_length(task.path)
    chosen = list(range(n_frames) if task.pick is None else task.pick(n_frames))

    def batches(wanted: int) -> Iterator[tuple[NDArray, tuple[int, ...]]]:
        import numpy as np

        held: list[NDArray] = []
        start = 0
        for pixels in read_folder(files, chosen) if files else read_gif(task.path, chosen):
            held.append(pixels)
            if len(held) == _piece_length(wanted, *pixels.shape[:2]):
                yield np.stack(held), tuple(chosen[start : start + len(held)])
                start += len(held)
                held = []
        if held:
            yield np.stack(held), tuple(chosen[start : start + len(held)])

    return VideoInfo(path=task.path, n_frames=n_frames, fps=fps), batches
