"""Checks that tokens keep the protocol; as `vtok_eval.data.tokens`, without importing torch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from vtok_eval.codes import Codes
from vtok_eval.data.tokens import Tokens
from vtok_eval.errors import TokenizerError

if TYPE_CHECKING:
    from torch import Tensor


def check_tokens(tokens: Tokens, *, n_clips: int) -> None:
    """Refuse tokens that break the protocol; inside of `checks_put_off` their values are looked at later.

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
    from vtok_eval.devices.checks import check_on_host

    check_token_shapes(tokens, n_clips=n_clips)
    dtype = str(tokens.values.dtype)
    check_on_host([finite_values(tokens)], lambda found: check_finite(found[0], dtype=dtype))
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
    from vtok_eval.devices.checks import check_on_host

    coded.check(mask)
    vectors = coded.vectors(mask)
    if vectors.shape != values.shape:
        raise TokenizerError(_BOTH)
    alike = ((vectors == values).all(dim=2) | ~mask).all()
    check_on_host([alike], lambda found: _require_alike(bool(found[0])))


_BOTH = (
    "tokens have both values and codes: give Tokens.of(values), or "
    "Tokens.codes(codes, codebook_size=..., embedding=...) with the vectors that codes stand for"
)


def _require_alike(alike: bool) -> None:
    if not alike:
        raise TokenizerError(_BOTH)
