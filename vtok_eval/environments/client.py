"""Talks to the worker of one system: starts it, calls its methods, and starts it again after it has died."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn
from weakref import WeakSet

from vtok_eval.environments.errors import WorkerError, WorkerMemoryError
from vtok_eval.environments.process import Ended, WorkerProcess
from vtok_eval.environments.spec import ExecSpec
from vtok_eval.environments.watch import RemoteCall, watched
from vtok_eval.environments.worker.messages import PROTOCOL, to_array, to_tensor
from vtok_eval.errors import MissingDependencyError, RunFolderError, SpecError, UnknownNameError
from vtok_eval.results.store import RunFolder
from vtok_eval.specs.sources import sources_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from vtok_eval.environments.worker.messages import Content

log = logging.getLogger(__name__)

_FROM_OUTSIDE = {-signal.SIGKILL, -signal.SIGTERM, -signal.SIGHUP, -signal.SIGINT}
"""A worker that was ended so was ended by somebody else: the same request may well succeed."""
_MAKING = "in the constructor"
ATTEMPTS = 3
"""How often a request is sent to a fresh worker where somebody else has ended the last one."""

Bind = Callable[[Sequence["Content"]], Mapping[str, object]]
"""From a constructor's parameters, as the worker gives them, to its arguments."""
_numbers = count(1)
_clients: WeakSet[Client] = WeakSet()


@dataclass(frozen=True)
class Made:
    """What the worker said when it had made the object.

    Attributes:
        environment: protocol and versions, as run.json keeps them.
        class_name: file and class.
        methods: that the harness may call.
        content: all else that it said of the object.
    """

    environment: Mapping[str, object]
    class_name: str
    methods: tuple[str, ...]
    content: Content = field(default_factory=dict)


class Client:
    """One system's worker, started when the client is made and again when it is gone; threads may share it.

    An exception in the class leaves the worker running, as it would leave an object in this process. A worker
    that has died or was killed for its silence is started again at the next call; one that somebody else has
    killed also gets the request again.

    method: the one that the class must have. bind: gives the constructor's arguments. run_folder: what the
    class prints is kept in its `logs/` as soon as there is a run in it; without one, only the last words are.
    """

    def __init__(
        self, spec: ExecSpec, *, method: str, device: torch.device, bind: Bind, run_folder: Path | None = None
    ) -> None:
        self.spec, self._method, self._device, self._bind = spec, method, device, bind
        self._log: IO[bytes] = tempfile.TemporaryFile("a+b")  # noqa: SIM115 -- open as long as the client
        self._run_folder = run_folder
        self._lock = threading.Lock()
        self._process: WorkerProcess | None = None
        self._sent, self._doing = 0, ""
        self._sources: Mapping[str, str] = {}
        self.made = self._repeatedly(self._start)
        _clients.add(self)

    @property
    def pid(self) -> int | None:
        """The worker's process; None where none is running."""
        return None if self._process is None else self._process.pid

    def call(
        self, method: str, plain: Mapping[str, Any] | None = None, tensors: Mapping[str, Tensor] | None = None
    ) -> tuple[Any, dict[str, Tensor]]:
        """Call a method; gives the plain part of its result and its tensors, these on the CPU.

        Raises:
            WorkerError: the method raised, or the worker died or was silent for too long.
            WorkerMemoryError: memory ran out there.
            RunFolderError: the class's file has changed since the worker was first started.
        """
        watch, started = watched(), time.perf_counter()
        measure = () if watch is None else watch.measure
        with self._lock:
            reply, results = self._repeatedly(lambda: self._call(method, plain or {}, tensors or {}, measure))
        if watch is not None:
            watch.calls.append(RemoteCall.of(reply["measured"], total_s=time.perf_counter() - started))
        return reply.get("plain"), results

    def release(self) -> None:
        """End the worker and give its memory back; the next call starts another."""
        with self._lock:
            self._end()

    def _call(
        self, method: str, plain: Mapping[str, Any], tensors: Mapping[str, Tensor], measure: Sequence[str]
    ) -> tuple[Content, dict[str, Tensor]]:
        process = self._running()
        if self._run_folder is not None and RunFolder.exists(self._run_folder):
            self._keep_log(process, self._run_folder / "logs")
        arrays, dtypes = {}, {}
        for name, tensor in tensors.items():
            arrays[name], dtypes[name] = to_array(name, tensor)
        try:
            places = process.memory.write(arrays)
        except OSError as error:
            process.memory.release()
            raise WorkerMemoryError(f"{self._named} cannot be sent its input: {error}") from error
        request = {
            "do": "call", "method": method, "plain": plain, "arrays": places, "dtypes": dtypes,
            "measure": list(measure), **_settings(),
        }  # fmt: skip
        reply = self._ask(
            process, request, doing=f"in {method}", limit_s=self.spec.call_limit_s, limit="call_limit_s"
        )
        results = {
            name: to_tensor(array, reply["dtypes"].get(name, ""), "cpu")
            for name, array in process.memory.read(reply["arrays"]).items()
        }
        return reply, results

    def _keep_log(self, process: WorkerProcess, folder: Path) -> None:
        """From now on the log is in the run folder, which did not exist when the worker was started."""
        folder.mkdir(exist_ok=True)
        path = folder / f"exec-{self.spec.class_name}-{os.getpid()}-{next(_numbers)}.log"
        kept = path.open("a+b")
        self._log.seek(0)
        shutil.copyfileobj(self._log, kept)
        kept.flush()
        request = {"do": "log", "path": str(path.absolute())}
        self._ask(process, request, doing="", limit_s=self.spec.call_limit_s, limit="call_limit_s")
        process.log = self._log = kept
        self._run_folder = None

    def _running(self) -> WorkerProcess:
        if self._process is None:
            self._start()
        assert self._process is not None  # `_start` has set it, or raised
        return self._process

    def _start(self) -> Made:
        """Start a process and have it make the object, within the start's time limit."""
        sources = sources_of(self.spec.file).files
        changed = [name for name in sources if sources[name] != self._sources.get(name, sources[name])]
        if changed:
            raise RunFolderError(
                f"{self.spec.file.parent / changed[0]} was changed during the run; start the run again"
            )
        self._sources = sources
        deadline = time.monotonic() + self.spec.start_limit_s
        try:
            process = self._process = WorkerProcess(self.spec, self._log)
        except OSError as error:
            raise SpecError(f"{self.spec.python} cannot be run: {error.strerror or error}") from error

        def ask(do: str, doing: str, **content: Any) -> Content:
            left = deadline - time.monotonic()
            return self._ask(process, {"do": do, **content}, doing=doing, limit_s=left, limit="start_limit_s")

        try:
            ask("hello", "while starting")
            wanted = {"file": str(self.spec.file), "class": self.spec.class_name, "method": self._method}
            loaded = ask("load", f"while importing {self.spec.file.name}", **wanted)
            arguments = self._bind(loaded["parameters"])
            made = ask("make", _MAKING, arguments=arguments, device=str(self._device), **_settings())
        except BaseException:
            self._end()  # a half-started worker is of no use
            raise
        return Made(
            environment={"protocol": made["protocol"], **made["environment"]},
            class_name=loaded["class"],
            methods=tuple(made["methods"]),
            content=made,
        )

    def _ask(
        self, process: WorkerProcess, request: Content, *, doing: str, limit_s: float, limit: str
    ) -> Content:
        """The reply to a request, where it is one; each failure as one line."""
        self._sent, self._doing = self._sent + 1, doing
        started = time.monotonic()
        try:
            reply = process.ask({**request, "number": self._sent}, deadline=started + limit_s)
        except Ended:
            raise  # `_repeatedly` says it, or asks again
        except TimeoutError:
            words = process.last_words()
            self._end()
            allowed = self.spec.start_limit_s if limit == "start_limit_s" else limit_s
            raise WorkerError(
                f"{self._named} was silent for more than {allowed:g} s {doing}{_said(words)}; "
                f"the option {limit}=SECONDS gives it longer"
            ) from None
        except BaseException:
            self._end()  # the next reply would be to this request
            raise
        if reply.get("protocol") != PROTOCOL:
            self._end()
            raise WorkerError(
                f"{self._named} speaks version {reply.get('protocol')} of the protocol, this program version "
                f"{PROTOCOL}: one of the two was updated meanwhile; start again"
            )
        if reply.get("number") != self._sent:
            self._end()
            raise WorkerError(f"{self._named} answered request {reply.get('number')} instead of {self._sent}")
        if "error" in reply:
            self._raise(process, reply["error"], doing=doing)
        return reply

    def _repeatedly(self, do: Callable[[], Any]) -> Any:  # Any: what `do` gives
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return do()
            except Ended as ended:
                self._end()
                from_outside = ended.returncode in _FROM_OUTSIDE
                if not from_outside or attempt == ATTEMPTS:
                    self._raise_ended(ended, times=attempt)
                log.warning("%s %s %s; it is started again", self._named, ended, self._doing)
        raise AssertionError("the last attempt returns or raises")

    def _raise_ended(self, ended: Ended, *, times: int) -> NoReturn:
        often = f" {times} times" if times > 1 else ""
        message = f"{self._named} {ended}{often} {self._doing}{_said(ended.last_words)}"
        if ended.returncode == -signal.SIGKILL:
            raise WorkerMemoryError(f"{message}; the system does that when memory runs out")
        raise WorkerError(message)

    def _raise(self, process: WorkerProcess, error: Content, *, doing: str) -> NoReturn:
        kind, message = error["kind"], str(error["message"])
        if kind == "out of memory":
            process.memory.release()
            raise WorkerMemoryError(f"{message}; out of memory in {self._named}")
        if kind == "unknown class":
            raise UnknownNameError(what=f"class in {self.spec.file}", name=message, known=error["known"])
        if kind == "missing":
            raise MissingDependencyError(f"{self.spec.python}: {message}")
        if kind == "import":
            raise SpecError(f"{self.spec.file} cannot be imported by {self.spec.python}: {message}")
        if kind == "spec" or doing == _MAKING:
            what = f"{self.spec.text} cannot be built: " if kind != "spec" else f"{self.spec.text}: "
            raise SpecError(f"{what}{message}")
        raise WorkerError(message)

    @property
    def _named(self) -> str:
        return f"the worker of {self.spec.name}"

    def _end(self) -> None:
        if self._process is not None:
            self._process.end()
        self._process = None


def release_all() -> None:
    """End every worker of this process; each is started again when its system is called."""
    for client in list(_clients):
        client.release()


def _said(words: str) -> str:
    return f'; its last words: "{words}"' if words else "; it printed nothing"


def _settings() -> Content:
    """How this process computes just now, which the worker takes over."""
    import torch

    return {"threads": torch.get_num_threads(), "inference": torch.is_inference_mode_enabled()}
