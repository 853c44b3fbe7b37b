"""The files of the feature store: shards that are appended to by one process and read by memory map."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Halves = NDArray[np.float16]

KEY_BYTES = 16
MOST_DIMENSIONS = 3
_ENTRY = struct.Struct(f"<{KEY_BYTES}sQII{MOST_DIMENSIONS}I")
"""Key, offset, bytes, CRC-32 of key and array, shape (0 for missing dimensions)."""
_CHECKED = struct.Struct("<I")
"""After each entry: its own CRC-32."""
ENTRY_BYTES = _ENTRY.size + _CHECKED.size
DAY_S = 24 * 3600


class DamagedShardError(Exception):
    """A shard does not hold what was written to it; it has been removed."""


class StoreTooSmallError(Exception):
    """The arrays to be kept at once are larger than the store's bound."""


class ArrayEntry(NamedTuple):
    """Where an array is. crc: CRC-32 of its key and its bytes."""

    shard: FeatureShard
    offset: int
    n_bytes: int
    crc: int
    shape: tuple[int, ...]


@dataclass(eq=False)
class FeatureShard:
    """One shard as this process knows it. read: bytes of its index that are in memory."""

    path: Path
    read: int = 0
    gone: bool = False
    _map: mmap.mmap | None = field(default=None, repr=False)

    @property
    def data(self) -> Path:
        """The file of arrays."""
        return self.path.with_suffix(".data")

    @property
    def index(self) -> Path:
        """The file of entries."""
        return self.path.with_suffix(".index")

    @property
    def day(self) -> int:
        """The day (since 1970) on which it was created: its name starts with the nanoseconds."""
        return int(self.path.name.split("-")[0]) // (DAY_S * 10**9)

    def n_bytes(self) -> int:
        """Bytes of both files."""
        total = 0
        for path in (self.data, self.index):
            with contextlib.suppress(FileNotFoundError):
                total += path.stat().st_size
        return total

    def bytes_at(self, offset: int, n_bytes: int) -> memoryview | None:
        """A view of the data; None where the file is gone or too short."""
        if self._map is None or len(self._map) < offset + n_bytes:
            try:
                with self.data.open("rb") as file:
                    self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except (FileNotFoundError, ValueError):
                return None
            if len(self._map) < offset + n_bytes:
                return None
        return memoryview(self._map)[offset : offset + n_bytes]

    def remove(self) -> None:
        """Delete both files; views of the data that are in use stay valid."""
        self.gone, self._map = True, None
        # The index first: without it the data is not looked for.
        for path in (self.index, self.data):
            path.unlink(missing_ok=True)


@dataclass(eq=False)
class ShardWriter:
    """Appends to one shard, on which it holds a lock. size: of the data that is in the index."""

    shard: FeatureShard
    descriptor: int
    size: int
    index_size: int

    @classmethod
    def begin(cls, shard: FeatureShard) -> ShardWriter:
        """The writer of a new shard."""
        descriptor = os.open(shard.data, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return cls(shard, descriptor, size=0, index_size=0)

    @classmethod
    def resume(cls, shard: FeatureShard, *, largest: int) -> ShardWriter | None:
        """A writer that continues after a shard's last entry; None where it is full or another writes it."""
        try:
            descriptor = os.open(shard.data, os.O_RDWR)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        # No other process appends under the lock: bytes after the last whole entry are from a killed one.
        index_size = shard.index.stat().st_size // ENTRY_BYTES * ENTRY_BYTES if shard.index.exists() else 0
        size = _end_of(shard.index, index_size)
        if size >= largest or size > os.fstat(descriptor).st_size:
            os.close(descriptor)
            return None
        return cls(shard, descriptor, size=size, index_size=index_size)

    def close(self) -> None:
        """Release the lock."""
        os.close(self.descriptor)

    def append(self, arrays: Mapping[bytes, Halves]) -> list[tuple[bytes, ArrayEntry]]:
        """Write the arrays, then their entries; if that fails, nothing of them is kept.

        Raises:
            OSError: the disk is full, or the like.
        """
        offset, entries, packed = self.size, [], []
        chunks = [np.ascontiguousarray(array, dtype=np.float16) for array in arrays.values()]
        views = [array.reshape(-1).view(np.uint8).data for array in chunks]
        for key, array, data in zip(arrays, chunks, views, strict=True):
            crc = zlib.crc32(data, zlib.crc32(key))
            entries.append((key, ArrayEntry(self.shard, offset, array.nbytes, crc, array.shape)))
            packed.append(_packed(key, entries[-1][1]))
            offset += array.nbytes
        try:
            _write_at(
                self.descriptor,
                b"".join(views),
                self.size,
            )
            index = os.open(self.shard.index, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                _write_at(index, b"".join(packed), self.index_size)
            except OSError:
                os.ftruncate(index, self.index_size)
                raise
            finally:
                os.close(index)
        except OSError:
            os.ftruncate(self.descriptor, self.size)
            raise
        self.size, self.index_size = offset, self.index_size + len(packed) * ENTRY_BYTES
        return entries


def _write_at(descriptor: int, data: bytes, offset: int) -> None:
    os.ftruncate(descriptor, offset)
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def _packed(key: bytes, entry: ArrayEntry) -> bytes:
    shape = (*entry.shape, *(0,) * (MOST_DIMENSIONS - len(entry.shape)))
    packed = _ENTRY.pack(key, entry.offset, entry.n_bytes, entry.crc, *shape)
    return packed + _CHECKED.pack(zlib.crc32(packed))


def new_entries(shard: FeatureShard) -> Iterator[tuple[bytes, ArrayEntry]]:
    """What has been appended to a shard's index since it was last read.

    Raises:
        DamagedShardError: an entry fails its checksum or its data is cut short; the shard is removed.
    """
    try:
        with shard.index.open("rb") as file:
            file.seek(shard.read)
            data = file.read()
        size = shard.data.stat().st_size if data else 0
    except FileNotFoundError:
        return
    # A last entry that is not whole yet is read another time.
    for start in range(0, len(data) // ENTRY_BYTES * ENTRY_BYTES, ENTRY_BYTES):
        packed = data[start : start + _ENTRY.size]
        (crc,) = _CHECKED.unpack_from(data, start + _ENTRY.size)
        key, offset, n_bytes, of_array, *shape = _ENTRY.unpack(packed)
        if zlib.crc32(packed) != crc or offset + n_bytes > size:
            shard.remove()
            raise DamagedShardError(f"{shard.index.name}: an entry is not what was written")
        shard.read += ENTRY_BYTES
        yield key, ArrayEntry(shard, offset, n_bytes, of_array, tuple(side for side in shape if side))


def _end_of(index: Path, size: int) -> int:
    """Where the data of the last entry ends; 0 if there is no entry."""
    if size == 0:
        return 0
    with index.open("rb") as file:
        file.seek(size - ENTRY_BYTES)
        _, offset, n_bytes, *_ = _ENTRY.unpack(file.read(_ENTRY.size))
    return int(offset + n_bytes)


def is_free(path: Path) -> bool:
    """Whether no process writes the shard."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
