"""A probe with questions as text: question and options attend to a clip's tokens, and are scored."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from vtok_eval.data import Tokens
from vtok_eval.devices.deferred import Deferred, arriving
from vtok_eval.devices.transfer import transfer_to
from vtok_eval.probes.attentive import AttentionShape, TokenAttention, TokenReader, project


class ChoiceProbe(TokenAttention):
    """Scores answers to a question from a clip's tokens and from the sentences' vectors.

    Where options are listed, each attends to the tokens separately: its query is a linear map of the
    question's vector plus one of the option's. What it finds, added to the query, is compared with the option
    by a dot product. All options pass through the same weights, which do not see their positions, so their
    order cannot matter. An open-ended question attends once, and the result is compared with every answer of
    a vocabulary. Without tokens only the null token is left, and the score depends on the text alone.
    """

    def __init__(self, shape: AttentionShape, *, text_width: int) -> None:
        """Draw the weights from torch's default generator. text_width: of the sentences' vectors."""
        super().__init__(shape, n_queries=0)
        width = shape.width
        self.embed_question = nn.Linear(text_width, width)
        self.embed_option = nn.Linear(text_width, width, bias=False)
        self.query_norm = nn.LayerNorm(width)
        self.embed_candidate = nn.Linear(text_width, width)

    def choose(self, tokens: Tokens, slot: Tensor, question: Tensor, options: Tensor) -> Tensor:
        """Scores `(B, O)` of listed options. question: `(B, E)`; options: `(B, O, E)`."""
        asked = self.embed_question(question)[:, None] + self.embed_option(options)
        return self._compared(self._found(tokens, slot, asked), options)

    def name(self, tokens: Tokens, slot: Tensor, question: Tensor, vocabulary: Tensor) -> Tensor:
        """Scores `(B, V)` of the answers of a vocabulary. question: `(B, E)`; vocabulary: `(V, E)`."""
        asked = self.embed_question(question)[:, None]
        return self._compared(self._found(tokens, slot, asked), vocabulary)

    def _found(self, tokens: Tokens, slot: Tensor, asked: Tensor) -> Tensor:
        queries = self.query_norm(asked)
        found: Tensor = self.answer_norm(self.answer(self.gathered(tokens, slot, queries) + queries))
        return found

    def _compared(self, found: Tensor, candidates: Tensor) -> Tensor:
        result: Tensor = (found * self.embed_candidate(candidates)).sum(dim=-1) / math.sqrt(found.shape[-1])
        return result


class ChoiceReader(TokenReader):
    """A tokenizer's projection and the probe, trained together."""

    probe: ChoiceProbe

    def __init__(self, projection: nn.Module, probe: ChoiceProbe) -> None:
        super().__init__(projection, probe)

    def choose(
        self, groups: tuple[Tokens, ...], slot: Tensor, question: Tensor, options: Tensor, listed: Tensor
    ) -> Tensor:
        """Scores `(B, O)`; minus infinity where `listed` `(B, O)` is false."""
        scores = self.probe.choose(project(self.projection, groups), slot, question, options)
        return scores.masked_fill(~listed, -math.inf)

    def name(self, groups: tuple[Tokens, ...], slot: Tensor, question: Tensor, vocabulary: Tensor) -> Tensor:
        """Scores `(B, V)` of a vocabulary's answers."""
        return self.probe.name(project(self.projection, groups), slot, question, vocabulary)


def best(scores: Tensor) -> list[int]:
    """The position of each row's highest score; of equal ones the first."""
    return begin_best(scores).get()


def begin_best(scores: Tensor) -> Deferred[list[int]]:
    """As `best`, but the device is waited for only by `get`."""
    n_scores = scores.shape[1]
    if not n_scores:
        return Deferred(list)
    # argmax may take any of equal ones on some devices.
    places = torch.arange(n_scores, device=scores.device).expand_as(scores)
    highest = scores == scores.amax(dim=1, keepdim=True)
    first = places.masked_fill(~highest, n_scores).amin(dim=1)
    return arriving([transfer_to(scores.device).download(first)]).then(lambda found: found[0].tolist())


def as_rows(vectors: Tensor, index: Tensor) -> Tensor:
    """Vectors `(..., E)` of the rows `index` `(...)`, on the vectors' device; zeros where it is -1."""
    index = index.to(vectors.device)
    rows: Tensor = vectors[index.clamp_min(0)]
    return torch.where((index >= 0)[..., None], rows, torch.zeros_like(rows))
