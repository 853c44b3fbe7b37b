"""Reads checkpoints without running what may be in them; converts, when asked, one that cannot be read so."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtok_eval.errors import MissingDependencyError

if TYPE_CHECKING:
    from torch import Tensor, nn

# Any: what a checkpoint may hold.


class CheckpointError(MissingDependencyError):
    """A checkpoint that cannot be read, is cut short, or belongs to another model; names the file."""


def converted_path(path: Path) -> Path:
    """Where `convert` writes the tensors of `path`."""
    return path.with_name(path.name + ".safetensors")


def read_tensors(path: Path, *, within: str | None = None) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name, on the CPU; only tensors and plain containers are unpickled.

    within: the key under which the checkpoint keeps them, where it does.

    Raises:
        CheckpointError: cut short, no checkpoint, holds other objects (says how to convert it), or has no
            tensors under `within`.
    """
    import torch

    if converted_path(path).is_file():
        from safetensors.torch import load_file

        return load_file(converted_path(path))
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if _is_whole(path):
            place = f" --within {within}" if within else ""
            raise CheckpointError(
                f"{path}: holds more than tensors and is not unpickled unasked; if you trust its source, "
                f"convert it once: vtok-eval vbench convert '{path}'{place}"
            ) from error
        raise CheckpointError(f"{path}: is not a PyTorch checkpoint, or is damaged") from error
    except (RuntimeError, EOFError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path}: cannot be read; cut short or damaged? ({reason})") from error
    return _tensors(path, content, within)


def load_into(
    module: nn.Module, tensors: Mapping[str, Tensor], *, path: Path, may_lack: frozenset[str] = frozenset()
) -> None:
    """Copy tensors into a module whose names and shapes they must have.

    may_lack: names that a checkpoint may leave out; the module then keeps its own.

    Raises:
        CheckpointError: it is a checkpoint of another model; says what does not fit.
    """
    own = module.state_dict()
    lacking = sorted(set(own) - set(tensors) - may_lack)
    foreign = sorted(set(tensors) - set(own))
    shapes = sorted(name for name in set(own) & set(tensors) if own[name].shape != tensors[name].shape)
    for what, names in (("lacks", lacking), ("has unknown", foreign), ("has in another shape", shapes)):
        if names:
            raise CheckpointError(
                f"{path}: is a checkpoint of another model than {type(module).__name__}: it {what} "
                f"{len(names)} tensors, among them {names[0]!r}"
            )
    module.load_state_dict(dict(tensors), strict=not may_lack)


def convert(path: Path, *, within: str | None = None) -> Path:
    """Unpickle `path` without restriction and keep its tensors as safetensors; returns the new file.

    Only for a file whose maker is trusted: unpickling runs the code it holds.

    Raises:
        CheckpointError: as `read_tensors`.
    """
    import torch
    from safetensors.torch import save_file

    try:
        content = torch.load(path, map_location="cpu", weights_only=False)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, AttributeError, ImportError) as error:
        raise CheckpointError(f"{path}: cannot be read ({' '.join(str(error).split())[:200]})") from error
    tensors = _tensors(path, content, within)
    target = converted_path(path)
    part = target.with_name(target.name + ".part")
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, part)
    part.replace(target)
    return target


def _is_whole(path: Path) -> bool:
    """Whether the file is a zip archive as torch.save writes it, or an older pickle."""
    import zipfile

    if zipfile.is_zipfile(path):
        return True
    with path.open("rb") as file:
        return file.read(1) == b"\x80"


def _tensors(path: Path, content: Any, within: str | None) -> dict[str, Tensor]:
    import torch

    found = content
    if within is not None and isinstance(content, dict) and within in content:
        found = content[within]
    if not isinstance(found, Mapping):
        raise CheckpointError(f"{path}: holds no tensors by name, but a {type(found).__name__}")
    tensors = {str(name): value for name, value in found.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        place = f"under {within!r} " if within else ""
        raise CheckpointError(
            f"{path}: holds no tensors {place}by name; is it a checkpoint of another model?"
        )
    return tensors
