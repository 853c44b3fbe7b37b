"""Decode a video file into frames, refusing in one clear line whatever is no whole video within limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtok_eval.errors import VideoError
from vtok_eval.video.containers import (
    AUDIO_FORMATS,
    VIDEO_FORMATS,
    check_complete,
    check_file,
    why_unreadable,
)
from vtok_eval.video.frame_store import DEFAULT_LIMITS, DecodeLimits, FrameStore, check_frame_size
from vtok_eval.video.orientation import Orientation

if TYPE_CHECKING:
    from vtok_eval.data import Clip

__all__ = ["DecodeLimits", "VideoInfo", "count_frames", "decode", "probe"]


@dataclass(frozen=True)
class VideoInfo:
    """What a file's header and its first frame say.

    n_frames: as the container states it, edit lists not yet applied; None where it states none (WebM).
    fps: average frames per second as stated; None where the header has no rate.
    width, height: in pixels, upright, that is after the turn by `rotation_degrees`.
    rotation_degrees: clockwise turn that makes the stored picture upright: 0, 90, 180 or 270.
    mirrored: whether the stored picture is mirrored left to right before that turn.
    duration_s: in seconds, as stated; None where it is not.
    """

    n_frames: int | None
    fps: float | None
    width: int
    height: int
    rotation_degrees: int
    mirrored: bool
    duration_s: float | None


def probe(path: str | Path, *, limits: DecodeLimits = DEFAULT_LIMITS) -> VideoInfo:
    """Read a video's header and first frame.

    Raises:
        VideoError: as `decode`, as far as the first frame shows it.
    """
    path = Path(path)
    with _open(path, limits) as (container, stream):
        frame = next(_frames(path, container, stream, limits), None)
        if frame is None:
            raise VideoError(f"{path}: has a video stream but no frame in it")
        orientation = _orientation(path, frame)
        width, height = frame.width, frame.height
        if orientation.transposed:
            width, height = height, width
        rate = _stated_rate(stream)
        return VideoInfo(
            n_frames=stream.frames or None,
            fps=float(rate) if rate else None,
            width=width,
            height=height,
            rotation_degrees=orientation.degrees,
            mirrored=orientation.mirrored,
            duration_s=_stated_duration_s(container, stream),
        )


def count_frames(path: str | Path, *, limits: DecodeLimits = DEFAULT_LIMITS) -> int:
    """How many frames `decode` gives without `indices`, counted without keeping one.

    An MP4's packets are counted; other containers are decoded, because in them a packet need not be a frame.

    Raises:
        VideoError: as `decode`.
    """
    path = Path(path)
    with _open(path, limits) as (container, stream):
        if _counts_exactly(container):
            packets = _packets(path, container, stream)
            count = sum(1 for packet in packets if packet.size and not packet.is_discard)
        else:
            count = sum(1 for _ in _frames(path, container, stream, limits))
    if count == 0:
        raise VideoError(f"{path}: has a video stream but no frame in it")
    return count


def decode(
    path: str | Path, *, limits: DecodeLimits = DEFAULT_LIMITS, indices: Sequence[int] | None = None
) -> Clip:
    """Decode a video to RGB, uint8 `(T, 3, H, W)`, in presentation order, upright.

    Pixels are those that decord gives (FFmpeg's default conversion, colour tags honoured). Rotation and
    mirroring in the container are applied; a sample aspect ratio is not: pixels stay as stored, as in every
    peer. Edit lists are applied. Of several video streams the first is taken, cover pictures aside.

    indices: which frames, in this order (an index may be repeated); None: all. Decoding stops after the last
        one asked for, so damage behind it is not noticed.

    The clip's `fps` is the average rate of the frames it holds, from their timestamps: sampled frames have
    the rate at which they were sampled. Where timestamps are missing, or there is one frame only, it is the
    rate the header states.

    A file that holds clearly fewer frames than its container promises is an error, never a shorter clip:
    any packet beyond the end of the file, any packet that does not decode, a Matroska or WebM file shorter
    than its header says, a GIF without its trailer, more than 2 % (and more than 1) of an MP4's frames or
    10 % of an AVI's playing time missing. A cut MPEG-TS promised nothing and cannot be noticed.

    Raises:
        VideoError: the file is missing, a directory, empty, no video, without a video stream or without
            frames, truncated or damaged, beyond a limit, changes its frame size on the way, is turned by
            no multiple of 90 degrees, states no frame rate at all; or an index is out of range.
    """
    from vtok_eval.data import Clip

    path = Path(path)
    wanted = None if indices is None else _checked_indices(path, indices)
    with _open(path, limits) as (container, stream):
        store = FrameStore(path, limits, expected=len(wanted) if wanted else stream.frames)
        times: list[Fraction | None] = []
        n_read = 0
        for position, frame in enumerate(_frames(path, container, stream, limits)):
            n_read += 1
            if wanted is not None and position not in wanted:
                continue
            store.append(frame, _orientation(path, frame))
            tick = _exact(frame.time_base)
            times.append(None if frame.pts is None or tick is None else frame.pts * tick)
            if wanted is not None and len(times) == len(wanted):
                break
        else:
            _check_end(path, wanted, n_read)
        positions = range(len(times)) if wanted is None else sorted(wanted)
        tick = _exact(stream.time_base) or Fraction(0)
        rate = _average_rate(path, positions, times, stated=_stated_rate(stream), tick=tick)
    frames = store.frames()
    if wanted is not None and indices is not None:
        row = {position: i for i, position in enumerate(positions)}
        order = [row[index] for index in indices]
        frames = frames if order == list(range(len(frames))) else frames[order]
    return Clip(frames=frames, fps=float(rate))


def _checked_indices(path: Path, indices: Sequence[int]) -> frozenset[int]:
    if not indices:
        raise VideoError(f"{path}: no frame was asked for: indices is empty")
    if min(indices) < 0:
        raise VideoError(f"{path}: frame index {min(indices)} is negative; frames count from 0")
    return frozenset(indices)


def _check_end(path: Path, wanted: frozenset[int] | None, n_frames: int) -> None:
    """What must hold of a video that was read to its end: it has frames, and those that were asked for."""
    if n_frames == 0:
        raise VideoError(f"{path}: has a video stream but no frame in it")
    if wanted is not None and max(wanted) >= n_frames:
        raise VideoError(
            f"{path}: frame {max(wanted)} was asked for; it has {n_frames} frames (0 to {n_frames - 1})"
        )


@contextmanager
def _open(path: Path, limits: DecodeLimits) -> Iterator[tuple[Any, Any]]:
    """The container and its video stream; FFmpeg's errors inside the block become `VideoError`."""
    import av

    check_file(path)
    options = {
        "format_whitelist": ",".join(VIDEO_FORMATS + AUDIO_FORMATS),
        "protocol_whitelist": "file",
        # FFmpeg's own guard, for a stream that grows after its header was read; it counts padded pixels.
        "max_pixels": str(2 * limits.max_pixels_per_frame + 65536),
    }
    try:
        # "file:" keeps FFmpeg from reading "cat: a film.mp4" as a protocol.
        container = av.open(f"file:{path}", options=options, **_lenient_metadata())
    except PermissionError as error:
        raise VideoError(f"{path}: no permission to read the file") from error
    except (av.FFmpegError, ValueError) as error:
        raise VideoError(f"{path}: {why_unreadable(path)}") from error
    with container:
        stream = _video_stream(path, container)
        stream.codec_context.options = {"max_pixels": options["max_pixels"]}
        _check_header_size(path, stream.codec_context, limits)
        check_complete(path)
        try:
            yield container, stream
        except av.FFmpegError as error:
            raise VideoError(f"{path}: cannot be decoded, it is damaged ({error.strerror})") from error


def _lenient_metadata() -> dict[str, str]:
    """Titles that are not UTF-8 must not keep a video from being read; PyAV 19 needs no option for it."""
    import av

    return {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}


def _check_header_size(path: Path, codec: Any, limits: DecodeLimits) -> None:
    if codec.width == 0 or codec.height == 0:
        # FFmpeg, told of the limit, gives no size where the header's is far beyond it.
        raise VideoError(
            f"{path}: its header gives no frame size: it is damaged, or beyond the limit of "
            f"{limits.max_pixels_per_frame} pixels"
        )
    check_frame_size(path, codec.width, codec.height, limits)


def _video_stream(path: Path, container: Any) -> Any:
    from av.stream import Disposition

    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        kinds = sorted({stream.type for stream in container.streams})
        raise VideoError(f"{path}: has no video stream (it holds: {', '.join(kinds) or 'nothing'})")
    if streams[0].codec_context is None:
        raise VideoError(f"{path}: its video is coded in a way that this FFmpeg cannot decode")
    return streams[0]


def _packets(path: Path, container: Any, stream: Any) -> Iterator[Any]:
    """The stream's packets, and the check that the file holds those that its container promises."""
    n_packets, end_s = 0, 0.0
    for packet in container.demux(stream):
        if packet.size and packet.is_corrupt:
            raise VideoError(f"{path}: truncated or damaged: packet {n_packets} is not whole")
        n_packets += bool(packet.size)
        if packet.size and packet.pts is not None:
            end_s = max(end_s, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        yield packet
    rate = _stated_rate(stream)
    if _counts_exactly(container):
        _check_promised_count(path, n_packets, stream.frames)
    elif container.format.name == "avi" and stream.frames and rate:
        # AVI drops repeated frames without a packet, so its playing time is compared, not its count.
        _check_promised_time(path, end_s, float(stream.frames / rate), float(1 / rate))


def _frames(path: Path, container: Any, stream: Any, limits: DecodeLimits) -> Iterator[Any]:
    """Decoded frames in presentation order, all of one size within the limits."""
    size: tuple[int, int] | None = None
    n_frames = n_discarded = 0
    for packet in _packets(path, container, stream):
        n_discarded += packet.is_discard
        for frame in packet.decode():
            check_frame_size(path, frame.width, frame.height, limits)
            size = size or (frame.width, frame.height)
            if size != (frame.width, frame.height):
                raise VideoError(
                    f"{path}: the frame size changes from {size[0]}x{size[1]} to "
                    f"{frame.width}x{frame.height} at frame {n_frames}"
                )
            n_frames += 1
            yield frame
    if _counts_exactly(container) and n_frames:
        _check_promised_count(path, n_frames + n_discarded, stream.frames)


def _counts_exactly(container: Any) -> bool:
    """Whether the container has a table of all its frames (MP4 and QuickTime do)."""
    return "mp4" in container.format.name.split(",")


def _check_promised_count(path: Path, found: int, promised: int) -> None:
    if promised - found > max(1, promised // 50):
        raise VideoError(f"{path}: truncated: {found} of the {promised} frames in its index are there")


def _check_promised_time(path: Path, found_s: float, promised_s: float, frame_s: float) -> None:
    if promised_s - found_s > max(0.1 * promised_s, 3 * frame_s):
        raise VideoError(f"{path}: truncated: {found_s:.2f} of the {promised_s:.2f} s it promises are there")


def _orientation(path: Path, frame: Any) -> Orientation:
    side_data = frame.side_data.get("DISPLAYMATRIX")
    if side_data is None:
        return Orientation()
    try:
        return Orientation.from_display_matrix(bytes(side_data))
    except ValueError as error:
        raise VideoError(f"{path}: {error}") from error


def _stated_rate(stream: Any) -> Fraction | None:
    """The header's frame rate; files with an average of 0 may still state a nominal one."""
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if _exact(rate):
            return _exact(rate)
    return None


def _exact(value: Any) -> Fraction | None:
    """PyAV's rational (a Fraction, from version 19 on a type of its own) as a Fraction; None where unset."""
    return Fraction(value.numerator, value.denominator) if value else None


def _stated_duration_s(container: Any, stream: Any) -> float | None:
    import av

    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


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
