"""`vtok-llava:FOLDER`: trained readers by their folder, with the tokenizer that they were trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vtok_eval.answerers.language_models.checkpoint_folder import (
    checkpoint_folder,
    describe_checkpoint,
    load_language_model,
    need_transformers,
)
from vtok_eval.answerers.language_models.hf import Scoring
from vtok_eval.answerers.language_models.token_language_model import TokenLanguageModel
from vtok_eval.answerers.language_models.visual_projection import VisualProjection, load_reader
from vtok_eval.answerers.training.saved.checkpoint import (
    check_tokenizer,
    first_difference,
    load_token_projection,
    read_checkpoint,
    reader_folders,
)
from vtok_eval.answerers.training.saved.replicates import LoadedReplicates, ReaderReplicates
from vtok_eval.answerers.training.saved.schema import ADAPTER, LANGUAGE_MODEL, PROJECTION, TOKEN_PROJECTION
from vtok_eval.answerers.training.tokens.source import build_reader_tokenizer
from vtok_eval.answerers.training.tokens.trained import TrainedTokens
from vtok_eval.errors import MissingDependencyError, SpecError
from vtok_eval.results.description import Caveat, Description, joined_caveats
from vtok_eval.specs.binding import bind, effective_options

if TYPE_CHECKING:
    import torch

    from vtok_eval.answerers.training.saved.schema import ReaderCheckpoint
    from vtok_eval.systems import Tokenizer

# Any: transformers' and peft's models, which have no types.

_ALIKE = ("tokenizer", "base", "trains", "template", "recipe")
"""What readers that are replicates of each other have in common."""


@dataclass(frozen=True)
class _Found:
    """A reader's folder and what it says."""

    folder: Path
    checkpoint: ReaderCheckpoint


def build_trained_readers(
    folder: Path, written: Mapping[str, str], *, device: torch.device, names: Mapping[str, str]
) -> LoadedReplicates:
    """The readers of a folder, one or several that differ in their seed; loaded when they are first asked.

    written: options, as text. tokenizer: the spec of the tokenizer, if it is not to be the one that the
    folder names; it must have the same identity. base: the folder or the hub's name of the language model
    that the adapters belong to, if it is not where the training found it. scoring, per_token,
    max_new_tokens, dtype: as for any `vtok-llava`.

    Raises:
        SpecError: a folder is damaged, the tokenizer or the language model is not the one of the training,
            or readers next to each other are no replicates.
        MissingDependencyError: a package, the language model or the tokenizer's weights are not there.
    """
    need_transformers()
    found = [_Found(path, read_checkpoint(path)) for path in reader_folders(folder)]
    _check_alike(found)
    given = {"found": found, "source": None, "model_folder": None, "device": device}
    arguments = bind(_trained_readers, written, what="vtok-llava", given=given)
    options = effective_options(_trained_readers, arguments, leave_out=("tokenizer", "base", *given))
    first = found[0].checkpoint
    spec = arguments.get("tokenizer") or first.tokenizer.spec
    source = build_reader_tokenizer(spec, device, {**first.tokenizer.names, **names})
    check_tokenizer(first, source, folder=found[0].folder, spec=spec)
    arguments["source"] = source
    description, arguments["model_folder"] = _language_model(found, arguments.get("base"))
    facts = {
        **options,
        "tokenizer": {"spec": spec, **first.tokenizer.identity},
        "readers": [
            {
                "seed": each.checkpoint.seed,
                "files": each.checkpoint.files,
                "data_sha256": each.checkpoint.facts["data_sha256"],
            }
            for each in found
        ],
        "trained": first.recipe,
    }
    caveats = joined_caveats(*([Caveat(text) for text in each.checkpoint.caveats] for each in found))
    described = description.with_facts(facts) | Description(caveats=caveats)
    return LoadedReplicates(lambda: _trained_readers(**arguments), described, n_replicates=len(found))


def _trained_readers(
    *,
    tokenizer: str | None = None,
    base: str | None = None,
    scoring: Scoring = "labels",
    per_token: bool = False,
    max_new_tokens: int = 64,
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
    found: Sequence[_Found],
    source: Tokenizer,
    model_folder: Path | None,
    device: torch.device,
) -> ReaderReplicates:
    """`build_trained_readers`' options, and what they name."""
    del tokenizer, base
    shared = None if model_folder is None else load_language_model(model_folder, dtype, device)
    readers, adapters = [], []
    for each in found:
        model, text_tokenizer = shared or load_language_model(each.folder / LANGUAGE_MODEL, dtype, device)
        adapter = None
        if (each.folder / ADAPTER).is_dir():
            adapter = f"seed-{each.checkpoint.seed}"
            model = _with_adapter(model, each.folder / ADAPTER, adapter)
            shared = model, text_tokenizer
        reads = _reading_tokenizer(source, each.folder)
        readers.append(
            TokenLanguageModel(
                tokenizer=reads,
                language_model=model,
                text_tokenizer=text_tokenizer,
                projection=_projection(each.folder, model).to(device).eval().requires_grad_(False),
                template=each.checkpoint.template,  # type: ignore[arg-type]  # `save_checkpoint` wrote it
                scoring=scoring,
                per_token=per_token,
                max_new_tokens=max_new_tokens,
            )
        )
        adapters.append(adapter)
    return ReaderReplicates(readers, adapters)


def _reading_tokenizer(source: Tokenizer, folder: Path) -> Tokenizer:
    if not (folder / TOKEN_PROJECTION).is_file():
        return source
    return TrainedTokens(source, load_token_projection(source, folder))  # type: ignore[arg-type]  # it has features


def _projection(folder: Path, model: Any) -> VisualProjection:
    from safetensors import safe_open

    with safe_open(folder / PROJECTION, framework="pt") as file:
        width = file.get_slice("projection.hidden.weight").get_shape()[1]
    embedding_width = model.get_input_embeddings().weight.shape[1]
    return load_reader(
        folder / PROJECTION, width=width, embedding_width=embedding_width, language_model=model
    )


def _with_adapter(model: Any, folder: Path, name: str) -> Any:
    """The language model in peft's wrapping with one more set of adapters."""
    try:
        from peft import PeftModel

        from vtok_eval.answerers.training.steps.adapters import with_old_names
    except ModuleNotFoundError:
        raise MissingDependencyError(
            f"{folder} holds adapters, which need the package 'peft': pip install 'vtok-eval[train]'"
        ) from None
    with with_old_names():
        if isinstance(model, PeftModel):
            model.load_adapter(str(folder), adapter_name=name)
            return model
        return PeftModel.from_pretrained(model, str(folder), adapter_name=name).eval()


def _language_model(found: Sequence[_Found], base: str | None) -> tuple[Description, Path | None]:
    """What provenance keeps of the language model, and its folder unless each reader has its own.

    Raises:
        SpecError: the weights are not those of the training.
    """
    kept = found[0].checkpoint.base
    if kept is None:
        if base is not None:
            raise SpecError(f"{found[0].folder} holds its whole language model: leave out base=")
        return describe_checkpoint(found[0].folder.name, found[0].folder / LANGUAGE_MODEL), None
    model = base or kept["model"]
    folder = checkpoint_folder(model, revision=None if base else kept["revision"])
    description = describe_checkpoint(model, folder)
    if description["weights_sha256"] != kept["weights_sha256"]:
        raise SpecError(
            f"{model} is not the language model that {found[0].folder} was trained with: its weights have "
            f"another SHA-256; name that one with base=FOLDER"
        )
    return description, folder


def _check_alike(found: Sequence[_Found]) -> None:
    first = found[0]
    expected = first.checkpoint.model_dump(include=set(_ALIKE))
    for other in found[1:]:
        now = other.checkpoint.model_dump(include=set(_ALIKE))
        if now != expected:
            raise SpecError(
                f"{other.folder} is no replicate of {first.folder} ({first_difference(expected, now)}); name "
                "one of the folders"
            )
    seeds = [each.checkpoint.seed for each in found]
    if len(set(seeds)) < len(seeds):
        raise SpecError(f"{first.folder.parent} holds two readers of one seed; name one of the folders")
