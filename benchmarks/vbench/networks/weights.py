"""Where the weights of VBench's dimensions are: the reference's cache layout, so its caches can be used."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from benchmarks.vbench.dimensions import Dimension
from benchmarks.vbench.package import INSTALL_HINT, cache_root, installed_version
from benchmarks.vbench.weight_files import WeightFile

FETCH = "vtok-eval doctor vbench --fetch"


def torch_hub() -> Path:
    """Where torch.hub keeps repositories and checkpoints, without importing torch."""
    named = os.environ.get("TORCH_HOME")
    if named:
        return Path(named).expanduser() / "hub"
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
    return cache / "torch" / "hub"


def hf_hub() -> Path:
    """Where the Hugging Face hub's files are kept, without importing its package."""
    named = os.environ.get("HF_HUB_CACHE")
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "huggingface"
    return Path(named or Path(home) / "hub").expanduser()


def places(file: WeightFile) -> tuple[Path, ...]:
    """Where a file is looked for, in order."""
    folders = {"torch_hub": torch_hub(), "hf_hub": hf_hub(), "home": Path.home()}
    others = (Path(place.format(**folders)) for place in file.elsewhere)
    return (cache_root() / file.path, *(found for place in others for found in _any_folder(place)))


def _any_folder(place: Path) -> list[Path]:
    """The place with its star replaced by each match; unchanged if it has no star or no match."""
    if "*" not in place.parts:
        return [place]
    at = place.parts.index("*")
    return sorted(Path(*place.parts[:at]).glob(str(Path(*place.parts[at:])))) or [place]


def find(file: WeightFile) -> Path | None:
    """The first place that has the file, or None."""
    return next((place for place in places(file) if place.is_file()), None)


def why_not(dimension: Dimension) -> str | None:
    """Why a dimension cannot be run here, in one line, or None where it can."""
    if installed_version() is None:
        return f"the package 'vbench' is not installed: {INSTALL_HINT}"
    absent = missing_modules(dimension)
    missing = [file.path for file in dimension.weights if find(file) is None]
    reasons = []
    if absent:
        reasons.append(f"package not installed: {', '.join(absent)}")
    if missing:
        reasons.append(f"weights missing in {cache_root()}: {', '.join(missing)} ({FETCH} gets them)")
    return "; ".join(reasons) or None


def missing_modules(dimension: Dimension) -> list[str]:
    """The packages that a dimension needs in addition to vbench's own and that are not installed."""
    return [module for module in dimension.modules if importlib.util.find_spec(module) is None]


def needs(dimension: Dimension) -> str:
    """What a dimension needs besides the vbench package, in one line, whether present or missing."""
    things = [f"package {module}" for module in dimension.modules]
    things += [file.path for file in dimension.weights]
    return ", ".join(things) or "nothing"
