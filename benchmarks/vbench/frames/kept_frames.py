"""A video's frames, kept until they are compared: in memory, and beyond a bound in a temporary file."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING

from vtok_eval.errors import VideoError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor

KEPT_BYTES = 2**29
"""What the frames of one video may take in memory: 10 seconds of 1080p at 8 frames a second."""


class KeptFrames:
    """Frames of one size, uint8; a list of numbers gives a tensor of them, as indexing `(n, 3, H, W)` would.

    device: where they are wanted; they are kept on the host. room: bytes kept in memory.
    """

    def __init__(self, device: torch.device, *, room: int = KEPT_BYTES) -> None:
        self._device = device
        self._room = room
        self._held: list[NDArray[np.uint8]] = []
        self._small: list[NDArray[np.uint8]] = []
        self._file: IO[bytes] | None = None
        self._size: tuple[int, ...] = (0, 0, 3)

    def __len__(self) -> int:
        return len(self._small)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of all frames as one tensor."""
        height, width, channels = self._size
        return len(self), channels, height, width

    def add(self, frames: NDArray[np.uint8]) -> None:
        """Keep copies of frames `(n, H, W, 3)`.

        Raises:
            VideoError: the disk has no space for them either.
        """
        for frame in frames:
            self._size = frame.shape
            self._small.append(frame[::8, ::8].copy())
            if (len(self._held) + 1) * frame.nbytes <= self._room:
                self._held.append(frame.copy())
            else:
                self._write(frame)

    def __getitem__(self, numbers: Sequence[int]) -> Tensor:
        import numpy as np

        return self._tensor(np.stack([self._frame(number) for number in numbers]))

    def every_eighth_pixel(self) -> Tensor:
        """Of every frame, uint8 `(n, 3, H / 8, W / 8)`."""
        import numpy as np

        return self._tensor(np.stack(self._small))

    def _tensor(self, frames: NDArray[np.uint8]) -> Tensor:
        import torch

        return torch.from_numpy(frames).to(self._device, non_blocking=True).permute(0, 3, 1, 2)

    def _frame(self, number: int) -> NDArray[np.uint8]:
        import numpy as np

        if number < len(self._held):
            return self._held[number]
        if self._file is None:
            raise IndexError(f"frame {number} of {len(self)}")
        size = int(np.prod(self._size))
        self._file.seek((number - len(self._held)) * size)
        return np.frombuffer(self._file.read(size), dtype=np.uint8).reshape(self._size)

    def _write(self, frame: NDArray[np.uint8]) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="vtok-eval-frames-")  # noqa: SIM115 - until it is closed
            self._file.seek((len(self._small) - 1 - len(self._held)) * frame.nbytes)
            self._file.write(frame.tobytes())
            self._file.flush()
        except OSError as error:
            raise VideoError(
                f"no room for a long video's frames in {tempfile.gettempdir()} ({error.strerror}); "
                f"TMPDIR may name another folder"
            ) from error
