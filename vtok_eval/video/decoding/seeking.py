"""Decodes a few frames of a video, each from the key frame before it, equal to those of a full decode."""

from __future__ import annotations

import heapq
import logging
import math
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from vtok_eval.errors import VideoError
from vtok_eval.video.decoding.frame_store import DecodeLimits
from vtok_eval.video.decoding.opening import FrameSize, opened, shows_a_frame

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.video.stream import VideoStream

    from vtok_eval.video.decoding.packet_index import PacketIndex

_log = logging.getLogger(__name__)

SEEK_COSTS_PACKETS = 16
"""What a seek is taken to cost, in packets decoded: a key frame nearer than that is decoded up to."""


class IrregularVideoError(Exception):
    """Frames do not come as the packets announce; only decoding from the start can number them."""


class NumberedFrame(NamedTuple):
    """A decoded frame and its number in the video, from 0."""

    number: int
    frame: VideoFrame


def frames_by_seeking(
    path: Path, limits: DecodeLimits, index: PacketIndex, numbers: Sequence[int]
) -> Iterator[NumberedFrame]:
    """The frames of these `numbers`, ascending and without duplicates.

    Decodes from the key frame before each, or goes on from the frame before where that is nearer. Damage in
    a stretch that no wanted frame needs is logged.

    Raises:
        VideoError: a stretch that a wanted frame needs is damaged; as `opened`; a frame is beyond a limit.
        IrregularVideoError: the index does not describe this video's frames.
    """
    with ExitStack() as stack:
        walk = _Walk(path, limits, index, stack)
        for number in numbers:
            yield NumberedFrame(number, walk.frame(number))
    _say_what_is_damaged(path, index)


def _say_what_is_damaged(path: Path, index: PacketIndex) -> None:
    if index.damaged:
        _log.warning(
            "%s: %d packets are damaged, the first is number %d; the frames asked for do not need them",
            path, len(index.damaged), index.damaged[0],
        )  # fmt: skip
    if index.truncated:
        _log.warning("%s; the frames asked for are there", index.truncated)


class _ShownBeforeKeyFrameError(Exception):
    """The frame is shown before the key frame that was decoded from."""


class _Walk:
    """A decoder's state in a video, moved from one wanted frame to the next.

    Frames are numbered by what was read since the last seek: the key frame's number is known from the index,
    and every frame after it must be the one with the next presentation time.
    """

    def __init__(self, path: Path, limits: DecodeLimits, index: PacketIndex, stack: ExitStack) -> None:
        self._path, self._limits, self._index, self._stack = path, limits, index, stack
        self._size = FrameSize(path, limits)
        self._expected: list[int] = []
        self._decoded: deque[VideoFrame] = deque()
        self._stop_at: int | None = None
        self._restart()

    def frame(self, number: int) -> VideoFrame:
        """Frame `number`, later than those given before."""
        key = self._index.key_before(number)
        while key >= 0:
            try:
                return self._frame_from(key, number)
            except _ShownBeforeKeyFrameError:
                key -= 1
        raise IrregularVideoError

    def _frame_from(self, key: int, number: int) -> VideoFrame:
        """Frame `number`, decoded from where the decoder is, or else from this key frame."""
        from av import FFmpegError

        positions = self._index.positions
        ahead = int(positions[key]) - self._position
        if number >= self._number and ahead <= SEEK_COSTS_PACKETS and self._stop_at is None:
            try:
                return self._decode_up_to(number)
            except (FFmpegError, VideoError, IrregularVideoError, _ShownBeforeKeyFrameError):
                if positions[key] < self._position <= self._end_of_group(key):
                    raise
                self._say_damaged(number)
        self._seek(key)
        try:
            return self._decode_up_to(number)
        except FFmpegError:
            if self._position <= self._end_of_group(key):
                raise
            # The decoder was reading ahead of the frame: it returns what it has at the end of the input.
            self._say_damaged(number)
            stop_at = self._position - 1
            self._seek(key)
            self._stop_at = stop_at
            return self._decode_up_to(number)

    def _say_damaged(self, number: int) -> None:
        _log.warning("%s: is damaged near frame %d, which does not need that stretch", self._path, number)

    def _end_of_group(self, key: int) -> float:
        """The position of the next key frame."""
        positions = self._index.positions
        return float(positions[key + 1]) if key + 1 < len(positions) else math.inf

    def _decode_up_to(self, number: int) -> VideoFrame:
        while True:
            frame = self._next_frame()
            if self._number > number + 1:
                raise _ShownBeforeKeyFrameError
            if self._number == number + 1:
                return frame

    def _next_frame(self) -> VideoFrame:
        """The next frame from the decoder; `_number` becomes its number + 1."""
        while True:
            while not self._decoded:
                self._decode_packet()
            frame = self._decoded.popleft()
            if frame.pts is None or frame.interlaced_frame:
                raise IrregularVideoError
            if self._key_pts is not None and frame.pts < self._key_pts:
                continue  # a decoder's attempt at a picture that needs frames from before the key frame
            self._size.check(frame)
            self._skip_lost(frame.pts)
            if not self._expected or heapq.heappop(self._expected) != frame.pts:
                raise IrregularVideoError
            self._number += 1
            self._any_given = True
            return frame

    def _skip_lost(self, pts: int) -> None:
        """Skip packets at the video's start for which, by the index, a decoder gives no frame."""
        while self._to_lose and self._expected and self._expected[0] < pts:
            heapq.heappop(self._expected)
            self._to_lose -= 1

    def _decode_packet(self) -> None:
        if self._position == self._stop_at:
            self._stop_at = -1
            self._decoded.extend(self._video.stream.codec_context.decode(None))
            return
        packet = next(self._packets, None)
        if packet is None or self._stop_at == -1:
            raise IrregularVideoError
        if packet.size:
            if packet.is_corrupt:
                raise VideoError(f"{self._path}: truncated or damaged: packet {self._position} is not whole")
            self._position += 1
            self._expect(packet)
        self._decoded.extend(packet.decode())

    def _expect(self, packet: Packet[VideoStream]) -> None:
        if packet.is_discard or not shows_a_frame(packet):
            return
        if packet.pts is None:
            raise IrregularVideoError
        if self._key_pts is not None and packet.pts < self._key_pts:
            # Shown before the key frame from which frames are numbered.
            if self._any_given:
                raise IrregularVideoError
            self._number += 1
        else:
            heapq.heappush(self._expected, packet.pts)

    def _restart(self) -> None:
        """Begin again at the start of the file."""
        self._stack.close()  # of the video opened before
        self._video = self._stack.enter_context(opened(self._path, self._limits))
        self._packets: Iterator[Packet[VideoStream]] = iter(self._video.container.demux(self._video.stream))
        self._stand(position=0, number=0, key_pts=None)
        self._to_lose = self._index.n_lost

    def _stand(self, *, position: int, number: int, key_pts: int | None) -> None:
        """Nothing is decoded since; the next packet is number `position`, the next frame number `number`."""
        self._position, self._number, self._key_pts = position, number, key_pts
        self._expected.clear()
        self._decoded.clear()
        self._stop_at = None
        self._any_given = False
        self._to_lose = 0

    def _seek(self, key: int) -> None:
        """Go to a key frame: its packet is the next."""
        index = self._index
        if key == 0:
            self._restart()
            return
        stamp = int(index.stamps[key])
        for earlier in (0, 1, 4):
            if self._found_by_seeking(stamp, at=int(index.stamps[max(0, key - earlier)])):
                break
        else:
            self._restart()
            if not self._found(stamp):
                raise IrregularVideoError
        key_pts = self._first.pts
        if key_pts is None:
            raise IrregularVideoError
        shown = int(index.shown[key]) - index.n_lost
        self._stand(position=int(index.positions[key]), number=shown, key_pts=key_pts)

    def _found_by_seeking(self, stamp: int, *, at: int) -> bool:
        from av import FFmpegError

        container, stream = self._video.container, self._video.stream
        try:
            container.seek(at, stream=stream)
        except FFmpegError:
            return False
        self._packets = iter(container.demux(stream))
        return self._found(stamp)

    def _found(self, stamp: int) -> bool:
        """Read on, without decoding, up to the packet with this stamp; it stays the next."""
        for packet in self._packets:
            found = packet.dts if self._index.stamped_by == "dts" else packet.pts
            if found == stamp and packet.is_keyframe:
                self._first = packet
                self._packets = chain([packet], self._packets)
                return True
            if found is not None and found > stamp and packet.is_keyframe:
                return False
        return False
