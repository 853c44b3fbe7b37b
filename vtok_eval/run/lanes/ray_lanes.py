"""Lanes as actors of a Ray cluster: one GPU each, on any of its machines."""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from vtok_eval.errors import LaneError, MissingDependencyError, SpecError
from vtok_eval.run.lanes.backend import WORKER
from vtok_eval.run.lanes.messages import Died, Interrupted, Message, Shard
from vtok_eval.run.lanes.serving import LaneServer

log = logging.getLogger(__name__)

LOCAL = "local"
"""The address that starts a cluster on this machine, for this run alone."""
_PATIENCE_S = 60.0
_CONNECT_S = 5.0


class _Handle(Protocol):
    """The part of an actor's handle that is used here; Ray creates its methods at run time."""

    def __getattr__(self, name: str) -> Any: ...  # Any: Ray's own objects have no types


@dataclass
class _Lane:
    """An actor and what it was last asked for: its start, or a shard, whose messages stream."""

    actor: _Handle
    since: float = field(default_factory=time.monotonic)
    started: bool = False
    said_waiting: bool = False
    starting: object | None = None
    stream: Iterator[object] | None = None


class RayLanes:
    """Actors of a Ray cluster; satisfies `Backend`.

    Ray neither restarts an actor nor repeats a call: the dispatcher does, and counts. An actor that cannot be
    reached for a while is asked again once it answers; it has not died.

    arguments: what each lane's worker is made from. worker: its class, as "module:attribute".
    gpus: whether each lane needs a GPU. logs: the folder of `lane-N.log`, which every machine sees.
    disconnect: called when all is over; see `connect`.
    """

    def __init__(
        self,
        arguments: Sequence[object],
        *,
        gpus: Sequence[bool],
        logs: Path,
        worker: str = WORKER,
        disconnect: Callable[[], None] = lambda: None,
    ) -> None:
        self._arguments = tuple(arguments)
        self._gpus = tuple(gpus)
        self._logs = logs.absolute()
        self._worker = worker
        self._disconnect = disconnect
        self._lanes: dict[int, _Lane] = {}

    @property
    def n_lanes(self) -> int:
        """One for each argument."""
        return len(self._arguments)

    def start(self, lane: int) -> None:
        """Start an actor; it waits for a machine with room, a GPU for instance."""
        import ray

        make = ray.remote(_Actor).options(
            num_cpus=1, num_gpus=int(self._gpus[lane]), max_restarts=0, max_task_retries=0
        )
        log_file = self._logs / f"lane-{lane}.log"
        actor = make.remote(self._worker, self._arguments[lane], str(log_file), sys.path)
        self._lanes[lane] = _Lane(actor, starting=actor.start.remote())

    def send(self, lane: int, shard: Shard) -> None:
        """Give a shard to a lane; its results stream back."""
        actor = self._lanes[lane].actor
        self._lanes[lane].stream = actor.evaluate.options(num_returns="streaming").remote(shard)

    def wait(self, timeout_s: float) -> Sequence[tuple[int, Message]]:
        """What lanes have said; a lane whose actor has died says `Died`."""
        import ray

        asked = {
            lane.stream if lane.starting is None else lane.starting: number
            for number, lane in self._lanes.items()
            if lane.starting is not None or lane.stream is not None
        }
        if not asked:
            time.sleep(min(timeout_s, 0.05))
            return []
        first, _ = ray.wait(list(asked), num_returns=1, timeout=timeout_s)
        ready, _ = ray.wait(list(asked), num_returns=len(asked), timeout=0) if first else ([], [])
        said: list[tuple[int, Message]] = []
        for answer in ready or first:
            number = asked[answer]
            said += ((number, message) for message in self._read(number))
        self._warn_of_waiting()
        return said

    def close(self) -> None:
        """End all actors at once."""
        import ray

        for lane in self._lanes.values():
            ray.kill(lane.actor)
        self._lanes.clear()
        self._disconnect()

    def _read(self, number: int) -> Sequence[Message]:
        """The next thing that a lane has said."""
        import ray
        from ray.exceptions import ActorUnavailableError, RayError

        lane = self._lanes[number]
        try:
            if lane.starting is not None:
                starting, lane.starting = lane.starting, None
                messages: Sequence[Message] = ray.get(starting)
                lane.started = True
                return messages
            assert lane.stream is not None  # it was waited for
            told: Sequence[Message] = ray.get(next(lane.stream))
            return told
        except StopIteration:
            lane.stream = None
            return []
        except ActorUnavailableError as error:
            # Asked again; the answer comes when the actor can be reached, or is known to be dead.
            lane.stream, lane.started = None, False
            lane.starting, lane.since = lane.actor.state.remote(), time.monotonic()
            return [Interrupted(_first_line(error))]
        except RayError:
            lane.stream = lane.starting = None
            log.debug("lane %d", number, exc_info=True)
            return [Died("its Ray actor is gone")]

    def _warn_of_waiting(self) -> None:
        for number, lane in self._lanes.items():
            waits = lane.starting is not None and time.monotonic() - lane.since > _PATIENCE_S
            if waits and not lane.said_waiting:
                lane.said_waiting = True
                what = "a GPU and a CPU" if self._gpus[number] else "a CPU"
                log.warning("lane %d waits for %s of the Ray cluster to become free", number, what)


class _Actor:
    """What runs in a lane's actor; its logging goes to the lane's own file."""

    def __init__(self, worker: str, argument: object, log_file: str, python_path: Sequence[str]) -> None:
        # A user's modules are found as in the driver, where this machine has them.
        sys.path += [path for path in python_path if path not in sys.path]
        os.environ["TQDM_DISABLE"] = "1"
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        Path(log_file).parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(log_file)
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        logging.getLogger("vtok_eval").addHandler(handler)
        logging.getLogger("vtok_eval").setLevel(logging.INFO)
        self._server = LaneServer(worker, argument)

    def start(self) -> list[Message]:
        return self._server.start()

    def state(self) -> list[Message]:
        return self._server.state()

    def evaluate(self, shard: Shard) -> Iterator[list[Message]]:
        yield from self._server.evaluate(shard)


def connect(address: str) -> Callable[[], None]:
    """Connect to the Ray cluster at `address`, or start one here for "local"; returns what disconnects.

    A program that has called `ray.init` itself keeps its own cluster and connection.

    Raises:
        MissingDependencyError: the package ray is not installed.
        SpecError: the address cannot be read.
        LaneError: nothing answers at the address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no network unless asked
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ModuleNotFoundError as error:
        raise MissingDependencyError("--ray needs the package ray: pip install 'vtok-eval[ray]'") from error
    _check_address(address)
    if ray.is_initialized():
        return lambda: None
    local = {"include_dashboard": False} if address == LOCAL else {}
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **local)
    except (ConnectionError, RuntimeError, ValueError, OSError, SystemExit) as error:
        raise _unreachable(address, _first_line(error)) from error
    result: Callable[[], None] = ray.shutdown
    return result


def _check_address(address: str) -> None:
    """Refuse what is not an address or where nothing listens; Ray itself would try for minutes."""
    if address in {LOCAL, "auto"}:
        return
    host, colon, port = address.rpartition(":")
    if "/" in address or not (host and colon and port.isdecimal()):
        raise SpecError(
            f"--ray {address!r} is not an address: write HOST:PORT of the cluster's head, auto on one of its "
            "machines, or nothing for a cluster on this machine alone (ray:// cannot stream results)"
        )
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise _unreachable(address, str(error)) from error


def _unreachable(address: str, reason: str) -> LaneError:
    return LaneError(
        f"--ray {address}: no Ray cluster answers ({reason}); start one with `ray start --head`, or give no "
        "address for a cluster on this machine alone"
    )


def cluster_devices() -> tuple[str, ...]:
    """A lane for each GPU of the connected cluster; without one, for each CPU, at most eight."""
    import ray

    resources = ray.cluster_resources()
    n_gpus = int(resources.get("GPU", 0))
    return ("cuda",) * n_gpus or ("cpu",) * max(1, min(8, int(resources.get("CPU", 1))))


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
