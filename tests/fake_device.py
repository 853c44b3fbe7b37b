"""A pretended GPU: under torch's fake tensors, what is on `cuda` has no values, and mixing devices raises."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MethodType
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily
from torch.fx.experimental.symbolic_shapes import ShapeEnv

from vtok_eval.devices import constants, transfer
from vtok_eval.devices.transfer import DirectTransfer

CUDA = torch.device("cuda", 0)
Thing = TypeVar("Thing")
LOADED_LATE = ("_trunk",)
"""Cached properties of backbones."""


@contextmanager
def pretended_gpu() -> Iterator[FakeTensorMode]:
    """While it lasts, tensors are fake ones; ordinary tensors count as being on the CPU.

    Copies to the GPU are plain ones: streams, events and pinned memory need a real one.
    """
    environment = ShapeEnv(allow_scalar_outputs=True, allow_dynamic_output_shape_ops=True)
    mode = FakeTensorMode(allow_non_fake_inputs=True, shape_env=environment)
    caches = (constants.integers, constants.per_channel)
    before = dict(transfer._TRANSFERS)
    # What was kept before has values, and what is kept here has none.
    for cache in caches:
        cache.cache_clear()
    transfer._TRANSFERS.clear()
    for device in (CUDA, torch.device("cuda")):
        transfer._TRANSFERS[device] = DirectTransfer(device)
    try:
        # cuDNN's own kernels have no shape functions; torch's do the same.
        with torch.backends.cudnn.flags(enabled=False), mode:
            yield mode
    finally:
        for cache in caches:
            cache.cache_clear()
        transfer._TRANSFERS.clear()
        transfer._TRANSFERS.update(before)


def on_gpu(thing: Thing, mode: FakeTensorMode) -> Thing:
    """A copy of a thing that was built on the CPU, as if it had been built on the GPU.

    Parameters and buffers of modules go there; a tensor that a module keeps beside them does not, as it would
    not by `module.to`. Objects are taken apart: their tensors, modules, devices, and objects of ours.
    """
    return _moved(thing, mode, {})


def _moved(thing: Any, mode: FakeTensorMode, seen: dict[int, Any]) -> Any:
    if id(thing) in seen:
        return seen[id(thing)]
    if isinstance(thing, torch.device):
        return CUDA
    if isinstance(thing, Tensor):
        return mode.from_tensor(thing.detach()).to(CUDA)
    if isinstance(thing, MethodType):
        return MethodType(thing.__func__, _moved(thing.__self__, mode, seen))
    if isinstance(thing, nn.Module):
        return _moved_module(thing, mode, seen)
    if isinstance(thing, Mapping) and type(thing) is dict:
        return {key: _moved(value, mode, seen) for key, value in thing.items()}
    if isinstance(thing, list | tuple) and not hasattr(thing, "_fields"):
        return type(thing)(_moved(value, mode, seen) for value in thing)
    ours = type(thing).__module__.partition(".")[0] in {"vtok_eval", "benchmarks", "tv_align", "tests"}
    if ours and hasattr(thing, "__dict__") and not isinstance(thing, type):
        _load_late(thing)
        moved = copy.copy(thing)
        seen[id(thing)] = moved
        for name, value in vars(thing).items():
            object.__setattr__(moved, name, _moved(value, mode, seen))
        return moved
    return thing


def _load_late(thing: Any) -> None:
    """Have the networks loaded, with real values, that an object loads only when it first needs them."""
    with unset_fake_temporarily():
        for name in LOADED_LATE:
            getattr(thing, name, None)


def _moved_module(module: nn.Module, mode: FakeTensorMode, seen: dict[int, Any]) -> nn.Module:
    moved = copy.copy(module)
    seen[id(module)] = moved
    moved.__dict__ = dict(module.__dict__)
    moved._parameters = {
        name: None
        if value is None
        else nn.Parameter(_moved(value, mode, seen), requires_grad=value.requires_grad)
        for name, value in module._parameters.items()
    }
    moved._buffers = {
        name: None if value is None else _moved(value, mode, seen) for name, value in module._buffers.items()
    }
    moved._modules = {
        name: None if child is None else _moved(child, mode, seen) for name, child in module._modules.items()
    }
    return moved


def gpu(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """A fake tensor on the GPU."""
    return torch.empty(shape, dtype=dtype, device=CUDA)
