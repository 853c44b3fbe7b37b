"""Global random generators in a known state while a user's object is made, and as they were afterwards."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def seeded_globally(seed: int = 0) -> Iterator[None]:
    """Within, the global generators of Python, numpy and torch start from `seed`.

    A constructor that draws weights without a seed of its own then draws the same ones in every process: in
    each lane, and when a run is continued.

    Example:
        >>> with seeded_globally():
        ...     first = random.random()
        >>> with seeded_globally():
        ...     random.random() == first
        True
    """
    import numpy as np
    import torch

    python, legacy = random.getstate(), np.random.get_state()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    try:
        with torch.random.fork_rng(devices=list(devices)):
            random.seed(seed)
            np.random.seed(seed)
            torch.manual_seed(seed)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)
