"""A trained reader as a folder: what `vtok-llava:FOLDER` loads, with its own tokenizer only."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from vtok_eval.answerers.training.saved.card import card_text
from vtok_eval.answerers.training.saved.schema import (
    ADAPTER,
    CARD_FILE,
    FORMAT,
    LANGUAGE_MODEL,
    PROJECTION,
    READER_FILE,
    TOKEN_PROJECTION,
    BaseModel,
    ReaderCheckpoint,
    ReaderTokenizer,
)
from vtok_eval.answerers.training.tokens.source import identity_sha256, tokenizer_identity
from vtok_eval.errors import RunFolderError, SpecError
from vtok_eval.files.hashing import sha256_file

if TYPE_CHECKING:
    from torch import nn

    from vtok_eval.answerers.training.trained import TrainedLanguageReader
    from vtok_eval.systems import Tokenizer

# Any: content of JSON that its schema has checked, and transformers' models.


def save_checkpoint(
    trained: TrainedLanguageReader,
    folder: Path,
    *,
    spec: str,
    base: BaseModel | None,
    card: Mapping[str, object],
    names: Mapping[str, str] | None = None,
) -> None:
    """Write a reader's folder; it is there whole or not at all.

    base: where the language model is that adapters belong to; a whole language model that was trained is
    written into the folder, with its text tokenizer. card: what else is worth knowing, as JSON can hold it.
    names: the systems that the tokenizer's spec matches by name.

    Raises:
        SpecError: a reader with adapters, or with a language model that was not trained, and no base.
        RunFolderError: the folder is there already, or cannot be written.
    """
    from vtok_eval.files.atomic import write_bytes

    trains = trained.recipe.stages[-1].trains
    if trains != "all" and base is None:
        raise SpecError("a reader whose language model was not trained as a whole is saved with its base")
    if folder.exists():
        raise RunFolderError(f"{folder} is there already; name another folder for this reader")
    unfinished = folder.with_name(f".{folder.name}.{os.getpid()}.unfinished")
    try:
        unfinished.mkdir(parents=True)
        _write_weights(trained, unfinished, whole=trains == "all")
        checkpoint = _checkpoint(trained, unfinished, spec=spec, base=base, card=card, names=names or {})
        write_bytes(unfinished / CARD_FILE, card_text(checkpoint).encode())
        write_bytes(unfinished / READER_FILE, checkpoint.model_dump_json(indent=1).encode())
        os.rename(unfinished, folder)
    except OSError as error:
        raise RunFolderError(f"cannot write {folder}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _checkpoint(
    trained: TrainedLanguageReader,
    folder: Path,
    *,
    spec: str,
    base: BaseModel | None,
    card: Mapping[str, object],
    names: Mapping[str, str],
) -> ReaderCheckpoint:
    from vtok_eval.tokenizers.build import describe_tokenizer

    identity = tokenizer_identity(trained.tokenizer)
    # Through JSON: what is compared when the folder is loaded is what was written.
    plain = json.loads(json.dumps(identity, default=str))
    trains = trained.recipe.stages[-1].trains
    return ReaderCheckpoint(
        format=FORMAT,
        tokenizer=ReaderTokenizer(
            spec=spec, names=dict(names), identity=plain, sha256=identity_sha256(identity)
        ),
        base=None if base is None or trains == "all" else asdict(base),
        trains=trains,
        template=trained.template,
        seed=trained.seed,
        recipe=asdict(trained.recipe),
        curve=trained.curve.to_json(),
        facts=json.loads(json.dumps(dict(trained.facts), default=str)),
        card=json.loads(json.dumps(dict(card), default=str)),
        caveats=[str(caveat) for caveat in describe_tokenizer(trained.tokenizer).caveats],
        files=_weights_in(folder),
    )


def _write_weights(trained: TrainedLanguageReader, folder: Path, *, whole: bool) -> None:
    from safetensors.torch import save_file

    from vtok_eval.answerers.language_models.visual_projection import save_reader

    save_reader(folder / PROJECTION, trained.projection, {})
    if trained.token_projection is not None:
        state = trained.token_projection.state_dict()
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
        save_file(weights, folder / TOKEN_PROJECTION)
    if whole:
        trained.language_model.save_pretrained(folder / LANGUAGE_MODEL)
        trained.text_tokenizer.save_pretrained(folder / LANGUAGE_MODEL)
    elif trained.recipe.uses_lora:
        trained.language_model.save_pretrained(folder / ADAPTER)


def _weights_in(folder: Path) -> dict[str, str]:
    found = sorted(path for path in folder.rglob("*.safetensors"))
    return {str(path.relative_to(folder)): sha256_file(path) for path in found}


def is_checkpoint(folder: Path) -> bool:
    """Whether a folder is a trained reader's.

    Example:
        >>> is_checkpoint(Path("nowhere"))
        False
    """
    return (folder / READER_FILE).is_file()


def reader_folders(folder: Path) -> list[Path]:
    """The readers' folders that a folder is or holds, by name; empty where it is no reader's.

    Example:
        >>> reader_folders(Path("nowhere"))
        []
    """
    if is_checkpoint(folder):
        return [folder]
    if not folder.is_dir():
        return []
    # seed-10 after seed-9.
    return sorted(filter(is_checkpoint, folder.iterdir()), key=lambda path: (len(path.name), path.name))


def read_checkpoint(folder: Path) -> ReaderCheckpoint:
    """What a reader's folder says of it; its weights are as they were written.

    Raises:
        SpecError: not a reader's folder, of a later version, or a file with weights is missing or changed.

    Example:
        >>> read_checkpoint(Path("nowhere"))
        Traceback (most recent call last):
        vtok_eval.errors.SpecError: nowhere is not a trained reader: it has no reader.json
    """
    path = folder / READER_FILE
    try:
        checkpoint = ReaderCheckpoint.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise SpecError(f"{folder} is not a trained reader: it has no {READER_FILE}") from None
    except (OSError, ValidationError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SpecError(f"{path} cannot be read as a trained reader's: {reason}") from error
    if checkpoint.format > FORMAT:
        raise SpecError(f"{path} is of format {checkpoint.format}; this version reads up to {FORMAT}")
    for name, digest in checkpoint.files.items():
        if not (folder / name).is_file():
            raise SpecError(f"{folder} is incomplete: it has no {name}")
        if sha256_file(folder / name) != digest:
            raise SpecError(f"{folder / name} is not the file that was written: its SHA-256 is another")
    return checkpoint


def check_tokenizer(checkpoint: ReaderCheckpoint, tokenizer: Tokenizer, *, folder: Path, spec: str) -> None:
    """Refuse a tokenizer that a reader was not trained on.

    Raises:
        SpecError: naming what differs.
    """
    identity = json.loads(json.dumps(tokenizer_identity(tokenizer), default=str))
    if identity == checkpoint.tokenizer.identity:
        return
    raise SpecError(
        f"reader {folder} was trained on the tokens of {checkpoint.tokenizer.spec!r}, not of {spec!r} "
        f"({first_difference(checkpoint.tokenizer.identity, identity)}); leave out tokenizer="
    )


def first_difference(expected: Mapping[str, Any], found: Mapping[str, Any], *, within: str = "") -> str:
    """Where two JSON objects differ first, and how, in words.

    Example:
        >>> first_difference({"options": {"grid": 4}}, {"options": {"grid": 2}})
        'options.grid is 2, was 4'
    """
    for name in sorted(expected.keys() | found.keys()):
        before, now = expected.get(name), found.get(name)
        if before == now:
            continue
        if isinstance(before, Mapping) and isinstance(now, Mapping):
            return first_difference(before, now, within=f"{within}{name}.")
        return f"{within}{name} is {now}, was {before}"
    return "nothing"


def load_token_projection(tokenizer: Any, folder: Path) -> nn.Module:
    """The tokenizer's projection as it was trained with the reader.

    Raises:
        SpecError: the weights do not fit it.
    """
    from safetensors.torch import load_file

    projection: nn.Module = tokenizer.new_projection(seed=0)
    try:
        projection.load_state_dict(load_file(folder / TOKEN_PROJECTION))
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise SpecError(f"{folder / TOKEN_PROJECTION} does not fit the tokenizer: {reason}") from error
    return projection.eval().requires_grad_(False)
