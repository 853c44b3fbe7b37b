"""Reads a chat completion from the server's JSON; any other body is an error."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from pydantic import BaseModel, ConfigDict, ValidationError


class BrokenResponseError(Exception):
    """The server said 200 and did not send a chat completion: cut off, not JSON, or another shape."""


@dataclass(frozen=True)
class Reply:
    """One answer.

    text: what the model said, empty where it refused. refusal: its words of refusal, or None.
    finish_reason: "stop", "length", ... model, fingerprint: what the server says has answered.
    usd: what it cost when it was asked for; 0 without prices. cached: it came from the cache, for nothing.
    structured: the request asked for JSON of a schema.
    pieces: for each piece of the answer, what the model held likely in its place: text -> probability, the
        piece itself first. Empty where that was not asked for, or the server does not tell.
    """

    text: str
    refusal: str | None
    finish_reason: str | None
    model: str
    fingerprint: str | None
    input_tokens: int
    output_tokens: int
    usd: float = 0.0
    cached: bool = False
    structured: bool = False
    pieces: Sequence[Mapping[str, float]] = ()

    def probability(self, choice: str, choices: Sequence[str]) -> float | None:
        """How likely the model held `choice` among `choices` in the last place where it named one of them.

        Pieces are compared without case, quotes and spaces. None where no piece is one of the choices.
        """
        known = {other.lower() for other in choices}
        for place in reversed(self.pieces):
            if _plain(next(iter(place))) not in known:
                continue
            mass = dict.fromkeys(known, 0.0)
            for text, probability in place.items():
                if _plain(text) in known:
                    mass[_plain(text)] += probability
            return mass[choice.lower()] / sum(mass.values()) if sum(mass.values()) > 0 else None
        return None

    def to_json(self) -> dict[str, object]:
        """The raw output as a record keeps it."""
        return {
            "text": self.text,
            "refusal": self.refusal,
            "finish_reason": self.finish_reason,
            "model": self.model,
            "fingerprint": self.fingerprint,
            "cached": self.cached,
            "structured": self.structured,
        }


class KeptResponse(TypedDict):
    """What is kept of a chat completion, by the names of `Reply`'s fields."""

    text: str
    refusal: str | None
    finish_reason: str | None
    model: str
    fingerprint: str | None
    input_tokens: int
    output_tokens: int
    pieces: list[dict[str, float]]


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Message(_Lenient):
    content: str | None = None
    refusal: str | None = None


class _Likely(_Lenient):
    token: str
    logprob: float


class _Place(_Likely):
    top_logprobs: list[_Likely] = []


class _LogProbs(_Lenient):
    content: list[_Place] | None = None


class _Choice(_Lenient):
    message: _Message
    finish_reason: str | None = None
    logprobs: _LogProbs | None = None


class _Usage(_Lenient):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Completion(_Lenient):
    choices: list[_Choice]
    model: str | None = None
    system_fingerprint: str | None = None
    usage: _Usage | None = None


def parse_completion(body: str, *, asked_model: str) -> KeptResponse:
    """The fields of a chat completion that are kept, as `Reply` names them.

    Raises:
        BrokenResponseError: the body is not JSON, or not a chat completion with a choice.
    """
    try:
        completion = _Completion.model_validate(json.loads(body))
    except json.JSONDecodeError as error:
        raise BrokenResponseError(f"the body is not JSON ({error.msg} at character {error.pos})") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BrokenResponseError(f"the body is not a chat completion ({where}: {first['msg']})") from error
    if not completion.choices:
        raise BrokenResponseError("the body is a chat completion without a choice")
    choice, usage = completion.choices[0], completion.usage or _Usage()
    return KeptResponse(
        text=choice.message.content or "",
        refusal=choice.message.refusal,
        finish_reason=choice.finish_reason,
        model=completion.model or asked_model,
        fingerprint=completion.system_fingerprint,
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        pieces=[_by_text(place) for place in (choice.logprobs and choice.logprobs.content) or ()],
    )


def _by_text(place: _Place) -> dict[str, float]:
    """Text -> probability, the piece that was given first."""
    likely = [place, *place.top_logprobs]
    return {each.token: math.exp(min(0.0, each.logprob)) for each in likely}


def _plain(text: str) -> str:
    return text.strip(" \t\n\"'.").lower()
