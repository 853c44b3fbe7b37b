"""A folder of diffusers' files as an autoencoder: its config checked, its class found, its weights loaded."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from vtok_eval.errors import MissingDependencyError, SpecError, UnknownNameError, one_line
from vtok_eval.files.weights import Weights, WeightsOf, safetensors_sha256
from vtok_eval.tokenizers.autoencoders.table import AUTOENCODERS, LatentLayout, layout_of


@dataclass(frozen=True)
class ModelFolder:
    """An autoencoder's class and the folder of its config.json and safetensors files."""

    class_name: str
    folder: Path

    @cached_property
    def config(self) -> Mapping[str, Any]:  # Any: JSON
        """Its config.json.

        Raises:
            SpecError: there is none, it is not JSON, or it is of another class.
        """
        path = self.folder / "config.json"
        if not path.is_file():
            raise SpecError(f"{self.folder} is not a folder of a model: it has no config.json")
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise SpecError(f"{path} is not JSON: {error}") from error
        stated = found.get("_class_name") if isinstance(found, dict) else None
        if stated != self.class_name:
            raise SpecError(f"{path} is of the class {stated}, not {self.class_name}")
        known: Mapping[str, Any] = found
        return known

    @cached_property
    def layout(self) -> LatentLayout:
        """How it divides a clip.

        Raises:
            SpecError: its config lacks what that depends on.
        """
        # What a config.json leaves out has the constructor's default.
        config = {**self._defaults(), **self.config}
        try:
            return layout_of(self.class_name, config)
        except KeyError as error:
            raise SpecError(f"{self.folder}/config.json does not state {error}") from error

    @cached_property
    def sha256(self) -> str:
        """Over the names and bytes of its weights.

        Raises:
            SpecError: there are none as safetensors.
        """
        return safetensors_sha256(self.folder)

    def load(self, *, dtype: str, random: int | None) -> Any:  # Any: a class of diffusers
        """The model on the CPU, in eval mode; with `random`, weights drawn from that seed.

        Raises:
            SpecError: the files are not those of the class.
        """
        import torch

        cls = self._class()
        try:
            if random is None:
                model, report = cls.from_pretrained(
                    str(self.folder),
                    local_files_only=True,
                    use_safetensors=True,
                    low_cpu_mem_usage=False,
                    torch_dtype=getattr(torch, dtype),
                    output_loading_info=True,
                )
                self._check_weights(report)
            else:
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(random)
                    model = cls.from_config(dict(self.config)).to(getattr(torch, dtype))
        except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
            raise SpecError(f"{self.folder} does not load as {self.class_name}: {one_line(error)}") from error
        return model.eval().requires_grad_(False)

    def _check_weights(self, report: Mapping[str, Sequence[object]]) -> None:
        """Refuse what diffusers only logs: tensors that are missing, and so random, or of another shape."""
        wrong = {
            word: len(report.get(key, ()))
            for word, key in (("missing", "missing_keys"), ("of another shape", "mismatched_keys"))
        }
        said = ", ".join(f"{count} {word}" for word, count in wrong.items() if count)
        if said:
            raise SpecError(f"{self.folder}: the weights are not those of {self.class_name}: {said}")

    def _defaults(self) -> Mapping[str, Any]:
        import inspect

        parameters = inspect.signature(self._class().__init__).parameters.values()
        return {each.name: each.default for each in parameters if each.default is not each.empty}

    def _class(self) -> Any:
        need_diffusers()
        import diffusers

        found = getattr(diffusers, self.class_name, None)
        if found is None:
            raise MissingDependencyError(
                f"diffusers {diffusers.__version__} has no {self.class_name}: it needs a later one, in an "
                "environment without the vbench extra"
            )
        return found


def need_diffusers() -> None:
    """Raise unless diffusers is installed.

    Raises:
        MissingDependencyError: saying which extra brings it.
    """
    try:
        version("diffusers")
    except PackageNotFoundError:
        raise MissingDependencyError(
            "this tokenizer needs the package 'diffusers': pip install 'vtok-eval[diffusers]'"
        ) from None


def model_folder(text: str, *, subfolder: str = "", revision: str | None = None) -> ModelFolder:
    """What `CLASS@FOLDER` or `CLASS@OWNER/NAME` names.

    The network is not used: `vtok-eval fetch diffusers:CLASS@OWNER/NAME:subfolder=vae` downloads a model.

    subfolder: of the folder or repository, where the autoencoder is a part of a pipeline: mostly "vae".

    Raises:
        SpecError: the text has another form, or there is no such folder.
        UnknownNameError: a class that is not in the table; names the nearest.
        MissingDependencyError: the hub's model is not on this machine; names the command that fetches it.
    """
    name, at, where = text.partition("@")
    if not at or not name or not where:
        raise SpecError(f"{text!r} must be CLASS@FOLDER, such as AutoencoderKLWan@models/wan/vae")
    if name not in AUTOENCODERS:
        raise UnknownNameError(what="video autoencoder of diffusers", name=name, known=AUTOENCODERS)
    folder = Path(where).expanduser()
    if folder.is_dir():
        return ModelFolder(name, folder / subfolder)
    if where.startswith((".", "/", "~")) or where.count("/") != 1:
        raise SpecError(f"no folder {where!r}, and no model of a hub either (those are OWNER/NAME)")
    spec = f"diffusers:{text}" + (f":subfolder={subfolder}" if subfolder else "")
    found = _hub_weights(where, subfolder=subfolder, spec=spec, revision=revision).require()
    return ModelFolder(name, found / subfolder)


def diffusers_weights(argument: str | None) -> WeightsOf:
    """What `diffusers:CLASS@OWNER/NAME:subfolder=vae` needs."""
    if argument is None:
        note = "any video autoencoder: diffusers:CLASS@FOLDER, or CLASS@OWNER/NAME:subfolder=vae"
        return WeightsOf("tokenizer", "diffusers", note=note)
    from vtok_eval.specs.grammar import parse_spec

    options = parse_spec(f"diffusers:{argument}").options
    _, _, where = options.get("model", "").partition("@")
    if where.count("/") != 1:
        raise SpecError(f"diffusers:{argument}: write CLASS@OWNER/NAME, and subfolder=vae for a pipeline's")
    weights = _hub_weights(
        where,
        subfolder=options.get("subfolder", ""),
        spec=f"diffusers:{argument}",
        revision=options.get("revision"),
    )
    return WeightsOf("tokenizer", "diffusers", (weights,))


def _hub_weights(repository: str, *, subfolder: str, spec: str, revision: str | None) -> Weights:
    """The files of one folder of a repository: its pipelines are many times as large."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    prefix = f"{subfolder}/" if subfolder else ""
    patterns = [f"{prefix}config.json", f"{prefix}*.safetensors", f"{prefix}*.safetensors.index.json"]

    def fetch() -> Path:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=patterns))

    def find() -> Path | None:
        try:
            folder = Path(snapshot_download(repository, revision=revision, local_files_only=True))
        except HFValidationError as error:
            raise SpecError(f"{repository!r} is not a name of the Hugging Face hub: {error}") from error
        except LocalEntryNotFoundError:
            return None
        return folder if any((folder / subfolder).glob("*.safetensors")) else None

    part = f"{subfolder} of " if subfolder else ""
    return Weights(spec, f"{part}huggingface.co/{repository}", "size: see there", find=find, fetch=fetch)
