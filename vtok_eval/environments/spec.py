"""What `exec:PYTHON@FILE.py:Class[:options]` names, and how long its worker may take."""

from __future__ import annotations

import math
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vtok_eval.errors import SpecError, nearest
from vtok_eval.specs.grammar import parse_options

EXEC = "exec:"
START_LIMIT_S = 600.0
CALL_LIMIT_S = 600.0
_FORM = re.compile(
    r"(?P<python>.+?)@(?P<file>[^@]+\.py):(?P<cls>[A-Za-z_]\w*)(?::(?P<options>.*))?", re.DOTALL
)
_INTERPRETER = re.compile(r"\bexec:(?P<python>.+?)@[^@]+?\.py:")
_OF_WORKER = ("start_limit_s", "call_limit_s", "pythonpath", "variables")


@dataclass(frozen=True)
class ExecSpec:
    """A spec `exec:...`, taken apart.

    Attributes:
        text: as it was written.
        python: the interpreter, absolute; not resolved, since a virtual environment is found by its own path.
        file: the user's file, absolute.
        class_name: the class in it.
        options: of the class, values as written.
        start_limit_s: seconds until the object must be made.
        call_limit_s: seconds that a call may take.
        pythonpath: the worker's PYTHONPATH; the harness's own is never passed on.
        variables: environment variables that the worker has besides, or instead of, the harness's.
    """

    text: str
    python: Path
    file: Path
    class_name: str
    options: Mapping[str, str] = field(default_factory=dict)
    start_limit_s: float = START_LIMIT_S
    call_limit_s: float = CALL_LIMIT_S
    pythonpath: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The file's name and the class."""
        return f"{self.file.name}:{self.class_name}"


def is_exec(spec: str) -> bool:
    """Whether a spec names a class in another Python environment.

    Example:
        >>> is_exec("exec:.venv-wan@wan.py:Wan"), is_exec("wan.py:Wan")
        (True, False)
    """
    return spec.strip().startswith(EXEC)


def interpreter_in(spec: str) -> str:
    """The interpreter or folder that a spec, or a part of one, names before the user's file; empty elsewhere.

    Example:
        >>> interpreter_in("reconstructed:exec:.venv/bin/python@wan.py:Wan@clips")
        '.venv/bin/python'
    """
    found = _INTERPRETER.search(spec)
    return found["python"] if found else ""


def parse_exec(spec: str) -> ExecSpec:
    """Take `exec:PYTHON@FILE.py:Class[:options]` apart.

    PYTHON is an interpreter's path, the folder of a virtual environment, or a command on the PATH. The
    options `start_limit_s`, `call_limit_s` (seconds), `pythonpath` and `variables=(NAME=value,...)` are about
    the worker; all others are the class's.

    Raises:
        SpecError: another form, no such interpreter or file, or a value that cannot be read.
    """
    match = _FORM.fullmatch(spec.strip().removeprefix(EXEC))
    if match is None:
        raise SpecError(
            f"{spec!r} must be exec:PYTHON@FILE.py:Class[:option=value,...]; PYTHON is an interpreter or the "
            "folder of a virtual environment"
        )
    options = dict(parse_options(match["options"] or "", spec=spec))
    of_worker = {name: options.pop(name) for name in _OF_WORKER if name in options}
    return ExecSpec(
        text=spec.strip(),
        python=_interpreter(match["python"]),
        file=_file(match["file"]),
        class_name=match["cls"],
        options=options,
        start_limit_s=_seconds("start_limit_s", of_worker.get("start_limit_s"), START_LIMIT_S),
        call_limit_s=_seconds("call_limit_s", of_worker.get("call_limit_s"), CALL_LIMIT_S),
        pythonpath=of_worker.get("pythonpath", ""),
        variables=parse_options(of_worker.get("variables", ""), spec=spec),
    )


def _interpreter(text: str) -> Path:
    path = Path(text).expanduser()
    if path.is_dir():
        return _interpreter_of(path)
    if os.sep not in text:
        found = shutil.which(text)
        if found is None:
            raise SpecError(f"no interpreter {text!r} on the PATH; {nearest(text, _pythons_on_path())}")
        return Path(found).absolute()
    if not path.is_file():
        raise SpecError(f"no interpreter {path} (looked from {Path.cwd()}); python3 -m venv FOLDER makes one")
    if not os.access(path, os.X_OK):
        raise SpecError(f"{path} is not a program that can be run; name an interpreter or a venv folder")
    return path.absolute()


def _interpreter_of(folder: Path) -> Path:
    for place in (folder / "bin" / "python", folder / "Scripts" / "python.exe"):
        if place.exists():
            return place.absolute()
    raise SpecError(
        f"the folder {folder} is not a virtual environment: it has no bin/python; python3 -m venv FOLDER "
        "makes one"
    )


def _pythons_on_path() -> set[str]:
    folders = [Path(folder) for folder in os.get_exec_path() if folder]
    return {found.name for folder in folders for found in folder.glob("python*") if os.access(found, os.X_OK)}


def _file(text: str) -> Path:
    path = Path(text).expanduser()
    if not path.is_file():
        raise SpecError(f"no file {path} (looked from {Path.cwd()})")
    return path.absolute()


def _seconds(name: str, text: str | None, default: float) -> float:
    if text is None:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds > 0):
        raise SpecError(f"{name}={text} must be a number of seconds above 0")
    return seconds
