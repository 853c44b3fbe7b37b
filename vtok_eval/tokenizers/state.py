"""The weights that a user's object holds, as one hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn


def state_facts(subject: object) -> dict[str, object]:
    """`state_sha256` of the weights that an object holds; nothing where it holds none.

    Weights are the `state_dict` of the object, where it is a `torch.nn.Module`, and of its attributes that
    are modules, and attributes that are tensors or numpy arrays. Files that a constructor reads by a path of
    its own are thus seen by what was read.

    Example:
        >>> import torch
        >>> class Mine:
        ...     def __init__(self, fill):
        ...         self.weight = torch.full((2, 2), fill)
        >>> state_facts(Mine(0.0)) == state_facts(Mine(0.0)), state_facts(Mine(0.0)) == state_facts(Mine(1.0))
        (True, False)
    """
    digest = hashlib.sha256()
    count = 0
    for name, kind, shape, content in _weights(subject):
        digest.update(f"{name} {kind} {shape}\n".encode())
        digest.update(content)
        count += 1
    return {"state_sha256": digest.hexdigest()} if count else {}


def _weights(subject: object) -> Iterator[tuple[str, str, tuple[int, ...], bytes]]:
    """Name, type, shape and bytes of each."""
    import numpy as np
    import torch

    if isinstance(subject, torch.nn.Module):
        yield from _of_module("", subject)
        return
    for name, value in sorted(getattr(subject, "__dict__", {}).items()):
        if isinstance(value, torch.nn.Module):
            yield from _of_module(f"{name}.", value)
        elif isinstance(value, torch.Tensor) and not value.is_meta:
            yield _of_tensor(name, value)
        elif isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
            yield name, str(value.dtype), value.shape, value.tobytes()


def _of_module(prefix: str, module: nn.Module) -> Iterator[tuple[str, str, tuple[int, ...], bytes]]:
    import torch

    for name, value in sorted(module.state_dict().items()):
        if isinstance(value, torch.Tensor) and not value.is_meta:
            yield _of_tensor(f"{prefix}{name}", value)


def _of_tensor(name: str, tensor: Tensor) -> tuple[str, str, tuple[int, ...], bytes]:
    import torch

    plain = tensor.detach().cpu().contiguous()
    content = plain.reshape(-1).view(torch.uint8).numpy().tobytes() if plain.numel() else b""
    return name, str(plain.dtype), tuple(plain.shape), content
