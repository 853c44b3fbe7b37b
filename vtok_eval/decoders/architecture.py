"""The decoder's network: a clip's tokens -> maps of what each frame shows, on a grid of 16 x 16 places."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from vtok_eval.decoders.layout import CELLS, TokenLayout
from vtok_eval.probes.attentive import ResidualBlock
from vtok_eval.probes.half_precision import N_KINDS
from vtok_eval.scenes.vocabulary import COLOURS, SHAPES

PLACES = 16
"""Places a side of the maps."""
_FINER = PLACES // CELLS

CENTRE = slice(0, 1)
FORM = slice(1, 1 + len(SHAPES))
COLOUR = slice(FORM.stop, FORM.stop + len(COLOURS))
OFFSET = slice(COLOUR.stop, COLOUR.stop + 2)
RADIUS = slice(OFFSET.stop, OFFSET.stop + 1)
BACKDROP = slice(RADIUS.stop, RADIUS.stop + 3)
N_CHANNELS = BACKDROP.stop
"""Channels of a map: a logit that an object's centre is here; logits of its form and colour; how far its
centre is from the place's, (x, y) in places; its radius in tenths of a side; the backdrop from -1 to 1."""
_RARE = -4.0
"""The first logit of a centre, so that training begins with hardly any object anywhere."""


@dataclass(frozen=True)
class DecoderShape:
    """The sizes of a network. token_width: D of the tokens. width: a multiple of `heads`. depth: blocks."""

    token_width: int
    width: int = 96
    heads: int = 8
    depth: int = 2
    fine_width: int = 32


class ClipDecoder(nn.Module):
    """Each frame is decoded from 16 queries, one per cell, that attend to all of the clip's tokens.

    A query begins with the tokens that are nearest to its frame and cell (`TokenLayout.nearest`). Each block
    is attention among the frame's queries, attention to the clip's tokens, and a perceptron; then every query
    becomes 4 x 4 places of the map, refined by two convolutions.
    """

    nearest: Tensor
    place: Tensor

    def __init__(self, shape: DecoderShape, layout: TokenLayout) -> None:
        """Draw the weights from torch's default generator."""
        super().__init__()
        width, self.shape = shape.width, shape
        n_slots = max(layout.slot, default=0) + 1
        self.embed_values = nn.Linear(shape.token_width, width)
        self.embed_place = nn.Parameter(
            torch.randn(N_KINDS + layout.n_frames + n_slots, width, device="cpu") * 0.02
        )
        self.nothing = nn.Parameter(torch.randn(width, device="cpu") * 0.02)
        self.begin = nn.Linear(4 * width, width)
        self.embed_cell = nn.Parameter(torch.randn(CELLS**2, width, device="cpu") * 0.02)
        self.embed_frame = nn.Parameter(torch.randn(layout.n_frames, width, device="cpu") * 0.02)
        self.blocks = nn.ModuleList(_Block(width, shape.heads) for _ in range(shape.depth))
        self.norm = nn.LayerNorm(width)
        self.refine = nn.Linear(width, _FINER**2 * shape.fine_width)
        self.first = nn.Conv2d(shape.fine_width, shape.fine_width, 3, padding=1)
        self.second = nn.Conv2d(shape.fine_width, shape.fine_width, 3, padding=1)
        self.show = nn.Conv2d(shape.fine_width, N_CHANNELS, 1)
        assert self.show.bias is not None
        with torch.no_grad():
            self.show.bias[CENTRE] = _RARE
        self.register_buffer("nearest", layout.nearest(), persistent=False)
        self.register_buffer("place", _place_features(layout, n_slots), persistent=False)

    def forward(self, values: Tensor, frames: Tensor) -> Tensor:
        """Maps `(B, F, N_CHANNELS, PLACES, PLACES)` of the frames `(F,)`, from tokens `(B, L, D)`."""
        batch, n_frames, width = len(values), len(frames), self.shape.width
        nothing = self.nothing.expand(batch, 1, width)
        tokens = torch.cat(
            [self.embed_values(values) + self.place @ self.embed_place, nothing],
            dim=1,
        )
        near = tokens[:, self.nearest[frames].flatten()]
        queries = self.begin(near.view(batch, n_frames, CELLS**2, 4 * width))
        queries = queries + self.embed_cell + self.embed_frame[frames][:, None]
        for block in self.blocks:
            queries = block(queries, tokens)
        fine = self.refine(self.norm(queries)).view(batch * n_frames, CELLS, CELLS, _FINER, _FINER, -1)
        maps = fine.permute(0, 5, 1, 3, 2, 4).reshape(batch * n_frames, -1, PLACES, PLACES)
        maps = maps + self.second(functional.gelu(self.first(functional.gelu(maps))))
        shown: Tensor = self.show(functional.gelu(maps))
        return shown.view(batch, n_frames, N_CHANNELS, PLACES, PLACES)


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.among = _Attention(width, heads)
        self.across = _Attention(width, heads)
        self.think = ResidualBlock(width, hidden=2 * width)

    def forward(self, queries: Tensor, tokens: Tensor) -> Tensor:
        """Queries `(B, F, Q, width)` refined by each other within a frame, and by tokens `(B, L, width)`."""
        flat = queries.flatten(0, 1)
        flat = self.among(flat, flat)
        joined = self.across(flat.view(len(queries), -1, queries.shape[-1]), tokens)
        refined: Tensor = self.think(joined)
        return refined.view(queries.shape)


class _Attention(nn.Module):
    """Multi-head attention with a residual connection; queries and inputs are normalised."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_queries, self.norm_read = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.merge = nn.Linear(width, width)

    def forward(self, queries: Tensor, read: Tensor) -> Tensor:
        """Queries `(B, Q, width)` after reading `(B, L, width)`."""
        batch, n_queries, width = queries.shape
        heads = (batch, -1, self.heads, width // self.heads)
        keys, values = self.key_value(self.norm_read(read)).chunk(2, dim=2)
        found = functional.scaled_dot_product_attention(
            self.query(self.norm_queries(queries)).view(heads).transpose(1, 2),
            keys.reshape(heads).transpose(1, 2),
            values.reshape(heads).transpose(1, 2),
        )
        merged: Tensor = self.merge(found.transpose(1, 2).reshape(batch, n_queries, width))
        return queries + merged


def _place_features(layout: TokenLayout, n_slots: int) -> Tensor:
    """One-hot kind, frame and slot of each token, `(L, P)`."""
    columns = torch.tensor(
        [
            [kind, N_KINDS + frame, N_KINDS + layout.n_frames + slot]
            for kind, frame, slot in zip(layout.kind, layout.frame, layout.slot, strict=True)
        ],
        dtype=torch.int64,
        device="cpu",
    ).view(len(layout), 3)
    features = torch.zeros(len(layout), N_KINDS + layout.n_frames + n_slots, device="cpu")
    return features.scatter_(1, columns, 1.0)
