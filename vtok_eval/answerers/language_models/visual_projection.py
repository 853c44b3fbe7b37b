"""The projection between a tokenizer's tokens and a language model's embeddings, and its checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vtok_eval.errors import SpecError
from vtok_eval.tokenizers.projection import drawn_linear

PREFIX = "projection."
LANGUAGE_PREFIX = "language_model."


class VisualProjection(nn.Module):
    """Tokens `(..., D)` -> embeddings `(..., E)`: linear, GELU, linear, as in LLaVA-1.5 and its successors.

    Drawn from `seed` alone (weights normal with variance 1 / input width, biases zero).
    """

    def __init__(self, width: int, embedding_width: int, *, seed: int) -> None:
        super().__init__()
        generator = torch.Generator(device="cpu").manual_seed(seed)
        self.hidden = drawn_linear(width, embedding_width, generator)
        self.output = drawn_linear(embedding_width, embedding_width, generator)

    def forward(self, tokens: Tensor) -> Tensor:
        """Embeddings in the dtype of the weights."""
        hidden = self.hidden(tokens.to(self.hidden.weight.dtype))
        embeddings: Tensor = self.output(nn.functional.gelu(hidden))
        return embeddings


def load_reader(
    path: Path, *, width: int, embedding_width: int, language_model: nn.Module
) -> VisualProjection:
    """A trained reader's projection from a safetensors file; its language model's weights are put in.

    Keys: `projection.hidden.weight`, `.bias`, `projection.output.weight`, `.bias`; and `language_model.NAME`
    for those weights of the language model that the training changed, if any, by their names in its
    `state_dict`.

    Raises:
        SpecError: no such file, not safetensors, or keys or shapes that fit neither.
    """
    weights = _read(path)
    unknown = [key for key in weights if not key.startswith((PREFIX, LANGUAGE_PREFIX))]
    if unknown:
        raise SpecError(
            f"checkpoint {path}: {min(unknown)!r} begins with neither {PREFIX!r} nor {LANGUAGE_PREFIX!r}"
        )
    projection = VisualProjection(width, embedding_width, seed=0)
    _fill(projection, _part(weights, PREFIX), path=path, complete=True)
    _fill(language_model, _part(weights, LANGUAGE_PREFIX), path=path, complete=False)
    return projection


def save_reader(path: Path, projection: VisualProjection, language_weights: dict[str, Tensor]) -> None:
    """Write the file that `load_reader` reads, atomically.

    language_weights: those weights of the language model that differ from its own folder's.

    Raises:
        RunFolderError: the file cannot be written.
    """
    from safetensors.torch import save_file

    from vtok_eval.files.atomic import write_atomically

    weights = {f"{PREFIX}{name}": tensor for name, tensor in projection.state_dict().items()}
    weights |= {f"{LANGUAGE_PREFIX}{name}": tensor for name, tensor in language_weights.items()}
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    write_atomically(Path(path), lambda target: save_file(whole, target))


def _read(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise SpecError(f"checkpoint {path}: no such file")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise SpecError(f"checkpoint {path} is not a safetensors file: {error}") from error


def _part(weights: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}


def _fill(module: nn.Module, weights: dict[str, Any], *, path: Path, complete: bool) -> None:
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    names = expected.keys() | found.keys() if complete else found.keys()
    for name in sorted(names):
        if expected.get(name) != found.get(name):
            raise SpecError(
                f"checkpoint {path} does not fit: {name} should be {expected.get(name, 'absent')}, is "
                f"{found.get(name, 'absent')}"
            )
    module.load_state_dict(weights, strict=False)
