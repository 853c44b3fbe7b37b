"""How far the fastest part of a picture moves between two frames, by RAFT's optical flow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from benchmarks.vbench.frames.kept_frames import KeptFrames
    from benchmarks.vbench.networks.raft import RaftFlow

FEATURE_MEMORY_BYTES = 2**30


class FlowLengths:
    """Flow between frames of one video; each frame goes through RAFT's encoders once.

    frames: kept, or as one tensor uint8 `(n, 3, H, W)`.

    Features are kept while they fit in `FEATURE_MEMORY_BYTES`.
    """

    def __init__(self, raft: RaftFlow, frames: KeptFrames | Tensor) -> None:
        self._raft = raft
        self._frames = frames
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}
        height, width = frames.shape[-2:]
        # Two maps of 256 float32 channels at an eighth of the size.
        self._most = max(2, int(FEATURE_MEMORY_BYTES / (2 * 256 * 4 * height * width / 64)))

    def largest(self, pairs: Sequence[tuple[int, int]], *, share: float) -> list[float]:
        """Mean length in pixels of the largest `share` of the flow from the first to the second, per pair."""
        import torch

        features, context = self._encoded([first for first, _ in pairs])
        following, _ = self._encoded([second for _, second in pairs])
        flow = self._raft.flow(features, following, context)
        lengths = torch.sqrt(flow[:, 0] ** 2 + flow[:, 1] ** 2).flatten(start_dim=1)
        largest = lengths.topk(int(lengths.shape[1] * share), dim=1, sorted=False).values
        found: list[float] = largest.mean(dim=1).tolist()
        return found

    def _encoded(self, numbers: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Features and context of these frames, in their order."""
        import torch

        missing = [number for number in dict.fromkeys(numbers) if number not in self._kept]
        found = dict(self._kept)
        if missing:
            features, context = self._raft.encode(self._frames[missing])
            new = dict(zip(missing, zip(features, context, strict=True), strict=True))
            found |= new
            self._kept |= new
            for oldest in list(self._kept)[: max(0, len(self._kept) - self._most)]:
                del self._kept[oldest]
        chosen = [found[number] for number in numbers]
        return torch.stack([each for each, _ in chosen]), torch.stack([each for _, each in chosen])


def most_different_first(small: Tensor) -> list[int]:
    """The numbers i of the pairs (i, i + 1) of small frames `(n, 3, h, w)`, by falling mean difference.

    An order to look in, nothing more: no decision depends on it.
    """
    differences = (small[1:].float() - small[:-1].float()).abs().mean(dim=(1, 2, 3))
    order: list[int] = differences.argsort(descending=True, stable=True).tolist()
    return order
