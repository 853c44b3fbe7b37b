"""How many processor cores this process may use."""

from __future__ import annotations

import os


def cores_at_hand() -> int:
    """Cores that this process may run on, at least one; fewer than the machine has inside some containers.

    Example:
        >>> cores_at_hand() >= 1
        True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
