"""The data that passes between systems and benchmarks: clips, and the tokens of clips.

Importing this module does not import torch: tensors appear in annotations only, and the functions that
compute with them work through the tensors' own methods.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from vtok_eval.errors import TokenizerError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from vtok_eval.inputs.fit import EncodedAs


@dataclass(frozen=True)
class Clip:
    """One clip: `frames` uint8 `(T, 3, H, W)` in RGB, and its frame rate in frames per second.

    key: names the content, as `ClipSource.key` does; None where that is not known. Only `with_key` sets it,
    so that a clip which is made of another one's changed frames never has its key.
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
    """What is known of a clip without its pixels: frames, height and width in pixels, frames per second."""

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

    def part(self, start: int, stop: int) -> Clips:
        """The clips from `start` up to `stop`."""
        part = Clips(self.frames[start:stop], self.fps[start:stop])
        return part.with_keys(self.keys[start:stop])

    def to(self, device: torch.device) -> Clips:
        """The clips on a device."""
        return Clips(self.frames.to(device), self.fps.to(device)).with_keys(self.keys)

    @staticmethod
    def stack(clips: Sequence[Clip]) -> Clips:
        """Make a batch of clips that share T, H and W."""
        import torch

        frames = torch.stack([clip.frames for clip in clips])
        fps = torch.tensor([clip.fps for clip in clips], dtype=torch.float64)
        return Clips(frames, fps).with_keys([clip.key for clip in clips])


class TokenKind(IntEnum):
    """What a token represents."""

    SPATIAL = 0
    """Part of one frame's picture: a key frame's or a sampled frame's grid cell."""
    MOTION = 1
    """A change between frames: VTok's residual token."""


@dataclass(frozen=True)
class Tokens:
    """The tokens of a batch of clips.

    values: `(B, L, D)` floating point; values where the mask is false are ignored.
    mask: `(B, L)` bool, true where there is a token.
    kind: `(B, L)` int64, a `TokenKind` each.
    frame: `(B, L)` int64, the index in the clip of the frame that the token belongs to.
    latent_shape: (t, h, w) where the L tokens of every clip are a latent volume, row by row, so that `decode`
        needs no memory of `encode`.
    encoded_as: set by the harness where clips were fitted to an input contract.
    """

    values: Tensor
    mask: Tensor
    kind: Tensor
    frame: Tensor
    latent_shape: tuple[int, int, int] | None = None
    encoded_as: EncodedAs | None = None

    def __len__(self) -> int:
        return int(self.values.shape[0])

    @classmethod
    def of(
        cls,
        values: Tensor,
        *,
        frame: Tensor | None = None,
        kind: TokenKind = TokenKind.SPATIAL,
        latent_shape: tuple[int, int, int] | None = None,
    ) -> Tokens:
        """Tokens of one kind without padding, from `values` `(B, L, D)`.

        frame: `(L,)` or `(B, L)`; zeros where it is not given.
        """
        import torch

        batch, length = values.shape[:2]
        mask = torch.ones(batch, length, dtype=torch.bool, device=values.device)
        kinds = torch.full((batch, length), int(kind), dtype=torch.int64, device=values.device)
        if frame is None:
            frame = torch.zeros(length, dtype=torch.int64, device=values.device)
        frames = frame.to(values.device, torch.int64).expand(batch, length)
        return cls(values=values, mask=mask, kind=kinds, frame=frames, latent_shape=latent_shape)

    @classmethod
    def concatenate(cls, groups: Sequence[Tokens]) -> Tokens:
        """Join groups of one width D along the token axis."""
        import torch

        return cls(
            values=torch.cat([group.values for group in groups], dim=1),
            mask=torch.cat([group.mask for group in groups], dim=1),
            kind=torch.cat([group.kind for group in groups], dim=1),
            frame=torch.cat([group.frame for group in groups], dim=1),
        )

    def count(self) -> Tensor:
        """Tokens per clip, int64 `(B,)`."""
        return self.mask.sum(dim=1)


def check_tokens(tokens: Tokens, *, n_clips: int) -> None:
    """Refuse tokens that break the protocol.

    Raises:
        TokenizerError: naming what is wrong and, for a value that is not finite, in which clips of the batch.
    """
    values, mask = tokens.values, tokens.mask
    if values.ndim != 3 or values.shape[0] != n_clips:
        raise TokenizerError(f"token values must be ({n_clips}, L, D), not {tuple(values.shape)}")
    if not values.is_floating_point():
        raise TokenizerError(f"token values must be floating point, not {values.dtype}")
    for name, part in (("mask", mask), ("kind", tokens.kind), ("frame", tokens.frame)):
        if part.shape != values.shape[:2]:
            raise TokenizerError(
                f"token {name} must be {tuple(values.shape[:2])} like the values, not {tuple(part.shape)}"
            )
    shape = tokens.latent_shape
    if shape is not None and (len(shape) != 3 or math.prod(shape) != values.shape[1]):
        raise TokenizerError(
            f"latent_shape {tuple(shape)} must be (t, h, w) with t * h * w = {values.shape[1]} tokens"
        )
    if str(mask.dtype) != "torch.bool":
        raise TokenizerError(f"token mask must be bool, not {mask.dtype}")
    finite = values.isfinite().all(dim=2) | ~mask
    if not bool(finite.all()):
        bad = (~finite.all(dim=1)).nonzero().flatten().tolist()
        raise TokenizerError(f"token values are NaN or infinite in clips {bad} of the batch")
