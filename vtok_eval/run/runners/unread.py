"""Clips whose pixels are loaded only when they are used: what is stored of a clip is often enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from vtok_eval.data import Clip, ClipForm, Clips

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from vtok_eval.benchmark import ClipSource


class UnreadClips(Clips):
    """A batch of clips of one form, none of them loaded yet.

    The keys, `len`, `n_frames` and `size` are known; the first look at `frames` loads them all.
    """

    _sources: tuple[ClipSource, ...]
    _form: ClipForm
    _load: Callable[[ClipSource], Clip]
    _device: torch.device | None

    def __init__(
        self,
        sources: Sequence[ClipSource],
        form: ClipForm,
        load: Callable[[ClipSource], Clip],
        device: torch.device | None = None,
    ) -> None:
        import torch

        self.__dict__.update(
            fps=torch.full((len(sources),), form.fps, dtype=torch.float64, device=device),
            keys=tuple(source.key for source in sources),
            _sources=tuple(sources),
            _form=form,
            _load=load,
            _device=device,
        )

    @cached_property
    def frames(self) -> Tensor:
        """All clips, loaded: uint8 `(B, T, 3, H, W)`.

        Raises:
            VideoError, GenerationError: a clip cannot be loaded.
        """
        import torch

        frames = torch.stack([self._load(source).frames for source in self._sources])
        return frames if self._device is None else frames.to(self._device)

    @property
    def n_frames(self) -> int:
        """T, the number of frames of every clip in the batch."""
        return int(self._form.n_frames)

    @property
    def size(self) -> tuple[int, int]:
        """H and W in pixels."""
        return self._form.height, self._form.width

    def part(self, start: int, stop: int) -> Clips:
        """The clips from `start` up to `stop`, still unread."""
        return UnreadClips(self._sources[start:stop], self._form, self._load, self._device)

    def to(self, device: torch.device) -> Clips:
        """The clips on a device, still unread."""
        return UnreadClips(self._sources, self._form, self._load, device)
