"""Provenance says where a number comes from, and never stops a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vtok_eval.files.hashing import sha256_file
from vtok_eval.results.provenance import finish, git_state, provenance

ROOT = Path(__file__).resolve().parents[3]


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_it_is_plain_json_and_states_what_was_asked_for() -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    state = provenance(command=["vtok-eval", "run", "--seed", "3"], seed=3, device="cpu")
    assert json.loads(json.dumps(state, allow_nan=False)) == state
    assert state["command"] == ["vtok-eval", "run", "--seed", "3"]
    assert (state["seed"], state["device"], state["finished"]) == (3, "cpu", None)
    assert before <= datetime.fromisoformat(state["started"]) <= datetime.now(UTC)
    assert state["python"] == ".".join(map(str, sys.version_info[:3]))
    assert state["packages"]["numpy"] == __import__("numpy").__version__
    assert 1 <= state["machine"]["cores"] <= (os.cpu_count() or 1)
    assert state["machine"]["memory_bytes"] > 2**20
    done = finish(state)
    assert done["finished"] >= state["started"]
    assert state["finished"] is None


def test_git_state_follows_the_checkout(tmp_path: Path) -> None:
    assert git_state(tmp_path) is None
    git(tmp_path, "init", "-q")
    assert git_state(tmp_path) is None  # no commit yet
    (tmp_path / "code.py").write_text("1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "one")
    revision = git(tmp_path, "rev-parse", "HEAD")
    assert git_state(tmp_path) == {"revision": revision, "dirty": False}
    (tmp_path / "code.py").write_text("2\n")
    assert git_state(tmp_path) == {"revision": revision, "dirty": True}
    (tmp_path / "installed").mkdir()
    assert git_state(tmp_path / "installed") is None  # another repository around an installed package


def test_no_git_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state(ROOT) is None
    assert provenance(command=["x"], seed=0)["git"] is None


def test_it_does_not_import_torch() -> None:
    code = (
        "import sys; from vtok_eval.results.provenance import provenance\n"
        "state = provenance(command=[], seed=0)\n"
        "print(state['torch'], 'torch' in sys.modules, 'vbench' in sys.modules)"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stdout.strip() == "None False False"


def test_sha256_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"abc")
    # FIPS 180-2, appendix B.1: the one-block message "abc".
    assert sha256_file(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(OSError, match="No such file"):
        sha256_file(tmp_path / "missing")
