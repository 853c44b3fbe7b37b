"""The attentive probe: queries read a clip's tokens, whatever made them; one learned query per attribute."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from vtok_eval.data import Tokens
from vtok_eval.errors import TokenizerError
from vtok_eval.probes.half_precision import N_KINDS
from vtok_eval.probes.known_codes import CodeEmbedding


@dataclass(frozen=True)
class AttentionShape:
    """The tokens that a probe's attention reads, and its own size.

    token_width: D of the tokens that are read. n_slots: slots with an embedding of their own; later
    ones share the last. n_frames: frames of a clip. width: of the attention, a multiple of `heads`.
    vocabulary: of tokens read as codes, the rows of each quantiser's table (see `KnownCodes`); empty where
    values are read.

    Example:
        >>> shape = AttentionShape(token_width=6, n_slots=4, n_frames=8, width=16, heads=4)
        >>> AttentiveProbe(shape, n_classes={"colour": 3}).classifiers["colour"]
        Linear(in_features=16, out_features=3, bias=True)
    """

    token_width: int
    n_slots: int
    n_frames: int
    width: int = 128
    heads: int = 8
    vocabulary: tuple[int, ...] = ()


class TokenAttention(nn.Module):
    """Queries attend to a clip's tokens: the part that all probes share.

    A token enters as a linear map of its values, or as the sum of learned vectors of its codes, plus learned
    embeddings of its kind, of its frame's time and of its slot within the frame, refined by a token-wise
    residual block. A learned null token is always added to the tokens, so that a clip without tokens has
    something to attend to. After the attentive probe of
    V-JEPA (arXiv 2404.08471), with several queries and without its self-attention.

    Example:
        >>> shape = AttentionShape(token_width=6, n_slots=4, n_frames=8, width=16, heads=4)
        >>> attention = TokenAttention(shape, n_queries=2)
        >>> tokens, slot = Tokens.of(torch.zeros(3, 5, 6)), torch.zeros(3, 5).long()
        >>> attention.gathered(tokens, slot, attention.queries).shape
        torch.Size([3, 2, 16])
    """

    def __init__(self, shape: AttentionShape, *, n_queries: int) -> None:
        """Draw the weights from torch's default generator.

        n_queries: learned queries; 0 where they come from elsewhere.
        """
        super().__init__()
        width, vocabulary = shape.width, shape.vocabulary
        self.n_slots, self.n_frames, self.heads = max(shape.n_slots, 1), shape.n_frames, shape.heads
        self.embed_values = None if vocabulary else nn.Linear(shape.token_width, width)
        self.embed_codes = CodeEmbedding(vocabulary, width) if vocabulary else None
        self.embed_place = nn.Linear(N_KINDS + self.n_frames + self.n_slots, width, bias=False)
        self.refine = ResidualBlock(width, hidden=width)
        self.null_token = nn.Parameter(torch.randn(1, 1, width, device="cpu"))
        self.token_norm = nn.LayerNorm(width)
        self.queries = nn.Parameter(torch.randn(n_queries, width, device="cpu")) if n_queries else None
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.merge_heads = nn.Linear(width, width)
        self.answer = ResidualBlock(width, hidden=2 * width)
        self.answer_norm = nn.LayerNorm(width)

    def tables(self) -> Iterator[nn.Parameter]:
        """Parameters that are look-up tables or outputs; a subclass adds its own.

        They are never decayed, and Muon, which is for the matrices between them, leaves them to AdamW.
        """
        yield from self.embed_place.parameters()
        if self.embed_codes is not None:
            yield from self.embed_codes.parameters()
        yield self.null_token
        if self.queries is not None:
            yield self.queries

    def gathered(self, tokens: Tokens, slot: Tensor, queries: Tensor) -> Tensor:
        """What the queries find among the tokens, `(B, Q, width)`.

        tokens: float32 values `(B, L, D)`, L may be 0. slot: `(B, L)` int64. queries: `(Q, width)`, the same
        for every clip, or `(B, Q, width)`.
        """
        place = self._place_features(tokens, slot)
        embedded = self.refine(self._content(tokens) + self.embed_place(place))
        null = self.null_token.expand(len(tokens), 1, -1)
        embedded = self.token_norm(torch.cat([null, embedded], dim=1))
        present = functional.pad(tokens.mask, (1, 0), value=True)
        return self._attend(embedded, present, queries)

    def _content(self, tokens: Tokens) -> Tensor:
        """Vectors of the tokens themselves, `(B, L, width)`."""
        if self.embed_codes is not None:
            assert tokens.coded is not None
            content: Tensor = self.embed_codes(tokens.coded)
            return content
        assert self.embed_values is not None
        linear: Tensor = self.embed_values(tokens.values)
        return linear

    def _place_features(self, tokens: Tokens, slot: Tensor) -> Tensor:
        """One-hot kind, frame and slot, `(B, L, P)`: their linear map is a sum of three embeddings.

        A matrix product instead of three look-ups keeps the gradient deterministic on every device.
        """
        slot = slot.clamp_max(self.n_slots - 1)
        columns = torch.stack([tokens.kind, N_KINDS + tokens.frame, N_KINDS + self.n_frames + slot], dim=2)
        n_columns = N_KINDS + self.n_frames + self.n_slots
        place = torch.zeros(*slot.shape, n_columns, device=slot.device)
        return place.scatter_(2, columns, 1.0)

    def _attend(self, embedded: Tensor, present: Tensor, queries: Tensor) -> Tensor:
        """Multi-head attention of the queries over `(B, L, width)`; gives `(B, Q, width)`."""
        batch, length, width = embedded.shape
        per_head = (batch, length, self.heads, width // self.heads)
        keys = self.key(embedded).view(per_head).permute(0, 2, 3, 1)
        values = self.value(embedded).view(per_head).transpose(1, 2)
        split = queries.view(*queries.shape[:-1], self.heads, width // self.heads).transpose(-3, -2)
        scores = split @ keys / math.sqrt(width // self.heads)
        weights = scores.masked_fill(~present[:, None, None, :], -math.inf).softmax(dim=3)
        gathered = (weights @ values).transpose(1, 2).reshape(batch, -1, width)
        merged: Tensor = self.merge_heads(gathered)
        return merged


class AttentiveProbe(TokenAttention):
    """Cross attention from one learned query per attribute to the tokens, and a linear classifier each.

    Example:
        >>> shape = AttentionShape(token_width=6, n_slots=4, n_frames=8, width=16, heads=4)
        >>> probe = AttentiveProbe(shape, n_classes={"colour": 10})
        >>> probe(Tokens.of(torch.zeros(3, 5, 6)), torch.zeros(3, 5).long())["colour"].shape
        torch.Size([3, 10])
    """

    def __init__(self, shape: AttentionShape, *, n_classes: Mapping[str, int]) -> None:
        """Draw the weights from torch's default generator. n_classes: attribute -> logits."""
        super().__init__(shape, n_queries=len(n_classes))
        self.classifiers = nn.ModuleDict({name: nn.Linear(shape.width, n) for name, n in n_classes.items()})

    def tables(self) -> Iterator[nn.Parameter]:
        """Also the classifiers."""
        yield from super().tables()
        yield from self.classifiers.parameters()

    def forward(self, tokens: Tokens, slot: Tensor) -> dict[str, Tensor]:
        """Logits `(B, n_classes)` for each attribute.

        tokens: float32 values `(B, L, D)`, L may be 0. slot: `(B, L)` int64.
        """
        assert self.queries is not None
        answers = self.answer_norm(self.answer(self.gathered(tokens, slot, self.queries)))
        return {name: head(answers[:, row]) for row, (name, head) in enumerate(self.classifiers.items())}


class ResidualBlock(nn.Module):
    """A residual block of layer normalisation and a two-layer perceptron, applied to each vector alone.

    Example:
        >>> ResidualBlock(16, hidden=32)(torch.zeros(2, 5, 16)).shape
        torch.Size([2, 5, 16])
    """

    def __init__(self, width: int, *, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, hidden)
        self.contract = nn.Linear(hidden, width)

    def forward(self, vectors: Tensor) -> Tensor:
        """The refined vectors, shaped as they came: `(..., width)`."""
        result: Tensor = vectors + self.contract(functional.gelu(self.expand(self.norm(vectors))))
        return result


class JoinGroups(nn.Module):
    """The projection of a tokenizer without one: its tokens unchanged.

    Example:
        >>> group = Tokens.of(torch.zeros(1, 3, 4))
        >>> JoinGroups()([group, group]).count()
        tensor([6])
    """

    def forward(self, groups: Sequence[Tokens]) -> Tokens:
        """The groups joined along the token axis."""
        return Tokens.concatenate(groups)


class TokenReader(nn.Module):
    """A tokenizer's projection and the probe, trained as one.

    Example:
        >>> shape = AttentionShape(token_width=6, n_slots=4, n_frames=8, width=16, heads=4)
        >>> reader = TokenReader(JoinGroups(), AttentiveProbe(shape, n_classes={"colour": 10}))
        >>> reader((Tokens.of(torch.zeros(3, 5, 6)),), torch.zeros(3, 5).long())["colour"].shape
        torch.Size([3, 10])
    """

    def __init__(self, projection: nn.Module, probe: TokenAttention) -> None:
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

    Example:
        >>> group = Tokens.of(torch.zeros(1, 3, 4))
        >>> project(JoinGroups(), (group, group)).count()
        tensor([6])
    """
    tokens = projection(groups)
    expected = (len(groups[0]), sum(group.mask.shape[1] for group in groups))
    if not isinstance(tokens, Tokens) or tokens.values.ndim != 3 or tokens.mask.shape != expected:
        shape = tuple(tokens.values.shape) if isinstance(tokens, Tokens) else type(tokens).__name__
        raise TokenizerError(f"the projection must give Tokens of {expected} tokens, not {shape}")
    return tokens
