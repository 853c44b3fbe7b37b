"""Responses kept on disk by the content of the request, so that asking the same again costs nothing."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Mapping
from pathlib import Path

from vtok_eval.errors import RunFolderError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS response (
    key TEXT PRIMARY KEY,
    model TEXT NOT NULL,
    content TEXT NOT NULL
)
"""
_BUSY_TIMEOUT_S = 30.0


class ResponseCache:
    """Whole responses in one SQLite file, written in one step each; processes and threads may share it.

    Requests themselves, with their pictures, are not kept, only their hash.

    Raises:
        RunFolderError: the file cannot be made, read or written. Answers cost money: one that could not be
            kept is an error, not a warning.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                self.path, timeout=_BUSY_TIMEOUT_S, check_same_thread=False, isolation_level=None
            )
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise self._failed(error) from error

    def get(self, key: str) -> Mapping[str, object] | None:
        """The response that was kept under `key`, or None."""
        try:
            with self._lock:
                row = self._connection.execute(
                    "SELECT content FROM response WHERE key = ?", (key,)
                ).fetchone()
        except sqlite3.Error as error:
            raise self._failed(error) from error
        found: Mapping[str, object] | None = None if row is None else json.loads(row[0])
        return found

    def put(self, key: str, *, model: str, response: Mapping[str, object]) -> None:
        """Keep a response; one that is there already under the same key stays."""
        content = json.dumps(response, ensure_ascii=False)
        try:
            with self._lock:
                self._connection.execute(
                    "INSERT OR IGNORE INTO response (key, model, content) VALUES (?, ?, ?)",
                    (key, model, content),
                )
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Close the file; the cache cannot be used any more."""
        with self._lock:
            self._connection.close()

    def _failed(self, error: Exception) -> RunFolderError:
        return RunFolderError(f"the cache of responses {self.path} cannot be used: {error}")


def request_key(url: str, body: Mapping[str, object]) -> str:
    """SHA-256 of the server's address and everything that is sent to it, the key excepted."""
    content = json.dumps([url.rstrip("/"), body], sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()
