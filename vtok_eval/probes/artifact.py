"""Keeps a trained reader on disk: whole or not at all, and only ever read back for the very same job."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from vtok_eval.errors import RunFolderError
from vtok_eval.probes.features import Statistics
from vtok_eval.probes.training import ReaderShape

log = logging.getLogger(__name__)

_WEIGHTS, _MEANS, _DEVIATIONS = "weights.", "means.", "deviations."


def save_reader(
    path: Path,
    *,
    weights: Mapping[str, Tensor],
    statistics: Statistics,
    shape: ReaderShape,
    history: Mapping[str, Any],
    fingerprint: str,
) -> None:
    """Write a trained reader to `path` in one step.

    fingerprint: of all that the training depended on; `load_reader` gives the reader back for no other.

    Raises:
        RunFolderError: the folder cannot be written or the disk is full.
    """
    tensors = {_WEIGHTS + name: tensor for name, tensor in weights.items()}
    tensors |= {f"{_MEANS}{index}": mean for index, mean in enumerate(statistics.means)}
    tensors |= {f"{_DEVIATIONS}{index}": std for index, std in enumerate(statistics.deviations)}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = {
        "fingerprint": fingerprint,
        "digest": _digest(tensors),
        "shape": json.dumps(asdict(shape)),
        "history": json.dumps(history),
    }
    write_atomically(path, save(tensors, metadata=metadata))


def load_reader(
    path: Path, *, fingerprint: str
) -> tuple[dict[str, Tensor], Statistics, ReaderShape, dict[str, Any]] | None:
    """The weights, statistics, shape and history that `save_reader` wrote; None where they must be made anew.

    That is where there is no file, or (with a warning) where it is damaged or of another training.
    """
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        log.warning("%s is damaged (%s): training again", path, error)
        return None
    if metadata.get("digest") != _digest(tensors):
        log.warning("%s is damaged (its digest is wrong): training again", path)
        return None
    if metadata.get("fingerprint") != fingerprint:
        log.warning("%s is of a training with other settings: training again", path)
        return None
    weights = {name.removeprefix(_WEIGHTS): t for name, t in tensors.items() if name.startswith(_WEIGHTS)}
    statistics = Statistics(means=numbered(tensors, _MEANS), deviations=numbered(tensors, _DEVIATIONS))
    shape = ReaderShape(**json.loads(metadata["shape"]))
    return weights, statistics, shape, json.loads(metadata["history"])


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader finds it whole or not at all, even after a kill or a power cut.

    Raises:
        RunFolderError: the folder cannot be written or the disk is full.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise RunFolderError(f"cannot write {path}: {error.strerror or error}") from error


def fingerprint_of(facts: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of facts that JSON can hold; what it cannot is taken by its `str`."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def numbered(tensors: Mapping[str, Tensor], prefix: str) -> tuple[Tensor, ...]:
    """The tensors called `prefix` and a number, in order from 0."""
    count = sum(name.startswith(prefix) for name in tensors)
    return tuple(tensors[f"{prefix}{index}"] for index in range(count))


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
