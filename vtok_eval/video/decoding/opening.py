"""Opens a video file within limits, and checks that it holds the packets and frames that it promises."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from vtok_eval.errors import VideoError
from vtok_eval.video.decoding.containers import (
    AUDIO_FORMATS,
    VIDEO_FORMATS,
    check_complete,
    check_file,
    why_unreadable,
)
from vtok_eval.video.decoding.frame_store import DecodeLimits, check_frame_size

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.video.codeccontext import VideoCodecContext
    from av.video.stream import VideoStream

ONE_FRAME_PER_PACKET = frozenset(
    {"av1", "dnxhd", "ffv1", "h264", "hevc", "libdav1d", "mjpeg", "mpeg2video", "prores", "qtrle", "rawvideo"}
    | {"vp8", "vp9"}
)
"""Decoders that give one frame for each packet that they can decode, as long as no frame is coded as two
fields. (MPEG-4 part 2 packs two frames into one packet and has packets without a frame.)"""


class OpenedVideo(NamedTuple):
    """A file's container and the video stream that is read of it."""

    path: Path
    container: InputContainer
    stream: VideoStream
    limits: DecodeLimits


@contextmanager
def opened(path: Path, limits: DecodeLimits) -> Iterator[OpenedVideo]:
    """The file's container and video stream; FFmpeg's errors inside the block become `VideoError`.

    Of several video streams the first is taken, cover pictures aside.

    Raises:
        VideoError: the file is missing, a directory, empty, not a video, has no video stream or no decoder
            for it, ends before its header says, or is beyond a limit.
    """
    import av

    check_file(path)
    options = {
        "format_whitelist": ",".join(VIDEO_FORMATS + AUDIO_FORMATS),
        "protocol_whitelist": "file",
        # FFmpeg's own guard, for a stream that grows after its header was read; it counts padded pixels.
        "max_pixels": str(2 * limits.max_pixels_per_frame + 65536),
    }
    try:
        container = _opened(path, options)
    except PermissionError as error:
        raise VideoError(f"{path}: no permission to read the file") from error
    except (av.FFmpegError, ValueError) as error:
        raise VideoError(f"{path}: {why_unreadable(path)}") from error
    with container:
        stream = _video_stream(path, container)
        stream.codec_context.options = {"max_pixels": options["max_pixels"]}
        # Several files are decoded at once, each by a thread of its own. PyAV frees a decoder, and so waits
        # for the decoder's threads to end, while it holds the interpreter's lock.
        stream.codec_context.thread_count = 1
        _check_header_size(path, stream.codec_context, limits)
        check_complete(path)
        try:
            yield OpenedVideo(path, container, stream, limits)
        except av.FFmpegError as error:
            raise VideoError(f"{path}: cannot be decoded, it is damaged ({error.strerror})") from error


@dataclass
class PacketCount:
    """What was seen of a stream's packets in decoding order.

    found: packets with data. discarded: those that an edit list hides. unpromised: those that need frames
    from before the file's first key frame, which a decoder may give or not.
    times: presentation times of the packets that are shown, in the stream's time base; None where missing.
    """

    found: int = 0
    discarded: int = 0
    unpromised: int = 0
    end_s: float = 0.0
    times: list[int | None] = field(default_factory=list)
    _first_key: int | None = None
    _has_key: bool = False

    def enter(self, packet: Packet[VideoStream]) -> None:
        """Take note of a packet with data."""
        self.found += 1
        self.discarded += packet.is_discard
        if packet.is_keyframe and not self._has_key:
            self._has_key, self._first_key = True, packet.pts
        elif not packet.is_discard and (not self._has_key or _before(packet.pts, self._first_key)):
            self.unpromised += 1
        if not packet.is_discard:
            self.times.append(packet.pts)
        if packet.pts is not None:
            self.end_s = max(self.end_s, float((packet.pts + (packet.duration or 0)) * packet.time_base))


def packets(video: OpenedVideo, count: PacketCount) -> Iterator[Packet[VideoStream]]:
    """The stream's packets, entered in `count`, and the check that the file holds those that it promises.

    Raises:
        VideoError: a packet is not whole, or clearly fewer are there than the container promises.
    """
    path, container, stream, _ = video
    for packet in container.demux(stream):
        if packet.size and packet.is_corrupt:
            raise VideoError(f"{path}: truncated or damaged: packet {count.found} is not whole")
        if packet.size:
            count.enter(packet)
        yield packet
    rate = stated_rate(stream)
    if has_frame_table(container) and stream.frames:
        # The table after edit lists, which may leave whole stretches out.
        check_promised_count(path, count.found, len(stream.index_entries))
    elif container.format.name == "avi" and stream.frames and rate:
        # AVI drops repeated frames without a packet, so its playing time is compared, not its count.
        frames = f"{count.found} packets of the {stream.frames} in its header"
        _check_promised_time(path, count.end_s, stream.frames / rate, frame_s=1 / rate, frames=frames)


def frames(video: OpenedVideo, count: PacketCount) -> Iterator[VideoFrame]:
    """Decoded frames in presentation order, all of one size within the limits.

    Raises:
        VideoError: as `packets`; the size changes or is beyond a limit; clearly fewer frames come than a
            decoder is bound to give of the packets.
    """
    path, container, stream, limits = video
    size = FrameSize(path, limits)
    for packet in packets(video, count):
        for frame in packet.decode():
            size.check(frame)
            yield frame
    if has_frame_table(container) and size.n_frames and stream.codec.name in ONE_FRAME_PER_PACKET:
        bound = count.found - count.discarded - count.unpromised
        check_promised_count(path, size.n_frames, bound)


def shows_a_frame(packet: Packet[VideoStream]) -> bool:
    """False for VP8's alternate reference frames, which are packets of their own (RFC 6386, section 9.1)."""
    return packet.stream.codec_context.name != "vp8" or bool(memoryview(packet)[0] & 0x10)


class FrameSize:
    """Checks that frames keep to the limits and to the size of the first. n_frames: how many were checked."""

    def __init__(self, path: Path, limits: DecodeLimits) -> None:
        self.n_frames = 0
        self._path, self._limits = path, limits
        self._size: tuple[int, int] | None = None

    def check(self, frame: VideoFrame) -> None:
        """Check the next frame.

        Raises:
            VideoError: it is too large, or of another size.
        """
        check_frame_size(self._path, frame.width, frame.height, self._limits)
        self._size = self._size or (frame.width, frame.height)
        if self._size != (frame.width, frame.height):
            raise VideoError(
                f"{self._path}: the frame size changes from {self._size[0]}x{self._size[1]} to "
                f"{frame.width}x{frame.height} at frame {self.n_frames}"
            )
        self.n_frames += 1


def has_presentation_times(container: InputContainer) -> bool:
    """Whether packets say when they are shown; those of AVI are numbered in decoding order."""
    return bool(container.format.name != "avi")


def has_frame_table(container: InputContainer) -> bool:
    """Whether the container has a table of all its frames (MP4 and QuickTime do)."""
    return "mp4" in container.format.name.split(",")


def check_promised_count(path: Path, found: int, promised: int) -> None:
    """Refuse a file with clearly fewer frames than it promises: more than 2 % and more than 1 missing.

    Raises:
        VideoError: frames are missing.
    """
    if promised - found > max(1, promised // 50):
        raise VideoError(f"{path}: truncated: {found} of the {promised} frames in its index are there")


def stated_rate(stream: VideoStream) -> Fraction | None:
    """The header's frame rate; files with an average of 0 may still state a nominal one."""
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if exact(rate):
            return exact(rate)
    return None


def stated_duration_s(video: OpenedVideo) -> float | None:
    """The duration in seconds that the header states; None where it states none."""
    import av

    container, stream = video.container, video.stream
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def exact(value: Fraction | None) -> Fraction | None:
    """PyAV's rational (a Fraction; since version 19 a separate type) as a Fraction; None where unset."""
    return Fraction(value.numerator, value.denominator) if value else None


def _before(time: int | None, key: int | None) -> bool:
    return time is not None and key is not None and time < key


def _check_promised_time(
    path: Path, found_s: float, promised_s: Fraction, *, frame_s: Fraction, frames: str
) -> None:
    if promised_s - found_s > max(promised_s / 10, 3 * frame_s):
        raise VideoError(
            f"{path}: truncated: {found_s:.2f} of the {float(promised_s):.2f} s it promises are there "
            f"({frames})"
        )


def _opened(path: Path, options: dict[str, str]) -> InputContainer:
    """The container. Titles that are not UTF-8 must not keep a video from being read."""
    import av

    # "file:" keeps FFmpeg from reading "cat: a film.mp4" as a protocol.
    url = f"file:{path}"
    if int(av.__version__.split(".")[0]) >= 19:
        return av.open(url, options=options)  # needs no option for titles
    return av.open(url, options=options, metadata_errors="replace")


def _check_header_size(path: Path, codec: VideoCodecContext, limits: DecodeLimits) -> None:
    if codec.width == 0 or codec.height == 0:
        # FFmpeg, told of the limit, gives no size where the header's is far beyond it.
        raise VideoError(
            f"{path}: its header gives no frame size: it is damaged, or beyond the limit of "
            f"{limits.max_pixels_per_frame} pixels"
        )
    check_frame_size(path, codec.width, codec.height, limits)


def _video_stream(path: Path, container: InputContainer) -> VideoStream:
    from av.stream import Disposition

    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        kinds = sorted({stream.type for stream in container.streams})
        raise VideoError(f"{path}: has no video stream (it holds: {', '.join(kinds) or 'nothing'})")
    if streams[0].codec_context is None:
        raise VideoError(f"{path}: its video is coded in a way that this FFmpeg cannot decode")
    return streams[0]
