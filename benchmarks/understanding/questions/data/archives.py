"""Videos inside zip and tar files, taken out into the cache folder when they are needed."""

from __future__ import annotations

import hashlib
import io
import os
import re
import tarfile
import threading
import uuid
import zipfile
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path, PurePosixPath
from typing import IO, Any

from vtok_eval.errors import DataError, VideoError

MAX_MEMBER_BYTES = 32 * 2**30
"""Of one file taken out; a small archive can hold a member of any size."""

_CHUNK = 2**20
_ONE_AT_A_TIME = threading.Lock()
"""A tar file is read by one thread only: two would read it twice."""


@dataclass(frozen=True)
class Archive:
    """A zip or tar file. cache: where its members are put, in a folder of the archive's own.

    more_parts: the other parts of a tar file that was cut into several, in order; `path` is the first.

    What is taken out is named by a hash of the member's name, never by the name itself, so that no name can
    lead out of the cache; links and devices are not members.
    """

    path: Path
    cache: Path
    more_parts: tuple[Path, ...] = ()

    @cached_property
    def members(self) -> Mapping[str, int]:
        """The regular files in it, cleaned name -> size in bytes.

        Raises:
            DataError: the archive is broken.
        """
        try:
            if self._is_zip:
                with zipfile.ZipFile(self.path) as opened:
                    entries = [
                        (info.filename, info.file_size) for info in opened.infolist() if _is_file(info)
                    ]
            else:
                with self._open_tar() as tar:
                    entries = [(member.name, member.size) for member in tar if member.isfile()]
        except (OSError, EOFError, zipfile.BadZipFile, tarfile.TarError) as error:
            raise DataError(f"{self.path}: a damaged archive, or none ({error})") from error
        return {_clean(name): size for name, size in entries}

    def extracted(self, member: str) -> Path:
        """Where the member is or will be in the cache."""
        status = [path.stat() for path in (self.path, *self.more_parts)]
        sizes = ":".join(f"{each.st_size}:{each.st_mtime_ns}" for each in status)
        origin = f"{self.path.absolute()}:{sizes}"
        folder = self.cache / "extracted" / hashlib.sha256(origin.encode()).hexdigest()[:16]
        suffix = PurePosixPath(member).suffix.lower()
        kept = suffix if suffix[1:].isalnum() and suffix.isascii() and len(suffix) <= 8 else ""
        return folder / (hashlib.sha256(member.encode()).hexdigest()[:32] + kept)

    def extract(self, members: Iterable[str]) -> None:
        """Take out those members that are not in the cache yet; one pass over a tar file.

        Raises:
            VideoError: a member is broken, too large, or cannot be written.
        """
        with _ONE_AT_A_TIME:
            wanted = {name for name in members if not self.extracted(name).is_file()}
            if not wanted:
                return
            try:
                for name, size, source in self._open_each(wanted):
                    self._write(name, size, source)
            except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, tarfile.TarError) as error:
                # RuntimeError: zipfile's word for an encrypted member.
                raise VideoError(f"{self.path}: cannot be unpacked ({error})") from error

    def _open_each(self, wanted: set[str]) -> Iterator[tuple[str, int, IO[bytes]]]:
        if self._is_zip:
            with zipfile.ZipFile(self.path) as opened:
                for info in opened.infolist():
                    if _is_file(info) and _clean(info.filename) in wanted:
                        with opened.open(info) as source:
                            yield _clean(info.filename), info.file_size, source
            return
        with self._open_tar() as tar:
            for member in tar:
                stream = (
                    tar.extractfile(member) if member.isfile() and _clean(member.name) in wanted else None
                )
                if stream is not None:
                    yield _clean(member.name), member.size, stream

    @property
    def _is_zip(self) -> bool:
        return not self.more_parts and zipfile.is_zipfile(self.path)

    def _open_tar(self) -> tarfile.TarFile:
        if not self.more_parts:
            return tarfile.open(self.path)
        return tarfile.open(fileobj=io.BufferedReader(_Joined((self.path, *self.more_parts)), _CHUNK))

    def _write(self, name: str, size: int, source: IO[bytes]) -> None:
        if size > MAX_MEMBER_BYTES:
            raise VideoError(f"{self.path}: {name} is beyond the limit of {MAX_MEMBER_BYTES} bytes")
        target = self.extracted(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{uuid.uuid4().hex}.tmp")
        try:
            with temporary.open("wb") as file:
                # No more than what the header promises: a zip's entry can unpack to more.
                _copy(source, file, limit=size, what=f"{self.path}: {name}")
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)


class _Joined(io.RawIOBase):
    """Files read one after the other, as if they were one."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._files = [path.open("rb") for path in paths]
        self._starts = list(accumulate((path.stat().st_size for path in paths), initial=0))
        self._at = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place in the whole."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._starts[-1]}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:  # Any: a buffer that can be written; only stubs name its type
        """Bytes from here on, at most to the end of the part."""
        part = bisect_right(self._starts, self._at) - 1
        if part >= len(self._files):
            return 0
        self._files[part].seek(self._at - self._starts[part])
        read = self._files[part].readinto(buffer)
        self._at += read
        return read

    def close(self) -> None:
        """Close every part."""
        for file in self._files:
            file.close()
        super().close()


def joined_parts(paths: Iterable[Path], cache: Path) -> list[Archive]:
    """Archives of these files, the parts of one tar file (NAME.tar.part.aa, .ab, ...) taken together."""
    groups: dict[Path, list[Path]] = {}
    for path in sorted(paths):
        cut = re.fullmatch(r"(.+\.tar)\.part[._-]?\w+", path.name)
        groups.setdefault(path.with_name(cut[1]) if cut else path, []).append(path)
    return [Archive(parts[0], cache, tuple(parts[1:])) for parts in groups.values()]


def _copy(source: IO[bytes], target: IO[bytes], *, limit: int, what: str) -> None:
    written = 0
    while chunk := source.read(_CHUNK):
        written += len(chunk)
        if written > limit:
            raise VideoError(f"{what} unpacks to more than the {limit} bytes its header states")
        target.write(chunk)
    if written < limit:
        raise VideoError(f"{what} is cut short: {written} of {limit} bytes")


def _is_file(info: zipfile.ZipInfo) -> bool:
    """Whether it is a regular file; the upper half of the attributes holds Unix's file type, 0 if unknown."""
    kind = info.external_attr >> 28
    return not info.is_dir() and kind in (0, 0o10)


def _clean(name: str) -> str:
    """The name without "./" in front, with forward slashes."""
    return str(PurePosixPath(name.replace("\\", "/")))
