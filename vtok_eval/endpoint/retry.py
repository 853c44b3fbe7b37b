"""Which failed attempts are worth another one, and how long to wait before it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

RETRIED_STATUS = frozenset({408, 409, 425, 429})
"""Besides these, every status from 500 on."""


def is_retried(status: int) -> bool:
    """Whether another attempt at the same request may fare better.

    Example:
        >>> is_retried(503), is_retried(401)
        (True, False)
    """
    return status in RETRIED_STATUS or status >= 500


def wait_s(
    attempt: int, headers: Mapping[str, str], *, backoff_s: float, max_wait_s: float, draw: random.Random
) -> float | None:
    """Seconds to wait after the failed attempt number `attempt`, counted from 0.

    A Retry-After header (or retry-after-ms) is waited out exactly; None where it asks for more than
    `max_wait_s`. Without one: `backoff_s` doubled for each attempt, at most `max_wait_s`, times a draw from
    0.5 to 1, so that clients that failed together do not return together.
    """
    asked = retry_after_s(headers)
    if asked is not None:
        return asked if asked <= max_wait_s else None
    return min(backoff_s * 2.0 ** min(attempt, 100), max_wait_s) * draw.uniform(0.5, 1.0)


def retry_after_s(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """What the headers ask to wait, in seconds from `now`; None where they do not, or not readably.

    headers: names in lower case or in a mapping that does not care.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    if text is None:
        return None
    seconds = _number(text)
    if seconds is not None:
        return seconds
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - (now or datetime.now(UTC))).total_seconds())


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text is not None else None
    except ValueError:
        return None
    return number if number is not None and 0 <= number < float("inf") else None
