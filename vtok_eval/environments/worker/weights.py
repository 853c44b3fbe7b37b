"""The weights that a user's object holds, as one hash: the same in a worker as in the harness."""

from __future__ import annotations

import hashlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    Weight = tuple[str, str, tuple[int, ...], bytes]


def weights_sha256(subject: object) -> str:
    """A hash of all weights; empty where the object holds none.

    Weights are the `state_dict` of the object, where it is a `torch.nn.Module`, and of its attributes that
    are modules, and attributes that are tensors or numpy arrays.
    """
    digest = hashlib.sha256()
    count = 0
    for name, kind, shape, content in _weights(subject):
        digest.update(f"{name} {kind} {shape}\n".encode())
        digest.update(content)
        count += 1
    return digest.hexdigest() if count else ""


def _weights(subject: object) -> Iterator[Weight]:
    """Name, type, shape and bytes of each."""
    import numpy as np

    torch = sys.modules.get("torch")  # where it is not loaded, nothing is a tensor
    if torch is not None and isinstance(subject, torch.nn.Module):
        yield from _of_module("", subject, torch)
        return
    for name, value in sorted(getattr(subject, "__dict__", {}).items()):
        if torch is not None and isinstance(value, torch.nn.Module):
            yield from _of_module(f"{name}.", value, torch)
        elif torch is not None and isinstance(value, torch.Tensor) and not value.is_meta:
            yield _of_tensor(name, value)
        elif isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
            yield name, str(value.dtype), value.shape, value.tobytes()


def _of_module(prefix: str, module: Any, torch: Any) -> Iterator[Weight]:  # Any: torch may not be there
    for name, value in sorted(module.state_dict().items()):
        if isinstance(value, torch.Tensor) and not value.is_meta:
            yield _of_tensor(f"{prefix}{name}", value)


def _of_tensor(name: str, tensor: Any) -> Weight:
    return name, str(tensor.dtype), tuple(tensor.shape), tensor_bytes(tensor)


def tensor_bytes(tensor: Any) -> bytes:
    r"""The values of a tensor as they are in memory, row by row; it may be on any device.

    Example:
        >>> import torch
        >>> tensor_bytes(torch.tensor([[1, 256]], dtype=torch.int16).T)
        b'\x01\x00\x00\x01'
    """
    torch = sys.modules["torch"]
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    content: bytes = flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
    return content
