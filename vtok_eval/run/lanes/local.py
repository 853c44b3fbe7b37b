"""Lanes as processes on this machine: each is a fresh interpreter, with a socket to the driver."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import IO

from vtok_eval.run.lanes.backend import WORKER
from vtok_eval.run.lanes.messages import Died, Message, Shard

_GONE = (EOFError, OSError)
"""What reading from or writing to a dead process raises; also where it died in the middle of a message."""


@dataclass
class _Process:
    child: subprocess.Popen[bytes]
    connection: Connection
    lifeline: int


class LocalLanes:
    """Worker processes on this machine; satisfies `Backend`.

    A lane is an interpreter of its own (nothing is forked, so CUDA and threads are safe) in its own session,
    so that Ctrl-C reaches the driver alone. No lane outlives the driver, however that ends: see `process`.

    arguments: what each lane's worker is made from; one lane for each. logs: the folder of `lane-N.log`.
    worker: the worker's class, as "module:attribute".
    """

    def __init__(self, arguments: Sequence[object], *, logs: Path, worker: str = WORKER) -> None:
        self._arguments = tuple(arguments)
        self._logs = logs
        self._worker = worker
        self._processes: dict[int, _Process] = {}
        # Nobody ever writes to it: the lanes' ends close when this process is gone.
        self._lifeline_read, self._lifeline_write = os.pipe()

    @property
    def n_lanes(self) -> int:
        """One for each argument."""
        return len(self._arguments)

    def start(self, lane: int) -> None:
        """Start a process; its output goes to `lane-N.log`."""
        ours, theirs = socket.socketpair()
        self._logs.mkdir(parents=True, exist_ok=True)
        with theirs, (self._logs / f"lane-{lane}.log").open("ab") as log:
            child = self._spawn(theirs.fileno(), log)
        process = _Process(child, Connection(ours.detach()), self._lifeline_read)
        self._processes[lane] = process
        try:
            process.connection.send((self._worker, self._arguments[lane]))
        except BrokenPipeError:
            return  # it is dead already; `wait` says so

    def send(self, lane: int, shard: Shard) -> None:
        """Give a shard to a lane; if the lane is dead, `wait` says so."""
        try:
            self._processes[lane].connection.send(shard)
        except BrokenPipeError:
            return

    def wait(self, timeout_s: float) -> Sequence[tuple[int, Message]]:
        """What lanes have said; a lane that has died says `Died` with its exit code or signal."""
        lanes = {process.connection: lane for lane, process in self._processes.items()}
        said: list[tuple[int, Message]] = []
        for ready in wait(list(lanes), timeout_s):
            assert isinstance(ready, Connection)  # nothing else was waited for
            lane = lanes[ready]
            try:
                said += ((lane, message) for message in ready.recv())
            except _GONE:
                said.append((lane, Died(self._end(lane))))
        return said

    def close(self) -> None:
        """End all lanes at once; they have nothing to save."""
        for process in self._processes.values():
            _kill(process.child)
        for lane in list(self._processes):
            self._end(lane)
        if self._lifeline_write >= 0:
            os.close(self._lifeline_write)
            os.close(self._lifeline_read)
            self._lifeline_write = -1

    def _spawn(self, connection: int, log: IO[bytes]) -> subprocess.Popen[bytes]:
        # Unbuffered: a lane is killed when it has nothing to do, and what it printed must be in its log.
        command = [sys.executable, "-u", "-m", "vtok_eval.run.lanes.process"]
        environment = {
            **os.environ,
            # A user's modules are found as here; an empty entry means the folder of the command.
            "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
            "TQDM_DISABLE": "1",
        }
        return subprocess.Popen(
            [*command, str(connection), str(self._lifeline_read)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            pass_fds=(connection, self._lifeline_read),
            start_new_session=True,
        )

    def _end(self, lane: int) -> str:
        """Reap a lane's process, killing what is left of it; how it ended."""
        process = self._processes.pop(lane)
        process.connection.close()
        try:
            code = process.child.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            _kill(process.child)
            code = process.child.wait()
        _kill(process.child)  # the rest of its group
        return _how_it_ended(code)


def _kill(child: subprocess.Popen[bytes]) -> None:
    """Kill the process and its group."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
