"""Clips of video: one, a batch of one length and size, and what is known of one without its pixels.

Importing this module does not import torch: tensors appear in annotations only, and the functions that
compute with them work through the tensors' own methods.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Clip:
    """One clip: `frames` uint8 `(T, 3, H, W)` in RGB, and its frame rate in frames per second.

    key: names the content, as `ClipSource.key` does; None where that is not known. Only `with_key` sets it,
    so that a clip which is made of another one's changed frames never has its key.

    Example:
        >>> import torch
        >>> clip = Clip(torch.zeros(16, 3, 64, 64, dtype=torch.uint8), fps=4.0)
        >>> len(clip.frames) / clip.fps  # seconds
        4.0
    """

    frames: Tensor
    fps: float
    key: str | None = field(default=None, init=False, compare=False)

    def with_key(self, key: str | None) -> Clip:
        """The same clip with a key, which must identify its frames."""
        clip = Clip(self.frames, self.fps)
        object.__setattr__(clip, "key", key)
        return clip


@dataclass(frozen=True)
class ClipForm:
    """What is known of a clip without its pixels: frames, height and width in pixels, frames per second.

    Example:
        >>> ClipForm(n_frames=16, height=64, width=64, fps=4.0).n_frames
        16
    """

    n_frames: int
    height: int
    width: int
    fps: float


@dataclass(frozen=True)
class Clips:
    """A batch of clips of one length and size: `frames` uint8 `(B, T, 3, H, W)`; `fps` float64 `(B,)`.

    keys: of each clip, as `Clip.key`; empty where none is known. Only `with_keys` sets them.

    Example:
        >>> import torch
        >>> clips = Clips.stack([Clip(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), fps=4.0)] * 3)
        >>> len(clips), clips.n_frames, clips.size, len(clips.part(0, 2))
        (3, 4, (8, 8), 2)
    """

    frames: Tensor
    fps: Tensor
    keys: tuple[str | None, ...] = field(default=(), init=False, compare=False)

    def with_keys(self, keys: Sequence[str | None]) -> Clips:
        """The same clips with keys, each of which must identify a clip's frames; () for none.

        Raises:
            ValueError: another number of keys than of clips.
        """
        if keys and len(keys) != len(self):
            raise ValueError(f"{len(keys)} keys for {len(self)} clips")
        clips = Clips(self.frames, self.fps)
        object.__setattr__(clips, "keys", tuple(keys))
        return clips

    def __len__(self) -> int:
        return int(self.fps.shape[0])

    @property
    def n_frames(self) -> int:
        """T, the number of frames of every clip in the batch."""
        return int(self.frames.shape[1])

    @property
    def size(self) -> tuple[int, int]:
        """H and W in pixels."""
        height, width = self.frames.shape[-2:]
        return int(height), int(width)

    def key_of(self, row: int) -> str | None:
        """The key of a clip, None where it is not known."""
        return self.keys[row] if self.keys else None

    def fps_of(self, row: int) -> float:
        """The frame rate of a clip, frames per second."""
        return float(self.fps[row])

    def pictures(self, places: Sequence[tuple[int, int]]) -> list[Tensor]:
        """Single frames by clip and frame, uint8 `(3, H, W)` each, where they are in memory: no copies."""
        return [self.frames[row, frame] for row, frame in places]

    def part(self, start: int, stop: int) -> Clips:
        """The clips from `start` up to `stop`."""
        part = Clips(self.frames[start:stop], self.fps[start:stop])
        return part.with_keys(self.keys[start:stop])

    def rows(self, rows: Sequence[int]) -> Clips:
        """Some of the clips, by their place in the batch."""
        chosen = Clips(self.frames[list(rows)], self.fps[list(rows)])
        return chosen.with_keys([self.keys[row] for row in rows] if self.keys else ())

    def to(self, device: torch.device) -> Clips:
        """The clips on a device."""
        return Clips(self.frames.to(device), self.fps.to(device)).with_keys(self.keys)

    @staticmethod
    def stack(clips: Sequence[Clip]) -> Clips:
        """Make a batch of clips that share T, H and W."""
        import torch

        frames = torch.stack([clip.frames for clip in clips])
        fps = torch.tensor([clip.fps for clip in clips], dtype=torch.float64, device="cpu")
        return Clips(frames, fps).with_keys([clip.key for clip in clips])
