"""Atomic file writes: the whole file or nothing."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from vtok_eval.errors import RunFolderError


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically; raises as `write_atomically`.

    Example:
        >>> from pathlib import Path
        >>> write_bytes(Path("note.txt"), b"done")
        >>> Path("note.txt").read_bytes()
        b'done'
    """
    write_atomically(path, lambda target: target.write_bytes(content))


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file next to `path`, then replace `path` with it in one step.

    Whoever reads `path`, after a crash or a power cut too, finds the old content or the new, never a part.

    Raises:
        RunFolderError: the disk is full or the folder cannot be written; what was there stays.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".unfinished")
        os.close(handle)
    except OSError as error:
        raise RunFolderError(f"cannot write {path}: {error.strerror}") from error
    unfinished = Path(name)
    try:
        write(unfinished)
        # mkstemp's files are readable by the owner only; a run folder must be shared like any other file.
        unfinished.chmod(0o666 & ~_umask())
        _flush(unfinished)
        os.replace(unfinished, path)
        _flush(path.parent)
    except OSError as error:
        raise RunFolderError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
