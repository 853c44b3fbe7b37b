"""A transformers video language model, asked through its processor's own chat template."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import torch

from vtok_eval.answerers.language_models.checkpoint_folder import (
    checkpoint_folder,
    describe_checkpoint,
    need_transformers,
)
from vtok_eval.answerers.language_models.generation import cut_at_limit, end_ids
from vtok_eval.answerers.language_models.likelihood import candidates, continuation_ids, log_likelihoods
from vtok_eval.answerers.language_models.prompts import ModelPrompt, PromptMaker, ShowAs, batch_of
from vtok_eval.answerers.language_models.shared_prefix import SharedPrefix
from vtok_eval.answerers.language_models.shared_vision import SharedVision
from vtok_eval.answerers.loaded_when_asked import LoadedWhenAsked
from vtok_eval.answerers.request import Answer, AnswerRequest, by_clip
from vtok_eval.answerers.shown_frames import FrameRule, ShownFrames, show
from vtok_eval.errors import SpecError
from vtok_eval.results.description import Description
from vtok_eval.specs.binding import bind, effective_options
from vtok_eval.specs.grammar import parse_options

if TYPE_CHECKING:
    from vtok_eval.data import Clip

# Any: transformers' models, processors and tokenizers, which have no types.

Scoring = Literal["generate", "labels", "options"]
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class TransformersAnswerer:
    """Any model that transformers loads as image-text-to-text and whose processor has a chat template.

    LLaVA-NeXT-Video, LLaVA-OneVision, Qwen2.5-VL, Qwen3-VL and others. Frames are chosen and bounded here
    (see `FrameRule`); the processor samples none. Decoding is greedy. A request without a clip, or whose clip
    has no frames, is asked by its text alone.

    model: a local folder, or a hub name (OWNER/NAME) that the local cache holds or can fetch.
    scoring: "generate" gives the model's text; "labels" and "options" one score per option, the
        log-likelihood in nats of its label or its text as the answer. Open-ended questions are always
        generated.
    per_token: the mean log-likelihood over an option's tokens, for options of unequal length.
    show_as: the frames as one "video" or as single "images", for models without video input.
    batch_size: prompts of one clip in a forward pass. 1, the default, gives every prompt the same arithmetic
        whichever prompts come with it; more may move an answer by rounding.
    share_prefix: with batch_size=1, what comes before the question (mainly the visual tokens) passes
        through the language model once for all questions of a clip (see `SharedPrefix`).
    dtype: "auto" is the checkpoint's own on CUDA and float32 on a CPU.

    Raises:
        SpecError: an option has a bad value, or the folder does not hold such a model.
        MissingDependencyError: transformers or the model is not there.
    """

    def __init__(
        self,
        *,
        model: str,
        frames: int = 8,
        sampling: Literal["linspace", "interior", "fps"] = "linspace",
        fps: float | None = None,
        max_pixels: int | None = None,
        show_as: ShowAs = "video",
        scoring: Scoring = "generate",
        per_token: bool = False,
        max_new_tokens: int = 64,
        batch_size: int = 1,
        share_prefix: bool = True,
        dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
        revision: str | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        if batch_size < 1 or max_new_tokens < 1:
            raise SpecError("batch_size and max_new_tokens must be at least 1")
        need_transformers()
        self.model_name = model
        self._options = {
            "frames": frames,
            "sampling": sampling,
            "fps": fps,
            "max_pixels": max_pixels,
            "show_as": show_as,
            "scoring": scoring,
            "per_token": per_token,
            "max_new_tokens": max_new_tokens,
            "batch_size": batch_size,
            "share_prefix": share_prefix,
            "dtype": dtype,
        }
        self.rule = FrameRule(count=frames, sampling=sampling, fps=fps, max_pixels=max_pixels)
        self.scoring, self.per_token = scoring, per_token
        self.max_new_tokens, self.batch_size = max_new_tokens, batch_size
        self.device = torch.device(device)
        self.folder = checkpoint_folder(model, revision=revision)
        self.model = _load_model(self.folder, dtype, self.device)
        self.prompts = PromptMaker(
            _load_processor(self.folder), show_as=show_as, device=self.device, dtype=self.model.dtype
        )
        self.vision = SharedVision(self.model)
        self._placeholders = _placeholder_ids(self.model.config)
        self.prefix = SharedPrefix(self.model, self._placeholders) if share_prefix else None
        self._last: tuple[Clip, ShownFrames] | None = None

    def describe(self) -> Description:
        """What provenance keeps; hashing the weights takes seconds per 10 GB."""
        return describe_checkpoint(self.model_name, self.folder).with_facts(self._options)

    def answer(self, clip: Clip | None, question: str, options: Sequence[str]) -> str | Sequence[float]:
        """The model's text, or one log-likelihood per option; see `scoring`."""
        return self.answer_batch([AnswerRequest(clip, question, tuple(options))])[0].value()

    @torch.inference_mode()
    def answer_batch(self, requests: Sequence[AnswerRequest]) -> list[Answer]:
        """Answers in order; requests whose clip is the same object share its visual tokens.

        Those of the last clip are kept for the next call, which may begin with more questions about it.
        """
        answers: dict[int, Answer] = {}
        for clip, positions in by_clip(requests):
            asked = [requests[position] for position in positions]
            try:
                answers.update(zip(positions, self._about_one_clip(asked, self._shown(clip)), strict=True))
            except BaseException:
                self._forget()
                raise
        return [answers[position] for position in range(len(requests))]

    def _shown(self, clip: Clip | None) -> ShownFrames | None:
        """The clip's frames by the rule, the same object for the same clip."""
        if clip is None or len(clip.frames) == 0:
            return None
        if self._last is None or self._last[0] is not clip:
            self._forget()
            self._last = clip, show(clip, self.rule)
        return self._last[1]

    def _forget(self) -> None:
        """Release what was computed for the last clip."""
        self._last = None
        self.vision.forget()
        self.prompts.forget()
        if self.prefix is not None:
            self.prefix.forget()

    def _about_one_clip(self, requests: Sequence[AnswerRequest], shown: ShownFrames | None) -> list[Answer]:
        prompts = [self.prompts.prompt(request.question, shown) for request in requests]
        scored = [self.scoring != "generate" and bool(request.options) for request in requests]
        to_generate = [prompt for prompt, is_scored in zip(prompts, scored, strict=True) if not is_scored]
        texts = iter(self._generated(to_generate))
        answers = []
        for request, prompt, is_scored in zip(requests, prompts, scored, strict=True):
            scores = self._scores(prompt, candidates(request, self.scoring)) if is_scored else None
            text, is_cut = (None, None) if is_scored else next(texts)
            cost = self._cost(prompt, shown)
            answers.append(Answer(text=text, scores=scores, is_cut=is_cut, cost=cost))
        return answers

    def _generated(self, prompts: Sequence[ModelPrompt]) -> list[tuple[str, bool]]:
        """The text that follows each prompt, and whether it was cut at the token limit."""
        texts: list[tuple[str, bool]] = []
        for start in range(0, len(prompts), self.batch_size):
            part = prompts[start : start + self.batch_size]
            inputs = self._inputs(part)
            n_rows, length = inputs["input_ids"].shape
            shared = self._shared(part[0])
            if shared is not None:
                names = ("input_ids", "attention_mask")
                inputs = {**{name: inputs[name] for name in names}, "past_key_values": shared.cache(part[0])}
            with self.vision.rows(n_rows):
                ids = self.model.generate(
                    **inputs,
                    max_new_tokens=self.max_new_tokens,
                    do_sample=False,
                    num_beams=1,
                    temperature=None,
                    top_p=None,
                    top_k=None,
                    pad_token_id=self._pad_id,
                )
            new = ids[:, length:]
            cut = cut_at_limit(new, self.max_new_tokens, ends=end_ids(self.model, self._tokenizer))
            decoded = self._tokenizer.batch_decode(new, skip_special_tokens=True)
            texts += [(text.strip(), is_cut) for text, is_cut in zip(decoded, cut, strict=True)]
        return texts

    def _scores(self, prompt: ModelPrompt, texts: Sequence[str]) -> tuple[float, ...]:
        continuations = continuation_ids(self._tokenizer, prompt.rendered, texts)
        longest = max(len(tokens) for tokens in continuations)
        if longest == 1:
            # One pass over the prompt predicts every single-token option.
            logits = self._logits([prompt], ((),), keep=1)
            rows = logits.expand(len(texts), -1, -1)
            return tuple(log_likelihoods(rows, continuations, per_token=self.per_token))
        scores: list[float] = []
        for start in range(0, len(texts), self.batch_size):
            part = continuations[start : start + self.batch_size]
            # Equal lengths whatever shares the pass: rounding follows the shape of a matrix product.
            padded = [[*tokens, *[self._pad_id] * (longest - len(tokens))] for tokens in part]
            logits = self._logits([prompt] * len(part), padded, keep=longest + 1)[:, :-1]
            scores += log_likelihoods(logits, part, per_token=self.per_token)
        return tuple(scores)

    def _logits(
        self, prompts: Sequence[ModelPrompt], continuations: Sequence[Sequence[int]], *, keep: int
    ) -> torch.Tensor:
        """Logits `(N, keep, V)` at the end of a prompt followed by each continuation, on the CPU."""
        shared = self._shared(prompts[0])
        if shared is not None:
            return shared.logits(prompts[0], continuations, keep=keep).cpu()
        inputs = self._inputs(prompts, continuations)
        limit = {"logits_to_keep": keep} if "logits_to_keep" in _parameters(self.model) else {}
        with self.vision.rows(len(inputs["input_ids"])):
            output = self.model(**inputs, use_cache=False, **limit)
        result: torch.Tensor = output.logits[:, -keep:].cpu()
        return result

    def _shared(self, prompt: ModelPrompt) -> SharedPrefix | None:
        """The store of the prompt's prefix, if it is used."""
        if self.prefix is None or self.batch_size > 1:
            return None
        return self.prefix if self.prefix.usable(prompt, lambda: self._inputs([prompt])) else None

    def _inputs(
        self, prompts: Sequence[ModelPrompt], continuations: Sequence[Sequence[int]] = ()
    ) -> dict[str, Any]:
        return batch_of(prompts, pad_id=self._pad_id, device=self.device, continuations=continuations)

    def _cost(self, prompt: ModelPrompt, shown: ShownFrames | None) -> Mapping[str, float]:
        visual = int(torch.isin(prompt.ids, self._placeholders).sum())
        counts = {"visual_tokens": float(visual), "prompt_tokens": float(len(prompt.ids))}
        return {**counts, **shown.cost()} if shown is not None else counts

    @property
    def _tokenizer(self) -> Any:
        return self.prompts.processor.tokenizer

    @property
    def _pad_id(self) -> int:
        pad_id = self._tokenizer.pad_token_id
        return int(pad_id if pad_id is not None else self._tokenizer.eos_token_id)


def load_dtype(name: str, device: torch.device) -> Any:
    """What transformers' `dtype` is given: "auto" is the checkpoint's own on CUDA, float32 on a CPU."""
    if name == "auto":
        return "auto" if device.type == "cuda" else torch.float32
    return DTYPES[name]


def _load_model(folder: Any, dtype: str, device: torch.device) -> Any:
    from transformers import AutoModelForImageTextToText

    try:
        model = AutoModelForImageTextToText.from_pretrained(
            folder, dtype=load_dtype(dtype, device), use_safetensors=True, local_files_only=True
        )
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:300]
        raise SpecError(f"{folder} does not load as a vision language model: {reason}") from error
    return model.to(device).eval().requires_grad_(False)


def _load_processor(folder: Any) -> Any:
    from transformers import AutoProcessor

    try:
        return AutoProcessor.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:300]
        raise SpecError(f"the processor in {folder} does not load: {reason}") from error


def _parameters(model: Any) -> frozenset[str]:
    return frozenset(inspect.signature(model.forward).parameters)


def _placeholder_ids(config: Any) -> torch.Tensor:
    """Ids that stand for visual tokens; the config's names for them have changed over time."""
    names = ("video_token_id", "image_token_id", "video_token_index", "image_token_index")
    found = {getattr(config, name) for name in names if getattr(config, name, None) is not None}
    return torch.tensor(sorted(found), dtype=torch.int64, device="cpu")


def build_hf(argument: str, *, device: torch.device) -> LoadedWhenAsked:
    """What `hf:MODEL,option=value,...` names; the options are those of `TransformersAnswerer`.

    Raises:
        SpecError, UnknownNameError, MissingDependencyError: as there, or the options cannot be read.
    """
    options = parse_options(argument, spec=f"hf:{argument}", subject="model")
    arguments = bind(TransformersAnswerer, options, what="hf", subject="model", given={"device": device})
    need_transformers()
    folder = checkpoint_folder(arguments["model"], revision=arguments.get("revision"))
    in_effect = effective_options(TransformersAnswerer, arguments, leave_out=("model", "device"))
    description = describe_checkpoint(arguments["model"], folder).with_facts(in_effect)
    return LoadedWhenAsked(lambda: TransformersAnswerer(**arguments), description)
