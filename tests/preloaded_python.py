"""Runs programs in processes forked from one that has imported torch and other slow packages.

Each program starts as `python FILE ...` or `python -m MODULE ...` would: another folder, environment, search
path and arguments, and nothing of this project imported yet. Each is spared seconds of imports.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

BEFORE = ("torch", "matplotlib.backends.backend_agg", "pandas", "scipy.stats", "pydantic", "yaml", "av")
"""What nearly every program imports; none of them starts a thread that a fork would lose."""


@dataclass(frozen=True)
class Finished:
    """How a program ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


class PreloadedPython:
    """Runs one program after the other; a context manager."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process = subprocess.Popen(
            [sys.executable, "-u", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> PreloadedPython:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()  # the end of its input ends it

    def run(self, words: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> Finished:
        """Run `FILE ...` or `-m MODULE ...` to its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        outputs = [self._folder / name for name in ("stdout", "stderr")]
        asked = {"words": list(words), "cwd": str(cwd), "env": dict(env), "outputs": [*map(str, outputs)]}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        returncode = int(self._process.stdout.readline())
        return Finished(returncode, *(path.read_text("utf-8") for path in outputs))


def serve() -> None:
    """Fork for each line of the input; say how each ended."""
    for name in BEFORE:
        importlib.import_module(name)
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = _run(asked["words"], asked["cwd"], asked["env"], asked["outputs"])
            finally:
                _end(code)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")


def _run(words: Sequence[str], cwd: str, env: Mapping[str, str], outputs: Sequence[str]) -> int:
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    for number, path in enumerate(outputs, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.stdin = sys.__stdin__ = os.fdopen(0)
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", buffering=1)
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", buffering=1)
    as_module = words[0] == "-m"
    target, *arguments = words[as_module:]
    sys.argv = [target, *arguments]
    # As Python does it: the script's folder or the current one, PYTHONPATH, then what is installed.
    first = "" if as_module else str(Path(target).resolve().parent)
    sys.path[:] = [first, *env.get("PYTHONPATH", "").split(os.pathsep), *sys.path[1:]]
    importlib.invalidate_caches()
    try:
        if as_module:
            runpy.run_module(target, run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(target, run_name="__main__")
    except SystemExit as stop:
        return _code(stop)
    return 0


def _end(code: int) -> None:
    """End the forked process; what it was ended by is printed as Python does it."""
    if sys.exc_info()[0] is not None:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _code(stop: SystemExit) -> int:
    if stop.code is None or isinstance(stop.code, int):
        return stop.code or 0
    sys.stderr.write(f"{stop.code}\n")
    return 1


if __name__ == "__main__":
    serve()
