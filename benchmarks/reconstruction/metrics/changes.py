"""How much a clip and its reconstruction change in time and space: shows blur, freezing and flicker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.reconstruction.metrics.measure import Measurement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from vtok_eval.data import ClipForm


NAMES = ("difference_error", "flicker_error", "motion_kept", "detail_kept")


class Changes:
    """Four measures from exact sums of differences between neighbouring pixels, in levels of 8 bits.

    difference_error: mean absolute error of the change from frame to frame, pixel by pixel.
    flicker_error: how far the mean size of those changes is from the original's.
    motion_kept: the mean size of those changes as a share of the original's: 0 for a frozen clip, above 1 for
    one that flickers.
    detail_kept: the same of the differences between neighbouring pixels of a frame: below 1 for a blurred
    clip.

    names: which of them are given. The first three need two frames. A share is not given where the original
    has no change at all.

    Example:
        >>> import torch
        >>> from vtok_eval.data import ClipForm
        >>> clip = torch.tensor([0, 10, 20], dtype=torch.uint8).view(3, 1, 1, 1).expand(3, 3, 2, 2)
        >>> one = Changes().begin(ClipForm(3, 2, 2, 8.0))
        >>> one.add(clip, clip[:1].expand(3, 3, 2, 2))
        >>> one.finish().values
        {'difference_error': 10.0, 'flicker_error': 10.0, 'motion_kept': 0.0}
    """

    def __init__(self, names: Sequence[str] = NAMES) -> None:
        self._names = tuple(names)

    def why_not(self, form: ClipForm) -> str | None:
        """Every clip can be measured; of a single frame only the detail."""
        return None

    def begin(self, form: ClipForm) -> ChangesPass:
        """Begin a clip."""
        return ChangesPass(self._names)


class ChangesPass:
    """One clip's sums, in whole numbers: no order or chunk of frames can round them differently."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._last: tuple[Tensor, Tensor] | None = None
        self._n_in_time = 0
        self._of_difference = 0
        self._in_time = [0, 0]
        self._in_space = [0, 0]

    def add(self, original: Tensor, decoded: Tensor) -> None:
        """Take the next frames, uint8 `(n, 3, H, W)` each."""
        import torch

        for place, frames in enumerate((original, decoded)):
            self._in_space[place] += _in_space(frames)
        pair = (original, decoded)
        if self._last is not None:
            pair = (torch.cat([self._last[0], original]), torch.cat([self._last[1], decoded]))
        self._last = (original[-1:], decoded[-1:])
        if len(pair[0]) < 2:
            return
        changes = [frames[1:].short() - frames[:-1].short() for frames in pair]
        for place, change in enumerate(changes):
            self._in_time[place] += _total(change)
        self._of_difference += _total(changes[1] - changes[0])
        self._n_in_time += changes[0].numel()

    def finish(self) -> Measurement:
        """The measures that apply to the clip."""
        values = {}
        if self._n_in_time:
            original, decoded = (total / self._n_in_time for total in self._in_time)
            values["difference_error"] = self._of_difference / self._n_in_time
            values["flicker_error"] = abs(decoded - original)
        if self._in_time[0]:
            values["motion_kept"] = self._in_time[1] / self._in_time[0]
        if self._in_space[0]:
            values["detail_kept"] = self._in_space[1] / self._in_space[0]
        return Measurement({name: values[name] for name in self._names if name in values})

    def close(self) -> None:
        """Nothing is held."""


def _in_space(frames: Tensor) -> int:
    levels = frames.short()
    return _total(levels[..., 1:, :] - levels[..., :-1, :]) + _total(levels[..., 1:] - levels[..., :-1])


def _total(differences: Tensor) -> int:
    import torch

    return int(differences.abs_().sum(dtype=torch.int64))
