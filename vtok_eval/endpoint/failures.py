"""What a request that failed means: worth another attempt, refused, or hopeless."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from vtok_eval.endpoint.errors import EndpointError, EndpointUnavailableError
from vtok_eval.endpoint.redaction import without_key
from vtok_eval.endpoint.retry import is_retried
from vtok_eval.endpoint.settings import EndpointSettings

if TYPE_CHECKING:
    import openai

_HOPELESS_STATUS = {
    401: "the key is not accepted; it is read from ${key_variable}",
    402: "the account has no credit",
    403: "the key may not use this model; it is read from ${key_variable}",
    404: "no such address or model",
}
_FORMAT_REFUSED = ("response_format", "json_schema", "structured output", "guided")


class RetryableError(Exception):
    """A failed attempt; a further one may succeed.

    unreachable: no server listened at the address. too_fast: the server wants fewer requests at once.
    """

    def __init__(
        self,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        unreachable: bool = False,
        too_fast: bool = False,
    ) -> None:
        super().__init__(message)
        self.headers = headers or {}
        self.unreachable = unreachable
        self.too_fast = too_fast


class FormatRefusedError(EndpointError):
    """The server does not take a JSON schema."""


def connection_failed(error: openai.APIConnectionError, key: str) -> RetryableError:
    """What a connection that failed is raised as. key: what must not be shown."""
    cause = error.__cause__
    name = type(cause).__name__ if cause is not None else type(error).__name__
    message = _one_line(without_key(str(cause or error), key))
    return RetryableError(f"{name}: {message}", unreachable=name == "ConnectError")


def _one_line(text: str, *, longest: int = 300) -> str:
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[:longest]}..."


def refused(error: openai.APIStatusError, key: str, *, settings: EndpointSettings) -> Exception:
    """What a response with an error status is raised as. key: what must not be shown."""
    status = error.status_code
    reason = _one_line(without_key(error.message, key))
    if is_retried(status):
        return RetryableError(
            f"status {status}: {reason}", headers=error.response.headers, too_fast=status == 429
        )
    if status in _HOPELESS_STATUS:
        hint = _HOPELESS_STATUS[status].replace("{key_variable}", settings.key_variable)
        return EndpointUnavailableError(f"{settings.url}: {hint} (status {status}: {reason})")
    if status in (400, 422) and any(word in reason.lower() for word in _FORMAT_REFUSED):
        return FormatRefusedError(reason)
    return EndpointError(f"{settings.url}: the request is refused (status {status}: {reason})")
