"""How likely each of several continuations is to a language model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vtok_eval.answerers.request import AnswererError, AnswerRequest

if TYPE_CHECKING:
    from torch import Tensor

# Any: transformers' models, processors and tokenizers, which have no types.


def candidates(request: AnswerRequest, scoring: str) -> tuple[str, ...]:
    """The continuations that are compared: the options' labels, or (scoring="options") their texts."""
    return request.labels if scoring == "labels" else request.options


def continuation_ids(tokenizer: Any, prompt: str, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of each text as it follows the prompt.

    A space is put before a text unless the prompt ends in white space. Prompt and text are read together, and
    the prompt's number of tokens is cut off the front (as lm-evaluation-harness does): alone, many tokenizers
    would read the text as the beginning of a line.

    Raises:
        AnswererError: a text that adds no token.
    """
    space = "" if not prompt or prompt[-1].isspace() else " "
    n_prompt = len(tokenizer(prompt, add_special_tokens=False)["input_ids"])
    found = []
    for text in texts:
        whole = tokenizer(prompt + space + text, add_special_tokens=False)["input_ids"]
        if len(whole) <= n_prompt:
            raise AnswererError(f"the option {text!r} has no token of its own after this prompt")
        found.append(list(whole[n_prompt:]))
    return found


def log_likelihoods(
    logits: Tensor, continuations: Sequence[Sequence[int]], *, per_token: bool
) -> list[float]:
    """Log-probability of each continuation, in nats.

    logits: `(N, K, V)`; row n, position k predicts token k of continuation n. K is at least the longest one.
    per_token: the mean over its tokens instead of their sum.
    """
    import torch

    scores = []
    for row, tokens in zip(logits.float().log_softmax(dim=-1), continuations, strict=True):
        chosen = row[torch.arange(len(tokens), device=row.device), torch.tensor(tokens, device=row.device)]
        total = chosen.double().sum().item()
        scores.append(total / len(tokens) if per_token else total)
    return scores
