"""Hashes of files: kept while a file is unchanged, made again whenever it could have changed."""

from __future__ import annotations

import hashlib
import os
import threading

import pytest

from vtok_eval.files import content_hash
from vtok_eval.files.content_hash import content_sha256, path_sha256


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VTOK_EVAL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def reads(monkeypatch):
    """The files that were read, as they are read."""
    found = []
    whole = content_hash.sha256_file

    def reading(path):
        found.append(path.name)
        return whole(path)

    monkeypatch.setattr(content_hash, "sha256_file", reading)
    return found


def settle(monkeypatch, seconds: float = 10.0) -> None:
    """Let files that were just written count as old."""
    monkeypatch.setattr(content_hash, "SETTLED_NS", -int(seconds * 1e9))


def test_an_unchanged_file_is_read_once_also_by_another_process(tmp_path, reads, monkeypatch):
    settle(monkeypatch)
    file = tmp_path / "video.mp4"
    file.write_bytes(b"frames")
    assert content_sha256(file) == content_sha256(file) == hashlib.sha256(b"frames").hexdigest()
    content_hash._store_at.cache_clear()  # as in a new process: only the file in the cache folder is left
    assert content_sha256(file) == hashlib.sha256(b"frames").hexdigest()
    assert reads == ["video.mp4"]


def test_a_file_replaced_with_its_size_and_time_is_seen(tmp_path, monkeypatch):
    settle(monkeypatch)
    file = tmp_path / "video.mp4"
    file.write_bytes(b"one")
    first, times = content_sha256(file), file.stat()
    file.write_bytes(b"two")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert file.stat().st_mtime_ns == times.st_mtime_ns
    assert content_sha256(file) == hashlib.sha256(b"two").hexdigest() != first


def test_a_file_that_was_just_written_is_not_trusted(tmp_path, reads):
    """Two writes within one tick of the clock cannot be told apart by times."""
    file = tmp_path / "fresh.bin"
    file.write_bytes(b"one")
    content_sha256(file)
    content_sha256(file)
    assert reads == ["fresh.bin"] * 2


def test_a_broken_or_unwritable_store_costs_time_and_no_result(tmp_path, monkeypatch):
    settle(monkeypatch)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "content-hashes.sqlite").write_bytes(b"not a database" * 100)
    file = tmp_path / "video.mp4"
    file.write_bytes(b"frames")
    assert content_sha256(file) == hashlib.sha256(b"frames").hexdigest()
    monkeypatch.setenv("VTOK_EVAL_CACHE", str(file))  # a file where a folder should be
    assert content_sha256(file) == hashlib.sha256(b"frames").hexdigest()


def test_threads_agree(tmp_path, monkeypatch):
    settle(monkeypatch)
    files = [tmp_path / f"{i}.bin" for i in range(20)]
    for file in files:
        file.write_bytes(file.name.encode())
    found: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: found.append([content_sha256(file) for file in files]))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[hashlib.sha256(file.name.encode()).hexdigest() for file in files]] * 4


def test_a_folder_is_its_names_and_bytes(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
        (tmp_path / name / "weights.safetensors").write_bytes(b"w")
    assert path_sha256(tmp_path / "a") == path_sha256(tmp_path / "b")
    (tmp_path / "b" / "weights.safetensors").rename(tmp_path / "b" / "w.safetensors")
    assert path_sha256(tmp_path / "a") != path_sha256(tmp_path / "b")
    (tmp_path / "a" / "__pycache__").mkdir()
    (tmp_path / "a" / "__pycache__" / "x.pyc").write_bytes(b"1")
    before = path_sha256(tmp_path / "a")
    (tmp_path / "a" / "__pycache__" / "x.pyc").write_bytes(b"2")
    assert path_sha256(tmp_path / "a") == before
