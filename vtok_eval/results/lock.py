"""The lock that lets one process at a time write to a run folder."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import IO

from vtok_eval.errors import RunFolderError


def acquire_lock(path: Path) -> IO[str]:
    """Lock `path` for this process through the file `<path>.lock`; closing the returned file frees it.

    The kernel frees the lock too when the process dies, however it dies: no stale lock is ever left.

    Raises:
        RunFolderError: another process holds it, the folder is not writable, or its file system has no locks.

    Example:
        >>> import tempfile
        >>> lock = acquire_lock(Path(tempfile.mkdtemp()) / "journal.sqlite")
        >>> lock.close()
    """
    import fcntl

    lock_path = path.with_name(path.name + ".lock")
    try:
        lock = open(lock_path, "a+", encoding="utf-8")  # noqa: SIM115 - held until the journal is closed
    except OSError as error:
        raise RunFolderError(f"cannot write in the run folder {path.parent}: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.seek(0)
        lock.truncate()
        lock.write(f"process {os.getpid()} on {socket.gethostname()}")
        lock.flush()
    except BlockingIOError as error:
        lock.seek(0)
        owner = lock.read().strip() or "its process is unknown"
        lock.close()
        raise RunFolderError(f"another run is writing to {path.parent} ({owner})") from error
    except OSError as error:
        lock.close()
        raise RunFolderError(f"cannot lock the run folder {path.parent}: {error.strerror}") from error
    return lock
