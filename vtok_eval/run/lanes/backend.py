"""What the dispatcher needs of a back end: start lanes, send them shards, wait for what they say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from vtok_eval.run.lanes.messages import Message, Shard

WORKER = "vtok_eval.run.lanes.worker:JobWorker"
"""The place of the worker that evaluates a suite."""


class Backend(Protocol):
    """Lanes by number, on this machine or on others."""

    @property
    def n_lanes(self) -> int:
        """How many lanes there may be; numbers go from 0."""
        ...

    def start(self, lane: int) -> None:
        """Start a lane, or restart it after it has died; `Started` follows."""
        ...

    def send(self, lane: int, shard: Shard) -> None:
        """Give a shard to a lane that waits for one."""
        ...

    def wait(self, timeout_s: float) -> Sequence[tuple[int, Message]]:
        """What lanes have said, each lane's in order, `Died` of a dead one; empty after `timeout_s`."""
        ...

    def close(self) -> None:
        """End all lanes, at once."""
        ...
