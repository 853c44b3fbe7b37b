"""open_clip's published weights: on disk or missing, how large, and fetched only on request."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from vtok_eval.errors import MissingDependencyError, SpecError, UnknownNameError
from vtok_eval.files.weights import Weights, WeightsOf, hubs_offline, in_bytes, in_hub_cache

WEIGHTS_FILE = "open_clip_pytorch_model.bin"
SAFE_WEIGHTS_FILE = "open_clip_model.safetensors"
_TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "vocab.txt", "sentencepiece.bpe.model", "spiece.model",
)  # fmt: skip
_TEXT_FILES = ["*.json", "*.txt", "*.model"]
PAPER = "ViT-L-14-336/openai"
SMALL = "ViT-B-32/openai"


def listed_weights(name: str, tag: str) -> Weights:
    """The weights that this program knows to be published as `tag` of the model `name`; loads nothing."""
    return _weights(name, tag, _listed()[f"{name}/{tag}"])


def published_weights(name: str, tag: str) -> Weights:
    """The weights that open_clip knows as `tag` of the model `name`.

    Raises:
        UnknownNameError: it knows no such weights.
    """
    import open_clip

    published = open_clip.get_pretrained_cfg(name, tag)
    if not published:
        known = open_clip.list_pretrained_tags_by_model(name)
        raise UnknownNameError(what=f"weights of open_clip:{name}", name=tag, known=known)
    return _weights(name, tag, published)


def _weights(name: str, tag: str, published: Mapping[str, Any]) -> Weights:
    repository, files = _on_hub(published)
    return Weights(
        spec=f"open_clip:{name}/{tag}",
        file=f"{files[0]} of huggingface.co/{repository}" if repository else str(published.get("url", "")),
        size=_size(name),
        find=lambda: _find(published),
        fetch=lambda: _fetch(name, published),
    )


def weights_of(argument: str | None) -> WeightsOf:
    """What `open_clip:NAME/PRETRAINED` needs; without an argument, what the shipped suites and judges name.

    Raises:
        SpecError, UnknownNameError: the argument names no published weights.
    """
    if argument is None:
        return WeightsOf("backbone, sentence encoder", "open_clip", (_shown(PAPER),), _others())
    return WeightsOf("backbone, sentence encoder", "open_clip", (_published(argument),))


def zero_shot_weights(argument: str | None) -> WeightsOf:
    """What the answerer `zero-shot:NAME/PRETRAINED` needs."""
    return WeightsOf("answerer", "zero-shot", (_by_argument(argument),))


def judge_weights(argument: str | None) -> WeightsOf:
    """What the judge `clip:NAME/PRETRAINED` needs."""
    return WeightsOf("judge", "clip", (_by_argument(argument),))


def require_text_config(name: str) -> None:
    """Refuse a model whose text tower is described by files of the hub that are not on this machine.

    Raises:
        MissingDependencyError: naming the files and the command that fetches them.
    """
    repository = _text_config(name).get("hf_model_name")
    if repository and not Path(repository).is_dir() and in_hub_cache(repository, ["config.json"]) is None:
        raise MissingDependencyError(_text_missing(name, "config.json", repository))


def text_tokenizer(name: str) -> Any:  # Any: open_clip's tokenizers have no common type
    """open_clip's tokenizer of texts for the model, from what is on this machine.

    Raises:
        MissingDependencyError: it needs files that are not here; names the command that fetches them.
    """
    import open_clip

    repository = _text_config(name).get("hf_tokenizer_name")
    if repository and not Path(repository).is_dir() and in_hub_cache(repository, _TOKENIZER_FILES) is None:
        raise MissingDependencyError(_text_missing(name, "the text tokenizer's files", repository))
    with hubs_offline():
        return open_clip.get_tokenizer(name)


def _shown(model: str) -> Weights:
    name, _, tag = model.partition("/")
    return listed_weights(name, tag)


def _by_argument(argument: str | None) -> Weights:
    return _shown(SMALL) if argument is None else _published(_model_of(argument))


def _model_of(argument: str) -> str:
    """The model of an answerer's or a judge's argument, without its options and brackets."""
    return argument.split(",")[0].strip().removeprefix("(").removesuffix(")")


def _published(model: str) -> Weights:
    import open_clip

    name, slash, tag = model.partition("/")
    if not slash:
        raise SpecError(f"open_clip:{model} names no weights; write open_clip:NAME/PRETRAINED")
    if name not in open_clip.list_models():
        raise UnknownNameError(what="open_clip model", name=name, known=open_clip.list_models())
    return published_weights(name, tag)


def _on_hub(published: Mapping[str, Any]) -> tuple[str, Sequence[str]]:
    """Repository and file names, the preferred one first, as open_clip itself chooses them."""
    repository, file = os.path.split(published.get("hf_hub", ""))
    if not file:
        return repository, (SAFE_WEIGHTS_FILE, WEIGHTS_FILE)
    stem, suffix = os.path.splitext(file)
    return repository, ((f"{stem}.safetensors", file) if suffix in {".bin", ".pth"} else (file,))


def _find(published: Mapping[str, Any]) -> Path | None:
    if "file" in published:
        return Path(published["file"])
    repository, files = _on_hub(published)
    if repository and (found := in_hub_cache(repository, files)) is not None:
        return found
    downloaded = Path("~/.cache/clip").expanduser() / os.path.basename(published.get("url") or "none")
    # Where weights are on the hub too, open_clip takes those; earlier versions kept the ones of `url`.
    return downloaded if not repository and downloaded.is_file() else None


def _fetch(name: str, published: Mapping[str, Any]) -> Path:
    import open_clip

    path = Path(open_clip.download_pretrained(dict(published)))
    text = _text_config(name)
    for repository in {text.get("hf_model_name"), text.get("hf_tokenizer_name")}:
        if repository:
            from huggingface_hub import snapshot_download

            snapshot_download(repository, allow_patterns=_TEXT_FILES)
    return path


def _text_config(name: str) -> Mapping[str, Any]:
    import open_clip

    config = open_clip.get_model_config(name) or {}
    text: Mapping[str, Any] = config.get("text_cfg", {})
    return text


def _text_missing(name: str, file: str, repository: str) -> str:
    import open_clip

    tag = next(iter(open_clip.list_pretrained_tags_by_model(name)), "PRETRAINED")
    return (
        f"open_clip:{name}: {file} of huggingface.co/{repository} (a few MB) not on this machine; "
        f"get them with: vtok-eval fetch open_clip:{name}/{tag}"
    )


def _others() -> str:
    """Which published weights besides the paper's are on this machine."""
    here = [
        model for model, published in _listed().items() if model != PAPER and _find(published) is not None
    ]
    return f"also on this machine: {', '.join(here)}" if here else ""


def _size(name: str) -> str:
    """Of a file of float32 weights, in words."""
    count = _parameters().get(name)
    return "size not known here" if count is None else f"about {in_bytes(4 * count)}"


@cache
def _parameters() -> Mapping[str, int]:
    """Published models' parameters, counted by tools/open_clip_parameters.py."""
    counted: Mapping[str, int] = _table("open_clip_parameters.json")
    return counted


@cache
def _listed() -> Mapping[str, Mapping[str, str]]:
    """Where published weights are, by NAME/TAG, as open_clip says; from tools/open_clip_parameters.py."""
    listed: Mapping[str, Mapping[str, str]] = _table("open_clip_published.json")
    return listed


def _table(name: str) -> Any:
    return json.loads(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"))
