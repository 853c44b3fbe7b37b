"""Where a language model's files are: a local folder, or a hub name that is in the local cache."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtok_eval.errors import MissingDependencyError, SpecError
from vtok_eval.files.weights import WeightsOf, hub_weights, in_bytes, safetensors_sha256
from vtok_eval.results.description import Description

if TYPE_CHECKING:
    import torch

# Any: transformers' models and tokenizers, and the content of JSON.


def need_transformers() -> None:
    """Raise unless a transformers with video language models is installed.

    Raises:
        MissingDependencyError: saying which extra brings it.
    """
    from importlib.metadata import PackageNotFoundError, version

    from packaging.version import Version

    try:
        found = version("transformers")
    except PackageNotFoundError:
        raise MissingDependencyError(
            "this answerer needs the package 'transformers': pip install 'vtok-eval[hf]'"
        ) from None
    if Version(found) < Version("5"):
        raise MissingDependencyError(
            f"this answerer needs transformers>=5, here is {found} (the vbench extra pins 4.33.2): make "
            "a second environment with 'vtok-eval[hf]' and run into the same folder from there"
        )


def checkpoint_folder(model: str, *, revision: str | None = None) -> Path:
    """The folder of the model's files: `model` itself, or the hub's snapshot of that name.

    The network is not used: `vtok-eval fetch hf:OWNER/NAME` downloads a model.

    Raises:
        SpecError: the folder holds no config.json.
        MissingDependencyError: the hub's model is not on this machine; names the command that fetches it.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise SpecError(f"{folder} is not a model folder: it has no config.json")
        return folder
    if model.startswith((".", "/", "~")) or model.count("/") != 1:
        raise SpecError(f"no folder {model!r}, and no model of a hub either (those are OWNER/NAME)")
    return hub_weights(model, spec=f"hf:{model}", revision=revision).require()


def describe_checkpoint(model: str, folder: Path) -> Description:
    """What provenance keeps of a model, from its files: name, revision, classes, hash of the weights.

    Raises:
        SpecError: its config.json is not JSON, or it has no weights as safetensors.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise SpecError(f"{folder}/config.json is not JSON: {error}") from error
    facts = {
        "model": model,
        "snapshot": folder.name if folder != Path(model).expanduser() else None,
        "architectures": config.get("architectures"),
        "weights_sha256": safetensors_sha256(folder),
    }
    return Description(facts=facts)


def load_language_model(folder: Path, dtype: str, device: torch.device) -> tuple[Any, Any]:
    """A causal language model, or a LLaVA with its own one inside, and its text tokenizer, frozen.

    dtype: torch's name of one, or "auto": the folder's own on CUDA, float32 elsewhere.

    Raises:
        SpecError: the folder does not load.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText, AutoTokenizer

    own = "auto" if device.type == "cuda" else torch.float32
    wanted = own if dtype == "auto" else getattr(torch, dtype)
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        auto = AutoModelForImageTextToText if hasattr(config, "vision_config") else AutoModelForCausalLM
        model = auto.from_pretrained(folder, dtype=wanted, use_safetensors=True, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:300]
        raise SpecError(f"{folder} does not load as a language model: {reason}") from error
    return model.to(device).eval().requires_grad_(False), tokenizer


def language_model_weights(name: str, argument: str | None) -> WeightsOf:
    """What an answerer that reads a language model's folder needs; `argument` begins with the model."""
    if argument is None:
        note = f"any model: {name}:FOLDER or {name}:OWNER/NAME. {_cached_models()}"
        return WeightsOf("answerer", name, note=note)
    model = argument.split(",")[0].strip().removeprefix("(").removesuffix(")")
    return WeightsOf("answerer", name, (hub_weights(model, spec=f"{name}:{model}"),))


def hf_weights(argument: str | None) -> WeightsOf:
    """What `hf:MODEL` needs."""
    return language_model_weights("hf", argument)


def _cached_models() -> str:
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repositories = scan_cache_dir(constants.HF_HUB_CACHE).repos
    except CacheNotFound:
        return "Hugging Face's cache holds no model"
    found = [
        f"{repository.repo_id} ({in_bytes(repository.size_on_disk)})"
        for repository in sorted(repositories, key=lambda each: each.repo_id)
        if repository.repo_type == "model" and _has_config(repository)
    ]
    return f"In Hugging Face's cache: {', '.join(found)}" if found else "Hugging Face's cache holds no model"


def _has_config(repository: Any) -> bool:  # Any: huggingface_hub's CachedRepoInfo, which may not be installed
    return any(file.file_name == "config.json" for each in repository.revisions for file in each.files)
