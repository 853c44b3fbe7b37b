"""One video's picked frames, taken from pieces that may hold others too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmarks.vbench.frames.decoded_frames import Piece
    from benchmarks.vbench.frames.decoders import VideoHeader


class PickedFrames:
    """The frames with these numbers, which may repeat."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self._numbers = numbers
        self._held: dict[int, NDArray[np.uint8]] = {}

    def add(self, piece: Piece) -> None:
        """Keep those of the piece's frames that are wanted."""
        wanted = set(self._numbers)
        for place, number in enumerate(piece.numbers):
            if number in wanted and number not in self._held:
                self._held[number] = piece.array[place].copy()

    def array(self) -> NDArray[np.uint8]:
        """Uint8 `(n, H, W, 3)`, in order, repeated where they are wanted repeatedly."""
        import numpy as np

        return np.stack([self._held[number] for number in self._numbers])


def length_of(video: VideoHeader) -> int:
    """How many frames a video has, of which some are to be picked.

    Raises:
        ValueError: it was opened with a decoder that does not count.
    """
    if video.n_frames is None:
        raise ValueError(f"{video.path}: was opened with a decoder that does not count frames")
    return video.n_frames
