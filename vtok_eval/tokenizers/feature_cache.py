"""The feature cache: a frame passes through a backbone once, however many tokenizers read its map."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from vtok_eval.results.description import Description
from vtok_eval.tokenizers.backbones.base import Backbone

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS map (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    used INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    channels INTEGER NOT NULL,
    height INTEGER NOT NULL,
    width INTEGER NOT NULL,
    features BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS map_by_use ON map (used, id);
"""
_PAGE_BYTES = 32768
_INDEX_BYTES = 100
"""What the two indexes hold for each map, their pages being half full."""
_USE_RESOLUTION_S = 24 * 3600
_BUSY_TIMEOUT_S = 30.0
_KEYS_A_QUERY = 256
_EVICT_TO = 0.9
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_SCHEMA}


class FeatureCache:
    """Half-precision feature maps on disk, addressed by the frame's content and the backbone's fingerprint.

    One SQLite file in WAL mode, so that processes may share it and be killed at any moment. A cache that
    cannot be opened or written costs a warning and time, never a result: every map read is checked against
    its CRC, a broken file is thrown away and begun anew, and on a full disk the run goes on without writing.

    max_bytes: bound of the file; maps that were not used for longest go first (use is noted to the day).
        The write-ahead log beside it takes some tens of MB more while a process writes.
    hits, misses: distinct frames of each call that were read, and that had to pass through the backbone.
    """

    def __init__(self, path: Path, max_bytes: int = 4 * 2**30) -> None:
        self.path = Path(path)
        self.max_bytes = max_bytes
        self.hits = 0
        self.misses = 0
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._broken = False
        self._writable = True

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            self._disconnect()

    def maps(self, backbone: Backbone, frames: Tensor) -> Tensor:
        """`backbone.maps(frames)`, of which only frames that are not in the cache pass through the network.

        frames: uint8 `(N, 3, H, W)`. Gives float16 `(N, C, gh, gw)` on the backbone's device.
        """
        keys = _keys(frames, backbone.fingerprint)
        first_at = {key: position for position, key in reversed(list(enumerate(keys)))}
        distinct = sorted(first_at, key=first_at.__getitem__)
        found = self._read(distinct)
        missing = [key for key in distinct if key not in found]
        self.hits += len(found)
        self.misses += len(missing)
        if missing:
            wanted = frames if len(missing) == len(keys) else frames[[first_at[key] for key in missing]]
            computed = backbone.maps(wanted).cpu().numpy()
            fresh = dict(zip(missing, computed, strict=True))
            self._write(fresh)
            found.update(fresh)
        stacked = torch.from_numpy(np.stack([found[key] for key in keys]))
        return stacked.to(backbone.device)

    def _read(self, keys: Sequence[bytes]) -> dict[bytes, np.ndarray]:
        def read(connection: sqlite3.Connection) -> dict[bytes, np.ndarray]:
            rows = [row for part in _parts(keys) for row in _select(connection, part)]
            stale = [(row[0],) for row in rows if row[2] < _now()]
            self._note_use(connection, stale)
            return {row[1]: _checked(row) for row in rows}

        return self._guarded(read) or {}

    def _note_use(self, connection: sqlite3.Connection, ids: Sequence[tuple[int]]) -> None:
        if ids and self._writable:
            with connection:
                connection.executemany(f"UPDATE map SET used = {_now()} WHERE id = ?", ids)

    def _write(self, maps: Mapping[bytes, np.ndarray]) -> None:
        incoming = sum(_bytes_on_disk(features.nbytes) for features in maps.values())
        if not self._writable:
            return
        if incoming > self.max_bytes * _EVICT_TO:
            self._stop_writing(f"{self.max_bytes} bytes are too few for one batch of {incoming}")
            return

        def write(connection: sqlite3.Connection) -> None:
            with connection:
                self._make_room(connection, incoming)
                connection.executemany(
                    "INSERT OR REPLACE INTO map (key, used, crc, channels, height, width, features)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (_row(key, features) for key, features in maps.items()),
                )

        self._guarded(write)

    def _make_room(self, connection: sqlite3.Connection, incoming: float) -> None:
        """Delete the maps unused for longest, if `incoming` bytes would break the bound."""
        if _stored_bytes(connection) + incoming <= self.max_bytes:
            return
        room = max(incoming, int(self.max_bytes * (1 - _EVICT_TO)))
        while (stored := _stored_bytes(connection)) > max(0, self.max_bytes - room):
            n_rows, mean_bytes = connection.execute(
                "SELECT COUNT(*), AVG(LENGTH(features)) FROM (SELECT features FROM map LIMIT 100)"
            ).fetchone()
            if not n_rows:
                return
            excess = stored - (self.max_bytes - room)
            n_drop = 1 + int(excess / _bytes_on_disk(mean_bytes))
            connection.execute(
                "DELETE FROM map WHERE id IN (SELECT id FROM map ORDER BY used, id LIMIT ?)", (n_drop,)
            )

    def _guarded(self, action: Callable[[sqlite3.Connection], _Result]) -> _Result | None:
        """Do `action` on the open file; None where the file fails, which is logged and dealt with."""
        with self._lock:
            try:
                connection = self._connect()
                return None if connection is None else action(connection)
            except _BrokenMapError as error:
                self._start_anew(str(error))
            except sqlite3.Error as error:
                if isinstance(error, sqlite3.DatabaseError) and _code(error) in _CORRUPT:
                    self._start_anew(str(error))
                else:
                    self._stop_writing(str(error))
            return None

    def _connect(self) -> sqlite3.Connection | None:
        if self._connection is None and not self._broken:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._connection = _open(self.path)
            except OSError as error:
                self._broken = True
                self._stop_writing(str(error))
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _stop_writing(self, reason: str) -> None:
        if self._writable:
            _log.warning("feature cache %s is not written any more in this run: %s", self.path, reason)
        self._writable = False

    def _start_anew(self, reason: str) -> None:
        _log.warning("feature cache %s is corrupt (%s): thrown away and begun anew", self.path, reason)
        self._disconnect()
        try:
            for suffix in ("", "-wal", "-shm"):
                Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        except OSError as error:
            self._broken = True
            self._stop_writing(str(error))


class CachedBackbone(Backbone):
    """A backbone whose maps come from a feature cache where it holds them; bit for bit those of `inner`."""

    def __init__(self, inner: Backbone, cache: FeatureCache) -> None:
        self.inner = inner
        self.cache = cache
        self.device = inner.device

    @property
    def channels(self) -> int:
        """C, the channels of its maps."""
        return self.inner.channels

    @property
    def fingerprint(self) -> str:
        """The inner backbone's."""
        return self.inner.fingerprint

    def describe(self) -> Description:
        """The inner backbone's description."""
        return self.inner.describe()

    def maps(self, frames: Tensor) -> Tensor:
        """As `Backbone.maps`, through the cache."""
        return self.cache.maps(self.inner, frames)

    def _forward(self, frames: Tensor) -> Tensor:
        return self.inner._forward(frames)


class _BrokenMapError(Exception):
    """A stored map is not what was written."""


def _keys(frames: Tensor, fingerprint: str) -> list[bytes]:
    """One key a frame: 128 bits of the SHA-256 of the backbone's fingerprint, the frame's shape and bytes.

    Hashing is most of a hit's cost, and processors have instructions for SHA-256.
    """
    array = frames.cpu().contiguous().numpy()
    salted = hashlib.sha256(f"{fingerprint} {array.shape[1:]} ".encode())
    keys = []
    for frame in array:
        digest = salted.copy()
        digest.update(frame.data)
        keys.append(digest.digest()[:16])
    return keys


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA journal_size_limit = {2**24}")
        connection.executescript(_SCHEMA)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _parts(keys: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(keys), _KEYS_A_QUERY):
        yield keys[start : start + _KEYS_A_QUERY]


def _select(connection: sqlite3.Connection, keys: Sequence[bytes]) -> list[tuple[Any, ...]]:
    marks = ",".join("?" * len(keys))
    query = f"SELECT id, key, used, crc, channels, height, width, features FROM map WHERE key IN ({marks})"
    with closing(connection.execute(query, keys)) as cursor:
        return cursor.fetchall()


def _row(key: bytes, features: np.ndarray) -> tuple[Any, ...]:
    data = np.ascontiguousarray(features).tobytes()
    return (key, _now(), zlib.crc32(data, zlib.crc32(key)), *features.shape, data)


def _checked(row: tuple[Any, ...]) -> np.ndarray:
    _, key, _, crc, channels, height, width, data = row
    if zlib.crc32(data, zlib.crc32(key)) != crc or len(data) != 2 * channels * height * width:
        raise _BrokenMapError("a map fails its checksum")
    return np.frombuffer(data, dtype=np.float16).reshape(channels, height, width)


def _stored_bytes(connection: sqlite3.Connection) -> int:
    names = ("page_size", "page_count", "freelist_count")
    size, pages, free = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
    return int(pages - free) * int(size)


def _bytes_on_disk(n_bytes: float) -> float:
    """Bytes of the file for a map of `n_bytes`: a page holds only whole rows, a large row its own pages."""
    if n_bytes > _PAGE_BYTES - 256:
        return n_bytes + _PAGE_BYTES + _INDEX_BYTES
    return _PAGE_BYTES / (_PAGE_BYTES // (n_bytes + 64)) + _INDEX_BYTES


def _now() -> int:
    """Seconds since 1970, rounded down to the resolution in which use is noted."""
    return int(time.time()) // _USE_RESOLUTION_S * _USE_RESOLUTION_S


def _code(error: sqlite3.DatabaseError) -> int:
    """SQLite's primary result code; 0 for errors that Python raises itself."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
