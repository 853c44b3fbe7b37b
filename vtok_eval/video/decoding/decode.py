"""Decodes a video file into frames; files that are incomplete, not video or over the limits are rejected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from vtok_eval.errors import VideoError
from vtok_eval.video.decoding.frame_store import DEFAULT_LIMITS, DecodeLimits, FrameStore
from vtok_eval.video.decoding.opening import (
    PacketCount,
    exact,
    frames,
    has_presentation_times,
    opened,
    packets,
    stated_duration_s,
    stated_rate,
)
from vtok_eval.video.decoding.orientation import Orientation
from vtok_eval.video.decoding.packet_index import PacketIndex, packet_index
from vtok_eval.video.decoding.seeking import SEEK_COSTS_PACKETS, IrregularVideoError, frames_by_seeking

if TYPE_CHECKING:
    from av import VideoFrame
    from torch import Tensor

    from vtok_eval.data import Clip

__all__ = ["DecodeLimits", "VideoInfo", "check_whole", "count_frames", "decode", "decode_in_pieces", "probe"]


@dataclass(frozen=True)
class VideoInfo:
    """What a file's header and its first frame say.

    n_frames: as the container states it, edit lists not yet applied; None where it states none (WebM).
    fps: average frames per second as stated; None where the header has no rate.
    width, height: in pixels, upright, that is after the turn by `rotation_degrees`.
    rotation_degrees: clockwise turn that makes the stored picture upright: 0, 90, 180 or 270.
    mirrored: whether the stored picture is mirrored left to right before that turn.
    duration_s: in seconds, as stated; None if not stated.
    codec: FFmpeg's name of it, as "h264". pixel_format: FFmpeg's name of it, as "yuv420p".
    """

    n_frames: int | None
    fps: float | None
    width: int
    height: int
    rotation_degrees: int
    mirrored: bool
    duration_s: float | None
    codec: str
    pixel_format: str


def probe(path: str | Path, *, limits: DecodeLimits = DEFAULT_LIMITS) -> VideoInfo:
    """Read a video's header and first frame.

    Raises:
        VideoError: as `decode`, if the first frame shows it.
    """
    path = Path(path)
    with opened(path, limits) as video:
        frame = next(frames(video, PacketCount()), None)
        if frame is None:
            raise VideoError(f"{path}: has a video stream but no frame in it")
        orientation = _orientation(path, frame)
        width, height = frame.width, frame.height
        if orientation.transposed:
            width, height = height, width
        rate = stated_rate(video.stream)
        return VideoInfo(
            n_frames=video.stream.frames or None,
            fps=float(rate) if rate else None,
            width=width,
            height=height,
            rotation_degrees=orientation.degrees,
            mirrored=orientation.mirrored,
            duration_s=stated_duration_s(video),
            codec=video.stream.codec.canonical_name,
            pixel_format=frame.format.name,
        )


def count_frames(path: str | Path, *, limits: DecodeLimits = DEFAULT_LIMITS) -> int:
    """How many frames `decode` gives without `indices`, counted without keeping one.

    Packets are counted where each is a frame (see `packet_index`); other videos are decoded.

    Raises:
        VideoError: as `decode`, if packets show it.
    """
    path = Path(path)
    index = packet_index(path, limits)
    if index is not None:
        _check_index(path, index)
    count = index.n_frames if index else _count_by_decoding(path, limits)
    if count == 0:
        raise VideoError(f"{path}: has a video stream but no frame in it")
    return count


def check_whole(path: str | Path, *, limits: DecodeLimits = DEFAULT_LIMITS) -> None:
    """Refuse a file that is missing, empty, not a video or cut short, without decoding its frames.

    Raises:
        VideoError: as `decode`, if packets show it.
    """
    path = Path(path)
    index = packet_index(path, limits)
    if index is not None:
        _check_index(path, index)
        return
    with opened(path, limits) as video:
        for _ in packets(video, PacketCount()):
            pass


def count_frames_to_sample(path: str | Path, *, limits: DecodeLimits = DEFAULT_LIMITS) -> int:
    """How many frames there are to choose from: as `count_frames`, but damage is left to `decode` to find.

    So a file with a damaged stretch can be sampled outside of it, as long as the number of its frames is
    known.

    Raises:
        VideoError: as `decode`; the number is not known.
    """
    index = packet_index(Path(path), limits)
    return index.n_frames if index and index.n_frames else count_frames(path, limits=limits)


def _check_index(path: Path, index: PacketIndex) -> None:
    if index.truncated:
        raise VideoError(index.truncated)
    if index.damaged:
        raise VideoError(f"{path}: truncated or damaged: packet {index.damaged[0]} is not whole")


def _count_by_decoding(path: Path, limits: DecodeLimits) -> int:
    with opened(path, limits) as video:
        return sum(1 for _ in frames(video, PacketCount()))


def decode(
    path: str | Path, *, limits: DecodeLimits = DEFAULT_LIMITS, indices: Sequence[int] | None = None
) -> Clip:
    """Decode a video to RGB, uint8 `(T, 3, H, W)`, in presentation order, upright.

    Pixels are those that decord gives (FFmpeg's default conversion, colour tags honoured). Rotation and
    mirroring in the container are applied; a sample aspect ratio is not: pixels stay as stored, as in every
    peer. Edit lists are applied. Of several video streams the first is taken, cover pictures aside.

    The clip's `fps` is the average rate of the frames it holds, from their timestamps: sampled frames have
    the rate at which they were sampled. Where timestamps are missing, or there is one frame only, it is the
    rate the header states. AVI has no presentation times; its frames are taken to be shown at the times of
    its packets, in order.

    A file that holds clearly fewer frames than its container promises is an error, never a shorter clip: any
    packet beyond the end of the file, any packet that does not decode, a Matroska or WebM file shorter than
    its header says, a GIF without its trailer, more than 2 % (and more than 1) of an MP4's frames or 10 % of
    an AVI's playing time missing. Packets that a decoder need not give a frame for (those before the first
    key frame of a file that was cut at an open group of pictures) are not missed. A cut MPEG-TS promised
    nothing and cannot be noticed.

    Args:
        indices: which frames, in this order (an index may be repeated); None: all. They are found by seeking
            and equal those of a full decode. Damage in a stretch that none of them needs is logged, not
            raised.

    Raises:
        VideoError: the file is missing, a directory, empty, not a video, without a video stream or frames,
            truncated, damaged or beyond a limit; it changes its frame size, is not rotated by a multiple of
            90 degrees, or states no frame rate; or an index is out of range.
    """
    from vtok_eval.data import Clip

    path = Path(path)
    wanted = None if indices is None else _checked_indices(path, indices)
    found = _by_seeking(path, limits, wanted) if wanted and wanted[-1] >= SEEK_COSTS_PACKETS else None
    found = found or _from_the_start(path, limits, wanted)
    if wanted is None or indices is None:
        return Clip(frames=found.store.frames(), fps=float(found.rate))
    row = {position: i for i, position in enumerate(wanted)}
    order = [row[index] for index in indices]
    kept = found.store.frames()
    return Clip(frames=kept if order == list(range(len(kept))) else kept[order], fps=float(found.rate))


def decode_in_pieces(
    path: str | Path, *, frames_per_piece: int, most: int | None = None, limits: DecodeLimits = DEFAULT_LIMITS
) -> Iterator[Tensor]:
    """The frames of `decode`, a few at a time: uint8 `(n, 3, H, W)`, n = `frames_per_piece` but for the last.

    most: stop after so many frames; what comes after them is not decoded.

    Raises:
        VideoError: as `decode`, when the piece in question is reached.
    """
    path = Path(path)
    n_read = 0
    with opened(path, limits) as video:
        store = FrameStore(path, limits, expected=frames_per_piece)
        for frame in frames(video, PacketCount()):
            store.append(frame, _orientation(path, frame))
            n_read += 1
            if n_read % frames_per_piece == 0 or n_read == most:
                yield store.frames()
                if n_read == most:
                    return
                store = FrameStore(path, limits, expected=frames_per_piece)
        _check_end(path, None, n_read)
        if n_read % frames_per_piece:
            yield store.frames()


@dataclass(frozen=True)
class _Decoded:
    """Frames kept, in presentation order, and their average rate."""

    store: FrameStore
    rate: Fraction


def _by_seeking(path: Path, limits: DecodeLimits, wanted: Sequence[int]) -> _Decoded | None:
    """The wanted frames (ascending), decoding little more; None where only decoding all can number them."""
    index = packet_index(path, limits)
    if index is None:
        return None
    _check_end(path, wanted, index.n_frames)
    store = FrameStore(path, limits, expected=len(wanted))
    times: list[Fraction | None] = []
    try:
        for _, frame in frames_by_seeking(path, limits, index, wanted):
            store.append(frame, _orientation(path, frame))
            times.append(_time(frame))
    except IrregularVideoError:
        return None
    rate = _average_rate(path, wanted, times, stated=index.stated_rate, tick=index.tick)
    return _Decoded(store, rate)


def _from_the_start(path: Path, limits: DecodeLimits, wanted: Sequence[int] | None) -> _Decoded:
    """The wanted frames (ascending; None: all), decoded one after the other."""
    chosen = None if wanted is None else frozenset(wanted)
    count = PacketCount()
    with opened(path, limits) as video:
        stream = video.stream
        store = FrameStore(path, limits, expected=stream.frames if wanted is None else len(wanted))
        times: list[Fraction | None] = []
        n_read = n_kept = 0
        for frame in frames(video, count):
            if chosen is None or n_read in chosen:
                store.append(frame, _orientation(path, frame))
                n_kept += 1
            times.append(_time(frame))
            n_read += 1
            if wanted is not None and n_kept == len(wanted):
                break
        else:
            _check_end(path, wanted, n_read)
        positions = range(n_read) if wanted is None else wanted
        tick = exact(stream.time_base) or Fraction(0)
        ordered = times if has_presentation_times(video.container) else _in_order(count, tick)
        rate = _average_rate(
            path, positions, [ordered[i] for i in positions], stated=stated_rate(stream), tick=tick
        )
    return _Decoded(store, rate)


def _time(frame: VideoFrame) -> Fraction | None:
    tick = exact(frame.time_base)
    return None if frame.pts is None or tick is None else frame.pts * tick


def _in_order(count: PacketCount, tick: Fraction) -> list[Fraction | None]:
    """Times of frames whose packets are numbered in decoding order: the i-th frame has the i-th of them."""
    return [pts * tick for pts in sorted(pts for pts in count.times if pts is not None)]


def _checked_indices(path: Path, indices: Sequence[int]) -> tuple[int, ...]:
    """The indices ascending, without duplicates."""
    if not indices:
        raise VideoError(f"{path}: no frame was asked for: indices is empty")
    if min(indices) < 0:
        raise VideoError(f"{path}: frame index {min(indices)} is negative; frames count from 0")
    return tuple(sorted(set(indices)))


def _check_end(path: Path, wanted: Sequence[int] | None, n_frames: int) -> None:
    """Refuse a video of `n_frames` that has none, or not those that were asked for (ascending)."""
    if n_frames == 0:
        raise VideoError(f"{path}: has a video stream but no frame in it")
    if wanted is not None and wanted[-1] >= n_frames:
        raise VideoError(
            f"{path}: frame {wanted[-1]} was asked for; it has {n_frames} frames (0 to {n_frames - 1})"
        )


def _orientation(path: Path, frame: VideoFrame) -> Orientation:
    side_data = frame.side_data.get("DISPLAYMATRIX")
    if side_data is None:
        return Orientation()
    try:
        return Orientation.from_display_matrix(
            bytes(side_data)  # type: ignore[call-overload]  # PyAV's stubs lack that it is a buffer
        )
    except ValueError as error:
        raise VideoError(f"{path}: {error}") from error


def _average_rate(
    path: Path,
    positions: Sequence[int],
    times: Sequence[Fraction | None],
    *,
    stated: Fraction | None,
    tick: Fraction,
) -> Fraction:
    """Frames per second of the frames at these `positions` (ascending) of the video, shown at `times` (s)."""
    gaps, steps = len(positions) - 1, positions[-1] - positions[0]
    first, last = times[0], times[-1]
    span = Fraction(0) if first is None or last is None else last - first
    if gaps and span > 0 and not (stated and abs(span - steps / stated) <= tick):
        return gaps / span
    if stated is None:
        raise VideoError(f"{path}: neither its header nor its timestamps give a frame rate")
    # Timestamps that agree with the stated rate to within their own resolution are that rate, rounded.
    return stated * gaps / steps if gaps else stated
