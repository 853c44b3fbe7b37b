"""Archives that want to do harm: each is refused, at little cost, and nothing of it reaches the disk."""

from __future__ import annotations

import io
import json
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from reports.strict_json import parse
from reports.submission.archive import CEILINGS, MANIFEST, RECORDS, read_archive, write_archive
from reports.submission.verify import verify
from vtok_eval.errors import SubmissionError

SMALL = dict.fromkeys(CEILINGS, b"{}\n")


def archive(
    path: Path, entries: list[tuple[zipfile.ZipInfo | str, bytes]], method: int = zipfile.ZIP_DEFLATED
) -> Path:
    with zipfile.ZipFile(path, "w", method) as made:
        for name, content in entries:
            made.writestr(name, content)
    return path


def whole(**changes: bytes) -> list[tuple[zipfile.ZipInfo | str, bytes]]:
    return [(name, changes.get(name.partition(".")[0], content)) for name, content in SMALL.items()]


def refused(path: Path, message: str) -> None:
    before = set(path.parent.rglob("*"))
    with pytest.raises(SubmissionError, match=message) as caught:
        verify(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert set(path.parent.rglob("*")) == before


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "a.zip"
    files = {name: name.encode() * 1000 for name in CEILINGS}
    write_archive(path, files)
    assert dict(read_archive(path).files) == files
    with zipfile.ZipFile(path) as plain:  # any zip tool can read it
        assert plain.namelist() == list(CEILINGS)
        assert plain.testzip() is None


@pytest.mark.parametrize(
    "name",
    [
        "../../evil",
        "/etc/passwd",
        "C:\\evil",
        "..\\evil",
        "a/../../b",
        "./run.json",
        "run.json/",
        "run.json\x00.txt",
        "RUN.JSON",
        "journal.sqlite",
        "réun.json",
        "x" * 60000,
    ],
)
def test_any_other_name_is_refused(tmp_path, name):
    path = tmp_path / "name.zip"
    entries = whole()
    entry = zipfile.ZipInfo("placeholder")
    entry.filename = entry.orig_filename = name
    entries[1] = (entry, b"{}")
    archive(path, entries)
    refused(path, "a submission has only|directory of another size|not a zip archive")
    assert not (tmp_path.parent / "evil").exists()


def test_one_more_file_is_refused(tmp_path):
    path = archive(tmp_path / "more.zip", [*whole(), ("more.txt", b"")])
    refused(path, "declares 6 entries; a submission has 5")


def test_one_file_less_is_refused(tmp_path):
    refused(archive(tmp_path / "less.zip", whole()[:-1]), f"lacks {RECORDS}")


def test_a_name_twice_is_refused(tmp_path):
    entries = whole()
    with pytest.warns(UserWarning, match="Duplicate"):
        path = archive(tmp_path / "twice.zip", [entries[0], entries[1], entries[1], *entries[3:]])
    refused(path, r"holds run\.json twice")


@pytest.mark.parametrize("mode", [0o120777, 0o040755, 0o010644, 0o060644])
def test_links_folders_pipes_and_devices_are_refused(tmp_path, mode):
    entry = zipfile.ZipInfo("run.json")
    entry.create_system = 3
    entry.external_attr = mode << 16
    entries = whole()
    entries[1] = (entry, b"/etc/passwd")
    refused(archive(tmp_path / "link.zip", entries), "is a link or a folder")


def test_other_compression_is_refused(tmp_path):
    refused(archive(tmp_path / "b.zip", whole(), method=zipfile.ZIP_BZIP2), "other than deflate")


def patch(path: Path, signature: bytes, offset: int, value: bytes, *, which: int = 0) -> None:
    """Overwrite bytes of a header, which-th of its kind."""
    content = bytearray(path.read_bytes())
    place = -1
    for _ in range(which + 1):
        place = content.index(signature, place + 1)
    content[place + offset : place + offset + len(value)] = value
    path.write_bytes(bytes(content))


def test_encrypted_entries_are_refused(tmp_path):
    path = archive(tmp_path / "e.zip", whole())
    patch(path, b"PK\x01\x02", 8, b"\x01\x00", which=1)
    refused(path, "is encrypted")


def test_a_bomb_that_says_what_it_is(tmp_path):
    path = archive(tmp_path / "bomb.zip", whole(manifest=b"\0" * (CEILINGS[MANIFEST] + 1)))
    assert path.stat().st_size < 5_000
    refused(path, "declares 1,048,577 bytes; it may have 1,048,576")


def test_a_bomb_that_says_it_is_small_is_not_unpacked(tmp_path):
    path = archive(tmp_path / "liar.zip", whole(manifest=b"\0" * (64 * 2**20)))
    patch(path, b"PK\x01\x02", 24, struct.pack("<L", 100))
    patch(path, b"PK\x03\x04", 22, struct.pack("<L", 100))
    tracemalloc.start()
    refused(path, "not an intact zip archive|unpacks to")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 2**20


def test_a_million_entries_are_not_even_listed(tmp_path):
    # The end record declares 65,535 entries at most; a million need the 64-bit form.
    record = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 65_535, 65_535, 46 * 65_535, 0, 0)
    path = tmp_path / "many.zip"
    path.write_bytes(b"\0" * (46 * 65_535) + record)
    refused(path, "declares 65,535 entries")


def test_a_64_bit_archive_is_refused(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for name, content in whole():
            with made.open(str(name), "w", force_zip64=True) as stream:
                stream.write(content)
    plain = buffer.getvalue()
    end = plain[-22:]
    entries, size, offset = struct.unpack("<10x H L L 2x", end)
    start = len(plain) - 22
    wide = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, entries, entries, size, offset)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, start, 1)
    path = tmp_path / "wide.zip"
    path.write_bytes(plain[:-22] + wide + locator + end)
    refused(path, "64-bit zip archive")


def test_overlapping_entries_give_nothing_more(tmp_path):
    # Every directory entry points at the first file's data: zipfile refuses the names.
    path = archive(tmp_path / "overlap.zip", whole())
    for which in range(1, 5):
        patch(path, b"PK\x01\x02", 42, struct.pack("<L", 0), which=which)
    refused(path, "not an intact zip archive")


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip at all", b"\0" * 100])
def test_no_archive_at_all(tmp_path, content):
    path = tmp_path / "x.zip"
    path.write_bytes(content)
    refused(path, "not a zip archive")


def test_a_comment_or_something_in_front_is_refused(tmp_path):
    path = archive(tmp_path / "c.zip", whole())
    plain = path.read_bytes()
    path.write_bytes(plain + b"tail")
    refused(path, "something after its end")
    path.write_bytes(b"#!/bin/sh\n" + plain)
    refused(path, "directory of another size or place")


@pytest.mark.parametrize("cut", [1, 30, 100])
def test_a_truncated_archive_is_refused(tmp_path, cut):
    path = archive(tmp_path / "t.zip", whole())
    path.write_bytes(path.read_bytes()[:-cut])
    refused(path, "not a zip archive|another size|something after")


def test_flipped_bytes_never_pass_and_never_crash(tmp_path):
    path = tmp_path / "f.zip"
    write_archive(path, {name: json.dumps({"a": list(range(50))}).encode() for name in CEILINGS})
    plain = path.read_bytes()
    for place in range(0, len(plain), 3):
        broken = bytearray(plain)
        broken[place] ^= 0xFF
        path.write_bytes(bytes(broken))
        with pytest.raises(SubmissionError):
            verify(path)


def test_a_file_that_is_not_there_or_a_folder(tmp_path):
    with pytest.raises(SubmissionError, match="cannot read"):
        verify(tmp_path / "none.zip")
    with pytest.raises(SubmissionError, match="cannot read"):
        verify(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": 1, "a": 2}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a": ' + b"9" * 10_000 + b"}",
        b"\xff\xfe",
        b"{'a': 1}",
        b"",
        b"{} {}",
    ],
)
def test_what_is_no_strict_json_is_refused(tmp_path, text):
    with pytest.raises(ValueError):
        parse(text)
    path = tmp_path / "json.zip"
    write_archive(path, {**SMALL, MANIFEST: text})
    refused(path, "is not strict JSON")


def test_a_number_beyond_a_double_is_refused(tmp_path):
    assert parse(b"1e999") == float("inf")  # what Python makes of it; the schema refuses infinity
    manifest = b'{"form": 1e999}'
    write_archive(tmp_path / "inf.zip", {**SMALL, MANIFEST: manifest})
    refused(tmp_path / "inf.zip", "manifest.json: ")


def test_what_would_not_be_read_is_not_written(tmp_path):
    with pytest.raises(SubmissionError, match="a submission may have"):
        write_archive(tmp_path / "big.zip", {**SMALL, MANIFEST: b" " * (CEILINGS[MANIFEST] + 1)})
