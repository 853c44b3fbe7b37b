"""SHA-256 of files and folders, kept in the cache folder so that an unchanged file is read once."""

from __future__ import annotations

import hashlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from vtok_eval.files.cache_folder import cache_path
from vtok_eval.files.hashing import sha256_file

log = logging.getLogger(__name__)

SETTLED_NS = 2_000_000_000
"""A hash is kept only of a file that was last changed so long ago: a later change then shows in its times."""

_MISSING = "missing"


def content_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes; read again only when its size, times or inode differ.

    The time of the last change of status (ctime) is compared too: a file that is replaced under its name
    with the size and the modification time of the old one is still seen. Threads may call this together.

    Raises:
        OSError: it cannot be read.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "weights.bin"
        >>> _ = file.write_bytes(b"one"); before = content_sha256(file)
        >>> _ = file.write_bytes(b"two"); content_sha256(file) == before
        False
    """
    status = path.stat()
    key = _Key(str(path.absolute()), status)
    known = _store_at(cache_path()).find(key)
    if known is not None:
        return known
    digest = sha256_file(path)
    if _is_settled(status) and _Key(key.path, path.stat()) == key:
        _store_at(cache_path()).keep(key, digest)
    return digest


def folder_files(folder: Path) -> Iterator[Path]:
    """Every file below a folder in the order of their names, without hidden files and `__pycache__`."""
    for root, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if name != "__pycache__" and not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(root, name)


def files_sha256(files: Iterable[Path], *, root: Path) -> dict[str, str]:
    """By path from `root`: the SHA-256 (hex) of each file; "missing" for one that cannot be read."""
    return {Path(os.path.relpath(file, root)).as_posix(): _readable_sha256(file) for file in files}


def path_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file, or of the names and bytes of all files below a folder.

    Raises:
        OSError: there is no such file or folder.

    Example:
        >>> from pathlib import Path
        >>> Path("one.txt").write_bytes(b"same")
        4
        >>> Path("two.txt").write_bytes(b"same")
        4
        >>> path_sha256(Path("one.txt")) == path_sha256(Path("two.txt"))
        True
    """
    if not path.is_dir():
        return content_sha256(path)
    digest = hashlib.sha256()
    for name, found in files_sha256(folder_files(path), root=path).items():
        digest.update(f"{name}\0{found}\n".encode())
    return digest.hexdigest()


def _readable_sha256(file: Path) -> str:
    try:
        return content_sha256(file)
    except OSError:
        # What a run makes of a file that cannot be read is that run's result; here only its state is named.
        return _MISSING


def _is_settled(status: os.stat_result) -> bool:
    return max(status.st_mtime_ns, status.st_ctime_ns) < time.time_ns() - SETTLED_NS


class _Key(tuple[str, int, int, int, int]):
    """A file's path and what shows that it was changed."""

    def __new__(cls, path: str, status: os.stat_result) -> _Key:
        times = (status.st_mtime_ns, status.st_ctime_ns)
        return super().__new__(cls, (path, status.st_size, *times, status.st_ino))

    @property
    def path(self) -> str:
        return self[0]


class _Store:
    """Hashes in memory and in one SQLite file, which several processes may use.

    A file that cannot be opened or written costs time, never a result.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._memory: dict[_Key, str] = {}
        self._process = 0
        self._connection: sqlite3.Connection | None = None

    def find(self, key: _Key) -> str | None:
        with self._lock:
            if key in self._memory:
                return self._memory[key]
            try:
                found = self._opened().execute(
                    "SELECT sha256 FROM hashes WHERE path = ? AND size = ? AND mtime_ns = ? AND ctime_ns = ?"
                    " AND inode = ?",
                    key,
                )
                row = found.fetchone()
            except (sqlite3.Error, OSError) as error:
                log.debug("hashes are not read from %s: %s", self._path, error)
                return None
            if row is not None:
                self._memory[key] = row[0]
            return None if row is None else str(row[0])

    def keep(self, key: _Key, digest: str) -> None:
        with self._lock:
            self._memory[key] = digest
            try:
                connection = self._opened()
                connection.execute("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?, ?, ?)", (*key, digest))
            except (sqlite3.Error, OSError) as error:
                log.debug("hashes are not kept in %s: %s", self._path, error)

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None or self._process != os.getpid():  # SQLite must not be used across a fork
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._path, isolation_level=None, timeout=5, check_same_thread=False)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS hashes (path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER,"
                " ctime_ns INTEGER, inode INTEGER, sha256 TEXT NOT NULL)"
            )
            self._connection, self._process = connection, os.getpid()
        return self._connection


@lru_cache
def _store_at(cache: Path) -> _Store:
    return _Store(cache / "content-hashes.sqlite")
