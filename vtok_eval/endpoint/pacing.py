"""How many requests may be under way at once: fewer while the server says that they are too many."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class AdaptiveSlots:
    """Places for requests, at most `most`; threads wait for one.

    A server that refuses a request for coming too fast (status 429) halves the places, once for all requests
    that were under way then. Each answer adds a part of a place, so that as many answers as there are places
    add one.

    Example:
        >>> slots = AdaptiveSlots(8)
        >>> with slots.taken() as request:
        ...     slots.lower(request)
        >>> slots.places
        4
        >>> for _ in range(5):
        ...     slots.note_answer()
        >>> slots.places
        5
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(most)
        self._taken = 0
        self._begun = 0
        self._lowered_after = 0
        self._changed = threading.Condition()

    @property
    def places(self) -> int:
        """Requests that may be under way now."""
        return int(self._limit)

    @contextmanager
    def taken(self) -> Iterator[int]:
        """Take a place, waiting for one; gives the request's number, for `lower`."""
        with self._changed:
            self._changed.wait_for(lambda: self._taken < self.places)
            self._taken += 1
            self._begun += 1
            number = self._begun
        try:
            yield number
        finally:
            with self._changed:
                self._taken -= 1
                self._changed.notify()

    def lower(self, request: int) -> None:
        """Halve the places, down to one, unless that was done after this request began."""
        with self._changed:
            if request > self._lowered_after:
                self._limit = max(1.0, self._limit / 2)
                self._lowered_after = self._begun

    def note_answer(self) -> None:
        """A request was answered: the server keeps up."""
        with self._changed:
            before = self.places
            self._limit = min(float(self._most), self._limit + 1 / self._limit)
            # One thread for each place: the others would wake up for nothing.
            self._changed.notify(self.places - before)
