"""A tokenizer's own projection and the decoder's network as one module: frozen features in, maps out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vtok_eval.data import Tokens
from vtok_eval.decoders.architecture import ClipDecoder, DecoderShape
from vtok_eval.decoders.layout import TokenLayout
from vtok_eval.probes.attentive import project
from vtok_eval.probes.training import new_projection


class TokenDecoder(nn.Module):
    """Groups of standardised features -> maps of the frames asked for."""

    def __init__(self, projection: nn.Module, decoder: ClipDecoder) -> None:
        super().__init__()
        self.projection = projection
        self.decoder = decoder

    def forward(self, groups: tuple[Tokens, ...], frames: Tensor) -> Tensor:
        """Maps `(B, F, C, PLACES, PLACES)` of the frames `(F,)`; groups are float32."""
        maps: Tensor = self.decoder(project(self.projection, groups).values, frames)
        return maps


def build_network(
    tokenizer: object, shape: DecoderShape, layout: TokenLayout, *, seed: int, device: torch.device
) -> TokenDecoder:
    """An untrained network, drawn from `seed` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        decoder = ClipDecoder(shape, layout)
    return TokenDecoder(new_projection(tokenizer, seed=seed), decoder).to(device)
