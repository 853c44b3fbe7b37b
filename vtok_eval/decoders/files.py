"""Decoders on disk: one safetensors file each, found again by the tokenizer that it was trained for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from vtok_eval.decoders.architecture import DecoderShape
from vtok_eval.decoders.catalogue import FORMAT, SHIPPED, SUFFIX
from vtok_eval.decoders.decoder import Decoder
from vtok_eval.decoders.layout import Layout
from vtok_eval.decoders.network import build_network
from vtok_eval.errors import MissingDependencyError, SpecError
from vtok_eval.files.atomic import write_bytes
from vtok_eval.files.hashing import sha256_file
from vtok_eval.probes.artifact import fingerprint_of, numbered
from vtok_eval.probes.features import Statistics

if TYPE_CHECKING:
    from vtok_eval.decoders.training import Trained
    from vtok_eval.systems import System

_WEIGHTS, _MEANS, _DEVIATIONS = "weights.", "means.", "deviations."
_TOKENIZER_FACTS = ("class", "options", "backbone", "checkpoint_sha256", "source_sha256")


@dataclass(frozen=True)
class DecoderFile:
    """What a decoder's file says of itself.

    system, spec: the tokenizer that it was trained for. facts: all else that is kept; see `save_decoder`.
    """

    path: Path
    system: str
    spec: str
    tokenizer: str
    facts: Mapping[str, Any]

    def sha256(self) -> str:
        """Of the whole file, in hex."""
        return sha256_file(self.path)


def tokenizer_fingerprint(system: System) -> str:
    """Equal for two tokenizers only if they are of one class, options, backbone, weights and code."""
    facts = {name: system.description.get(name) for name in _TOKENIZER_FACTS}
    return fingerprint_of(facts)


def save_decoder(path: Path, trained: Trained, system: System) -> None:
    """Write a decoder, whole or not at all; weights in half precision.

    Raises:
        RunFolderError: the folder cannot be written or the disk is full.
    """
    tensors = {_WEIGHTS + name: value.half() for name, value in trained.network.state_dict().items()}
    tensors |= {f"{_MEANS}{index}": mean for index, mean in enumerate(trained.statistics.means)}
    tensors |= {f"{_DEVIATIONS}{index}": std for index, std in enumerate(trained.statistics.deviations)}
    facts = {
        "shape": asdict(trained.network.decoder.shape),
        "layout": asdict(trained.layout),
        "threshold": trained.threshold,
        "side": trained.history["recipe"]["size"],
        "history": dict(trained.history),
    }
    about = {
        "system": system.name,
        "spec": system.spec,
        "tokenizer": tokenizer_fingerprint(system),
        "facts": facts,
    }
    tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    # One entry: safetensors writes several in an order that changes from process to process.
    write_bytes(path, save(tensors, metadata={FORMAT: json.dumps(about, sort_keys=True)}))


def decoder_files(folder: Path) -> list[DecoderFile]:
    """The decoders of a folder, by file name; other safetensors files are not among them.

    Raises:
        SpecError: a file is damaged.
    """
    found = [described(path) for path in sorted(folder.glob(f"*{SUFFIX}"))]
    return [one for one in found if one is not None]


def find_decoder(system: System, *, device: torch.device, folder: Path | None = None) -> Decoder:
    """See `vtok_eval.decoders.decoder_of`."""
    if folder is not None and not folder.is_dir():
        raise SpecError(f"there is no folder {folder} of decoders")
    known = decoder_files(folder or SHIPPED)
    wanted = tokenizer_fingerprint(system)
    for one in known:
        if one.tokenizer == wanted:
            return _load(one, system, device)
    names = ", ".join(one.system for one in known) or "none"
    raise MissingDependencyError(
        f"{system.name} does not decode, and no decoder was trained for it (there are: {names}); "
        f"vtok-eval train decoder '{system.spec}' --out FOLDER trains one"
    )


def described(path: Path) -> DecoderFile | None:
    """What a file says of itself; None for a safetensors file that is no decoder.

    Raises:
        SpecError: it is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise SpecError(f"the decoder {path} is damaged: {error}") from error
    if FORMAT not in metadata:
        return None
    return DecoderFile(path=path, **json.loads(metadata[FORMAT]))


def _load(file: DecoderFile, system: System, device: torch.device) -> Decoder:
    with safe_open(file.path, framework="pt") as opened:
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    layout = Layout.from_json(file.facts["layout"])
    shape = DecoderShape(**file.facts["shape"])
    network = build_network(system.subject, shape, layout, seed=0, device=device)
    weights = {
        name.removeprefix(_WEIGHTS): value.float()
        for name, value in tensors.items()
        if name.startswith(_WEIGHTS)
    }
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise SpecError(f"the decoder {file.path} does not fit: {str(error).splitlines()[-1]}") from error
    return Decoder(
        tokenizer=system.subject,
        network=network.eval(),
        statistics=Statistics(means=numbered(tensors, _MEANS), deviations=numbered(tensors, _DEVIATIONS)),
        layout=layout,
        threshold=float(file.facts["threshold"]),
        side=int(file.facts["side"]),
        device=device,
    )
