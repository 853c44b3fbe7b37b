"""The tokens of clips: values or codes, with what each of them represents.

Importing this module does not import torch: tensors appear in annotations only, and the functions that
compute with them work through the tensors' own methods.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING

from vtok_eval.codes import Codes, book_sizes, embedding_tables
from vtok_eval.errors import TokenizerError

if TYPE_CHECKING:
    from torch import Tensor

    from vtok_eval.inputs.fit import EncodedAs


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
