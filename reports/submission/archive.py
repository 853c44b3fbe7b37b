"""The one file of a submission: a zip archive, written the same way every time and read with suspicion."""

from __future__ import annotations

import hashlib
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from vtok_eval.errors import SubmissionError

MANIFEST = "manifest.json"
RECORDS = "records.jsonl"
MIB = 2**20

CEILINGS: Mapping[str, int] = {
    MANIFEST: 1 * MIB,
    "run.json": 8 * MIB,
    "scores.json": 64 * MIB,
    "comparisons.json": 64 * MIB,
    RECORDS: 256 * MIB,
}
"""Every file that a submission has, and the bytes that it may have unpacked."""

ARCHIVE_CEILING = 128 * MIB
"""Bytes of the archive itself."""

_END = struct.Struct("<4s4H2LH")
_END_SIGNATURE = b"PK\x05\x06"
_ZIP64_LOCATOR = b"PK\x06\x07"
_ZIP64_LOCATOR_BYTES = 20
_DIRECTORY_CEILING = 4_096
_PIECE = 1 * MIB
_ENCRYPTED = 0x1
_UNIX = 3
_REGULAR_FILE = 0o100000
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Unpacked:
    """The contents of an archive by file name, and the archive's own SHA-256."""

    files: Mapping[str, bytes]
    sha256: str


def write_archive(path: Path, files: Mapping[str, bytes]) -> None:
    """Write the files in the order of `CEILINGS`; equal contents give equal bytes with one version of zlib.

    Raises:
        SubmissionError: a file is larger than `read_archive` would take.
        OSError: the archive cannot be written.
    """
    for name, content in files.items():
        if len(content) > CEILINGS[name]:
            raise SubmissionError(
                f"{name} would have {len(content):,} bytes; a submission may have {CEILINGS[name]:,}"
            )
    with zipfile.ZipFile(path, "w") as archive:
        for name in CEILINGS:
            entry = zipfile.ZipInfo(name, date_time=_EPOCH)
            entry.create_system = _UNIX
            entry.external_attr = (_REGULAR_FILE | 0o644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name], compresslevel=9)


def read_archive(path: Path) -> Unpacked:
    """The files of an archive that holds exactly what `write_archive` writes; nothing is written to disk.

    The directory's size is checked before it is parsed, so that a million entries cost nothing. Unpacked
    bytes are counted as they come, whatever the archive declares.

    Raises:
        SubmissionError: it is not such an archive; names what is wrong with it.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            if size > ARCHIVE_CEILING:
                raise SubmissionError(f"{path} has {size:,} bytes; a submission may have {ARCHIVE_CEILING:,}")
            _check_end(file, size, path)
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            with zipfile.ZipFile(file) as archive:
                _check_entries(archive.infolist(), path)
                return Unpacked({name: _unpack(archive, name, path) for name in CEILINGS}, sha256)
    except OSError as error:
        raise SubmissionError(f"cannot read {path}: {error.strerror or error}") from error
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        struct.error,
    ) as error:
        raise SubmissionError(f"{path} is not an intact zip archive: {error}") from error
    except (ValueError, UnicodeError) as error:
        raise SubmissionError(f"{path} is not a zip archive that can be read: {error}") from error


def _check_end(file: BinaryIO, size: int, path: Path) -> None:
    """Look at the archive's last record: how many entries it declares, and how large their directory is.

    Raises:
        SubmissionError: too many of them, or anything a file of `write_archive` does not have there.
    """
    if size < _END.size:
        raise SubmissionError(f"{path} is not a zip archive: it has {size} bytes")
    tail_bytes = min(size, _END.size + _ZIP64_LOCATOR_BYTES)
    file.seek(size - tail_bytes)
    tail = file.read(tail_bytes)
    signature, disk, first_disk, here, entries, directory, offset, comment = _END.unpack(tail[-_END.size :])
    if signature != _END_SIGNATURE or comment:
        raise SubmissionError(f"{path} is not a zip archive, or has something after its end")
    if entries > len(CEILINGS) or here != entries:
        raise SubmissionError(f"{path} declares {entries:,} entries; a submission has {len(CEILINGS)}")
    if (disk, first_disk) != (0, 0) or tail.startswith(_ZIP64_LOCATOR):
        raise SubmissionError(f"{path} is a split or 64-bit zip archive; a submission is neither")
    if directory > _DIRECTORY_CEILING or offset + directory != size - _END.size:
        raise SubmissionError(f"{path} has a directory of another size or place than a submission's")


def _check_entries(entries: list[zipfile.ZipInfo], path: Path) -> None:
    """Exactly the known names, each once, as ordinary files of an allowed size.

    Raises:
        SubmissionError: names the first entry that is not so.
    """
    seen: set[str] = set()
    for entry in entries:
        # orig_filename is what the archive says; filename has been cut at a NUL and given other slashes.
        name = entry.orig_filename
        if name not in CEILINGS:
            raise SubmissionError(f"{path} holds {name[:100]!r}; a submission has only {', '.join(CEILINGS)}")
        if name in seen:
            raise SubmissionError(f"{path} holds {name} twice")
        seen.add(name)
        mode = entry.external_attr >> 16
        if mode and mode & 0o170000 not in (0, _REGULAR_FILE):
            raise SubmissionError(f"{path}: {name} is a link or a folder, not a file")
        if entry.flag_bits & _ENCRYPTED:
            raise SubmissionError(f"{path}: {name} is encrypted")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise SubmissionError(f"{path}: {name} is compressed by a method other than deflate")
        if entry.file_size > CEILINGS[name]:
            raise SubmissionError(
                f"{path}: {name} declares {entry.file_size:,} bytes; it may have {CEILINGS[name]:,}"
            )
    missing = [name for name in CEILINGS if name not in seen]
    if missing:
        raise SubmissionError(f"{path} lacks {missing[0]}")


def _unpack(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    pieces, total = [], 0
    with archive.open(name) as stream:
        while piece := stream.read(_PIECE):
            total += len(piece)
            if total > CEILINGS[name]:
                raise SubmissionError(f"{path}: {name} unpacks to more than {CEILINGS[name]:,} bytes")
            pieces.append(piece)
    if total != archive.getinfo(name).file_size:
        raise SubmissionError(f"{path}: {name} unpacks to {total:,} bytes, not to what the archive declares")
    return b"".join(pieces)
