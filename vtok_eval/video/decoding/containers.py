"""Which containers are read, and whether a file holds all the bytes its container's header promises."""

from __future__ import annotations

from pathlib import Path

from vtok_eval.errors import VideoError

VIDEO_FORMATS = ("mov", "matroska", "avi", "gif", "mpegts", "mpeg", "flv", "asf", "ogg")
"""FFmpeg demuxers a file may be read with. A list of our own, because FFmpeg left alone takes a text file for
ANSI art, a picture for a film of one frame, and a playlist for leave to open the files it names."""

AUDIO_FORMATS = ("wav", "mp3", "flac", "aac")
"""Read only so that the error for an audio file says that it has no video stream."""

_EBML_HEADER, _SEGMENT = 0x1A45DFA3, 0x18538067


def check_file(path: Path) -> None:
    """Refuse anything that is not a file with bytes in it.

    Raises:
        VideoError: nothing there, a directory, or 0 bytes.
    """
    if path.is_dir():
        raise VideoError(f"{path}: is a directory, not a video file")
    if not path.is_file():
        raise VideoError(f"{path}: no such video file")
    if path.stat().st_size == 0:
        raise VideoError(f"{path}: the file is empty (0 bytes)")


def check_complete(path: Path) -> None:
    """Refuse a Matroska, WebM or GIF file that ends before its own header or grammar says it does.

    FFmpeg reads such a file to its early end without an error. (MP4 and AVI need no such check: a packet
    beyond the end of the file is reported while it is read.)

    Raises:
        VideoError: the file is cut short.
    """
    with path.open("rb") as file:
        head = file.read(64)
    size = path.stat().st_size
    if head[:4] == _EBML_HEADER.to_bytes(4, "big"):
        promised = _matroska_size(head)
        if promised is not None and size < promised:
            raise VideoError(f"{path}: truncated: it has {size} bytes, its header promises {promised}")
    elif head[:4] == b"GIF8" and not _gif_reaches_trailer(path.read_bytes()):
        raise VideoError(f"{path}: truncated: the GIF ends without its trailer")


def why_unreadable(path: Path) -> str:
    """A guess, in words, why FFmpeg could not open the file: an MP4 without its index, or not a video."""
    with path.open("rb") as file:
        head = file.read(12)
    if head[4:8] == b"ftyp":
        return "an MP4 whose index cannot be read: truncated, or its recording never ended"
    return f"not a video in a container that is read here ({', '.join(VIDEO_FORMATS)})"


def _matroska_size(head: bytes) -> int | None:
    """Bytes that the whole file has, from its first bytes; None where the header leaves it open (live)."""
    header = _ebml_element(head, 0)
    if header is None or header[2] is None:
        return None
    segment = _ebml_element(head, header[1] + header[2])
    if segment is None or segment[0] != _SEGMENT or segment[2] is None:
        return None
    return segment[1] + segment[2]


def _ebml_element(data: bytes, start: int) -> tuple[int, int, int | None] | None:
    """Id, offset of the content and its length (None: unknown) of the EBML element at `start` (RFC 8794)."""
    if start >= len(data) or data[start] == 0:
        return None
    id_end = start + 9 - data[start].bit_length()
    if id_end >= len(data) or data[id_end] == 0:
        return None
    n_bytes = 9 - data[id_end].bit_length()
    if id_end + n_bytes > len(data):
        return None
    value_bits = 7 * n_bytes
    length = int.from_bytes(data[id_end : id_end + n_bytes], "big") & ((1 << value_bits) - 1)
    unknown = length == (1 << value_bits) - 1
    return int.from_bytes(data[start:id_end], "big"), id_end + n_bytes, None if unknown else length


def _gif_reaches_trailer(data: bytes) -> bool:
    """Whether the blocks of a GIF (GIF89a specification) lead to its trailer before the bytes run out."""
    trailer, extension, image = 0x3B, 0x21, 0x2C
    at = 13 + _color_table_bytes(data[10]) if len(data) > 13 else len(data)
    while at < len(data):
        kind = data[at]
        if kind == extension:
            at = _after_sub_blocks(data, at + 2)
        elif kind == image and at + 9 < len(data):
            at = _after_sub_blocks(data, at + 11 + _color_table_bytes(data[at + 9]))
        else:
            return kind == trailer
    return False


def _color_table_bytes(flags: int) -> int:
    """Size of the color table that a descriptor's packed flags announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _after_sub_blocks(data: bytes, at: int) -> int:
    """Where the chain of sub-blocks (a length byte, then as many bytes; length 0 ends it) is over."""
    while at < len(data) and data[at]:
        at += 1 + data[at]
    return at + 1
