"""Calls of a tokenizer that may fail: the result, or the reason in one line."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from vtok_eval.data import Clips, Tokens, check_tokens
from vtok_eval.systems import DecodingTokenizer

if TYPE_CHECKING:
    from vtok_eval.systems import Tokenizer

Value = TypeVar("Value")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trial(Generic[Value]):
    """What a call returned; `error` is empty if it succeeded, else `value` is None.

    Example:
        >>> Trial(error="ValueError: too short").value is None
        True
    """

    value: Value | None = None
    error: str = ""


def attempt(call: Callable[[], Value]) -> Trial[Value]:
    """Call and keep the result or the error: any exception of a tokenizer is a finding about it.

    Example:
        >>> attempt(lambda: 2 + 2).value, attempt(lambda: 1 / 0).error
        (4, 'ZeroDivisionError: division by zero')
    """
    import torch

    try:
        with torch.inference_mode():
            return Trial(value=call())
    except Exception as error:
        log.debug("a call failed", exc_info=True)
        message = " ".join(str(error).split())
        return Trial(error=f"{type(error).__name__}: {message}"[:300])


def encode(tokenizer: Tokenizer, clips: Clips) -> Trial[Tokens]:
    """The tokens of a copy of the clips, held to the protocol.

    Example:
        >>> import torch
        >>> from vtok_eval.tokenizers.controls import Blind
        >>> clips = Clips(torch.zeros(1, 4, 3, 8, 8, dtype=torch.uint8), torch.tensor([4.0]))
        >>> encode(Blind(), clips).error
        ''
    """

    def call() -> Tokens:
        tokens = tokenizer.encode(Clips(frames=clips.frames.clone(), fps=clips.fps.clone()))
        check_tokens(tokens, n_clips=len(clips))
        return tokens

    return attempt(call)


def round_trip(tokenizer: Tokenizer, clips: Clips) -> bool:
    """Whether the clips are encoded and, where the tokenizer decodes, come back as long and as large.

    Example:
        >>> import torch
        >>> from vtok_eval.tokenizers.controls import Blind
        >>> round_trip(Blind(), Clips(torch.zeros(1, 4, 3, 8, 8, dtype=torch.uint8), torch.tensor([4.0])))
        True
    """
    tokens = encode(tokenizer, clips)
    if tokens.value is None:
        return False
    if not isinstance(tokenizer, DecodingTokenizer):
        return True
    kept = tokens.value
    decoded = attempt(lambda: tokenizer.decode(kept))
    return decoded.value is not None and tuple(decoded.value.frames.shape) == tuple(clips.frames.shape)
