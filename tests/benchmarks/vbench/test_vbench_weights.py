"""Checkpoints and the doctor: nothing unpickled unasked, nothing kept that is not what it should be."""

from __future__ import annotations

import hashlib
import importlib.util
import pickle
import zipfile
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from benchmarks.vbench import doctor
from benchmarks.vbench.commands import app
from benchmarks.vbench.dimensions import dimension
from benchmarks.vbench.doctor import FetchError, fetch, inspect, lines
from benchmarks.vbench.networks.checkpoints import CheckpointError, converted_path, load_into, read_tensors
from benchmarks.vbench.weight_files import CLIP_B32, GRIT, RAFT, VICLIP_WORDS, WeightFile
from vtok_eval.cli.main import app as main_app
from vtok_eval.errors import UnknownNameError


class Surprise:
    """What a checkpoint may hold beside tensors; unpickling it touches a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "cache"
    monkeypatch.setenv("VBENCH_CACHE_DIR", str(root))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return root


def test_tensors_are_read_also_from_within(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    torch.save({"state_dict": {"a": torch.ones(2)}, "epoch": 3}, path)
    assert read_tensors(path, within="state_dict")["a"].tolist() == [1, 1]
    torch.save({"a": torch.ones(2)}, path)
    assert set(read_tensors(path, within="state_dict")) == {"a"}


def test_code_in_a_checkpoint_does_not_run_until_asked(tmp_path: Path) -> None:
    path, touched = tmp_path / "x.pth", tmp_path / "touched"
    torch.save({"state_dict": {"a": torch.ones(2)}, "config": Surprise(touched)}, path)
    with pytest.raises(CheckpointError, match=r"vtok-eval vbench convert '.*x\.pth' --within state_dict"):
        read_tensors(path, within="state_dict")
    assert not touched.exists()
    done = CliRunner().invoke(app, ["convert", str(path), "--within", "state_dict"])
    assert done.stdout == f"written: {converted_path(path)}\n"
    assert touched.exists()
    assert read_tensors(path, within="state_dict")["a"].tolist() == [1, 1]
    path.unlink()
    assert converted_path(path).is_file()


@pytest.mark.parametrize("keep", [0, 10, 200, 2000])
def test_truncated_checkpoints_are_named(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "x.pth"
    torch.save({"a": torch.ones(5000)}, path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"x\.pth"):
        read_tensors(path)


def test_what_holds_no_tensors_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    for content in ([1, 2], {"a": 3}):
        torch.save(content, path)
        with pytest.raises(CheckpointError, match="holds no tensors"):
            read_tensors(path)
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(CheckpointError):
        read_tensors(path)


def test_another_models_checkpoint_is_refused(tmp_path: Path) -> None:
    layer, path = torch.nn.Linear(3, 1), tmp_path / "x.pth"
    own = dict(layer.state_dict())
    for tensors, reason in (
        ({"weight": own["weight"]}, "lacks 1 tensors, among them 'bias'"),
        ({**own, "extra": own["bias"]}, "has unknown 1 tensors, among them 'extra'"),
        ({**own, "weight": torch.zeros(3, 3)}, "in another shape 1 tensors, among them 'weight'"),
    ):
        with pytest.raises(CheckpointError, match=reason):
            load_into(layer, tensors, path=path)
    load_into(layer, {"weight": torch.zeros(1, 3)}, path=path, may_lack=frozenset({"bias"}))
    assert layer.weight.tolist() == [[0, 0, 0]]


def served(tmp_path: Path, content: bytes, name: str = "source.bin") -> str:
    (tmp_path / name).write_bytes(content)
    return (tmp_path / name).as_uri()


def test_fetching_checks_before_it_keeps(cache: Path, tmp_path: Path) -> None:
    good = replace(CLIP_B32, url=served(tmp_path, b"weights"), sha256=hashlib.sha256(b"weights").hexdigest())
    assert fetch(good).read_bytes() == b"weights"
    bad = replace(good, path="clip_model/other.pt", sha256="0" * 64)
    with pytest.raises(FetchError, match="not kept"):
        fetch(bad)
    assert [path.name for path in (cache / "clip_model").iterdir()] == ["ViT-B-32.pt"]


def test_fetching_takes_a_member_out_of_an_archive(cache: Path, tmp_path: Path) -> None:
    archive = tmp_path / "models.zip"
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr(RAFT.member, b"flow")
        members.writestr("models/other.pth", b"other")
    path = fetch(replace(RAFT, url=archive.as_uri()))
    assert path == cache / "raft_model/models/raft-things.pth"
    assert path.read_bytes() == b"flow"
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    with pytest.raises(FetchError, match="cannot be fetched"):
        fetch(replace(RAFT, url=served(tmp_path, b"no archive")))


def test_what_cannot_be_fetched_says_what_to_do(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FetchError, match="by hand: ask"):
        fetch(WeightFile("x.pth", by_hand="ask"))
    with pytest.raises(FetchError, match="cannot be fetched from"):
        fetch(replace(GRIT, url=(tmp_path / "gone").as_uri()))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: usage(10, 10, 3))
    with pytest.raises(FetchError, match="7 bytes are needed and 3 are free"):
        fetch(replace(GRIT, url=served(tmp_path, b"weights")))
    assert not (cache / GRIT.path).exists()


@pytest.mark.skipif(importlib.util.find_spec("clip") is None, reason="openai-clip is not installed")
def test_no_room_for_a_file_leaves_nothing_of_it(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills up while a file is copied to it."""
    import errno
    import os

    def full(source: Path, target: Path) -> None:
        Path(target).write_bytes(Path(source).read_bytes()[:1000])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(FetchError, match=r"bpe_simple_vocab_16e6.txt.gz: cannot be fetched .*No space left"):
        fetch(VICLIP_WORDS)
    assert [path for path in cache.rglob("*") if path.is_file()] == []


@pytest.mark.skipif(importlib.util.find_spec("clip") is None, reason="openai-clip is not installed")
def test_what_a_package_ships_is_copied(cache: Path) -> None:
    assert fetch(VICLIP_WORDS) == cache / VICLIP_WORDS.path
    assert (cache / VICLIP_WORDS.path).read_bytes()[:2] == b"\x1f\x8b"


def test_the_doctor_says_what_is_there(cache: Path) -> None:
    (cache / "clip_model").mkdir(parents=True)
    (cache / CLIP_B32.path).write_bytes(b"weights")
    (state,) = inspect([dimension("background_consistency")], hashes=True)
    (file,) = state.files
    assert (file.found, file.size, file.intact) == (cache / CLIP_B32.path, 7, False)
    assert any("NOT the published file" in line for line in lines([state]))
    said: list[str] = []
    assert doctor.report("dynamic_degree", say=said.append) == 1
    assert str(cache / RAFT.path) in "\n".join(said)
    with pytest.raises(UnknownNameError, match="dynamic"):
        doctor.report("dynamic", say=said.append)
    done = CliRunner().invoke(main_app, ["doctor", "vbench"])
    assert done.exit_code == 1
    assert str(cache / RAFT.path) in done.stdout
