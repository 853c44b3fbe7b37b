"""`zero-shot:NAME/PRETRAINED`: options by the similarity of their texts to the frames, without training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from vtok_eval.answerers.request import Answer, AnswererError, AnswerRequest, by_clip
from vtok_eval.answerers.shown_frames import FrameRule, show
from vtok_eval.devices.deferred import Deferred, arriving
from vtok_eval.devices.transfer import transfer_to
from vtok_eval.errors import SpecError
from vtok_eval.results.description import Description
from vtok_eval.specs.binding import bind
from vtok_eval.specs.grammar import parse_options
from vtok_eval.tokenizers.backbones.base import state_sha256
from vtok_eval.tokenizers.backbones.open_clip import (
    parse_model,
    preprocessed,
    preprocessing,
    pretrained_model,
    random_model,
    weights_in_words,
)
from vtok_eval.tokenizers.backbones.open_clip_weights import text_tokenizer

if TYPE_CHECKING:
    from vtok_eval.data import Clip

# Any: open_clip's tokenizers, which have no common type.

TextOf = Literal["option", "question+option"]


class ZeroShot:
    """Scores each option by an open_clip model: the mean, over frames, of the cosine with the option's text.

    What it measures is whether single pictures fit the words; it has no notion of the order of frames. The
    cosines are multiplied by the model's own scale, so that their softmax is the model's own probability.

    model: an open_clip model with both towers. rule: which frames are used.
    text: "option" compares the option's text alone; "question+option" puts the question before it, where the
        request tells it (`AnswerRequest.text`). A text beyond the model's context is cut off at its end.
    """

    def __init__(
        self,
        model: nn.Module,
        text_tokenizer: Any,
        *,
        rule: FrameRule,
        text: TextOf = "option",
        description: Description | None = None,
    ) -> None:
        self.model = model
        self.text_tokenizer = text_tokenizer
        self.rule = rule
        self.text = text
        self._preprocessing = preprocessing(model.visual)  # type: ignore[arg-type]
        self._description = description or Description()
        self._last: tuple[Clip, Tensor, Mapping[str, float]] | None = None

    def describe(self) -> Description:
        """What provenance keeps."""
        return self._description.with_facts({**self.rule.to_json(), "text": self.text})

    def answer(self, clip: Clip | None, question: str, options: Sequence[str]) -> Sequence[float]:
        """One score per option.

        Raises:
            AnswererError: an open-ended question, or nothing to look at.
        """
        request = AnswerRequest(clip, question, tuple(options), text=question)
        return self.answer_batch([request])[0].scores or ()

    @torch.inference_mode()
    def answer_batch(self, requests: Sequence[AnswerRequest]) -> list[Answer]:
        """Answers in order; the frames of a clip are embedded once.

        Raises:
            AnswererError: an open-ended question, or nothing to look at.
        """
        begun: dict[int, tuple[Deferred[list[Tensor]], Mapping[str, float]]] = {}
        for clip, positions in by_clip(requests):
            if clip is None or len(clip.frames) == 0:
                raise AnswererError("zero-shot compares options with frames; it cannot answer blindly")
            frames, cost = self._seen(clip)
            for position in positions:
                scores = self._scores(frames, self._texts(requests[position]))
                begun[position] = arriving([transfer_to(self._device).download(scores)]), cost
        # Every score is asked for before the first is waited for.
        answers = []
        for position in range(len(requests)):
            arrives, cost = begun[position]
            answers.append(Answer(scores=tuple(arrives.get()[0].tolist()), cost=cost))
        return answers

    def _seen(self, clip: Clip) -> tuple[Tensor, Mapping[str, float]]:
        """Embeddings of the clip's frames and their cost; the last clip's are kept for the next call."""
        if self._last is None or self._last[0] is not clip:
            shown = show(clip, self.rule)
            self._last = clip, self._frame_embeddings(shown.frames), shown.cost()
        return self._last[1:]

    def _texts(self, request: AnswerRequest) -> list[str]:
        if not request.options:
            raise AnswererError("zero-shot compares options; it cannot answer an open-ended question")
        if self.text == "option":
            return list(request.options)
        return [f"{request.text} {option}".strip() for option in request.options]

    def _frame_embeddings(self, frames: Tensor) -> Tensor:
        """Unit vectors `(K, E)`."""
        pixels = preprocessed(frames.to(self._device), self._preprocessing)
        embeddings: Tensor = self.model.encode_image(pixels, normalize=True)  # type: ignore[operator]
        return embeddings

    def _scores(self, frames: Tensor, texts: Sequence[str]) -> Tensor:
        """One score for each text, float64."""
        # One text at a time: matrix products round by the number of rows, and ties between equal texts count.
        embedded = [
            self.model.encode_text(  # type: ignore[operator]
                self.text_tokenizer([text]).to(self._device), normalize=True
            )
            for text in texts
        ]
        scale = self.model.logit_scale.exp()  # type: ignore[operator]
        return torch.stack([(frames @ one.T).double().mean() * scale for one in embedded])

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device


def build_zero_shot(argument: str, *, device: torch.device) -> ZeroShot:
    """What `zero-shot:NAME/PRETRAINED,frames=8,...` names; NAME as for the backbone `open_clip:`.

    Raises:
        SpecError, UnknownNameError: an option or the model cannot be read.
        MissingDependencyError: the weights are not on this machine; names the command that fetches them.
    """
    given = {"device": device}
    options = parse_options(argument, spec=f"zero-shot:{argument}", subject="model")
    return _zero_shot(**bind(_zero_shot, options, what="zero-shot", subject="model", given=given))


def _zero_shot(
    *,
    model: str,
    frames: int = 8,
    sampling: Literal["linspace", "interior", "fps"] = "linspace",
    fps: float | None = None,
    text: TextOf = "option",
    device: torch.device,
) -> ZeroShot:
    name, pretrained, seed = parse_model(model)
    loaded = pretrained_model(name, pretrained) if seed is None else random_model(name, seed)
    if not (hasattr(loaded, "encode_text") and hasattr(loaded, "logit_scale")):
        raise SpecError(f"zero-shot:{model}: this open_clip model has no text tower to compare with")
    loaded = loaded.to(device).eval().requires_grad_(False)
    weights, caveats = weights_in_words(pretrained, seed)
    facts = {
        "model": f"open_clip:{name}",
        "weights": weights,
        "weights_sha256": state_sha256(loaded.state_dict().items()),
    }
    description = Description(caveats=caveats, facts=facts)
    rule = FrameRule(count=frames, sampling=sampling, fps=fps)
    return ZeroShot(loaded, text_tokenizer(name), rule=rule, text=text, description=description)
