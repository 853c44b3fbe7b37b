"""Where the weights of VBench's dimensions lie: the reference's cache layout, so that its caches serve."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Collection
from pathlib import Path

from benchmarks.vbench.dimensions import Dimension, WeightFile
from benchmarks.vbench.package import INSTALL_HINT, installed_version


def cache_root() -> Path:
    """The folder `VBENCH_CACHE_DIR` names, else ~/.cache/vbench, as the reference has it."""
    named = os.environ.get("VBENCH_CACHE_DIR")
    return Path(named) if named else Path.home() / ".cache" / "vbench"


def torch_hub() -> Path:
    """Where torch.hub keeps repositories and checkpoints, without importing torch."""
    named = os.environ.get("TORCH_HOME")
    if named:
        return Path(named).expanduser() / "hub"
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
    return cache / "torch" / "hub"


def places(file: WeightFile) -> tuple[Path, ...]:
    """Where a file is looked for, in order."""
    others = [place.format(torch_hub=torch_hub(), home=Path.home()) for place in file.elsewhere]
    return (cache_root() / file.path, *map(Path, others))


def find(file: WeightFile) -> Path | None:
    """The first place that has the file, or None."""
    return next((place for place in places(file) if place.is_file()), None)


def why_not(dimension: Dimension, *, built: Collection[str]) -> str | None:
    """Why a dimension cannot be run here, in one line, or None where it can.

    built: names of the dimensions that this benchmark can run once their files are there.
    """
    if installed_version() is None:
        return f"the package 'vbench' is not installed: {INSTALL_HINT}"
    absent = [module for module in dimension.modules if importlib.util.find_spec(module) is None]
    missing = [str(places(file)[0]) for file in dimension.weights if find(file) is None]
    reasons = []
    if dimension.name not in built:
        reasons.append("this version of vtok-eval cannot run it yet")
    if absent:
        reasons.append(f"package not installed: {', '.join(absent)}")
    if missing:
        reasons.append(f"weights missing: {', '.join(missing)}")
    return "; ".join(reasons) or None
