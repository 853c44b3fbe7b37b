"""Frames in chunks of one length, in whatever pieces they come, so that no score depends on the pieces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

PIXELS_AT_ONCE = 2**21
"""Pixels of the frames that metrics hold as floats at once: one frame of 1080p, 32 of 256 x 256."""
MOST_FRAMES = 32


def frames_per_chunk(height: int, width: int) -> int:
    """Frames that are measured at once.

    Example:
        >>> frames_per_chunk(128, 128), frames_per_chunk(720, 1280), frames_per_chunk(1080, 1920)
        (32, 2, 1)
    """
    return max(1, min(MOST_FRAMES, PIXELS_AT_ONCE // (height * width)))


class ChunkedPair:
    """Two streams of frames that are cut at the same places.

    A convolution may round differently for another number of frames. Chunks always begin at a multiple of
    their length, so each frame is always computed with the same neighbours.

    Example:
        >>> import torch
        >>> pair = ChunkedPair(length=4)
        >>> frames = torch.arange(10)
        >>> given = [*pair.add(frames[:3], frames[:3]), *pair.add(frames[3:], frames[3:]), *pair.rest()]
        >>> [len(original) for original, _ in given]
        [4, 4, 2]
    """

    def __init__(self, *, length: int) -> None:
        self._length = length
        self._held: list[tuple[Tensor, Tensor]] = []
        self._count = 0

    def add(self, original: Tensor, decoded: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Take as many frames of both, and yield the chunks that are full."""
        while self._count + len(original) >= self._length:
            taken = self._length - self._count
            self._held.append((original[:taken], decoded[:taken]))
            yield self._joined()
            original, decoded = original[taken:], decoded[taken:]
        if len(original):
            self._held.append((original, decoded))
            self._count += len(original)

    def rest(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the last chunk, which may be shorter."""
        if self._held:
            yield self._joined()

    def _joined(self) -> tuple[Tensor, Tensor]:
        import torch

        originals, decoded = zip(*self._held, strict=True)
        self._held, self._count = [], 0
        return torch.cat(originals), torch.cat(decoded)
