"""Decoders on disk: one safetensors file for each kind of tokens and each seed, found by the tokens' key."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from vtok_eval.decoders.architecture import DecoderShape
from vtok_eval.decoders.catalogue import FORMAT, SHIPPED, SUFFIX
from vtok_eval.decoders.decoder import Decoder, TokenizerDecoders
from vtok_eval.decoders.layout import TokenLayout
from vtok_eval.decoders.network import build_network
from vtok_eval.errors import MissingDependencyError, SpecError
from vtok_eval.files.atomic import write_bytes
from vtok_eval.files.hashing import sha256_file
from vtok_eval.probes.artifact import numbered
from vtok_eval.probes.features import Statistics
from vtok_eval.results.store import folder_name
from vtok_eval.tokenizers.identity import tokens_key

if TYPE_CHECKING:
    from vtok_eval.decoders.training.trainer import TrainedDecoder
    from vtok_eval.systems import System

_WEIGHTS, _MEANS, _DEVIATIONS = "weights.", "means.", "deviations."


@dataclass(frozen=True)
class DecoderFile:
    """What a decoder's file says of itself.

    system, spec: the first tokenizer with these tokens that it was trained for; others with the same tokens
    share it. tokens: their key. seed: of its training. facts: all else that is kept; see `save_decoder`.
    """

    path: Path
    system: str
    spec: str
    tokens: str
    seed: int
    facts: Mapping[str, Any]  # as JSON holds it: shape, layout, side, history

    def sha256(self) -> str:
        """Of the whole file, in hex."""
        return sha256_file(self.path)

    @property
    def n_frames(self) -> int:
        """Frames of the clips that it decodes."""
        return int(self.facts["layout"]["n_frames"])


def file_name(system: str, *, seed: int) -> str:
    """The file of one system's decoder of one seed.

    Example:
        >>> file_name("frames-1", seed=2)
        'frames-1.seed-2.safetensors'
    """
    return f"{folder_name(system)}.seed-{seed}{SUFFIX}"


def save_decoder(path: Path, trained: TrainedDecoder, system: System) -> None:
    """Write a decoder atomically; weights in half precision.

    Raises:
        RunFolderError: the folder cannot be written or the disk is full.
    """
    tensors = {_WEIGHTS + name: value.half() for name, value in trained.network.state_dict().items()}
    tensors |= {f"{_MEANS}{index}": mean for index, mean in enumerate(trained.statistics.means)}
    tensors |= {f"{_DEVIATIONS}{index}": std for index, std in enumerate(trained.statistics.deviations)}
    recipe = trained.history["recipe"]
    facts = {
        "shape": asdict(trained.network.decoder.shape),
        "layout": asdict(trained.layout),
        "side": recipe["size"],
        "history": dict(trained.history),
    }
    about = {
        "system": system.name,
        "spec": system.spec,
        "tokens": trained.tokens,
        "seed": recipe["seed"],
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


def find_decoders(
    system: System, *, device: torch.device, folder: Path | None = None, seeds: int | None = None
) -> TokenizerDecoders:
    """See `vtok_eval.decoders.decoders_of`."""
    if folder is not None and not folder.is_dir():
        raise SpecError(f"there is no folder {folder} of decoders")
    known = decoder_files(folder or SHIPPED)
    found = decoders_for(system, known)
    if not found:
        names = ", ".join(dict.fromkeys(one.system for one in known)) or "none"
        raise MissingDependencyError(
            f"{system.name} does not decode, and no decoder was trained for it (there are: {names}); "
            f"vtok-eval train decoder '{system.spec}' --out FOLDER trains one"
        )
    if seeds is not None and len(found) < seeds:
        raise MissingDependencyError(
            f"{system.name} has decoders of {len(found)} training seeds, and {seeds} are asked for; "
            f"vtok-eval train decoder '{system.spec}' --seeds {seeds} --out FOLDER trains them"
        )
    decoders = tuple(_load(one, system, device) for one in found[:seeds])
    shapes = {(decoder.layout, decoder.side) for decoder in decoders}
    if len(shapes) > 1:
        raise SpecError(
            f"the decoders of {system.name} in {folder or SHIPPED} are of clips of different lengths or sizes"
        )
    return TokenizerDecoders(tokenizer=system.subject, decoders=decoders, device=device)


def decoders_for(system: System, files: Sequence[DecoderFile]) -> list[DecoderFile]:
    """The `files` that decode a tokenizer's tokens, by seed; if two have one seed, the first by name."""
    keys = {n_frames: tokens_key(system, n_frames=n_frames) for n_frames in {one.n_frames for one in files}}
    by_seed: dict[int, DecoderFile] = {}
    for one in sorted(files, key=lambda one: one.path.name):
        if one.tokens == keys[one.n_frames]:
            by_seed.setdefault(one.seed, one)
    return [by_seed[seed] for seed in sorted(by_seed)]


def described(path: Path) -> DecoderFile | None:
    """What a file says of itself; None for a safetensors file that is not a decoder.

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
    layout = TokenLayout.from_json(file.facts["layout"])
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
        network=network.eval(),
        statistics=Statistics(means=numbered(tensors, _MEANS), deviations=numbered(tensors, _DEVIATIONS)),
        layout=layout,
        side=int(file.facts["side"]),
        seed=file.seed,
    )
