"""Where the weights of VBench's dimensions lie: the reference's cache layout, so that its caches serve."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from benchmarks.vbench.dimensions import Dimension, WeightFile
from benchmarks.vbench.package import INSTALL_HINT, cache_root, installed_version
from benchmarks.vbench.scorer import SCORERS


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


def why_not(dimension: Dimension) -> str | None:
    """Why a dimension cannot be run here, in one line, or None where it can."""
    if installed_version() is None:
        return f"the package 'vbench' is not installed: {INSTALL_HINT}"
    absent = [module for module in dimension.modules if importlib.util.find_spec(module) is None]
    missing = [file.path for file in dimension.weights if find(file) is None]
    reasons = []
    if dimension.name not in SCORERS:
        reasons.append("vtok-eval has no runner for it yet")
    if absent:
        reasons.append(f"package not installed: {', '.join(absent)}")
    if missing:
        reasons.append(f"weights missing in {cache_root()}: {', '.join(missing)}")
    return "; ".join(reasons) or None


def needs(dimension: Dimension) -> str:
    """What a dimension needs beside the vbench package, in one line, whether it is here or not."""
    things = [f"package {module}" for module in dimension.modules]
    things += [file.path for file in dimension.weights]
    if dimension.name not in SCORERS:
        things.append("a runner in vtok-eval, which has none for it yet")
    return ", ".join(things) or "nothing"
