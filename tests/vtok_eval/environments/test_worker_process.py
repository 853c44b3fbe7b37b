"""The worker's own promises: old Pythons, no packages but numpy, and no process that outlives the harness."""

import ast
import os
import shutil
import signal
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from vtok_eval import codes, data
from vtok_eval.environments.process import WORKER
from vtok_eval.environments.systems import exec_tokenizer
from vtok_eval.environments.worker import stand_ins
from vtok_eval.environments.worker.messages import Memory, length_of, pack
from vtok_eval.errors import MissingDependencyError, VtokEvalError

ROOT = Path(__file__).parents[3]
SYSTEMS = Path(__file__).with_name("remote_systems.py")
FILES = sorted(WORKER.glob("*.py"))
CPU = torch.device("cpu")


def old_pythons() -> list[str]:
    """Interpreters of this machine from 3.8 to 3.10, none of which has our packages."""
    kept = Path.home() / ".pyenv" / "versions"
    found = []
    for name in ("3.8", "3.9", "3.10"):
        installed = [str(path) for path in kept.glob(f"{name}.*/bin/python")]
        on_path = shutil.which(f"python{name}")
        # pyenv's shims on the PATH only work where a version is chosen.
        found += installed or ([on_path] if on_path and ".pyenv" not in on_path else [])
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_worker_is_written_for_python_3_8(file):
    tree = ast.parse(file.read_text(), feature_version=(3, 8))
    futures = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    assert futures or file.name.startswith("__")  # annotations are never evaluated
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Match)
        # Of a string 3.9 has removeprefix, of zip 3.10 has strict, of functools 3.9 has cache.
        assert not (
            isinstance(node, ast.Attribute) and node.attr in {"removeprefix", "removesuffix", "cache"}
        )
        assert not (isinstance(node, ast.keyword) and node.arg == "strict")


def test_the_worker_imports_nothing_but_the_standard_library_while_it_loads():
    for file in FILES:
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.Import):
                assert {alias.name.partition(".")[0] for alias in node.names} <= sys.stdlib_module_names
            if isinstance(node, ast.ImportFrom) and not node.level:
                assert node.module.partition(".")[0] in sys.stdlib_module_names


@pytest.mark.parametrize(
    "python", old_pythons() or [pytest.param("", marks=pytest.mark.skip("none is here"))]
)
def test_an_old_python_loads_the_worker_and_is_told_what_it_lacks(python):
    try:
        made = exec_tokenizer(f"exec:{python}@{SYSTEMS}:Mean", CPU)
    except MissingDependencyError as error:
        assert "numpy cannot be imported" in str(error)  # noqa: PT017 -- it may have numpy
        assert f"{python} -m pip install numpy" in str(error)  # noqa: PT017
    else:
        assert made.token_count(3) == 3


def test_an_environment_without_numpy_is_told_so(tmp_path):
    venv.create(tmp_path / "bare", symlinks=True, with_pip=False)
    with pytest.raises(
        MissingDependencyError, match=r"numpy cannot be imported .*bare/bin/python -m pip install"
    ):
        exec_tokenizer(f"exec:{tmp_path / 'bare'}@{SYSTEMS}:Mean", CPU)


def test_a_python_that_is_too_old_says_so(tmp_path):
    """`sys.version_info` of another Python, put there before the worker begins."""
    fake = tmp_path / "python"
    code = (
        "import sys, runpy; sys.version_info = (3, 7, 9); sys.argv = sys.argv[2:]; "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    fake.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{code}" "$@"\n')
    fake.chmod(0o755)
    with pytest.raises(
        VtokEvalError, match=r"exit code 1 while starting; .*Python 3.7 is too old for a worker"
    ):
        exec_tokenizer(f"exec:{fake}@{SYSTEMS}:Mean", CPU)


class TestStandIns:
    """What the user's file imports has the names and the results of the real classes."""

    @pytest.mark.parametrize("name", ["Clip", "Clips", "Tokens", "TokenKind", "Codes"])
    def test_they_have_what_the_real_ones_have(self, name):
        real = getattr(data, name) if name != "Codes" else codes.Codes
        stand_in = getattr(stand_ins, name)
        of_harness = {"with_key", "with_keys", "key", "keys", "key_of", "stack", "encoded_as"}
        of_harness |= {"fps_of", "pictures"}  # what backbones of the harness read
        of_harness |= {"vectors", "check"}  # of codes
        public = {each for each in dir(real) if not each.startswith("_")} - of_harness
        fields = set(getattr(real, "__dataclass_fields__", ())) - of_harness
        assert public <= set(dir(stand_in)) | fields

    @pytest.mark.parametrize("kind", ["numpy", "torch"])
    def test_tokens_are_made_alike(self, kind):
        values, frame = torch.arange(12.0).reshape(2, 3, 2), torch.tensor([3, 4, 5])
        real = data.Tokens.of(values, frame=frame, kind=data.TokenKind.MOTION)
        real = data.Tokens.concatenate([real, data.Tokens.of(values)])
        given = [part.numpy() if kind == "numpy" else part for part in (values, frame)]
        made = stand_ins.Tokens.of(given[0], frame=given[1], kind=stand_ins.TokenKind.MOTION)
        made = stand_ins.Tokens.concatenate([made, stand_ins.Tokens.of(given[0])])
        for name in ("values", "mask", "kind", "frame"):
            theirs = getattr(made, name)
            assert isinstance(theirs, np.ndarray if kind == "numpy" else torch.Tensor)
            assert torch.equal(torch.as_tensor(theirs), getattr(real, name))
        assert made.count().tolist() == real.count().tolist()

    @pytest.mark.parametrize("kind", ["numpy", "torch"])
    def test_codes_are_made_alike(self, kind):
        indices, mask = torch.arange(12).reshape(2, 3, 2), torch.tensor([[True, True, False]] * 2)

        def make(tokens_class, like):
            given = tokens_class.codes(
                like(indices), codebook_size=(16, 12), mask=like(mask), frame=like(mask[0])
            )
            joined = tokens_class.concatenate([given, given]).part(1, 5)
            return tokens_class.batch([joined, joined])

        real = make(data.Tokens, lambda tensor: tensor)
        made = make(stand_ins.Tokens, (lambda t: t.numpy()) if kind == "numpy" else (lambda t: t))
        for name in ("indices", "mask", "kind", "frame"):
            assert torch.equal(torch.as_tensor(getattr(made, name)), getattr(real, name))
        assert made.bits_per_token == real.bits_per_token
        assert made.bits().tolist() == real.bits().tolist()
        assert torch.equal(torch.as_tensor(made.coded.stacked), real.coded.stacked)
        values = data.Tokens.of(torch.zeros(2, 3, 4, dtype=torch.float16))
        others = stand_ins.Tokens.of(np.zeros((2, 3, 4), np.float16))
        assert others.bits().tolist() == values.bits().tolist()


class TestMessages:
    def test_arrays_come_back_as_they_were(self):
        arrays = {
            "empty": np.zeros((0, 3), np.float32),
            "scalar": np.array(2.5),
            "bool": np.array([True, False, True]),
            "big": np.arange(5000, dtype=np.int64).reshape(50, 100),
        }
        memory = Memory(os.memfd_create("test"))
        read = memory.read(memory.write(arrays))
        for name, array in arrays.items():
            assert (read[name].dtype, read[name].shape) == (array.dtype, array.shape)
            assert (read[name] == array).all()

    def test_a_file_that_is_too_short_is_an_error(self):
        memory = Memory(os.memfd_create("test"))
        places = memory.write({"a": np.zeros(100)})
        memory.release()
        with pytest.raises(ValueError, match=r"'a' is cut off after 0 of 800 bytes"):
            memory.read(places)

    def test_no_message_is_endless(self):
        assert length_of(pack({})[:8]) == 2
        with pytest.raises(ValueError, match="a message of"):
            length_of(b"\xff" * 8)


DRIVER = """
import sys, torch
from vtok_eval.environments.systems import exec_tokenizer
from vtok_eval.data import Clips
tokenizer = exec_tokenizer(sys.argv[1], torch.device("cpu"))
print(tokenizer.client.pid, flush=True)
frames = torch.full((1, 1, 3, 4, 4), int(sys.argv[2]), dtype=torch.uint8)
tokenizer.encode(Clips(frames, torch.ones(1).double()))
print("encoded", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("level", [10, 0], ids=["in the middle of a call", "idle"])
def test_no_process_outlives_a_harness_that_is_killed(spec, level):
    """A worker that never lets another thread of its own run, and what it has started, are gone too."""
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, spec("Parent"), str(level)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    worker = psutil.Process(int(driver.stdout.readline()))
    started = [worker, *worker.children(recursive=True)]
    assert len(started) >= 3  # itself, its guard and the process that the class has started
    if level != 10:
        assert driver.stdout.readline() == "encoded\n"
    driver.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(started, timeout=30)
    for process in alive:  # nobody waits for what has no parent here: ended, but still listed
        assert process.status() == psutil.STATUS_ZOMBIE
    driver.communicate()
