"""What a prompt says before its question passes through a language model once for all questions of a clip."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from vtok_eval.answerers.language_models.prompts import ModelPrompt

# Any: transformers' models, processors and tokenizers, which have no types.

log = logging.getLogger(__name__)

_TOLERANCE = {torch.float32: 1e-2}
_COARSE_TOLERANCE = 0.5
"""Of log-probabilities: what rounding in half precision may change; a lost or shifted prefix changes more."""


class SharedPrefix:
    """Keys and values of the last clip's prefix: everything up to its last visual token.

    Where the prefix ends depends on the clip alone, never on which questions come together, so other
    questions do not change an answer. If a model gives other logits this way than for the whole prompt, or
    cannot continue from kept keys and values, that is detected at its first question: it then gets whole
    prompts, with a warning.

    model: of transformers. placeholders: ids that stand for visual tokens.
    """

    def __init__(self, model: Any, placeholders: Tensor) -> None:
        self._model = model
        self._placeholders = placeholders
        self._allowed: bool | None = None
        self._vision: Mapping[str, Any] | None = None
        self._cache: Any = None
        self.prefix_passes = 0

    def length(self, prompt: ModelPrompt) -> int:
        """Tokens of the prompt's prefix; 0 if nothing is shared."""
        if self._allowed is False or not prompt.vision:
            return 0
        visual = torch.isin(prompt.ids, self._placeholders).nonzero().flatten()
        # At least one token must be left to be asked.
        return int(visual[-1]) + 1 if len(visual) and int(visual[-1]) + 1 < len(prompt.ids) else 0

    def usable(self, prompt: ModelPrompt, inputs: Callable[[], Mapping[str, Any]]) -> bool:
        """Whether the prompt is asked through its prefix; `inputs()` are those of the whole prompt."""
        if self.length(prompt) == 0:
            return False
        if self._allowed is None:
            self._allowed = self._agrees(prompt, inputs())
        return self._allowed

    def cache(self, prompt: ModelPrompt, *, rows: int = 1) -> Any:
        """A copy of the prefix's keys and values, for `rows` equal rows."""
        if self._vision is not prompt.vision:
            self._cache, self._vision = self._computed(prompt), prompt.vision
        own = copy.deepcopy(self._cache)
        if rows > 1:
            own.batch_repeat_interleave(rows)
        return own

    def logits(
        self, prompt: ModelPrompt, continuations: Sequence[Sequence[int]] = ((),), *, keep: int
    ) -> Tensor:
        """Logits `(N, keep, V)` at the last positions of the prompt followed by each continuation.

        Continuations are of equal length.
        """
        start = self.length(prompt)
        rest = prompt.ids[start:].tolist()
        ids = torch.tensor([[*rest, *more] for more in continuations], device=self._model.device)
        # Without a mask the positions continue from the kept keys; nothing is padded on the left.
        output = self._model(input_ids=ids, past_key_values=self.cache(prompt, rows=len(ids)), use_cache=True)
        kept: Tensor = output.logits[:, -keep:]
        return kept

    def forget(self) -> None:
        """Release the last clip's keys and values."""
        self._cache = self._vision = None

    def _computed(self, prompt: ModelPrompt) -> Any:
        self.prefix_passes += 1
        end = self.length(prompt)
        text = {name: value[:, :end].to(self._model.device) for name, value in prompt.text.items()}
        return self._model(**text, **prompt.vision, use_cache=True).past_key_values

    def _agrees(self, prompt: ModelPrompt, inputs: Mapping[str, Any]) -> bool:
        """Whether the model gives the same logits through the prefix as for the whole prompt."""
        whole = self._model(**inputs, use_cache=False).logits[:, -1].float().log_softmax(-1)
        try:
            shared = self.logits(prompt, keep=1)[:, -1].float().log_softmax(-1)
            difference = float((whole - shared).abs().max())
        except (TypeError, ValueError, AttributeError, NotImplementedError, IndexError) as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        else:
            tolerance = _TOLERANCE.get(self._model.dtype, _COARSE_TOLERANCE)
            if difference <= tolerance:
                return True
            reason = f"log-probabilities move by up to {difference:.3g}"
        self.forget()
        log.warning(
            "%s cannot go on from a kept prefix (%s): every question passes with its whole prompt",
            type(self._model).__name__, reason,
        )  # fmt: skip
        return False
