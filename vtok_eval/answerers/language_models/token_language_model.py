"""A language model whose visual input is a tokenizer's tokens through a projection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vtok_eval.answerers.language_models.generation import cut_at_limit, end_ids
from vtok_eval.answerers.language_models.hf import Scoring
from vtok_eval.answerers.language_models.likelihood import candidates, continuation_ids, log_likelihoods
from vtok_eval.answerers.language_models.text_prompt import Template, TextPrompt, TextPrompts
from vtok_eval.answerers.language_models.visual_projection import VisualProjection
from vtok_eval.answerers.request import Answer, AnswerRequest, by_clip
from vtok_eval.answerers.training.tokens.trained import projected
from vtok_eval.data import Clips, Tokens, check_tokens
from vtok_eval.errors import SpecError
from vtok_eval.systems import Tokenizer

if TYPE_CHECKING:
    from vtok_eval.data import Clip

# Any: transformers' models, processors and tokenizers, which have no types.


class TokenLanguageModel:
    """A LLaVA-class language model whose visual input is a tokenizer's tokens through a projection.

    The tokens, S + (T - 1) of them for VTok and K * S for frames-K, take the place of a LLaVA's image: after
    the beginning of the user's turn and before the question. Padding tokens are left out. A clip is tokenized
    once, however many questions are asked about it. Decoding is greedy.

    tokenizer: any tokenizer. projection: from its width to the embeddings'. language_model, text_tokenizer:
    of transformers. template: see `TextPrompts`. scoring, per_token, max_new_tokens: as `hf:` has them.
    """

    def __init__(
        self,
        *,
        tokenizer: Tokenizer,
        language_model: Any,
        text_tokenizer: Any,
        projection: VisualProjection,
        template: Template = "chat",
        scoring: Scoring = "labels",
        per_token: bool = False,
        max_new_tokens: int = 64,
    ) -> None:
        if max_new_tokens < 1:
            raise SpecError(f"max_new_tokens must be at least 1, not {max_new_tokens}")
        self.tokenizer = tokenizer
        self.language_model = language_model
        self.projection = projection
        self.prompts = TextPrompts(text_tokenizer, template=template)
        self.scoring, self.per_token, self.max_new_tokens = scoring, per_token, max_new_tokens
        self._last: tuple[Clip, tuple[Tensor | None, Mapping[str, float]]] | None = None

    def answer(self, clip: Clip | None, question: str, options: Sequence[str]) -> str | Sequence[float]:
        """One log-likelihood per option, or the text that is generated; see `scoring`."""
        return self.answer_batch([AnswerRequest(clip, question, tuple(options))])[0].value()

    @torch.inference_mode()
    def answer_batch(self, requests: Sequence[AnswerRequest]) -> list[Answer]:
        """Answers in order; requests whose clip is the same object share its visual tokens.

        Raises:
            TokenizerError: the tokens break the protocol.
        """
        answers: dict[int, Answer] = {}
        for clip, positions in by_clip(requests):
            visual, cost = self._remembered(clip)
            for position in positions:
                answers[position] = self._answer(requests[position], visual, cost)
        return [answers[position] for position in range(len(requests))]

    @torch.inference_mode()
    def answer_tokens(self, groups: tuple[Tokens, ...], requests: Sequence[AnswerRequest]) -> list[Answer]:
        """Answers to requests about one clip whose tokens are at hand, as a `TokenSource` gives them.

        groups: the tokenizer's features where its projection was trained with this reader, else its tokens.
        The requests' clips are not looked at.

        Raises:
            TokenizerError: the tokens break the protocol.
        """
        tokens = projected(self.tokenizer, tuple(replace(g, values=g.values.float()) for g in groups))
        check_tokens(tokens, n_clips=1)
        visual, cost = self._projected(tokens)
        return [self._answer(request, visual, cost) for request in requests]

    def _remembered(self, clip: Clip | None) -> tuple[Tensor | None, Mapping[str, float]]:
        """As `_visual`; the last clip's are kept for the next call, which may ask more about it."""
        if clip is None:
            return self._visual(clip)
        if self._last is None or self._last[0] is not clip:
            self._last = None  # two clips' tokens are never held at once
            self._last = clip, self._visual(clip)
        return self._last[1]

    def _visual(self, clip: Clip | None) -> tuple[Tensor | None, Mapping[str, float]]:
        """Visual embeddings `(L, E)` and what they cost; None where nothing is shown."""
        if clip is None or len(clip.frames) == 0:
            return None, {"visual_tokens": 0.0}
        tokens = self.tokenizer.encode(Clips.stack([clip]))
        check_tokens(tokens, n_clips=1)
        return self._projected(tokens)

    def _projected(self, tokens: Tokens) -> tuple[Tensor | None, Mapping[str, float]]:
        present = tokens.mask[0]
        values = tokens.values[0][present].to(self._device)
        cost = {
            "visual_tokens": float(len(values)),
            "frames": float(len(tokens.frame[0][present].unique())),
        }
        if not len(values):
            # As for a clip that is not shown: a reader of no tokens has no place for them.
            return None, cost
        return self.projection(values).to(self.language_model.dtype), cost

    def _answer(self, request: AnswerRequest, visual: Tensor | None, cost: Mapping[str, float]) -> Answer:
        prompt = self.prompts.prompt(request.question, shown=visual is not None)
        embeddings = self._embeddings(prompt, visual)
        cost = {**cost, "prompt_tokens": float(len(embeddings))}
        if self.scoring == "generate" or not request.options:
            text, is_cut = self._generated(embeddings)
            return Answer(text=text, is_cut=is_cut, cost=cost)
        texts = candidates(request, self.scoring)
        continuations = continuation_ids(self.prompts.tokenizer, prompt.rendered, texts)
        return Answer(scores=self._scores(embeddings, continuations), cost=cost)

    def _embeddings(self, prompt: TextPrompt, visual: Tensor | None) -> Tensor:
        """The language model's input `(L, E)`: text before, visual tokens, text after."""
        before, after = self._embedded(prompt.before), self._embedded(prompt.after)
        return torch.cat([before, after] if visual is None else [before, visual, after])

    def _embedded(self, ids: Sequence[int]) -> Tensor:
        embedded: Tensor = self.language_model.get_input_embeddings()(
            torch.tensor(ids, dtype=torch.int64, device=self._device)
        )
        return embedded

    def _scores(self, embeddings: Tensor, continuations: Sequence[Sequence[int]]) -> tuple[float, ...]:
        """Log-likelihoods; every question is its own pass, independent of the others."""
        longest = max(len(tokens) for tokens in continuations)
        rows = embeddings[None]
        if longest > 1:
            # Positions after a row's last token are not read.
            followed = [
                self._embedded([*tokens[:-1], *[0] * (longest - len(tokens))]) for tokens in continuations
            ]
            rows = torch.stack([torch.cat([embeddings, more]) for more in followed])
        attention = torch.ones(rows.shape[:2], dtype=torch.int64, device=self._device)
        output = self.language_model(
            inputs_embeds=rows, attention_mask=attention, use_cache=False, logits_to_keep=longest
        )
        logits = output.logits[:, -longest:].expand(len(continuations), -1, -1).cpu()
        return tuple(log_likelihoods(logits, continuations, per_token=self.per_token))

    def _generated(self, embeddings: Tensor) -> tuple[str, bool]:
        """The text that follows the embeddings, and whether it was cut at the token limit."""
        tokenizer = self.prompts.tokenizer
        pad_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
        ids = self.language_model.generate(
            inputs_embeds=embeddings[None],
            attention_mask=torch.ones(1, len(embeddings), dtype=torch.int64, device=self._device),
            max_new_tokens=self.max_new_tokens,
            do_sample=False,
            num_beams=1,
            temperature=None,
            top_p=None,
            top_k=None,
            pad_token_id=pad_id,
        )
        (is_cut,) = cut_at_limit(ids, self.max_new_tokens, ends=end_ids(self.language_model, tokenizer))
        return str(tokenizer.decode(ids[0], skip_special_tokens=True)).strip(), is_cut

    @property
    def _device(self) -> torch.device:
        return self.projection.hidden.weight.device
