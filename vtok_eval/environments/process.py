"""One worker process: started in another environment, asked with a deadline, ended with all it started."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import tempfile
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from vtok_eval.environments.spec import ExecSpec
from vtok_eval.environments.worker.messages import PREFIX_BYTES, Memory, length_of, pack

if TYPE_CHECKING:
    from vtok_eval.environments.worker.messages import Content

WORKER = Path(__file__).with_name("worker")
_LOOK_EVERY_S = 0.25
"""How often a silent worker is looked at: a process that it has forked may keep its pipe open."""
_TAIL_BYTES = 4096
_LONGEST_WORDS = 300


class Ended(Exception):
    """The worker is gone; `returncode` as subprocess gives it, and the last line that it printed."""

    def __init__(self, returncode: int, last_words: str) -> None:
        self.returncode, self.last_words = returncode, last_words
        super().__init__(how_it_ended(returncode))


class WorkerProcess:
    """A worker in its own process group, with two pipes, a file for arrays and a log.

    It dies with this process, however that ends: the worker watches a pipe of which only this process has the
    other end.

    log: open file that gets what the worker prints; set by what makes the worker print into another one.
    """

    def __init__(self, spec: ExecSpec, log: IO[bytes]) -> None:
        self.log = log
        self._log_start = os.fstat(log.fileno()).st_size
        theirs_in, self._requests = os.pipe()
        self._replies, theirs_out = os.pipe()
        lifeline, self._lifeline = os.pipe()
        self._memory = _memory_file()
        self.memory = Memory(self._memory)
        given = (theirs_in, theirs_out, self._memory, lifeline)
        try:
            self._child = subprocess.Popen(
                [spec.python, "-u", WORKER, *map(str, given)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment(spec),
                pass_fds=given,
                start_new_session=True,
            )
        except BaseException:
            _close(self._requests, self._replies, self._lifeline, self._memory)
            raise
        finally:
            _close(theirs_in, theirs_out, lifeline)
        os.set_blocking(self._requests, False)
        os.set_blocking(self._replies, False)
        self._finalizer = weakref.finalize(
            self, _end, self._child, (self._requests, self._replies, self._lifeline, self._memory)
        )

    @property
    def pid(self) -> int:
        """The worker's process."""
        return self._child.pid

    def ask(self, request: Content, *, deadline: float) -> Content:
        """Send a request and wait for its reply.

        deadline: as `time.monotonic` counts.

        Raises:
            Ended: the process is gone.
            TimeoutError: the deadline has passed.
            ValueError: what came is not a message.
        """
        try:
            self._send(pack(request), deadline)
            length = length_of(self._receive(PREFIX_BYTES, deadline))
            reply = json.loads(self._receive(length, deadline))
        except (BrokenPipeError, EOFError):
            raise Ended(self._wait_for_its_end(), self.last_words()) from None
        if not isinstance(reply, dict):
            raise ValueError(f"a reply that is a {type(reply).__name__}")
        return reply

    def end(self) -> None:
        """Kill the process and all it has started."""
        self._finalizer()

    def last_words(self) -> str:
        """The last line that it printed, shortened; empty where it printed nothing."""
        size = os.fstat(self.log.fileno()).st_size
        start = max(self._log_start, size - _TAIL_BYTES)
        tail = os.pread(self.log.fileno(), size - start, start).decode("utf-8", errors="replace")
        lines = [" ".join(line.split()) for line in tail.splitlines() if line.strip()]
        return lines[-1][-_LONGEST_WORDS:] if lines else ""

    def _send(self, message: bytes, deadline: float) -> None:
        left = memoryview(message)
        while left:
            self._wait_for(self._requests, select.POLLOUT, deadline)
            try:
                left = left[os.write(self._requests, left) :]
            except BlockingIOError:  # less room than the message needs
                continue

    def _receive(self, count: int, deadline: float) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            self._wait_for(self._replies, select.POLLIN, deadline)
            part = os.read(self._replies, count - len(parts))
            if not part:
                raise EOFError
            parts += part
        return bytes(parts)

    def _wait_for(self, descriptor: int, event: int, deadline: float) -> None:
        poll = select.poll()
        poll.register(descriptor, event)
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            if poll.poll(1000 * min(left, _LOOK_EVERY_S)):
                return
            # Its pipe may be open in a process that it has forked: look at the worker itself.
            if self._child.poll() is not None and not poll.poll(0):
                raise EOFError

    def _wait_for_its_end(self) -> int:
        """Its return code; one that has closed its pipe without ending is killed."""
        try:
            return self._child.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            self.end()
            return self._child.wait()


def how_it_ended(returncode: int) -> str:
    """In words, for example "was killed by SIGKILL".

    Example:
        >>> how_it_ended(-9)
        'was killed by SIGKILL'
    """
    if returncode >= 0:
        return f"ended with exit code {returncode}"
    try:
        return f"was killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was killed by signal {-returncode}"


def _environment(spec: ExecSpec) -> dict[str, str]:
    """The harness's variables without those of its own Python, and the spec's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    for name in ("VIRTUAL_ENV", "__PYVENV_LAUNCHER__"):
        kept.pop(name, None)
    kept["PATH"] = os.pathsep.join([str(spec.python.parent), kept.get("PATH", os.defpath)])
    if spec.pythonpath:
        kept["PYTHONPATH"] = spec.pythonpath
    return {**kept, **spec.variables}


def _memory_file() -> int:
    """A file without a name, in memory where the system can do that."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("vtok-eval")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _end(child: subprocess.Popen[bytes], descriptors: Sequence[int]) -> None:
    try:
        # The group exists as long as its guard does, even if the worker itself is gone.
        os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # it has ended; macOS says so in the second way
        child.poll()
    child.wait()
    _close(*descriptors)


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
