"""Which server and model are asked, how patiently, and what it may cost; and where the key comes from."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from vtok_eval.endpoint.errors import EndpointUnavailableError
from vtok_eval.errors import SpecError

NO_KEY = "no-key"
"""What is sent to a server that wants none: the openai package insists on some text."""


@dataclass(frozen=True, kw_only=True)
class EndpointSettings:
    """Which server is asked, and how.

    url: the server's base address, up to and including /v1. model: as the server calls it.
    key_variable: the environment variable that holds the key; it may be unset for a server that wants none.
    temperature: 0; None leaves it out, for models that refuse any value.
    max_output_tokens, token_limit: length of an answer, and what the server calls that limit.
    seed: sent where it is given, for servers that sample anyway.
    structured: ask for JSON that fits a schema (response_format); a server that refuses it is asked without.
    logprobs: ask how likely the model held each piece of its answer, and what it held likely in its place.
    timeout_s: for one attempt. max_attempts: for one request. concurrency: requests under way at once.
    backoff_s, max_wait_s: first wait before another attempt, doubled each time, and the longest one; a
        Retry-After header of at most `max_wait_s` is waited out instead.
    max_requests, max_usd: ceilings for the life of a client, answers from the cache not counted.
    usd_per_million_input, usd_per_million_output: prices, from which costs are computed; max_usd needs them.
    """

    url: str
    model: str
    key_variable: str = "OPENAI_API_KEY"
    temperature: float | None = 0.0
    max_output_tokens: int = 256
    token_limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    seed: int | None = None
    structured: bool = True
    logprobs: bool = False
    timeout_s: float = 120.0
    max_attempts: int = 5
    concurrency: int = 16
    backoff_s: float = 1.0
    max_wait_s: float = 60.0
    max_requests: int | None = None
    max_usd: float | None = None
    usd_per_million_input: float = 0.0
    usd_per_million_output: float = 0.0

    def __post_init__(self) -> None:
        _check_url(self.url)
        if not self.model:
            raise SpecError("an endpoint needs the name of a model")
        for name in ("max_output_tokens", "timeout_s", "max_attempts", "concurrency"):
            if not getattr(self, name) > 0:
                raise SpecError(f"{name} must be positive, not {getattr(self, name)}")
        for name in ("backoff_s", "max_wait_s", "usd_per_million_input", "usd_per_million_output"):
            if not getattr(self, name) >= 0:
                raise SpecError(f"{name} must not be negative, is {getattr(self, name)}")
        for name in ("max_requests", "max_usd"):
            ceiling = getattr(self, name)
            if ceiling is not None and not ceiling >= 0:
                raise SpecError(f"{name} must not be negative, is {ceiling}")
        priced = self.usd_per_million_input > 0 or self.usd_per_million_output > 0
        if self.max_usd is not None and not priced:
            raise SpecError(
                "max_usd needs prices to count with: usd_per_million_input=..., usd_per_million_output=..."
            )

    def key(self) -> str:
        """The key from the environment, read at each call and not stored.

        Raises:
            EndpointUnavailableError: it holds a character that no HTTP header can.
        """
        key = os.environ.get(self.key_variable, "").strip() or NO_KEY
        if not (key.isascii() and key.isprintable()):
            raise EndpointUnavailableError(f"the key in ${self.key_variable} holds a line break or odd signs")
        return key

    def to_json(self) -> dict[str, object]:
        """What provenance keeps: everything but the key."""
        return {
            "url": self.url,
            "model": self.model,
            "key_variable": self.key_variable,
            "temperature": self.temperature,
            "max_output_tokens": self.max_output_tokens,
            "seed": self.seed,
            "structured": self.structured,
            "logprobs": self.logprobs,
            "usd_per_million_input": self.usd_per_million_input,
            "usd_per_million_output": self.usd_per_million_output,
        }


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  (raises for a port that is not a number)
    except ValueError:
        raise SpecError("the endpoint's url cannot be read; write http://HOST:PORT/v1") from None
    if parts.username or parts.password or parts.query or parts.fragment:
        # The address is not repeated: it may contain a key.
        raise SpecError(
            "the endpoint's url holds a password or query; keys are taken from the environment alone"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SpecError(f"the endpoint's url {url!r} is not an http address; write http://HOST:PORT/v1")
