"""A question and its frames as a transformers processor prepares them for the model, and batches of those."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from vtok_eval.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from torch import Tensor

    from vtok_eval.answerers.shown_frames import ShownFrames

# Any: transformers' models, processors and tokenizers, which have no types.

ShowAs = Literal["video", "images"]


@dataclass(frozen=True)
class ModelPrompt:
    """One prompt, ready for the model.

    rendered: the chat template's text. text: tensors `(1, L)`, input_ids and attention_mask among them.
    vision: pixels, grids and sizes of the clip; the same objects for every prompt of one clip.
    """

    rendered: str
    text: Mapping[str, Tensor]
    vision: Mapping[str, Any]

    @property
    def ids(self) -> Tensor:
        """Token ids `(L,)`; a visual token is represented by its placeholder's id."""
        return self.text["input_ids"][0]


class PromptMaker:
    """Prepares prompts by a processor's own chat template; a clip's pixels are prepared once."""

    def __init__(self, processor: Any, *, show_as: ShowAs, device: torch.device, dtype: torch.dtype) -> None:
        if not getattr(processor, "chat_template", None):
            raise SpecError(f"the {type(processor).__name__} of this model has no chat template")
        self.processor = processor
        self.show_as = show_as
        self.device = device
        self.dtype = dtype
        self._remembered = _RememberedVision()
        for name in ("video_processor", "image_processor"):
            inner = getattr(processor, name, None)
            if inner is not None:
                setattr(processor, name, self._remembered.before(inner))

    def prompt(self, question: str, shown: ShownFrames | None) -> ModelPrompt:
        """The prompt of one user turn: the frames, if any, then the question."""
        content = [*self._placeholders(shown), {"type": "text", "text": question}]
        rendered = self.processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )
        self._remembered.shown = shown
        data = dict(
            self.processor(
                text=[rendered],
                return_tensors="pt",
                add_special_tokens=not self._begins_marked(rendered),
                **self._visual_arguments(shown),
            )
        )
        size = tuple(data["input_ids"].shape)
        text = {name: value for name, value in data.items() if getattr(value, "shape", None) == size}
        vision = {
            name: value for name, value in data.items() if name not in text and name != "video_metadata"
        }
        return ModelPrompt(rendered, text, self._remembered.same_objects(vision, self._moved))

    def _moved(self, vision: Mapping[str, Any]) -> Mapping[str, Any]:
        """The entries on the model's device, pixels in its dtype."""
        import torch

        return {
            name: value.to(self.device, self.dtype if name.startswith("pixel_values") else None)
            if isinstance(value, torch.Tensor)
            else value
            for name, value in vision.items()
        }

    def forget(self) -> None:
        """Release the last clip's pixels."""
        self._remembered.forget()

    def _placeholders(self, shown: ShownFrames | None) -> list[dict[str, str]]:
        if shown is None:
            return []
        return [{"type": "video"}] if self.show_as == "video" else [{"type": "image"}] * len(shown.indices)

    def _visual_arguments(self, shown: ShownFrames | None) -> dict[str, Any]:
        if shown is None:
            return {}
        if self.show_as == "images":
            return {"images": [list(shown.frames)]}
        height, width = shown.frames.shape[-2:]
        metadata = {
            "total_num_frames": shown.clip_frames,
            "fps": shown.clip_fps,
            "frames_indices": list(shown.indices),
            "duration": shown.clip_frames / shown.clip_fps,
            "height": height,
            "width": width,
        }
        return {"videos": [shown.frames], "video_metadata": [metadata], "do_sample_frames": False}

    def _begins_marked(self, rendered: str) -> bool:
        bos = getattr(self.processor.tokenizer, "bos_token", None)
        return bos is not None and rendered.startswith(bos)


def batch_of(
    prompts: Sequence[ModelPrompt],
    *,
    pad_id: int,
    device: torch.device,
    continuations: Sequence[Sequence[int]] = (),
) -> dict[str, Any]:
    """Model inputs for prompts of one clip: text `(N, L)`, pixels once, grids and sizes N times.

    Without continuations the prompts are padded on the left, for generating. With them, one for each prompt,
    they follow the prompt, and short ones are padded on the right.
    """
    import torch

    first = prompts[0]
    longest = max(len(prompt.ids) for prompt in prompts)
    extra = max((len(tokens) for tokens in continuations), default=0)
    inputs: dict[str, Any] = {}
    for name, value in first.text.items():
        fill = pad_id if name == "input_ids" else 0
        rows = torch.full((len(prompts), longest + extra), fill, dtype=value.dtype, device="cpu")
        for row, prompt in zip(rows, prompts, strict=True):
            row[longest - len(prompt.ids) : longest] = prompt.text[name][0]
        inputs[name] = rows
    for position, tokens in enumerate(continuations):
        end = longest + len(tokens)
        inputs["input_ids"][position, longest:end] = torch.tensor(tokens, device="cpu")
        inputs["attention_mask"][position, longest:end] = 1
    inputs = {name: value.to(device) for name, value in inputs.items()}
    for name, value in first.vision.items():
        inputs[name] = value if name.startswith("pixel_values") else _times(value, len(prompts))
    return inputs


def _times(value: Any, count: int) -> Any:
    import torch

    if count == 1:
        return value
    if isinstance(value, torch.Tensor):
        return torch.cat([value] * count)
    return list(value) * count


class _RememberedVision:
    """Keeps what the processor made of the last clip's frames."""

    def __init__(self) -> None:
        self.shown: ShownFrames | None = None
        self._made_of: ShownFrames | None = None
        self._made: Any = None
        self._vision: tuple[ShownFrames | None, Mapping[str, Any]] = (None, {})

    def before(self, inner: Any) -> _Remembering:
        return _Remembering(self, inner)

    def forget(self) -> None:
        self.shown = self._made_of = self._made = None
        self._vision = (None, {})

    def made_by(self, inner: Any, *args: Any, **kwargs: Any) -> Any:
        if self._made_of is not self.shown or self.shown is None:
            self._made, self._made_of = inner(*args, **kwargs), self.shown
        # The processor takes entries out of what it is given.
        return copy.copy(self._made)

    def same_objects(
        self, vision: Mapping[str, Any], move: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    ) -> Mapping[str, Any]:
        """The entries of the clip's first prompt, moved once: later code compares pixels by identity."""
        if self.shown is None or self._vision[0] is not self.shown:
            self._vision = (self.shown, move(vision))
        return self._vision[1]


class _Remembering:
    """A video or image processor that is not asked twice in a row about one clip."""

    def __init__(self, memory: _RememberedVision, inner: Any) -> None:
        self._memory = memory
        self._inner = inner

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._memory.made_by(self._inner, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
