"""Where torch keeps the weights that it downloads; found without loading torch."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def checkpoints_folder() -> Path:
    """torch's folder of checkpoints, as `torch.hub` has it: set in this process, or by `TORCH_HOME`.

    Example:
        >>> checkpoints_folder().name
        'checkpoints'
    """
    loaded = sys.modules.get("torch.hub")
    if loaded is not None:
        return Path(loaded.get_dir()) / "checkpoints"
    cache = os.getenv("XDG_CACHE_HOME", "~/.cache")
    home = os.path.expanduser(os.getenv("TORCH_HOME", os.path.join(cache, "torch")))
    return Path(home) / "hub" / "checkpoints"
