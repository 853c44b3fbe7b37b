"""The attentive probe: one learned query per attribute reads a clip's tokens, whatever made them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from vtok_eval.errors import TokenizerError
from vtok_eval.probes.features import N_KINDS
from vtok_eval.systems import Tokens


class AttentiveProbe(nn.Module):
    """Cross attention from one learned query per attribute to the tokens, and a linear classifier each.

    A token enters as a linear map of its values plus learned embeddings of its kind, of its frame's time and
    of its slot within the frame, refined by a token-wise residual block. A learned null token always stands
    beside the tokens, so that a clip without tokens has something to attend to. After the attentive probe of
    V-JEPA (arXiv 2404.08471), with several queries and without its self-attention.
    """

    def __init__(
        self,
        *,
        n_classes: Mapping[str, int],
        token_width: int,
        n_slots: int,
        n_frames: int,
        width: int = 128,
        heads: int = 8,
    ) -> None:
        """Draw the weights from torch's default generator.

        n_classes: attribute -> logits. token_width: D of the tokens that are read. n_slots: slots with an
        embedding of their own; later ones share the last. width: a multiple of `heads`.
        """
        super().__init__()
        self.n_slots, self.n_frames, self.heads = max(n_slots, 1), n_frames, heads
        self.embed_values = nn.Linear(token_width, width)
        self.embed_place = nn.Linear(N_KINDS + n_frames + self.n_slots, width, bias=False)
        self.refine = ResidualBlock(width, hidden=width)
        self.null_token = nn.Parameter(torch.randn(1, 1, width))
        self.token_norm = nn.LayerNorm(width)
        self.queries = nn.Parameter(torch.randn(len(n_classes), width))
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.merge_heads = nn.Linear(width, width)
        self.answer = ResidualBlock(width, hidden=2 * width)
        self.answer_norm = nn.LayerNorm(width)
        self.classifiers = nn.ModuleDict({name: nn.Linear(width, n) for name, n in n_classes.items()})

    def forward(self, tokens: Tokens, slot: Tensor) -> dict[str, Tensor]:
        """Logits `(B, n_classes)` for each attribute.

        tokens: float32 values `(B, L, D)`, L may be 0. slot: `(B, L)` int64.
        """
        place = self._place_features(tokens, slot)
        embedded = self.refine(self.embed_values(tokens.values) + self.embed_place(place))
        null = self.null_token.expand(len(tokens), 1, -1)
        embedded = self.token_norm(torch.cat([null, embedded], dim=1))
        present = functional.pad(tokens.mask, (1, 0), value=True)
        answers = self.answer_norm(self.answer(self._attend(embedded, present)))
        return {name: head(answers[:, row]) for row, (name, head) in enumerate(self.classifiers.items())}

    def _place_features(self, tokens: Tokens, slot: Tensor) -> Tensor:
        """One-hot kind, frame and slot, `(B, L, P)`: their linear map is a sum of three embeddings.

        A matrix product instead of three look-ups keeps the gradient deterministic on every device.
        """
        slot = slot.clamp_max(self.n_slots - 1)
        columns = torch.stack([tokens.kind, N_KINDS + tokens.frame, N_KINDS + self.n_frames + slot], dim=2)
        n_columns = N_KINDS + self.n_frames + self.n_slots
        place = torch.zeros(*slot.shape, n_columns, device=slot.device)
        return place.scatter_(2, columns, 1.0)

    def _attend(self, embedded: Tensor, present: Tensor) -> Tensor:
        """Multi-head attention of the queries over `(B, L, width)`; gives `(B, n_attributes, width)`."""
        batch, length, width = embedded.shape
        per_head = (batch, length, self.heads, width // self.heads)
        keys = self.key(embedded).view(per_head).permute(0, 2, 3, 1)
        values = self.value(embedded).view(per_head).transpose(1, 2)
        queries = self.queries.view(-1, self.heads, width // self.heads).transpose(0, 1)
        scores = queries @ keys / math.sqrt(width // self.heads)
        weights = scores.masked_fill(~present[:, None, None, :], -math.inf).softmax(dim=3)
        gathered = (weights @ values).transpose(1, 2).reshape(batch, -1, width)
        return self.merge_heads(gathered)


class ResidualBlock(nn.Module):
    """Layer normalisation and a two-layer perceptron beside the identity, applied to each vector alone."""

    def __init__(self, width: int, *, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, hidden)
        self.contract = nn.Linear(hidden, width)

    def forward(self, vectors: Tensor) -> Tensor:
        """The refined vectors, shaped as they came: `(..., width)`."""
        return vectors + self.contract(functional.gelu(self.expand(self.norm(vectors))))


class JoinGroups(nn.Module):
    """The projection of a tokenizer that owns none: its tokens as they are."""

    def forward(self, groups: Sequence[Tokens]) -> Tokens:
        """The groups joined along the token axis."""
        return Tokens.concatenate(groups)


class TokenReader(nn.Module):
    """A tokenizer's projection and the probe, trained as one."""

    def __init__(self, projection: nn.Module, probe: AttentiveProbe) -> None:
        super().__init__()
        self.projection = projection
        self.probe = probe

    def forward(self, groups: tuple[Tokens, ...], slot: Tensor) -> dict[str, Tensor]:
        """Logits `(B, n_classes)` for each attribute, from groups of features in float32."""
        return dict(self.probe(project(self.projection, groups), slot))


def project(projection: nn.Module, groups: tuple[Tokens, ...]) -> Tokens:
    """The tokens that a projection makes of groups of features.

    Raises:
        TokenizerError: it does not give one token for each feature token, as the protocol says.
    """
    tokens = projection(groups)
    expected = (len(groups[0]), sum(group.mask.shape[1] for group in groups))
    if not isinstance(tokens, Tokens) or tokens.values.ndim != 3 or tokens.mask.shape != expected:
        shape = tuple(tokens.values.shape) if isinstance(tokens, Tokens) else type(tokens).__name__
        raise TokenizerError(f"the projection must give Tokens of {expected} tokens, not {shape}")
    return tokens
