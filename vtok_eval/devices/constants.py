"""Small constant tensors on a device, copied there once: each copy from ordinary memory would wait for it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@lru_cache(maxsize=256)
def integers(values: tuple[int, ...], device: torch.device) -> Tensor:
    """int64 `(len(values),)`; not to be written to.

    Example:
        >>> import torch
        >>> integers((3, 1), torch.device("cpu"))
        tensor([3, 1])
    """
    import torch

    with torch.inference_mode(False):
        return torch.tensor(values, dtype=torch.int64, device=device)


@lru_cache(maxsize=64)
def per_channel(values: tuple[float, ...], device: torch.device) -> Tensor:
    """float32 `(C, 1, 1)`; not to be written to.

    Example:
        >>> import torch
        >>> per_channel((0.5, 0.25, 0.125), torch.device("cpu")).shape
        torch.Size([3, 1, 1])
    """
    import torch

    with torch.inference_mode(False):
        return torch.tensor(values, dtype=torch.float32, device=device)[:, None, None]
