"""The feature store: half-precision arrays on disk by key, appended to shards and read by memory map.

A folder of shards. `NAME.data` holds arrays one after another, `NAME.index` an entry of fixed size for each,
written after its array. A shard is written by one process at a time, which holds a lock on it, and is read by
any number; nothing in it changes once it is written, so a process may be killed at any moment.
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vtok_eval.tokenizers.feature_store.shards import (
    DAY_S,
    ENTRY_BYTES,
    ArrayEntry,
    DamagedShardError,
    FeatureShard,
    ShardWriter,
    StoreTooSmallError,
    is_free,
    new_entries,
)

if TYPE_CHECKING:
    from vtok_eval.tokenizers.feature_store.shards import Halves

_LARGEST_SHARD = 256 * 2**20
_SHARDS_IN_BOUND = 16
_EVICT_TO = 0.9


class FeatureStore:
    """Float16 arrays by 16-byte keys; see the module's docstring.

    Not for several threads at once. Every array is checked against its CRC when it is read. The folder takes
    at most `max_bytes`: whole shards go, the oldest first; what is read is copied to today's shard, unless it
    was written or read today, so that what was not used for longest goes first, to the day.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> store = FeatureStore(Path(folder.name), max_bytes=2**20)
        >>> store.put({b"0123456789abcdef": np.ones((2, 3), dtype=np.float16)})
        >>> store.get([b"0123456789abcdef", b"fedcba9876543210"])[1] is None
        True
        >>> store.close(); folder.cleanup()
    """

    def __init__(self, folder: Path, *, max_bytes: int) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self.shard_bytes = min(_LARGEST_SHARD, max(4096, max_bytes // _SHARDS_IN_BOUND))
        self._shards: dict[str, FeatureShard] = {}
        self._entries: dict[bytes, ArrayEntry] = {}
        self._writing: ShardWriter | None = None
        self._begun = 0

    def close(self) -> None:
        """Close the files and release the lock on the shard being written; the next use opens them again."""
        if self._writing is not None:
            self._writing.close()
        self._writing = None
        self._shards, self._entries = {}, {}

    def has(self, keys: Sequence[bytes]) -> list[bool]:
        """Which keys are known to be there (see `refresh`); an array may still turn out to be damaged."""
        return [self._known(key) for key in keys]

    def get(self, keys: Sequence[bytes]) -> list[Halves | None]:
        """The array of each key, None where none is known (see `refresh`); they are views of the files.

        Raises:
            DamagedShardError: an array fails its checksum; its shard is removed.
            OSError: the folder cannot be read.
        """
        return [self._read(key) for key in keys]

    def keep(self, arrays: Mapping[bytes, Halves]) -> None:
        """Note that these arrays were read: those in a shard of an earlier day are copied to today's.

        Raises:
            OSError, StoreTooSmallError: as `put`.
        """
        today = int(time.time()) // DAY_S
        self.put({key: array for key, array in arrays.items() if self._is_old(key, today)})

    def put(self, arrays: Mapping[bytes, Halves]) -> None:
        """Append arrays, and make room for them.

        Raises:
            OSError: the folder cannot be written or the disk is full; nothing of these arrays is kept.
            StoreTooSmallError: they are more than the store may hold.
        """
        if not arrays:
            return
        incoming = sum(array.nbytes + ENTRY_BYTES for array in arrays.values())
        if incoming > self.max_bytes * _EVICT_TO:
            raise StoreTooSmallError(f"{self.max_bytes} bytes are too few for one batch of {incoming}")
        self._make_room(incoming)
        for key, entry in self._writer().append(arrays):
            self._entries[key] = entry
        # What this process has written it need not read back from the index.
        writing = self._writing
        assert writing is not None
        writing.shard.read = max(writing.shard.read, writing.index_size)

    def _known(self, key: bytes) -> bool:
        entry = self._entries.get(key)
        return entry is not None and not entry.shard.gone

    def _read(self, key: bytes) -> Halves | None:
        entry = self._entries.get(key)
        if entry is None or entry.shard.gone:
            return None
        view = entry.shard.bytes_at(entry.offset, entry.n_bytes)
        if view is None and not entry.shard.data.exists():
            entry.shard.gone = True
            return None
        if view is None or zlib.crc32(view, zlib.crc32(key)) != entry.crc:
            entry.shard.remove()
            raise DamagedShardError(f"{entry.shard.data.name}: an array fails its checksum")
        return np.frombuffer(view, dtype=np.float16).reshape(entry.shape)

    def _is_old(self, key: bytes, today: int) -> bool:
        entry = self._entries.get(key)
        return entry is not None and entry.shard.day < today

    def refresh(self) -> None:
        """Read what other processes, or earlier ones, have appended; forget what they have removed.

        Raises:
            DamagedShardError: an index is not what was written; its shard is removed.
            OSError: the folder cannot be read.
        """
        present = self._names()
        for name, shard in list(self._shards.items()):
            if name not in present:
                shard.gone = True
                del self._shards[name]
        for name in sorted(present):
            shard = self._shards.setdefault(name, FeatureShard(self.folder / name))
            for key, entry in new_entries(shard):
                self._entries[key] = entry

    def _names(self) -> set[str]:
        if not self.folder.is_dir():
            return set()
        return {path.stem for path in self.folder.glob("*.data")}

    def _make_room(self, incoming: int) -> None:
        """Remove the oldest shards, if `incoming` bytes would break the bound."""
        shards = [FeatureShard(self.folder / name) for name in sorted(self._names())]
        stored = sum(shard.n_bytes() for shard in shards)
        if stored + incoming <= self.max_bytes:
            return
        bound = max(0, min(self.max_bytes - incoming, int(self.max_bytes * _EVICT_TO)))
        for shard in shards:
            if stored <= bound:
                return
            size = shard.n_bytes()
            if self._remove(shard):
                stored -= size

    def _remove(self, shard: FeatureShard) -> bool:
        """Whether the shard was removed: not while another process writes it."""
        mine = self._writing is not None and self._writing.shard.path.name == shard.path.name
        if mine and self._writing is not None:
            self._writing.close()
            self._writing = None
        elif not is_free(shard.data):
            return False
        known = self._shards.pop(shard.path.name, shard)
        known.remove()
        return True

    def _writer(self) -> ShardWriter:
        """The shard that is written: a new one where the last is full, of another day or another's."""
        today = int(time.time()) // DAY_S
        if self._writing is not None:
            if self._writing.shard.day == today and self._writing.size < self.shard_bytes:
                return self._writing
            self._writing.close()
            self._writing = None
        self.folder.mkdir(parents=True, exist_ok=True)
        self.refresh()
        newest = self._shards[max(self._shards)] if self._shards else None
        if newest is not None and newest.day == today:
            self._writing = ShardWriter.resume(newest, largest=self.shard_bytes)
        if self._writing is None:
            self._begun += 1
            name = f"{int(time.time() * 1e9):020d}-{os.getpid()}-{self._begun:06d}"
            shard = self._shards.setdefault(name, FeatureShard(self.folder / name))
            self._writing = ShardWriter.begin(shard)
        return self._writing
