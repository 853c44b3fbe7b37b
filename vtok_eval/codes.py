"""Tokens that are entries of code books: indices, the books' sizes, and their vectors.

Importing this module does not import torch, as for `vtok_eval.data`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vtok_eval.errors import TokenizerError

if TYPE_CHECKING:
    from torch import Tensor

SIGNS = 64
"""Channels of the fixed random vector of a code whose tokenizer gives no embedding."""
_SIGNS_SEED = 20260204
_GOLDEN, _MIX_1, _MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
"""The constants of SplitMix64."""


@dataclass(frozen=True)
class Codes:
    """Which entries of which code books the tokens of a batch of clips are.

    Attributes:
        indices: int64 `(B, L)` for one quantiser, or `(B, L, Q)` for Q of them (residual quantisation, say);
            entries under a false mask are ignored.
        sizes: entries of each quantiser's code book, Q of them.
        embedding: the tokenizer's own vectors, float `(size, D)` for each quantiser; empty where it gives
            none.

    Example:
        >>> import torch
        >>> codes = Codes(torch.tensor([[0, 5, 7]]), sizes=(8,))
        >>> codes.bits_per_token, tuple(codes.stacked.shape)
        (3.0, (1, 3, 1))
    """

    indices: Tensor
    sizes: tuple[int, ...]
    embedding: tuple[Tensor, ...] = ()

    @property
    def stacked(self) -> Tensor:
        """The indices as int64 `(B, L, Q)`, also where there is one quantiser."""
        return self.indices if self.indices.ndim == 3 else self.indices[:, :, None]

    @property
    def bits_per_token(self) -> float:
        """The sum of log2(size) over the quantisers, not rounded: what a fixed-length code needs.

        Packed jointly, the codes of a clip need no more than one bit beyond that; packed one by one, each
        needs the next whole number of bits.
        """
        return sum(math.log2(size) for size in self.sizes)

    def map(self, function: Callable[[Tensor], Tensor]) -> Codes:
        """The same with a function applied to the indices: a slice, say, or a move to a device."""
        return replace(self, indices=function(self.indices))

    def vectors(self, mask: Tensor) -> Tensor:
        """A vector for each token, `(B, L, D)`: the sum over quantisers of each code's own vector.

        That is the row of `embedding` or, without one, 64 fixed random signs (`random_signs`, float32). It
        is what readers see that take vectors only: kernel ridge, decoders, an answerer's projection.

        mask: `(B, L)` bool. Where it is false, the index counts as 0.
        """
        indices = (self.stacked * mask[:, :, None]).unbind(dim=2)
        if self.embedding:
            # Clamped, since a code that is not in its book may not have been found yet (`checks_put_off`).
            parts = [
                table.detach().to(index.device)[index.clamp(0, len(table) - 1)]
                for table, index in zip(self.embedding, indices, strict=True)
            ]
        else:
            parts = [random_signs(index, quantiser=number) for number, index in enumerate(indices)]
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total

    def check(self, mask: Tensor) -> None:
        """Refuse codes that break the protocol; inside of `checks_put_off` their values are looked at later.

        Raises:
            TokenizerError: naming what is wrong, and the first quantiser in which it is.
        """
        indices = self.indices
        if indices.ndim not in (2, 3):
            raise TokenizerError(f"codes must be (B, L) or (B, L, Q), not {tuple(indices.shape)}")
        if indices.shape[:2] != mask.shape:
            raise TokenizerError(
                f"codes {tuple(indices.shape)} must have one row for each token of the mask "
                f"{tuple(mask.shape)}"
            )
        if str(indices.dtype) != "torch.int64":
            hint = (
                "Tokens.of(values) takes floating-point values"
                if indices.is_floating_point()
                else "write codes.long()"
            )
            raise TokenizerError(f"codes must be int64, not {indices.dtype}; {hint}")
        self._check_sizes()
        _check_embedding(self.embedding, self.sizes)
        if not mask.numel():
            return
        from vtok_eval.devices.checks import check_on_host

        # Under a false mask an index counts as 0, which every code book has.
        present = (self.stacked * mask[:, :, None]).flatten(0, 1)
        sizes = self.sizes
        check_on_host(
            [present.amin(dim=0), present.amax(dim=0)], lambda ends: _check_ranges(ends[0], ends[1], sizes)
        )

    def _check_sizes(self) -> None:
        n_quantisers = int(self.stacked.shape[2])
        if len(self.sizes) != n_quantisers or not self.sizes:
            raise TokenizerError(
                f"codebook_size must be one number, or one for each of the {n_quantisers} quantisers of "
                f"codes {tuple(self.indices.shape)}; it has {len(self.sizes)}"
            )
        for size in self.sizes:
            if isinstance(size, bool) or not isinstance(size, int) or size < 1:
                raise TokenizerError(f"codebook_size must be a whole number of at least 1, not {size!r}")


def random_signs(indices: Tensor, *, quantiser: int) -> Tensor:
    """A fixed vector for each code, float32 `(..., 64)` of -1 and 1: a random projection of one-hot codes.

    Two codes' vectors differ in half of the channels on average, with a standard deviation of 4 of 64. They
    depend on the code and the quantiser's number only, and are the same on every device: the bits of output
    `code + 1` of the generator SplitMix64, whose seed is output `quantiser + 1` of the one seeded 20260204.

    Source: signs as random projections, Achlioptas, Database-friendly random projections, JCSS 66, 2003;
    SplitMix64, Steele, Lea and Flood, Fast splittable pseudorandom number generators, OOPSLA 2014.

    Example:
        >>> import torch
        >>> random_signs(torch.tensor([3, 3, 4]), quantiser=0)[:, :4].tolist()
        [[-1.0, -1.0, 1.0, -1.0], [-1.0, -1.0, 1.0, -1.0], [-1.0, -1.0, 1.0, 1.0]]
    """
    import torch

    seed = _split_mix(torch.tensor(quantiser, device=indices.device), seed=_signed(_SIGNS_SEED))
    bits = _split_mix(indices, seed=seed)
    places = torch.arange(SIGNS, device=indices.device)
    return ((bits[..., None] >> places) & 1).float() * 2 - 1


def _split_mix(number: Tensor, *, seed: Tensor | int) -> Tensor:
    """Output `number + 1` of SplitMix64 with a seed, as int64 that holds its 64 bits."""
    state = (number + 1) * _signed(_GOLDEN) + seed
    state = (state ^ _shifted(state, 30)) * _signed(_MIX_1)
    state = (state ^ _shifted(state, 27)) * _signed(_MIX_2)
    return state ^ _shifted(state, 31)


def _shifted(state: Tensor, places: int) -> Tensor:
    """A logical shift to the right: torch's own repeats the sign."""
    return (state >> places) & ((1 << (64 - places)) - 1)


def _signed(number: int) -> int:
    """A 64-bit number as int64 holds it."""
    return number - (1 << 64) if number >= 1 << 63 else number


def book_sizes(codebook_size: int | Sequence[int], *, n_quantisers: int) -> tuple[int, ...]:
    """The size of each quantiser's code book; one number holds for all of them.

    Example:
        >>> book_sizes(8, n_quantisers=2)
        (8, 8)
    """
    if isinstance(codebook_size, int):
        return (codebook_size,) * n_quantisers
    return tuple(codebook_size)


def embedding_tables(embedding: Tensor | Sequence[Tensor] | None) -> tuple[Tensor, ...]:
    """The embedding as one table `(size, D)` for each quantiser, from a table, `(Q, size, D)` or a list.

    Example:
        >>> import torch
        >>> [tuple(table.shape) for table in embedding_tables(torch.zeros(2, 1024, 8))]
        [(1024, 8), (1024, 8)]
    """
    if embedding is None:
        return ()
    if isinstance(embedding, Sequence):
        return tuple(embedding)
    return embedding.unbind(dim=0) if embedding.ndim == 3 else (embedding,)


def describe_sizes(sizes: Sequence[int]) -> str:
    """Code books in words, quantiser by quantiser.

    Example:
        >>> describe_sizes((1024,)), describe_sizes((1024, 1024)), describe_sizes((64, 8))
        ('1024', '2 x 1024', '64 + 8')
    """
    if len(sizes) > 1 and len(set(sizes)) == 1:
        return f"{len(sizes)} x {sizes[0]}"
    return " + ".join(map(str, sizes))


def _check_embedding(embedding: Sequence[Tensor], sizes: Sequence[int]) -> None:
    if not embedding:
        return
    if len(embedding) != len(sizes):
        raise TokenizerError(
            f"embedding must have one table for each of {len(sizes)} quantisers, not {len(embedding)}"
        )
    width = embedding[0].shape[-1] if embedding[0].ndim else 0
    for number, (table, size) in enumerate(zip(embedding, sizes, strict=True)):
        if tuple(table.shape) != (size, width) or width == 0:
            which = f" of quantiser {number}" if len(sizes) > 1 else ""
            expected = f"({size}, {width or 'D'})" if number else f"({size}, D)"
            raise TokenizerError(
                f"embedding{which} must be {expected} for a code book of {size} entries, "
                f"not {tuple(table.shape)}"
            )
        if not table.is_floating_point():
            raise TokenizerError(f"embedding must be floating point, not {table.dtype}")


def _check_ranges(least: Tensor, most: Tensor, sizes: Sequence[int]) -> None:
    """Refuse codes outside of their books; least, most: int64 `(Q,)`, of the codes of each quantiser."""
    for number, (low, high, size) in enumerate(zip(least.tolist(), most.tolist(), sizes, strict=True)):
        if low >= 0 and high < size:
            continue
        which = f" of quantiser {number}" if len(sizes) > 1 else ""
        wrong = f"{low} is negative" if low < 0 else f"{high} is too large"
        raise TokenizerError(f"codes{which} must be 0 to {size - 1}, for codebook_size {size}: {wrong}")
