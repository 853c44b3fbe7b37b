"""Features of original clips, kept by what the network is shown: all systems have the same originals."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

MOST_CLIPS = 65_536
"""How many clips' features are kept, about 2 kB each; those used last."""


class KeptFeatures:
    """What a network gives for frames that it has seen before in this process, without asking it again.

    Example:
        >>> import torch
        >>> kept, asked = KeptFeatures(), []
        >>> def features(frames):
        ...     asked.append(len(frames))
        ...     return frames.float().mean(dim=0)
        >>> frames = torch.ones(4, 2, dtype=torch.uint8)
        >>> [kept.of(frames, features, network="mean").tolist() for _ in range(2)], asked
        ([[1.0, 1.0], [1.0, 1.0]], [4])
    """

    def __init__(self, *, most: int = MOST_CLIPS) -> None:
        self._most = most
        self._kept: OrderedDict[Hashable, Tensor] = OrderedDict()
        self._lock = Lock()

    def of(self, frames: Tensor, compute: Callable[[Tensor], Tensor], *, network: str) -> Tensor:
        """`compute(frames)`, a tensor `(D,)` on the CPU; the network's name says which weights it has."""
        import torch

        # Sums may round otherwise on another device, or with another number of threads.
        where = (network, str(frames.device), torch.get_num_threads())
        digest = hashlib.sha256(frames.cpu().contiguous().numpy().tobytes()).digest()
        key = (*where, str(frames.dtype), tuple(frames.shape), digest)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        found = compute(frames)
        with self._lock:
            self._kept[key] = found
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return found


ORIGINALS = KeptFeatures()
"""Of this process."""
