"""Finds the frames of a Matroska or WebM file from its blocks' headers, without reading what the blocks hold.

A packet that FFmpeg reads of such a file is read whole, and each is an object in Python. Here only the
headers are looked at, one of every cluster at a time: the clusters' lengths say where each begins. Whatever
is unusual (a length that is not stated, lacing, encodings, an unknown element) is left to FFmpeg.

Source: Matroska's element specification and block structure (RFC 9559), EBML (RFC 8794).
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

Places = NDArray[np.int64]

_EBML_HEADER, _SEGMENT, _CLUSTER, _TRACKS, _TRACK = 0x1A45DFA3, 0x18538067, 0x1F43B675, 0x1654AE6B, 0xAE
_PASSED_OVER = frozenset({0x114D9B74, 0x1549A966, 0x1C53BB6B, 0x1043A770, 0x1254C367, 0x1941A469, 0xEC, 0xBF})
"""In a segment: what points elsewhere, general information, cues, chapters, tags, attachments, fillers."""
_TRACK_NUMBER, _TRACK_TYPE, _CODEC = 0xD7, 0x83, 0x86
_CHANGES_TRACK = frozenset({0x6D80, 0x23314F, 0x56AA})
"""Encodings, a time scale of its own, a delay: a track with one of these is left to FFmpeg."""
_CODECS = frozenset({b"V_MPEG4/ISO/AVC", b"V_MPEGH/ISO/HEVC", b"V_VP9", b"V_AV1"})
"""Each block of these is a packet with a frame that is shown."""
_TIME, _SIMPLE, _GROUP, _BLOCK, _REFERENCE = 0xE7, 0xA3, 0xA0, 0xA1, 0xFB
_SKIPPED = frozenset({0xA7, 0xAB, 0xEC, 0xBF, 0x5854, 0x9B, 0x75A1, 0x75A2})
"""In a cluster or a group: positions, fillers, durations, additions, padding of sound."""
_KEY, _NOT_PLAIN = 0x80, 0x0E
"""Flags of a simple block: a key frame; invisible or laced."""
_HEADER = 16
"""Bytes that hold an element's id, its length, and a block's own header."""
_MOST_TOUCHED = 64 * 2**20
"""Bytes of the file that may be in this process's memory at once."""


class Blocks(NamedTuple):
    """A track's blocks in the file's order: presentation times in the track's ticks, and key frames."""

    times: Places
    keys: NDArray[np.bool_]


class _UnusualError(Exception):
    """Something that is left to FFmpeg."""


class _Element(NamedTuple):
    id: int
    start: int
    end: int


def matroska_blocks(path: Path, *, stream: int) -> Blocks | None:
    """The blocks of a file's stream, numbered as FFmpeg numbers them; None where FFmpeg has to read them."""
    with path.open("rb") as file:
        # Unmapped when nothing refers to it any more, arrays of its bytes among them.
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    try:
        return _blocks(mapped, stream)
    except _UnusualError:
        return None


def _blocks(mapped: mmap.mmap, stream: int) -> Blocks:
    outermost = list(_elements(mapped, 0, len(mapped), most=2))
    if [each.id for each in outermost] != [_EBML_HEADER, _SEGMENT]:
        raise _UnusualError
    segment = outermost[1]
    clusters: list[_Element] = []
    track: int | None = None
    for element in _elements(mapped, segment.start, segment.end):
        if element.id == _CLUSTER:
            clusters.append(element)
        elif element.id == _TRACKS and track is None:
            track = _track_number(mapped, element, stream)
        elif element.id not in _PASSED_OVER:
            raise _UnusualError
    if track is None or not clusters:
        raise _UnusualError
    return _Walk(mapped, clusters, track).blocks()


def _track_number(mapped: mmap.mmap, tracks: _Element, stream: int) -> int:
    """The number in blocks of the track that FFmpeg calls stream `stream`."""
    entries = [each for each in _elements(mapped, tracks.start, tracks.end) if each.id == _TRACK]
    if stream >= len(entries):
        raise _UnusualError
    number: int | None = None
    for element in _elements(mapped, entries[stream].start, entries[stream].end):
        content = mapped[element.start : element.end]
        if element.id == _TRACK_NUMBER:
            number = int.from_bytes(content, "big")
        if element.id in _CHANGES_TRACK or (element.id == _TRACK_TYPE and content != b"\x01"):
            raise _UnusualError
        if element.id == _CODEC and content.rstrip(b"\0") not in _CODECS:
            raise _UnusualError
    if number is None or not 0 < number < 0x7F:
        raise _UnusualError
    return number


def _elements(mapped: mmap.mmap, start: int, end: int, *, most: int | None = None) -> Iterator[_Element]:
    """The elements between two places, all of which are to be filled with them; at most `most`."""
    found = 0
    while start < end and found != most:
        id_bytes = _length_of(mapped[start], longest=4)
        at = start + id_bytes
        n_bytes = _length_of(mapped[at], longest=8) if at < end else 9
        if at + n_bytes > end:
            raise _UnusualError
        size = int.from_bytes(mapped[at : at + n_bytes], "big") & ((1 << 7 * n_bytes) - 1)
        content = at + n_bytes
        if size == (1 << 7 * n_bytes) - 1 or content + size > end:
            raise _UnusualError  # a length that is not stated, or beyond what holds it
        yield _Element(int.from_bytes(mapped[start:at], "big"), content, content + size)
        found, start = found + 1, content + size


def _length_of(first: int, *, longest: int) -> int:
    """Bytes of the variable-length number that begins with this byte."""
    n_bytes = 9 - int(first).bit_length()
    if n_bytes > longest:
        raise _UnusualError
    return n_bytes


@dataclass
class _Found:
    """What was seen in a step: of which clusters, at which step, and what."""

    cluster: list[Places]
    step: list[Places]
    value: list[Places]

    @classmethod
    def nothing(cls) -> _Found:
        return cls([], [], [])

    def add(self, cluster: Places, step: int, value: Places) -> None:
        self.cluster.append(cluster)
        self.step.append(np.full(len(cluster), step, dtype=np.int64))
        self.value.append(value)

    def joined(self) -> tuple[Places, Places, Places]:
        """All of it, in the file's order."""
        if not self.cluster:
            nothing = np.zeros(0, dtype=np.int64)
            return nothing, nothing, nothing
        cluster, step, value = (np.concatenate(each) for each in (self.cluster, self.step, self.value))
        order = np.lexsort((step, cluster))
        return cluster[order], step[order], value[order]


class _Walk:
    """Goes through all clusters side by side, an element of each at a step.

    A group's elements are taken as if they were the cluster's: that a group refers to another frame says that
    its block, which comes before or after, is not a key frame.
    """

    def __init__(self, mapped: mmap.mmap, clusters: Sequence[_Element], track: int) -> None:
        self._mapped, self._track = mapped, track
        self._data: NDArray[np.uint8] = np.frombuffer(mapped, dtype=np.uint8)
        self._ends = np.array([each.end for each in clusters], dtype=np.int64)
        self._at = np.array([each.start for each in clusters], dtype=np.int64)
        self._times = np.full(len(clusters), -1, dtype=np.int64)
        self._group = np.zeros(len(clusters), dtype=np.int64)
        self._touched = 0

    def blocks(self) -> Blocks:
        times, keys, groups, references = (_Found.nothing() for _ in range(4))
        active = np.flatnonzero(self._at < self._ends)
        step = 0
        while len(active):
            before = self._at[active]
            ids, contents, sizes, heads = self._elements(active)
            is_block = (ids == _SIMPLE) | (ids == _BLOCK)
            self._note_times(active[ids == _TIME], heads[ids == _TIME], sizes[ids == _TIME])
            ours = is_block & self._is_ours(heads, sizes, is_block)
            if ours.any():
                chosen, head = active[ours], heads[ours]
                if (self._times[chosen] < 0).any() or (head[:, 3] & _NOT_PLAIN).any():
                    raise _UnusualError
                shift = ((head[:, 1] << 8 | head[:, 2]) ^ 0x8000) - 0x8000
                simple = ids[ours] == _SIMPLE
                times.add(chosen, step, self._times[chosen] + shift)
                keys.add(chosen, step, np.where(simple, (head[:, 3] & _KEY) > 0, True).astype(np.int64))
                groups.add(chosen, step, np.where(simple, -1, self._group[chosen]))
            refers = active[ids == _REFERENCE]
            references.add(refers, step, self._group[refers])
            opened = ids == _GROUP
            self._group[active[opened]] += 1
            self._at[active] = np.where(opened, contents, contents + sizes)
            self._let_go(int((self._at[active] - before).sum()))
            active = active[self._at[active] < self._ends[active]]
            step += 1
        if (self._at != self._ends).any():
            raise _UnusualError
        return _joined(times, keys, groups, references)

    def _elements(self, active: Places) -> tuple[Places, Places, Places, Places]:
        """Ids, places of the contents, their lengths, and the contents' first four bytes."""
        rows = self._at[active][:, None] + np.arange(_HEADER)
        window = self._data[np.minimum(rows, len(self._data) - 1)].astype(np.int64)
        id_bytes = _LENGTHS[window[:, 0]]
        if (id_bytes > 2).any():
            raise _UnusualError  # no element that belongs here has a longer id
        ids = np.where(id_bytes == 1, window[:, 0], window[:, 0] << 8 | window[:, 1])
        every = np.arange(len(active))
        n_bytes = _LENGTHS[window[every, id_bytes]]
        if (n_bytes > 8).any():
            raise _UnusualError
        sizes = np.zeros(len(active), dtype=np.int64)
        for place in range(int(n_bytes.max())):
            byte = window[every, id_bytes + np.minimum(place, n_bytes - 1)]
            sizes = np.where(place < n_bytes, sizes << 8 | byte, sizes)
        ones = (np.int64(1) << 7 * n_bytes) - 1
        sizes &= ones
        head_at = id_bytes + n_bytes
        contents = self._at[active] + head_at
        known = np.isin(ids, _KNOWN)
        if not known.all() or (sizes == ones).any() or (contents + sizes > self._ends[active]).any():
            raise _UnusualError
        heads = window[every[:, None], np.minimum(head_at[:, None] + np.arange(4), _HEADER - 1)]
        return ids, contents, sizes, heads

    def _note_times(self, clusters: Places, heads: Places, sizes: Places) -> None:
        """The clusters' own times, which are numbers of one to eight bytes."""
        for cluster, size in zip(clusters.tolist(), sizes.tolist(), strict=True):
            end = int(self._at[cluster]) + 2 + size  # an id and a length of one byte each
            if not 0 < size <= 8 or self._mapped[end - size - 1] != 0x80 | size:
                raise _UnusualError
            self._times[cluster] = int.from_bytes(self._mapped[end - size : end], "big")

    def _is_ours(self, heads: Places, sizes: Places, is_block: NDArray[np.bool_]) -> NDArray[np.bool_]:
        # Numbers of tracks have one byte here; a longer one is another track's.
        if (is_block & (sizes < 4)).any():
            raise _UnusualError
        found: NDArray[np.bool_] = heads[:, 0] == (0x80 | self._track)
        return found

    def _let_go(self, n_bytes: int) -> None:
        """Keep the mapped file from filling the memory."""
        self._touched += n_bytes
        if self._touched > _MOST_TOUCHED and hasattr(mmap, "MADV_DONTNEED"):
            self._mapped.madvise(mmap.MADV_DONTNEED)
            self._touched = 0


_LENGTHS = np.array([9 - byte.bit_length() for byte in range(256)], dtype=np.int64)
"""Bytes of a variable-length number, by its first byte."""
_KNOWN = np.array(sorted({_TIME, _SIMPLE, _GROUP, _BLOCK, _REFERENCE} | _SKIPPED), dtype=np.int64)


def _joined(times: _Found, keys: _Found, groups: _Found, references: _Found) -> Blocks:
    cluster, _, shown_at = times.joined()
    _, _, is_key = keys.joined()
    _, _, group = groups.joined()
    if not len(shown_at):
        raise _UnusualError
    in_cluster, _, refers = references.joined()
    if len(refers):
        # One number for a cluster and its group.
        wide = int(max(group.max(), refers.max())) + 2
        referring = np.isin(cluster * wide + group, in_cluster * wide + refers) & (group >= 0)
        is_key = np.where(referring, 0, is_key)
    return Blocks(shown_at, is_key.astype(np.bool_))
