"""A tokenizer's tokens on their way to the CPU, in the half precision in which readers hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vtok_eval.codes import Codes
from vtok_eval.data import TokenKind, Tokens, check_finite, check_token_shapes, check_tokens, finite_values
from vtok_eval.devices.deferred import Deferred, arriving
from vtok_eval.devices.transfer import transfer_to
from vtok_eval.errors import TokenizerError

N_KINDS = max(TokenKind) + 1
"""How many kinds of tokens there are."""


@dataclass(frozen=True)
class KnownBefore:
    """What is known of a group of tokens without a look at it: its books, and bits of a token.

    Example:
        >>> KnownBefore(sizes=None, has_embedding=False, bits_per_token=64.0).bits_per_token
        64.0
    """

    sizes: tuple[int, ...] | None
    has_embedding: bool
    bits_per_token: float


def begin_half(group: Tokens, *, n_clips: int) -> tuple[Deferred[list[Tensor]], KnownBefore]:
    """Begin to bring a group to the CPU: values in float16, mask, kind, frame, what is finite, codes.

    Example:
        >>> parts, known = begin_half(Tokens.of(torch.zeros(1, 3, 4)), n_clips=1)
        >>> parts.get()[0].dtype, known.bits_per_token
        (torch.float16, 128.0)
    """
    if group.coded is None:
        check_token_shapes(group, n_clips=n_clips)
    else:
        check_tokens(group, n_clips=n_clips)
    values = torch.where(group.mask[:, :, None], group.values, torch.zeros_like(group.values)).half()
    parts = [values, group.mask, group.kind.long(), group.frame.long(), finite_values(group)]
    codes = group.coded
    if codes is not None:
        parts.append(codes.stacked * group.mask[:, :, None])
    transfer = transfer_to(values.device)
    return arriving([transfer.download(part) for part in parts]), KnownBefore(
        sizes=None if codes is None else codes.sizes,
        has_embedding=codes is not None and bool(codes.embedding),
        bits_per_token=group.bits_per_token,
    )


def checked_half(
    parts: Sequence[Tensor], kind_of: KnownBefore, *, n_frames: int
) -> tuple[Tokens, Codes | None]:
    """What has arrived: the group as readers take it, and its codes.

    Example:
        >>> parts, known = begin_half(Tokens.codes(torch.tensor([[5, 0]]), codebook_size=8), n_clips=1)
        >>> group, codes = checked_half(parts.get(), known, n_frames=1)
        >>> codes.indices.flatten().tolist()
        [5, 0]
    """
    values, mask, kind, frame, finite, *coded = parts
    check_finite(finite)
    group = Tokens(values=values, mask=mask, kind=kind, frame=frame)
    _require_places(group, n_frames=n_frames)
    if not bool(values.isfinite().all()):
        raise TokenizerError("token values beyond 65504 do not fit half precision; scale them down")
    codes = None
    if kind_of.sizes is not None:
        # Kept without the tables: a tokenizer may make them anew for every batch.
        codes = Codes(coded[0], kind_of.sizes)
    return replace(group, coded=None if kind_of.has_embedding else codes), codes


def _require_places(group: Tokens, *, n_frames: int) -> None:
    frames, kinds = group.frame[group.mask], group.kind[group.mask]
    if bool(((frames < 0) | (frames >= n_frames)).any()):
        raise TokenizerError(f"token frame must be 0 to {n_frames - 1} in a clip of {n_frames} frames")
    if bool(((kinds < 0) | (kinds >= N_KINDS)).any()):
        raise TokenizerError(f"token kind must be one of {', '.join(f'{k} ({k.name})' for k in TokenKind)}")
