"""`vtok-llava`: a language model that reads a tokenizer's tokens, as in VTok (arXiv 2602.04202)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from vtok_eval.answerers.language_models.checkpoint_folder import (
    checkpoint_folder,
    describe_checkpoint,
    need_transformers,
)
from vtok_eval.answerers.language_models.generation import cut_at_limit, end_ids
from vtok_eval.answerers.language_models.hf import DTYPES, Scoring
from vtok_eval.answerers.language_models.likelihood import candidates, continuation_ids, log_likelihoods
from vtok_eval.answerers.language_models.text_prompt import TextPrompt, TextPrompts
from vtok_eval.answerers.language_models.visual_projection import VisualProjection, load_reader
from vtok_eval.answerers.loaded_when_asked import LoadedWhenAsked
from vtok_eval.answerers.request import Answer, AnswerRequest, by_clip
from vtok_eval.data import Clips, check_tokens
from vtok_eval.errors import SpecError
from vtok_eval.files.hashing import sha256_file
from vtok_eval.results.description import Caveat, joined_caveats
from vtok_eval.specs.binding import bind, effective_options
from vtok_eval.specs.grammar import parse_options
from vtok_eval.systems import Tokenizer

if TYPE_CHECKING:
    from vtok_eval.data import Clip

# Any: transformers' models, processors and tokenizers, which have no types.

Template = Literal["chat", "vicuna"]


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
        present = tokens.mask[0]
        values = tokens.values[0][present].to(self._device)
        cost = {
            "visual_tokens": float(len(values)),
            "frames": float(len(tokens.frame[0][present].unique())),
        }
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


def build_vtok_llava(
    argument: str, *, device: torch.device, names: Mapping[str, str] | None = None
) -> LoadedWhenAsked:
    """What `vtok-llava:LANGUAGE_MODEL,tokenizer=SPEC,checkpoint=FILE,...` names.

    LANGUAGE_MODEL: a local folder, or a hub name that the local cache holds or can fetch. tokenizer: a spec,
    in parentheses, `(vtok:grid=4,stride=6,checkpoint=g.safetensors)`. checkpoint: see
    `visual_projection.load_reader`; without one, `random=SEED` draws a projection, which says nothing about
    the tokens. template: "chat" is the language model's own, "vicuna" that of LLaVA-1.5. scoring,
    per_token, max_new_tokens, dtype: as for `hf:`. names: the suite's systems, name -> spec, which
    `match:NAME` may name.

    Raises:
        SpecError, UnknownNameError: an option, the folder, the checkpoint or the tokenizer cannot be used.
        MissingDependencyError: transformers or the language model is not there.
    """
    from vtok_eval.tokenizers.build import describe_tokenizer

    given = {"source": None, "folder": None, "device": device}
    written = parse_options(argument, spec=f"vtok-llava:{argument}", subject="language_model")
    arguments = bind(_token_reader, written, what="vtok-llava", subject="language_model", given=given)
    options = effective_options(_token_reader, arguments, leave_out=("language_model", *given))
    checkpoint = arguments.get("checkpoint")
    if (checkpoint is None) == (options["random"] is None):
        raise SpecError(
            "vtok-llava needs either a trained projection, checkpoint=FILE, or a random one, random=SEED"
        )
    if checkpoint is not None and not checkpoint.is_file():
        raise SpecError(f"checkpoint {checkpoint}: no such file")
    need_transformers()
    language_model = arguments["language_model"]
    arguments["folder"] = checkpoint_folder(language_model, revision=arguments.get("revision"))
    spec = str(options["tokenizer"])
    arguments["source"] = _build_tokenizer(spec, device, names or {})
    tokenizer = describe_tokenizer(arguments["source"])
    facts = {
        **options,
        "tokenizer": {"spec": spec, **tokenizer.identity()},
        **_matched(spec, names or {}),
        "projection": "random weights" if checkpoint is None else sha256_file(checkpoint),
    }
    drawn = (Caveat.RANDOM_WEIGHTS,) if checkpoint is None else ()
    description = replace(
        describe_checkpoint(language_model, arguments["folder"]).with_facts(facts),
        caveats=joined_caveats(drawn, tokenizer.caveats),
    )
    return LoadedWhenAsked(lambda: _token_reader(**arguments), description)


def _token_reader(
    *,
    language_model: str,
    tokenizer: str = "vtok",
    checkpoint: Path | None = None,
    random: int | None = None,
    template: Template = "chat",
    scoring: Scoring = "labels",
    per_token: bool = False,
    max_new_tokens: int = 64,
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
    revision: str | None = None,
    source: Tokenizer,
    folder: Path,
    device: torch.device,
) -> TokenLanguageModel:
    """`build_vtok_llava`'s options; `source` and `folder` are what tokenizer and language_model name."""
    del language_model, tokenizer, revision
    model, text_tokenizer = _load_language_model(folder, dtype, device)
    width, embedding_width = _width(source), model.get_input_embeddings().weight.shape[1]
    if checkpoint is None:
        projection = VisualProjection(width, embedding_width, seed=random or 0)
    else:
        projection = load_reader(
            checkpoint, width=width, embedding_width=embedding_width, language_model=model
        )
    return TokenLanguageModel(
        tokenizer=source,
        language_model=model,
        text_tokenizer=text_tokenizer,
        projection=projection.to(device, model.dtype).eval().requires_grad_(False),
        template=template,
        scoring=scoring,
        per_token=per_token,
        max_new_tokens=max_new_tokens,
    )


def _load_language_model(folder: Path, dtype: str, device: torch.device) -> tuple[Any, Any]:
    """A causal language model, or a LLaVA with its own one inside, and its text tokenizer."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText, AutoTokenizer

    wanted = DTYPES.get(dtype, "auto" if device.type == "cuda" else torch.float32)
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        auto = AutoModelForImageTextToText if hasattr(config, "vision_config") else AutoModelForCausalLM
        model = auto.from_pretrained(folder, dtype=wanted, use_safetensors=True, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:300]
        raise SpecError(f"{folder} does not load as a language model: {reason}") from error
    return model.to(device).eval().requires_grad_(False), tokenizer


def _matched(spec: str, names: Mapping[str, str]) -> dict[str, Any]:
    """The systems that a spec matches by name: which systems the names mean is part of what it is."""
    found = {name: system for name, system in names.items() if f"match:{name}" in spec}
    return {"names": found} if found else {}


def _build_tokenizer(spec: str, device: torch.device, names: Mapping[str, str]) -> Tokenizer:
    from vtok_eval.files.cache_folder import cache_folder
    from vtok_eval.tokenizers.build import BuildContext, build_tokenizer
    from vtok_eval.tokenizers.feature_cache import FeatureCache

    features = FeatureCache(cache_folder() / "features")
    return build_tokenizer(spec, BuildContext(device=device, cache=features, names=names))


def _width(tokenizer: Tokenizer) -> int:
    """D of the tokenizer's tokens, from what it says or else from one grey clip."""
    said = getattr(tokenizer, "width", None)
    if isinstance(said, int):
        return said
    grey = torch.full((1, 8, 3, 64, 64), 128, dtype=torch.uint8, device="cpu")
    return int(
        tokenizer.encode(Clips(grey, torch.tensor([8.0], dtype=torch.float64, device="cpu"))).values.shape[2]
    )
