"""Numerical precision of frozen networks: which number format a device computes matrix products in."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Literal, get_args

from vtok_eval.errors import UnknownNameError

if TYPE_CHECKING:
    import torch

Precision = Literal["fp32", "fp16", "bf16"]
AUTO = "auto"
"""fp16 on CUDA, fp32 on every other device."""
PRECISIONS: tuple[str, ...] = (AUTO, *get_args(Precision))


def precision_on(asked: str, device: torch.device) -> Precision:
    """The precision that `asked` means on a device.

    Raises:
        UnknownNameError: it is not one of `PRECISIONS`.

    Example:
        >>> import torch
        >>> precision_on("auto", torch.device("cpu")), precision_on("bf16", torch.device("cpu"))
        ('fp32', 'bf16')
    """
    check_precision(asked)
    if asked == AUTO:
        return "fp16" if device.type == "cuda" else "fp32"
    return asked  # type: ignore[return-value]  # checked above


def check_precision(asked: str) -> str:
    """`asked` itself.

    Raises:
        UnknownNameError: it is not one of `PRECISIONS`.
    """
    if asked not in PRECISIONS:
        raise UnknownNameError(what="precision", name=asked, known=PRECISIONS)
    return asked


def computing_in(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """While it is entered, matrix products and convolutions on `device` are computed in this precision.

    Weights stay in single precision and are rounded as they are used; torch keeps sums, norms and softmax in
    single precision.
    """
    import torch

    kinds = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
    if precision == "fp32":
        # Also switches off what a caller may have switched on.
        return torch.autocast(device.type, enabled=False)
    return torch.autocast(device.type, kinds[precision])
