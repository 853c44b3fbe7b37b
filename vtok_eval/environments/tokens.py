"""Tokens, of values or of codes, as a worker is sent them and gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vtok_eval.data import Tokens

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def sent(tokens: Tokens) -> tuple[dict[str, object], dict[str, Tensor]]:
    """The plain part and the tensors of tokens, by name."""
    plain: dict[str, object] = {"latent_shape": tokens.latent_shape}
    tensors = {"values": tokens.values, "mask": tokens.mask, "kind": tokens.kind, "frame": tokens.frame}
    if tokens.coded is not None:
        plain |= {"sizes": tokens.coded.sizes, "n_tables": len(tokens.coded.embedding)}
        tensors["indices"] = tokens.coded.indices
        tensors |= {_table(number): table for number, table in enumerate(tokens.coded.embedding)}
    return plain, tensors


def received(plain: Mapping[str, Any], tensors: Mapping[str, Tensor], device: torch.device) -> Tokens:
    """The tokens that a worker gave, on a device.

    Raises:
        TokenizerError: codes that break the protocol.
    """
    shape = plain["latent_shape"]
    own = {name: tensor.to(device) for name, tensor in tensors.items()}
    kind, frame = own["kind"], own["frame"]
    latent_shape = None if shape is None else tuple(shape)
    if "sizes" not in plain:
        return Tokens(own["values"], own["mask"], kind, frame, latent_shape)
    tables = [own[_table(number)] for number in range(sum(name.startswith("embedding.") for name in own))]
    coded = Tokens.codes(
        own["indices"], codebook_size=tuple(plain["sizes"]), embedding=tables or None, mask=own["mask"]
    )
    return replace(coded, kind=kind, frame=frame, latent_shape=latent_shape)


def _table(number: int) -> str:
    return f"embedding.{number}"
