"""A trained reader in memory: it answers questions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from vtok_eval.answerers.language_models.text_prompt import Template
from vtok_eval.answerers.training.curves import LearningCurve
from vtok_eval.answerers.training.recipe import ReaderRecipe

if TYPE_CHECKING:
    from torch import nn

    from vtok_eval.answerers.language_models.hf import Scoring
    from vtok_eval.answerers.language_models.token_language_model import TokenLanguageModel
    from vtok_eval.answerers.language_models.visual_projection import VisualProjection
    from vtok_eval.systems import Tokenizer

# Any: transformers' models and tokenizers, which have no types.


@dataclass(frozen=True)
class TrainedLanguageReader:
    """What `train_reader` gives, in evaluation mode and on the device on which it was trained.

    language_model: wrapped in peft's adapters where the recipe has some. projection: from tokens to
    embeddings. token_projection: the tokenizer's own, trained; None where it has none.
    tokenizer: as it was given, without what was trained; see `trained_tokenizer`.
    left_out: conversation's id -> why it was not used. facts: plain data for a card or a record.
    `checkpoint.save_checkpoint` writes it to a folder.
    """

    language_model: Any
    text_tokenizer: Any
    tokenizer: Tokenizer
    projection: VisualProjection
    token_projection: nn.Module | None
    recipe: ReaderRecipe
    seed: int
    template: Template
    curve: LearningCurve
    left_out: Mapping[str, str]
    facts: Mapping[str, object]

    @cached_property
    def trained_tokenizer(self) -> Tokenizer:
        """The tokenizer with its trained projection: its `encode` gives what the reader reads."""
        from vtok_eval.answerers.training.tokens.trained import TrainedTokens

        if self.token_projection is None:
            return self.tokenizer
        return TrainedTokens(self.tokenizer, self.token_projection)  # type: ignore[arg-type]  # it has features

    def answerer(
        self, *, scoring: Scoring = "generate", per_token: bool = False, max_new_tokens: int = 64
    ) -> TokenLanguageModel:
        """The reader as an answerer of questions about clips; see `TokenLanguageModel`."""
        from vtok_eval.answerers.language_models.token_language_model import TokenLanguageModel

        return TokenLanguageModel(
            tokenizer=self.trained_tokenizer,
            language_model=self.language_model,
            text_tokenizer=self.text_tokenizer,
            projection=self.projection,
            template=self.template,
            scoring=scoring,
            per_token=per_token,
            max_new_tokens=max_new_tokens,
        )
