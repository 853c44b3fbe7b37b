"""Batches that are made into one tensor, and brought to the device, only where that is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from vtok_eval.data import Clip, ClipForm, Clips

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from vtok_eval.benchmark import ClipSource


class HeldClips(Clips):
    """A batch of clips in the host's memory, for a device.

    The first look at `frames` stacks them there. What reads `pictures` only, as backbones do, gets them where
    they are: no copy of all frames is made, and no frame that is not read is sent to the device.
    """

    # Set by `holding`; not there in a copy that `dataclasses.replace` makes, which is an ordinary batch.
    _clips: Sequence[Clip]
    _device: torch.device

    @classmethod
    def holding(cls, clips: Sequence[Clip], device: torch.device) -> HeldClips:
        """The batch of clips that share T, H and W."""
        from vtok_eval.devices.transfer import transfer_to

        held = cls.__new__(cls)
        fps = transfer_to(device).send(_rates([clip.fps for clip in clips]))
        held.__dict__.update(
            fps=fps, keys=tuple(clip.key for clip in clips), _clips=tuple(clips), _device=device
        )
        return held

    @cached_property
    def frames(self) -> Tensor:
        """All clips, stacked on the device: uint8 `(B, T, 3, H, W)`."""
        from vtok_eval.devices.transfer import transfer_to

        return transfer_to(self._device).bring([clip.frames for clip in self._held()])

    def _held(self) -> Sequence[Clip]:
        return self._clips

    @property
    def _holds(self) -> bool:
        return "_device" in self.__dict__

    @property
    def n_frames(self) -> int:
        """T, the number of frames of every clip in the batch."""
        return int(self._clips[0].frames.shape[0]) if self._holds else super().n_frames

    @property
    def size(self) -> tuple[int, int]:
        """H and W in pixels."""
        if not self._holds:
            return super().size
        height, width = self._clips[0].frames.shape[-2:]
        return int(height), int(width)

    def fps_of(self, row: int) -> float:
        """The frame rate of a clip, frames per second."""
        return float(self._clips[row].fps) if self._holds else super().fps_of(row)

    def pictures(self, places: Sequence[tuple[int, int]]) -> list[Tensor]:
        """Single frames, uint8 `(3, H, W)` each, by clip and frame, in the host's memory."""
        if not self._holds:
            return super().pictures(places)
        held = self._held()
        return [held[row].frames[frame] for row, frame in places]

    def part(self, start: int, stop: int) -> Clips:
        """The clips from `start` up to `stop`."""
        if not self._holds:
            return super().part(start, stop)
        return HeldClips.holding(self._clips[start:stop], self._device)

    def rows(self, rows: Sequence[int]) -> Clips:
        """Some of the clips, by their place in the batch."""
        if not self._holds:
            return super().rows(rows)
        return HeldClips.holding([self._clips[row] for row in rows], self._device)

    def to(self, device: torch.device) -> Clips:
        """The clips for a device."""
        return HeldClips.holding(self._clips, device) if self._holds else super().to(device)


class UnreadClips(HeldClips):
    """A batch of clips of one form, none of them loaded yet.

    The keys, `len`, `n_frames` and `size` are known; a look at `frames` or `pictures` loads all clips.
    """

    _sources: tuple[ClipSource, ...]
    _form: ClipForm
    _load: Callable[[ClipSource], Clip]

    @classmethod
    def of(
        cls,
        sources: Sequence[ClipSource],
        form: ClipForm,
        load: Callable[[ClipSource], Clip],
        device: torch.device,
    ) -> UnreadClips:
        """The batch of what `load` gives for `sources`."""
        from vtok_eval.devices.transfer import transfer_to

        unread = cls.__new__(cls)
        fps = transfer_to(device).send(_rates([form.fps] * len(sources)))
        unread.__dict__.update(
            fps=fps, keys=tuple(source.key for source in sources), _sources=tuple(sources), _form=form,
            _load=load, _device=device,
        )  # fmt: skip
        return unread

    def _held(self) -> Sequence[Clip]:
        """All clips, loaded.

        Raises:
            VideoError, GenerationError: a clip cannot be loaded.
        """
        if "_clips" not in self.__dict__:
            self.__dict__["_clips"] = tuple(self._load(source) for source in self._sources)
        return self._clips

    @property
    def n_frames(self) -> int:
        """T, the number of frames of every clip in the batch."""
        return int(self._form.n_frames) if self._holds else super().n_frames

    @property
    def size(self) -> tuple[int, int]:
        """H and W in pixels."""
        return (self._form.height, self._form.width) if self._holds else super().size

    def fps_of(self, row: int) -> float:
        """The frame rate of a clip, frames per second."""
        return float(self._form.fps) if self._holds else super().fps_of(row)

    def part(self, start: int, stop: int) -> Clips:
        """The clips from `start` up to `stop`, still unread."""
        if not self._holds:
            return super().part(start, stop)
        return UnreadClips.of(self._sources[start:stop], self._form, self._load, self._device)

    def rows(self, rows: Sequence[int]) -> Clips:
        """Some of the clips, by their place in the batch, still unread."""
        if not self._holds:
            return super().rows(rows)
        return UnreadClips.of([self._sources[row] for row in rows], self._form, self._load, self._device)

    def to(self, device: torch.device) -> Clips:
        """The clips for a device, still unread."""
        if not self._holds:
            return super().to(device)
        return UnreadClips.of(self._sources, self._form, self._load, device)


def _rates(fps: Sequence[float]) -> Tensor:
    import torch

    return torch.tensor(list(fps), dtype=torch.float64, device="cpu")
