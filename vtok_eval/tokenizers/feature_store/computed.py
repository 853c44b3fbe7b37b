"""What a backbone has computed of frames, while it is on its way to the host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vtok_eval.devices.transfer import Download
    from vtok_eval.tokenizers.feature_store.shards import Halves


class ComputedFrames:
    """What a backbone computed of frames, on its way to the host. keys: of the frames, in order.

    Example:
        >>> import torch
        >>> from vtok_eval.devices.transfer import transfer_to
        >>> download = transfer_to(torch.device("cpu")).download(torch.zeros(1, 16, 152).half())
        >>> ComputedFrames([b"a frame"], {4: download}).by_frame()[b"a frame"][4].shape
        (16, 152)
    """

    def __init__(self, keys: Sequence[bytes], downloads: Mapping[int, Download]) -> None:
        self.keys = frozenset(keys)
        self._order = tuple(keys)
        self._downloads = downloads

    @property
    def done(self) -> bool:
        """Whether all of it has arrived."""
        return all(download.done for download in self._downloads.values())

    def by_frame(self) -> dict[bytes, dict[int, Halves]]:
        """The arrays of each frame, waited for."""
        arrays = {grid: download.wait().numpy() for grid, download in self._downloads.items()}
        return {
            key: {grid: array[row] for grid, array in arrays.items()} for row, key in enumerate(self._order)
        }
