"""The miniature reader: a small language model of transformers' own class that starts from random weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from benchmarks.understanding.reader.visual import RowLayout
from benchmarks.understanding.reader.words import word_tokenizer
from vtok_eval.answerers.language_models.text_prompt import TextPrompts
from vtok_eval.answerers.language_models.visual_projection import VisualProjection
from vtok_eval.probes.training import seeded

if TYPE_CHECKING:
    from benchmarks.understanding.reader.options import MiniatureOptions
    from vtok_eval.probes.preprocessing import Preprocessing

# Any: transformers' models and tokenizers, which have no types.

MOST_WORDS = 8
"""Tokens of an answer at most: four shapes with "and" between them, and the end."""
_LANGUAGE, _PROJECTION = "language_model.", "projection."


def new_language_model(options: MiniatureOptions, text_tokenizer: Any, *, seed: int) -> Any:
    """A `LlamaForCausalLM` of the options' size, drawn from `seed` alone, on the CPU in float32."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(text_tokenizer),
        hidden_size=options.width,
        intermediate_size=2 * options.width,
        num_hidden_layers=options.layers,
        num_attention_heads=options.heads,
        num_key_value_heads=options.heads,
        max_position_embeddings=2048,
        initializer_range=options.width**-0.5,
        # Hardly any rotation over a hundred positions: rows say themselves where in the clip they are from,
        # and are to be found by what they say.
        rope_parameters={"rope_type": "default", "rope_theta": 1e8},
        pad_token_id=text_tokenizer.pad_token_id,
        bos_token_id=None,
        eos_token_id=text_tokenizer.eos_token_id,
        tie_word_embeddings=False,
    )
    with seeded(seed, torch.device("cpu")):
        model = LlamaForCausalLM(config)
    _scale_start(model)
    return model


@torch.no_grad()
def _scale_start(model: Any) -> None:
    """Give words a variance of 1, and what layers add to them less than that in all.

    As transformers draws them, layers would add ten times what is there: a model of this size then needs some
    hundred steps before it sees its input at all.
    """
    config = model.config
    model.get_input_embeddings().weight.mul_(config.hidden_size**0.5)
    for layer in model.model.layers:
        for linear in (layer.self_attn.o_proj, layer.mlp.down_proj):
            linear.weight.mul_((2 * config.num_hidden_layers) ** -0.5)


@dataclass(frozen=True)
class MiniatureReader:
    """A trained reader in evaluation mode.

    layout: of the rows that it reads. preprocessing: of features, fitted to its training clips. history: how
    it came about, as JSON can hold it.
    """

    language_model: Any
    projection: VisualProjection
    text_tokenizer: Any
    layout: RowLayout
    preprocessing: Preprocessing
    history: Mapping[str, Any]

    @classmethod
    def built(
        cls,
        options: MiniatureOptions,
        weights: Mapping[str, Tensor],
        *,
        layout: RowLayout,
        preprocessing: Preprocessing,
        history: Mapping[str, Any],
        device: torch.device,
    ) -> MiniatureReader:
        """A reader of the options' size with the weights that `weights` of a trained one gave."""
        text_tokenizer = word_tokenizer()
        model = new_language_model(options, text_tokenizer, seed=0)
        projection = VisualProjection(layout.width, options.width, seed=0)
        model.load_state_dict(_part(weights, _LANGUAGE))
        projection.load_state_dict(_part(weights, _PROJECTION))
        return cls(
            model.to(device).eval().requires_grad_(False),
            projection.to(device).eval().requires_grad_(False),
            text_tokenizer,
            layout,
            preprocessing,
            history,
        )

    def weights(self) -> dict[str, Tensor]:
        """All weights by name."""
        return weights_of(self.language_model, self.projection)

    @torch.inference_mode()
    def answers(self, rows: Tensor, questions: Sequence[str]) -> list[str]:
        """The text that is generated for each question about a clip with these rows `(L, width)`.

        Greedy. The questions of a clip are one batch, each in a row of its own: what an answer is does not
        depend on which clips come together.
        """
        if not questions:
            return []
        prompts = TextPrompts(self.text_tokenizer, template="chat")
        device = self.projection.hidden.weight.device
        visual = self.projection(rows.to(device))
        parts = [
            self._embedded(prompt.before, visual if len(rows) else None, prompt.after)
            for prompt in (prompts.prompt(question, shown=len(rows) > 0) for question in questions)
        ]
        longest = max(len(part) for part in parts)
        embeddings = torch.zeros(len(parts), longest, visual.shape[1], device=device)
        attention = torch.zeros(len(parts), longest, dtype=torch.int64, device=device)
        for row, part in enumerate(parts):
            embeddings[row, longest - len(part) :] = part
            attention[row, longest - len(part) :] = 1
        ids = self.language_model.generate(
            inputs_embeds=embeddings,
            attention_mask=attention,
            max_new_tokens=MOST_WORDS,
            do_sample=False,
            num_beams=1,
            pad_token_id=self.text_tokenizer.pad_token_id,
        )
        texts: list[str] = self.text_tokenizer.batch_decode(ids, skip_special_tokens=True)
        return [text.strip() for text in texts]

    def _embedded(self, before: Sequence[int], visual: Tensor | None, after: Sequence[int]) -> Tensor:
        embed = self.language_model.get_input_embeddings()
        device = embed.weight.device
        texts = [embed(torch.tensor(ids, dtype=torch.int64, device=device)) for ids in (before, after)]
        return torch.cat(texts if visual is None else [texts[0], visual, texts[1]])


def weights_of(language_model: Any, projection: VisualProjection) -> dict[str, Tensor]:
    """The weights of both parts of a reader, by names that `MiniatureReader.built` takes apart."""
    named = {f"{_LANGUAGE}{name}": tensor for name, tensor in language_model.state_dict().items()}
    return named | {f"{_PROJECTION}{name}": tensor for name, tensor in projection.state_dict().items()}


def _part(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}
