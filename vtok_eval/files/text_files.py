"""Text files read strictly: UTF-8, no NUL bytes, lines that end at a line feed only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vtok_eval.errors import VtokEvalError

_FORMATS = {
    b"\x1f\x8b": "gzip-compressed; unpack it first",
    b"PK\x03\x04": "a ZIP archive or a spreadsheet; unpack it, or save the sheet as CSV",
    b"BZh": "bzip2-compressed; unpack it first",
    b"\xfd7zXZ": "xz-compressed; unpack it first",
    b"\x28\xb5\x2f\xfd": "zstd-compressed; unpack it first",
    b"\xff\xfe": "UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "UTF-16 text; save it as UTF-8",
    b"PAR1": "a Parquet file; its name must end in .parquet",
}
"""First bytes of what is often taken for plain text."""


def read_text(path: Path, *, error: type[VtokEvalError]) -> str:
    """The text of a UTF-8 file, without a byte order mark.

    Args:
        path: the file.
        error: class of what is raised.

    Raises:
        VtokEvalError: of class `error`: the file cannot be opened, is compressed, is not UTF-8 or holds a NUL
            byte; names the file and the line.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.txt"
        >>> _ = path.write_bytes(b"\\xef\\xbb\\xbfone\\r\\ntwo")
        >>> read_text(path, error=VtokEvalError)
        'one\\r\\ntwo'
    """
    try:
        data = path.read_bytes()
    except OSError as problem:
        raise error(f"{path}: cannot be read ({problem.strerror or problem})") from problem
    return decode_text(data, where=str(path), error=error)


def decode_text(data: bytes, *, where: str, error: type[VtokEvalError]) -> str:
    """The text of a file's bytes; see `read_text`. where: the file's name, for errors.

    Raises:
        VtokEvalError: as `read_text`.

    Example:
        >>> from vtok_eval.errors import DataError
        >>> decode_text("café".encode(), where="answers.csv", error=DataError)
        'café'
    """
    for start, what in _FORMATS.items():
        if data.startswith(start):
            raise error(f"{where}: cannot be read as text: it is {what}")
    if b"\x00" in data:
        raise error(f"{where}, line {_line_at(data, data.index(0))}: has a NUL byte; the file is damaged")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line, byte = _line_at(data, problem.start), data[problem.start]
        raise error(f"{where}, line {line}: cannot be read: not UTF-8 (byte 0x{byte:02x})") from problem


def numbered_lines(text: str) -> Iterator[tuple[int, str]]:
    r"""Each line with its number from 1, without its end; only `\n` and `\r\n` end a line.

    `str.splitlines` also splits at U+2028, U+0085 and other characters that texts may contain.

    Example:
        >>> list(numbered_lines("a\u2028b\r\nc\n"))
        [(1, 'a\u2028b'), (2, 'c')]
    """
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    for number, line in enumerate(lines, start=1):
        yield number, line.removesuffix("\r")


def _line_at(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, position) + 1
