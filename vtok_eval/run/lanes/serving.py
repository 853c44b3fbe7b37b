"""What a lane serves: its worker's messages, with the warnings that are logged meanwhile."""

from __future__ import annotations

import importlib
import logging
import traceback
from collections import deque
from collections.abc import Iterator

from vtok_eval.errors import VtokEvalError
from vtok_eval.run.lanes.messages import Message, RunEnds, Said, Shard, Started, Worker

log = logging.getLogger(__name__)


class LaneServer:
    """One lane's worker and its warnings; what both back ends run in the lane's process.

    place: the worker's class as "module:attribute". argument: what it is made from.
    """

    def __init__(self, place: str, argument: object) -> None:
        self._place = place
        self._argument = argument
        self._worker: Worker | None = None
        self._warnings = _Warnings()
        logging.getLogger("vtok_eval").addHandler(self._warnings)

    def start(self) -> list[Message]:
        """Make the worker; `Started`, or why it cannot be made."""
        try:
            module, _, attribute = self._place.partition(":")
            self._worker = getattr(importlib.import_module(module), attribute)(self._argument)
            return [*self._warnings.taken(), Started(self._worker.facts())]
        except VtokEvalError as error:
            return [RunEnds(str(error))]
        except Exception as error:
            # The driver ends the run and shows where it was.
            log.debug("the worker cannot be made", exc_info=True)
            return [RunEnds(f"{type(error).__name__}: {error}", traceback.format_exc())]

    def state(self) -> list[Message]:
        """`Started` again, for a driver that had lost the lane; a worker that was never made is made."""
        if self._worker is None:
            return self.start()
        return [*self._warnings.taken(), Started(self._worker.facts())]

    def evaluate(self, shard: Shard) -> Iterator[list[Message]]:
        """The worker's messages about a shard as they come, each with the warnings before it."""
        if self._worker is None:
            raise ValueError("the lane was not started")
        for message in self._worker.evaluate(shard):
            yield [*self._warnings.taken(), message]


class _Warnings(logging.Handler):
    """Keeps what is logged as a warning or worse until it is taken."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said: deque[Said] = deque()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one logged line."""
        self._said.append(Said(record.levelno, record.getMessage()))

    def taken(self) -> list[Said]:
        """What was logged since the last call."""
        return [self._said.popleft() for _ in range(len(self._said))]
