"""The data that passes between systems and benchmarks: clips, and the tokens of clips.

Importing this module does not import torch: tensors appear in annotations only, and the functions that
compute with them work through the tensors' own methods.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TYPE_CHECKING

from vtok_eval.codes import Codes, book_sizes, embedding_tables
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


class TokenKind(IntEnum):
    """What a token represents.

    Example:
        >>> list(kind.name for kind in TokenKind)
        ['SPATIAL', 'MOTION']
    """

    SPATIAL = 0
    """Part of one frame's picture: a key frame's or a sampled frame's grid cell."""
    MOTION = 1
    """A change between frames: VTok's residual token."""


@dataclass(frozen=True)
class Tokens:
    """The tokens of a batch of clips: floating-point values (`Tokens.of`) or codes (`Tokens.codes`).

    values: `(B, L, D)` floating point; values where the mask is false are ignored. Of codes, their vectors
        (`Codes.vectors`).
    mask: `(B, L)` bool, true where there is a token.
    kind: `(B, L)` int64, a `TokenKind` each.
    frame: `(B, L)` int64, the index in the clip of the frame that the token belongs to.
    latent_shape: (t, h, w) where the L tokens of every clip are a latent volume, row by row, so that `decode`
        needs no memory of `encode`.
    encoded_as: set by the harness where clips were fitted to an input contract.
    coded: what codes the tokens are, None where they are values.

    Example:
        >>> import torch
        >>> latents = Tokens.of(torch.zeros(2, 6, 4))
        >>> levels = Tokens.codes(torch.tensor([[0, 7, 3]]), codebook_size=8)
        >>> latents.bits().tolist(), levels.bits().tolist(), levels.indices.tolist()
        ([768.0, 768.0], [9.0], [[0, 7, 3]])
    """

    values: Tensor
    mask: Tensor
    kind: Tensor
    frame: Tensor
    latent_shape: tuple[int, int, int] | None = None
    encoded_as: EncodedAs | None = None
    coded: Codes | None = None

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
        kinds, frames = _places(mask, kind=kind, frame=frame)
        return cls(values=values, mask=mask, kind=kinds, frame=frames, latent_shape=latent_shape)

    @classmethod
    def codes(
        cls,
        codes: Tensor,
        *,
        codebook_size: int | Sequence[int],
        embedding: Tensor | Sequence[Tensor] | None = None,
        mask: Tensor | None = None,
        frame: Tensor | None = None,
        kind: TokenKind = TokenKind.SPATIAL,
        latent_shape: tuple[int, int, int] | None = None,
    ) -> Tokens:
        """Tokens that are entries of code books, from int64 `(B, L)`, or `(B, L, Q)` of Q quantisers.

        Args:
            codebook_size: entries of the code book; a number for each quantiser where they differ.
            embedding: the tokenizer's own vectors, frozen: `(size, D)` floating point, or one such table for
                each quantiser. A token is then read as the sum of its codes' vectors. Without it, a probe
                trains a table for each quantiser, and other readers see fixed random signs.
            mask: `(B, L)` bool, false where there is no token; left out, every place has one.
            frame: `(L,)` or `(B, L)`; zeros where it is not given.

        Raises:
            TokenizerError: codes that are not int64 or not in their code book; a `codebook_size` or an
                `embedding` that does not fit them.

        Example:
            >>> import torch
            >>> residual = Tokens.codes(torch.zeros(1, 4, 2, dtype=torch.int64), codebook_size=(1024, 256))
            >>> residual.bits().tolist()
            [72.0]
        """
        import torch

        if mask is None:
            mask = torch.ones(codes.shape[:2], dtype=torch.bool, device=codes.device)
        n_quantisers = int(codes.shape[2]) if codes.ndim == 3 else 1
        coded = Codes(
            codes,
            sizes=book_sizes(codebook_size, n_quantisers=n_quantisers),
            embedding=embedding_tables(embedding),
        )
        coded.check(mask)
        kinds, frames = _places(mask, kind=kind, frame=frame)
        return cls(coded.vectors(mask), mask, kinds, frames, latent_shape=latent_shape, coded=coded)

    @property
    def indices(self) -> Tensor:
        """The codes as `Tokens.codes` was given them, int64 `(B, L)` or `(B, L, Q)`: what `decode` reads.

        Raises:
            TokenizerError: the tokens are values.
        """
        if self.coded is None:
            raise TokenizerError("these tokens are values, not codes: read tokens.values")
        return self.coded.indices

    @classmethod
    def concatenate(cls, groups: Sequence[Tokens]) -> Tokens:
        """Join groups of one width D, or codes of the same code books, along the token axis.

        Raises:
            TokenizerError: codes of other code books, or codes and values.
        """
        return _joined(groups, dim=1)

    @classmethod
    def batch(cls, clips: Sequence[Tokens]) -> Tokens:
        """Join batches of one number L of tokens, and of one width or the same code books.

        Raises:
            TokenizerError: codes of other code books, or codes and values.
        """
        return _joined(clips, dim=0)

    def part(self, start: int, stop: int) -> Tokens:
        """The tokens of each clip from `start` up to `stop`, without `latent_shape` and `encoded_as`."""
        return self.map(lambda tensor: tensor[:, start:stop])

    def map(self, function: Callable[[Tensor], Tensor]) -> Tokens:
        """The tokens with a function applied to each of their tensors `(B, L, ...)`: a slice, say.

        `latent_shape` and `encoded_as`, which may not hold of the result, are left out.
        """
        return Tokens(
            values=function(self.values),
            mask=function(self.mask),
            kind=function(self.kind),
            frame=function(self.frame),
            coded=None if self.coded is None else self.coded.map(function),
        )

    def count(self) -> Tensor:
        """Tokens per clip, int64 `(B,)`."""
        return self.mask.sum(dim=1)

    @property
    def bits_per_token(self) -> float:
        """Bits of a token: of codes, `Codes.bits_per_token`; of values, D numbers of the precision that they
        are stored in."""
        if self.coded is not None:
            return self.coded.bits_per_token
        return float(8 * self.values.element_size() * self.values.shape[2])

    def bits(self) -> Tensor:
        """Bits per clip, float64 `(B,)`: tokens times `bits_per_token`."""
        return self.count().double() * self.bits_per_token


def _places(mask: Tensor, *, kind: TokenKind, frame: Tensor | None) -> tuple[Tensor, Tensor]:
    """Kinds and frames `(B, L)` of tokens of one kind."""
    import torch

    kinds = torch.full(mask.shape, int(kind), dtype=torch.int64, device=mask.device)
    if frame is None:
        return kinds, torch.zeros_like(kinds)
    return kinds, frame.to(mask.device, torch.int64).expand(mask.shape)


def _joined(groups: Sequence[Tokens], *, dim: int) -> Tokens:
    import torch

    def join(tensors: Sequence[Tensor]) -> Tensor:
        return torch.cat(list(tensors), dim=dim)

    books = {None if group.coded is None else group.coded.sizes for group in groups}
    if len(books) > 1:
        raise TokenizerError("tokens that are codes can be joined with codes of the same code books only")
    first = groups[0].coded
    return Tokens(
        values=join([group.values for group in groups]),
        mask=join([group.mask for group in groups]),
        kind=join([group.kind for group in groups]),
        frame=join([group.frame for group in groups]),
        coded=None if first is None else replace(first, indices=join([group.indices for group in groups])),
    )


def check_tokens(tokens: Tokens, *, n_clips: int) -> None:
    """Refuse tokens that break the protocol.

    Raises:
        TokenizerError: naming what is wrong and, for a value that is not finite, in which clips of the batch.

    Example:
        >>> import torch
        >>> every = torch.ones(2, 5, dtype=torch.bool)
        >>> tokens = Tokens(torch.zeros(2, 5, 8), every, kind=every.long(), frame=torch.zeros(2, 5).long())
        >>> check_tokens(tokens, n_clips=3)
        Traceback (most recent call last):
        vtok_eval.errors.TokenizerError: token values must be (3, L, D), not (2, 5, 8)
    """
    check_token_shapes(tokens, n_clips=n_clips)
    check_finite(finite_values(tokens), dtype=str(tokens.values.dtype))
    if tokens.coded is not None:
        _check_codes(tokens.values, tokens.mask, tokens.coded)


def check_token_shapes(tokens: Tokens, *, n_clips: int) -> None:
    """Refuse tokens whose shapes or types break the protocol; looks at no value, so it waits for no device.

    Raises:
        TokenizerError: naming what is wrong.

    Example:
        >>> import torch
        >>> check_token_shapes(Tokens.of(torch.zeros(2, 6, 4)), n_clips=2)
    """
    values, mask = tokens.values, tokens.mask
    if values.ndim != 3 or values.shape[0] != n_clips:
        what = "token values" if tokens.coded is None else "codes"
        found = values.shape if tokens.coded is None else tokens.indices.shape
        raise TokenizerError(
            f"{what} must be ({n_clips}, L, {'D' if tokens.coded is None else 'Q'}), not {tuple(found)}"
        )
    if not values.is_floating_point():
        hint = "; codes are given as Tokens.codes(codes, codebook_size=...)" if _is_whole(values) else ""
        raise TokenizerError(f"token values must be floating point, not {values.dtype}{hint}")
    if values.is_meta:
        raise TokenizerError("token values are on the device meta, which holds no numbers: load the weights")
    for name, part in (("mask", mask), ("kind", tokens.kind), ("frame", tokens.frame)):
        if part.device != values.device:
            raise TokenizerError(f"token {name} is on {part.device}, the values on {values.device}")
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


def finite_values(tokens: Tokens) -> Tensor:
    """Of each clip, whether all its tokens' values are finite numbers: bool `(B,)`, on the tokens' device.

    Example:
        >>> import torch
        >>> values = torch.zeros(2, 6, 4)
        >>> values[1, 0, 0] = float("nan")
        >>> finite_values(Tokens.of(values)).tolist()
        [True, False]
    """
    return (tokens.values.isfinite().all(dim=2) | ~tokens.mask).all(dim=1)


def check_finite(finite: Tensor, *, dtype: str = "") -> None:
    """Refuse a batch with a clip whose values are not all finite.

    finite: as `finite_values` gives it. dtype: of the values, where it is known.

    Raises:
        TokenizerError: naming the clips.

    Example:
        >>> import torch
        >>> check_finite(torch.tensor([True, False]))
        Traceback (most recent call last):
        vtok_eval.errors.TokenizerError: token values are NaN or infinite in clips [1] of the batch
    """
    if not bool(finite.all()):
        bad = (~finite).nonzero().flatten().tolist()
        half = dtype == "torch.float16"
        hint = "; float16 ends at 65504: divide by a constant, or give float32" if half else ""
        raise TokenizerError(f"token values are NaN or infinite in clips {bad} of the batch{hint}")


def _is_whole(values: Tensor) -> bool:
    return not values.is_complex() and str(values.dtype) != "torch.bool"


def _check_codes(values: Tensor, mask: Tensor, coded: Codes) -> None:
    coded.check(mask)
    vectors = coded.vectors(mask)
    alike = vectors.shape == values.shape and bool(((vectors == values).all(dim=2) | ~mask).all())
    if not alike:
        raise TokenizerError(
            "tokens have both values and codes: give Tokens.of(values), or "
            "Tokens.codes(codes, codebook_size=..., embedding=...) with the vectors that codes stand for"
        )
