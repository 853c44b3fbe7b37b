"""Counts a video's frames and finds its key frames from packets alone, without decoding them."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from vtok_eval.errors import VideoError
from vtok_eval.video.decoding.containers import check_file
from vtok_eval.video.decoding.frame_store import DEFAULT_LIMITS, DecodeLimits
from vtok_eval.video.decoding.lost_frames import frames_lost_at_the_start
from vtok_eval.video.decoding.opening import (
    ONE_FRAME_PER_PACKET,
    OpenedVideo,
    exact,
    has_frame_table,
    has_presentation_times,
    opened,
    shows_a_frame,
    stated_rate,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_KEY, _DISCARD = 1, 2
"""FFmpeg's `AVINDEX_KEYFRAME` and `AVINDEX_DISCARD_FRAME`, flags of an entry in a container's table."""
_PROGRESSIVE = frozenset({0, 1})
"""FFmpeg's `AVFieldOrder`: unknown and progressive. Fields of one frame may be two packets."""


@dataclass(frozen=True)
class PacketIndex:
    """The key frames of a video and the number of frames shown before each, by decoding order.

    n_frames: frames that a decoder gives.
    n_lost: packets that would be shown before the first key frame and that give none.
    positions: int64 `(K,)`, packets decoded before each key frame.
    shown: int64 `(K,)`, those of them that are shown.
    stamps: int64 `(K,)`, what finds a key frame's packet again, its `dts` or `pts` (see `stamped_by`),
    in the stream's time base.
    damaged: decoding positions of packets that are not whole.
    truncated: in words, that the file ends before frames of its table; None where all are there.
    stated_rate: frames per second as the header states it. tick: the stream's time base in seconds.

    Memory grows with the number of key frames alone: 24 bytes for each.
    """

    n_frames: int
    n_lost: int
    positions: NDArray[np.int64]
    shown: NDArray[np.int64]
    stamps: NDArray[np.int64]
    stamped_by: str
    damaged: tuple[int, ...] = ()
    truncated: str | None = None
    stated_rate: Fraction | None = None
    tick: Fraction = Fraction(0)

    def key_before(self, frame: int) -> int:
        """The last key frame with at most `frame` frames shown before it by decoding order.

        The frame may still be shown before that key frame (open GOP); then the key frame before it is needed.
        """
        import numpy as np

        return max(0, int(np.searchsorted(self.shown, frame + self.n_lost, side="right")) - 1)


def packet_index(path: Path, limits: DecodeLimits = DEFAULT_LIMITS) -> PacketIndex | None:
    """The index of a file; None where its frames can be counted by decoding alone.

    That is so for codecs whose packets are not frames, interlaced video, AVI (no presentation times), and
    timestamps that are missing or used twice. Kept for the files used last; read again when a file changes.

    An MP4's or QuickTime file's own table is read, of Matroska the headers of its blocks, of others (and of
    fragmented MP4) all packets.

    Raises:
        VideoError: as `opened`; packets are missing in a container without a table of its frames.
    """
    check_file(path)
    status = path.stat()
    return _packet_index(path.absolute(), limits, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _packet_index(path: Path, limits: DecodeLimits, size: int, changed_ns: int) -> PacketIndex | None:
    with opened(path, limits) as video:
        if not _packets_are_frames(video):
            return None
        index = _from_table(video, size) if has_frame_table(video.container) else _from_blocks(video)
        if index is not None:
            return _without_lost(video, index)
        index = _from_packets(video)
    if index is None:
        return None
    with opened(path, limits) as video:
        return _without_lost(video, index)


def _without_lost(video: OpenedVideo, index: PacketIndex) -> PacketIndex | None:
    lost = frames_lost_at_the_start(video, index.positions[0]) if len(index.positions) else None
    if lost is None:
        return None
    return replace(
        index,
        n_frames=index.n_frames - lost,
        n_lost=lost,
        stated_rate=stated_rate(video.stream),
        tick=exact(video.stream.time_base) or Fraction(0),
    )


def _packets_are_frames(video: OpenedVideo) -> bool:
    stream = video.stream
    return (
        stream.codec.name in ONE_FRAME_PER_PACKET
        and has_presentation_times(video.container)
        and stream.codec_context.field_order in _PROGRESSIVE
    )


class _Collected:
    """Packets in decoding order, counted. One loop over an hour's packets: no object for each."""

    def __init__(self) -> None:
        self.n_packets = self.n_shown = 0
        self._keys = array("q")

    def add(self, stamp: int, is_key: int, is_shown: bool) -> None:
        """Count the next packet."""
        if is_key:
            self._keys.extend((self.n_packets, self.n_shown, stamp))
        self.n_packets += 1
        self.n_shown += is_shown

    def index(self, *, stamped_by: str) -> PacketIndex:
        """What was counted."""
        import numpy as np

        positions, shown, stamps = np.frombuffer(self._keys, dtype=np.int64).reshape(-1, 3).T
        return PacketIndex(self.n_shown, 0, positions, shown, stamps, stamped_by)


def _from_table(video: OpenedVideo, file_size: int) -> PacketIndex | None:
    """The index from the container's own table; None where that does not have each frame once."""
    stream = video.stream
    if not stream.frames:
        return None
    collected = _Collected()
    n_whole = 0
    last: int | None = None
    for entry in stream.index_entries:
        size, stamp = entry.size, entry.timestamp
        if last is not None and stamp <= last:
            return None  # an edit list that shows a stretch more than once
        last = stamp
        n_whole += entry.pos + size <= file_size
        if size:
            flags = entry.flags
            collected.add(stamp, flags & _KEY, not flags & _DISCARD)
    truncated = None
    if n_whole < (promised := len(stream.index_entries)):
        lacking = f"{n_whole} of the {promised} frames in its index are there"
        truncated = f"{video.path}: truncated or damaged: {lacking}"
    return replace(collected.index(stamped_by="dts"), truncated=truncated)


def _from_blocks(video: OpenedVideo) -> PacketIndex | None:
    """The index from the headers of a Matroska file's blocks; None where FFmpeg has to read the packets."""
    import numpy as np

    from vtok_eval.video.decoding.matroska_blocks import matroska_blocks

    if "matroska" not in video.container.format.name.split(","):
        return None
    blocks = matroska_blocks(video.path, stream=video.stream.index)
    if blocks is None or not blocks.keys.any() or len(np.unique(blocks.times)) < len(blocks.times):
        return None
    positions = np.flatnonzero(blocks.keys)
    stamps = blocks.times[positions]
    return PacketIndex(len(blocks.times), 0, positions, positions, stamps, stamped_by="pts")


def _from_packets(video: OpenedVideo) -> PacketIndex | None:
    """The index from all packets; None where a timestamp is missing or used twice."""
    collected = _Collected()
    times = array("q")
    damaged: list[int] = []
    for packet in video.container.demux(video.stream):
        if not packet.size:
            continue
        pts = packet.pts
        if pts is None:
            return None
        if packet.is_corrupt:
            damaged.append(collected.n_packets)
        times.append(pts)
        shown = not packet.is_discard and shows_a_frame(packet)
        collected.add(pts, packet.is_keyframe, shown)
    if damaged and damaged[-1] == collected.n_packets - 1:
        raise VideoError(f"{video.path}: truncated or damaged: its last packet is not whole")
    if _any_twice(times):
        return None
    return replace(collected.index(stamped_by="pts"), damaged=tuple(damaged))


def _any_twice(times: array[int]) -> bool:
    import numpy as np

    ordered = np.sort(np.frombuffer(times, dtype=np.int64))
    return bool((ordered[1:] == ordered[:-1]).any())
