"""Keeps a trained reader on disk, written atomically and only read back for the same job."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from vtok_eval.environments.worker.weights import tensor_bytes
from vtok_eval.files.atomic import write_bytes
from vtok_eval.probes.features import Statistics
from vtok_eval.probes.known_codes import KnownCodes
from vtok_eval.probes.options.recipe import ReaderShape, TrainingHistory
from vtok_eval.probes.preprocessing import Preprocessing

log = logging.getLogger(__name__)

_WEIGHTS, _MEANS, _DEVIATIONS, _DIRECTIONS = "weights.", "means.", "deviations.", "directions."
_KNOWN_CODES = "known_codes."


def save_reader(
    path: Path,
    *,
    weights: Mapping[str, Tensor],
    preprocessing: Preprocessing,
    shape: ReaderShape,
    history: Mapping[str, object],
    fingerprint: str,
    training: str,
) -> None:
    """Write a trained reader to `path` in one step.

    fingerprint: of the system and all else that the training depended on, known before a clip is encoded;
    `load_reader` gives the reader back for no other. training: the same with the tokens themselves in the
    place of the system; `load_equal_reader` finds the reader by it.

    Raises:
        RunFolderError: the folder cannot be written or the disk is full.

    Example:
        >>> import tempfile, torch
        >>> fitted = Preprocessing(Statistics(means=(), deviations=()), directions=())
        >>> path = Path(tempfile.mkdtemp()) / "probe-0.safetensors"
        >>> shape = ReaderShape(4, n_slots=1, group_widths=(4,))
        >>> save_reader(
        ...     path, weights={"bias": torch.ones(2)}, preprocessing=fitted, shape=shape, history={},
        ...     fingerprint="a", training="b")
        >>> load_reader(path, fingerprint="a").weights["bias"]
        tensor([1., 1.])
        >>> load_equal_reader([path], training="another") is None
        True
    """
    tensors = {_WEIGHTS + name: tensor for name, tensor in weights.items()}
    statistics = preprocessing.statistics
    tensors |= {f"{_MEANS}{index}": mean for index, mean in enumerate(statistics.means)}
    tensors |= {f"{_DEVIATIONS}{index}": std for index, std in enumerate(statistics.deviations)}
    reduced = enumerate(preprocessing.directions)
    tensors |= {f"{_DIRECTIONS}{index}": matrix for index, matrix in reduced if matrix is not None}
    for index, known in enumerate(preprocessing.known_codes):
        tables = enumerate(known.codes) if known is not None else ()
        tensors |= {f"{_KNOWN_CODES}{index}.{quantiser}": codes for quantiser, codes in tables}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = {
        "fingerprint": fingerprint,
        "training": training,
        "digest": digest_of(tensors),
        "shape": json.dumps(asdict(shape)),
        "books": json.dumps(preprocessing.books),
        "history": json.dumps(history),
    }
    write_bytes(path, save(tensors, metadata=metadata))


@dataclass(frozen=True)
class KeptReader:
    """A trained reader as `save_reader` wrote it: its weights and what is needed to build it.

    Example:
        >>> fitted = Preprocessing(Statistics(means=(), deviations=()), directions=())
        >>> shape = ReaderShape(4, n_slots=1, group_widths=(4,))
        >>> KeptReader({}, fitted, shape, history={"steps": 256}).history["steps"]
        256
    """

    weights: dict[str, Tensor]
    preprocessing: Preprocessing
    shape: ReaderShape
    history: TrainingHistory


def load_reader(path: Path, *, fingerprint: str) -> KeptReader | None:
    """What `save_reader` wrote; None if the reader must be trained again.

    That is where there is no file, or (with a warning) where it is damaged or of another training.

    Example:
        >>> print(load_reader(Path("never-trained.safetensors"), fingerprint="a"))
        None
    """
    read = _read(path)
    if read is None:
        return None
    metadata, kept = read
    if metadata.get("fingerprint") != fingerprint:
        log.warning("%s is of a training with other settings: training again", path)
        return None
    return kept


def load_equal_reader(paths: Iterable[Path], *, training: str) -> tuple[Path, KeptReader] | None:
    """The first intact reader among files whose training was of equal tokens by equal settings, and its file.

    training: as given to `save_reader`. None where there is no such reader.

    Example:
        >>> print(load_equal_reader([Path("never-trained.safetensors")], training="b"))
        None
    """
    for path in paths:
        if _training_of(path) == training and (read := _read(path)) is not None:
            return path, read[1]
    return None


def _training_of(path: Path) -> str | None:
    try:
        with safe_open(path, framework="pt") as file:
            return (file.metadata() or {}).get("training")
    except (SafetensorError, OSError):
        return None  # its own job reports the damage


def _read(path: Path) -> tuple[dict[str, str], KeptReader] | None:
    """The metadata and the reader of a file; None if it is missing or (with a warning) damaged."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        log.warning("%s is damaged (%s): training again", path, error)
        return None
    if metadata.get("digest") != digest_of(tensors):
        log.warning("%s is damaged (its digest is wrong): training again", path)
        return None
    weights = {name.removeprefix(_WEIGHTS): t for name, t in tensors.items() if name.startswith(_WEIGHTS)}
    statistics = Statistics(means=numbered(tensors, _MEANS), deviations=numbered(tensors, _DEVIATIONS))
    directions = tuple(tensors.get(f"{_DIRECTIONS}{index}") for index in range(len(statistics.means)))
    # A file of an earlier version has no books: it is of values.
    no_books = [()] * len(statistics.means)
    books = tuple(tuple(sizes) for sizes in json.loads(metadata.get("books", json.dumps(no_books))))
    known = tuple(_known_codes(tensors, group, len(sizes)) for group, sizes in enumerate(books))
    shape: dict[str, Any] = json.loads(metadata["shape"])
    return metadata, KeptReader(
        weights=weights,
        preprocessing=Preprocessing(statistics, directions, books, known),
        shape=ReaderShape(
            token_width=shape["token_width"],
            n_slots=shape["n_slots"],
            group_widths=tuple(shape["group_widths"]),
            vocabulary=tuple(shape.get("vocabulary", ())),
        ),
        history=json.loads(metadata["history"]),
    )


def _known_codes(tensors: Mapping[str, Tensor], group: int, n_quantisers: int) -> KnownCodes | None:
    codes = numbered(tensors, f"{_KNOWN_CODES}{group}.")
    return KnownCodes(codes) if n_quantisers and len(codes) == n_quantisers else None


def fingerprint_of(facts: Mapping[str, object]) -> str:
    """SHA-256 (hex) of facts as JSON; values that JSON cannot hold are replaced by their `str`.

    Example:
        >>> fingerprint_of({"epochs": 8, "width": 128}) == fingerprint_of({"width": 128, "epochs": 8})
        True
    """
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def numbered(tensors: Mapping[str, Tensor], prefix: str) -> tuple[Tensor, ...]:
    """The tensors called `prefix` and a number, in order from 0.

    Example:
        >>> import torch
        >>> numbered({"means.1": torch.tensor(5.0), "means.0": torch.tensor(4.0)}, "means.")
        (tensor(4.), tensor(5.))
    """
    count = sum(name.startswith(prefix) for name in tensors)
    return tuple(tensors[f"{prefix}{index}"] for index in range(count))


def digest_of(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 (hex) of named tensors: their names, types, shapes and bytes.

    Example:
        >>> import torch
        >>> digest_of({"bias": torch.zeros(2)}) == digest_of({"bias": torch.ones(2)})
        False
    """
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor_bytes(tensor))
    return digest.hexdigest()
