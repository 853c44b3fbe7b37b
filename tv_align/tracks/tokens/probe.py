"""The probe of the track `read`: a question looks for what it asks in a clip's tokens, and says yes or no."""

from __future__ import annotations

import math
from collections.abc import Iterator

from torch import Tensor, nn

from vtok_eval.data import Tokens
from vtok_eval.probes.attentive import AttentionShape, TokenAttention, TokenReader, project

_SPREAD = 0.3
"""Standard deviation of the word embeddings at the start."""


class QuestionProbe(TokenAttention):
    """One logit for yes per question; each question is read separately.

    A question comes as two bags of words of a closed vocabulary (`tv_align.scenes.words`): what it asks, and
    the answer that it claims. The query is the normalised sum of learned embeddings of what is asked; what it
    finds among the tokens, added to the query, is compared by a dot product with the sum of embeddings of
    what is claimed. Without tokens only the null token is left, and the logit depends on the words alone.
    """

    def __init__(self, shape: AttentionShape, *, n_words: int) -> None:
        """Draw the weights from torch's default generator. n_words: words of questions."""
        super().__init__(shape, n_queries=0)
        width = shape.width
        # Products with bags of words, not look-ups: their gradient is deterministic on every device.
        self.embed_asked = nn.Linear(n_words, width, bias=False)
        self.embed_claimed = nn.Linear(n_words, width, bias=False)
        self.lean = nn.Linear(n_words, 1)
        for table in (self.embed_asked, self.embed_claimed):
            nn.init.normal_(table.weight, std=_SPREAD)
        self.query_norm = nn.LayerNorm(width)

    def tables(self) -> Iterator[nn.Parameter]:
        """Also the embeddings of words, and the words' own lean towards yes."""
        yield from super().tables()
        for table in (self.embed_asked, self.embed_claimed, self.lean):
            yield from table.parameters()

    def find(self, tokens: Tokens, slot: Tensor, asked: Tensor) -> Tensor:
        """What the questions find, `(B, Q, width)`.

        tokens: float32 values `(B, L, D)`, L may be 0. slot: `(B, L)` int64.
        asked: `(B, Q, n_words)` float32.
        """
        queries = self.query_norm(self.embed_asked(asked))
        found: Tensor = self.answer_norm(self.answer(self.gathered(tokens, slot, queries) + queries))
        return found

    def agree(self, found: Tensor, claimed: Tensor) -> Tensor:
        """Logits `(B, Q, C)` that what was found, `(B, Q, width)`, is each of the claims `(C, n_words)`."""
        fit = found @ self.embed_claimed(claimed).T / math.sqrt(found.shape[-1])
        result: Tensor = fit + self.lean(claimed).squeeze(-1)
        return result


class QuestionReader(TokenReader):
    """A tokenizer's projection and the probe, trained together."""

    probe: QuestionProbe

    def __init__(self, projection: nn.Module, probe: QuestionProbe) -> None:
        super().__init__(projection, probe)

    def find(self, groups: tuple[Tokens, ...], slot: Tensor, asked: Tensor) -> Tensor:
        """As `QuestionProbe.find`, from groups of features in float32."""
        return self.probe.find(project(self.projection, groups), slot, asked)

    def says_yes(self, groups: tuple[Tokens, ...], slot: Tensor, asked: Tensor, claimed: Tensor) -> Tensor:
        """Logits `(B, Q)` of the same questions to each clip, given as bags of words `(Q, n_words)`."""
        found = self.find(groups, slot, asked.expand(len(slot), *asked.shape))
        return self.probe.agree(found, claimed).diagonal(dim1=1, dim2=2)
