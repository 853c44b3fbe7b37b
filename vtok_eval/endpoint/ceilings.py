"""How much was asked and spent, and the ceilings that no request may break through."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from vtok_eval.endpoint.errors import EndpointUnavailableError
from vtok_eval.endpoint.settings import EndpointSettings


@dataclass(frozen=True)
class Spent:
    """What a client has used. requests: attempts that were sent, failed ones too; usd: by the prices."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float = 0.0


class Ceilings:
    """Counts attempts and costs over all threads of a client.

    An attempt is counted before it is sent, so `max_requests` is never exceeded. What an attempt will cost is
    not known before: while one is under way it is reckoned at the dearest response so far, so that requests
    sent side by side do not break through `max_usd` together; the first ones can, by what they cost.
    """

    def __init__(self, settings: EndpointSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._spent = Spent()
        self._under_way = 0
        self._dearest_usd = 0.0

    @property
    def spent(self) -> Spent:
        """What was used until now."""
        with self._lock:
            return self._spent

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Count one attempt, which is made inside.

        Raises:
            EndpointUnavailableError: a ceiling leaves no room for it; nothing is counted.
        """
        with self._lock:
            self._check_room()
            self._under_way += 1
            self._spent = _added(self._spent, requests=1)
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= 1

    def add_usage(self, *, input_tokens: int, output_tokens: int) -> float:
        """Count a response's tokens; gives its cost in US dollars."""
        settings = self._settings
        usd = (
            input_tokens * settings.usd_per_million_input + output_tokens * settings.usd_per_million_output
        ) / 1e6
        with self._lock:
            self._dearest_usd = max(self._dearest_usd, usd)
            self._spent = _added(self._spent, input_tokens=input_tokens, output_tokens=output_tokens, usd=usd)
        return usd

    def _check_room(self) -> None:
        settings, spent = self._settings, self._spent
        if settings.max_requests is not None and spent.requests >= settings.max_requests:
            raise EndpointUnavailableError(
                f"the ceiling of max_requests={settings.max_requests} is reached; what was answered is "
                "cached: raise it and run again"
            )
        if settings.max_usd is None:
            return
        if spent.usd + (self._under_way + 1) * self._dearest_usd > settings.max_usd or settings.max_usd == 0:
            raise EndpointUnavailableError(
                f"the ceiling of max_usd={settings.max_usd:g} leaves no room after {spent.usd:.4f} USD; what "
                "was answered is cached: raise it and run again"
            )


def _added(
    spent: Spent, *, requests: int = 0, input_tokens: int = 0, output_tokens: int = 0, usd: float = 0.0
) -> Spent:
    return Spent(
        requests=spent.requests + requests,
        input_tokens=spent.input_tokens + input_tokens,
        output_tokens=spent.output_tokens + output_tokens,
        usd=spent.usd + usd,
    )
