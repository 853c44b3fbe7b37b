"""The decoders of VBench's reference: what each says of a video, and its frames in pieces."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from benchmarks.vbench.frames.image_frames import frame_files, gif_length, read_folder, read_gif
from vtok_eval.errors import VideoError
from vtok_eval.video.decoding.containers import check_complete, check_file
from vtok_eval.video.decoding.decode import check_whole, probe

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Decoder = Literal["decord", "cv2", "decord384"]
"""Which library reads a video, as in the reference; the last scales frames to 384 x 384 while it decodes."""

_SCALED_TO = {"decord384": 384}

MAX_PIXELS_PER_PIECE = 16 * 1920 * 1080
"""Of a piece, whatever its number of frames: bounds what the float copies of it take (about 0.4 GiB)."""


@dataclass(frozen=True)
class VideoHeader:
    """What a decoder reports about a video before its frames are read.

    n_frames: None where the decoder cannot tell (cv2). fps: as the container states it; 0 where it does not.
    """

    path: Path
    n_frames: int | None
    fps: float


@dataclass(frozen=True)
class DecodingTask:
    """A video to be decoded.

    fps: of a folder of frames, which cannot say it.
    dimensions: for which it is decoded; named where the decoder cannot read it.
    rate_of: a video whose frame rate is used instead of its own. A reconstruction is sampled as its original.
    pick: from the number of frames to the numbers of those wanted, sorted; None for all. Only decord picks.
    """

    path: Path
    decoder: Decoder
    pick: Callable[[int], Sequence[int]] | None = None
    fps: float = 0.0
    dimensions: tuple[str, ...] = ()
    rate_of: Path | None = None


class UnsupportedVideoError(VideoError):
    """A sound video that one decoder cannot read; the dimensions of the others are scored."""


def open_video(task: DecodingTask) -> tuple[VideoHeader, Batches]:
    """A video's header, and the function that reads it in pieces with a maximum number of frames.

    Raises:
        UnsupportedVideoError: it is sound, and this decoder cannot read it; says why.
        VideoError: it is missing, cut short or not a video; the function raises it where decoding fails.
    """
    header, batches = _open(task)
    if task.rate_of is None:
        return header, batches
    return replace(header, fps=stated_fps(replace(task, path=task.rate_of, rate_of=None))), batches


def stated_fps(task: DecodingTask) -> float:
    """The frame rate that the task's decoder finds stated in its video.

    Raises:
        VideoError: as `open_video`.
    """
    return _open(task)[0].fps


def _open(task: DecodingTask) -> tuple[VideoHeader, Batches]:
    if task.path.is_dir():
        return _open_pictures(task)
    if task.path.suffix.lower() == ".gif":
        check_file(task.path)
        check_complete(task.path)
        return _open_cv2(task) if task.decoder == "cv2" else _open_pictures(task)
    # OpenCV reads a file that is cut short to its early end without a word, and the reference scores that.
    check_whole(task.path)
    return _open_cv2(task) if task.decoder == "cv2" else _open_decord(task)


def _local(path: Path) -> str:
    """The path as decoders take it: absolute, so that "a film: part 1.mp4" does not name a protocol."""
    return os.path.abspath(path)


def _unsupported(task: DecodingTask) -> UnsupportedVideoError:
    """Why a decoder does not read a sound video: it lacks the codec, or the header states no duration."""
    library = "OpenCV" if task.decoder == "cv2" else "decord"
    purpose = f", which VBench reads it with for {', '.join(task.dimensions)}," if task.dimensions else ""
    where = f"{task.path}: {library}{purpose}"
    found = probe(task.path)
    if found.n_frames is None and found.duration_s is None:
        return UnsupportedVideoError(
            f"{where} needs a duration or a number of frames in its header, and there is none; "
            f"ffmpeg -i IN -c copy OUT writes one"
        )
    return UnsupportedVideoError(
        f"{where} has no decoder here for {found.codec} in {found.pixel_format}; "
        f"ffmpeg -i IN -c:v libx264 -crf 0 OUT.mp4 converts it"
    )


Batches = Callable[[int], Iterator[tuple["NDArray[np.uint8]", tuple[int, ...]]]]


def _piece_length(wanted: int, height: int, width: int) -> int:
    return max(1, min(wanted, MAX_PIXELS_PER_PIECE // (height * width)))


def _open_cv2(task: DecodingTask) -> tuple[VideoHeader, Batches]:
    """As `vbench.temporal_flickering` and its like read: every frame, in order, RGB."""
    import cv2

    path = task.path
    # What FFmpeg would print, dozens of lines for a codec that it lacks, is said in one line here.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "8")  # AV_LOG_FATAL
    # FFmpeg by name: OpenCV's other readers take "100%d.mp4" for a series of pictures.
    video = cv2.VideoCapture(_local(path), cv2.CAP_FFMPEG)
    if not video.isOpened():
        raise _unsupported(task)
    fps = float(video.get(cv2.CAP_PROP_FPS))

    def batches(wanted: int) -> Iterator[tuple[NDArray[np.uint8], tuple[int, ...]]]:
        import numpy as np

        piece: NDArray[np.uint8] | None = None
        start = held = 0
        try:
            success, frame = video.read()
            if not success:
                raise _unsupported(task)
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

    return VideoHeader(path=path, n_frames=None, fps=fps if fps > 0 else 0.0), batches


def _open_decord(task: DecodingTask) -> tuple[VideoHeader, Batches]:
    """As `vbench.utils.load_video` reads."""
    import decord

    side = _SCALED_TO.get(task.decoder, -1)
    try:
        reader = decord.VideoReader(_local(task.path), width=side, height=side, num_threads=1)
    except (decord.DECORDError, RuntimeError) as error:
        raise _unsupported(task) from error
    n_frames = len(reader)
    if n_frames == 0:
        raise VideoError(f"{task.path}: no frame can be decoded")
    chosen = tuple(range(n_frames)) if task.pick is None else tuple(task.pick(n_frames))

    def batches(wanted: int) -> Iterator[tuple[NDArray[np.uint8], tuple[int, ...]]]:
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

    return VideoHeader(path=task.path, n_frames=n_frames, fps=float(reader.get_avg_fps())), batches


def _open_pictures(task: DecodingTask) -> tuple[VideoHeader, Batches]:
    """What Pillow reads, as `load_video` reads a GIF: never scaled."""
    files = frame_files(task.path) if task.path.is_dir() else []
    n_frames, fps = (len(files), task.fps) if files else gif_length(task.path)
    chosen = list(range(n_frames) if task.pick is None else task.pick(n_frames))

    def batches(wanted: int) -> Iterator[tuple[NDArray[np.uint8], tuple[int, ...]]]:
        import numpy as np

        held: list[NDArray[np.uint8]] = []
        start = 0
        for pixels in read_folder(files, chosen) if files else read_gif(task.path, chosen):
            held.append(pixels)
            if len(held) == _piece_length(wanted, *pixels.shape[:2]):
                yield np.stack(held), tuple(chosen[start : start + len(held)])
                start += len(held)
                held = []
        if held:
            yield np.stack(held), tuple(chosen[start : start + len(held)])

    return VideoHeader(path=task.path, n_frames=n_frames, fps=fps), batches
