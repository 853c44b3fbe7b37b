"""Lets tox run the environments named below under whichever supported Python is installed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence

from tox.config.loader.memory import MemoryLoader
from tox.config.sets import EnvConfigSet
from tox.plugin import impl
from tox.session.state import State

ANY_PYTHON = ("demo", "demo-reader", "fuzz")
"""They prefer Python 3.11, the only one that can have VBench, and do without VBench where it is missing.

tox-uv takes the first `base_python` of a list whether it is installed or not, so the choice is made here.
"""
PREFERRED = ("3.11", "3.12", "3.13")


@impl
def tox_add_env_config(env_conf: EnvConfigSet, state: State) -> None:
    """Set `base_python` of the environments in ANY_PYTHON; tox calls this once for each environment."""
    if env_conf.name in ANY_PYTHON:
        env_conf.loaders.insert(0, MemoryLoader(base_python=[chosen_python(is_installed)]))


def chosen_python(installed: Callable[[str], bool]) -> str:
    """The first of PREFERRED that is installed; where none is, 3.11, which uv then tries to download."""
    return next((version for version in PREFERRED if installed(version)), PREFERRED[0])


def is_installed(version: str) -> bool:
    """Whether uv finds a Python of this version on the machine, without downloading one."""
    command: Sequence[str] = (_uv(), "python", "find", "--no-project", "--no-python-downloads", version)
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _uv() -> str:
    try:
        from uv import find_uv_bin  # tox-uv brings it
    except ImportError:
        return shutil.which("uv") or "uv"
    found: str = find_uv_bin()
    return found
