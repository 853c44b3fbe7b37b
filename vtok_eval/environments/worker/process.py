"""The process of a worker: answers the harness's requests, and ends when the harness does."""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING

from .messages import PREFIX_BYTES, PROTOCOL, Memory, length_of, pack
from .served import Refused, Served

if TYPE_CHECKING:
    from .messages import Content


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    named = any(cls.__name__ == "OutOfMemoryError" for cls in type(error).__mro__)
    said = str(error)
    return named or (
        isinstance(error, RuntimeError) and ("out of memory" in said or "DefaultCPUAllocator" in said)
    )


def _release_memory() -> None:
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def serve(requests: int, replies: int, memory: Memory) -> None:
    """Answer requests until the harness closes their pipe."""
    served = Served()
    while True:
        prefix = _read(requests, PREFIX_BYTES)
        if prefix is None:
            return
        body = _read(requests, length_of(prefix))
        if body is None:
            return
        message = pack(_reply(served, json.loads(body), memory))
        while message:
            message = message[os.write(replies, message) :]


def _reply(served: Served, request: Content, memory: Memory) -> Content:
    reply: Content = {"protocol": PROTOCOL, "number": request.get("number")}
    try:
        if request["do"] == "call":
            content, arrays = served.call(request, memory.read(request["arrays"]))
            try:
                places = memory.write(arrays)
            except OSError as error:
                n_bytes = sum(array.nbytes for array in arrays.values())
                raise MemoryError(f"{error}, for the {n_bytes} bytes of the result") from error
            return {**reply, **content, "arrays": places}
        return {**reply, **getattr(served, request["do"])(request)}
    except Refused as refused:
        return {**reply, "error": {"kind": refused.kind, "message": str(refused), **refused.details}}
    except Exception as error:  # noqa: BLE001 -- whatever the class raises is the reply
        traceback.print_exc()  # into the log
        out_of_memory = _is_out_of_memory(error)
        reason = served.reason(error)
        del error
    if out_of_memory:
        _release_memory()
    return {**reply, "error": {"kind": "out of memory" if out_of_memory else "exception", "message": reason}}


def _read(descriptor: int, count: int) -> bytes | None:
    """That many bytes; None where the other end has closed the pipe."""
    parts = []
    while count:
        part = os.read(descriptor, min(count, 1 << 20))
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _guard(lifeline: int, *others: int) -> None:
    """Start a process that kills this one's group as soon as the harness is gone, however that happened.

    The harness holds the other end of the lifeline and never writes to it. A process of its own, because a
    thread would not run while the class computes without releasing the interpreter.
    """
    if os.fork():
        os.close(lifeline)
        return
    for descriptor in others:  # or the harness could not see that the worker is gone
        os.close(descriptor)
    os.read(lifeline, 1)
    os.killpg(os.getpgid(0), signal.SIGKILL)


def main(requests: int, replies: int, memory: int, lifeline: int) -> None:
    """Serve the harness that has started this process.

    requests, replies: the pipes' ends. memory: the file of arrays. lifeline: the read end of a pipe whose
    other end only the harness holds.
    """
    _guard(lifeline, requests, replies, memory)
    for descriptor in (requests, replies, memory):
        os.set_inheritable(descriptor, False)
    os.dup2(2, 1)
    serve(requests, replies, Memory(memory))
    sys.stdout.flush()
    os._exit(0)  # threads of the user's must not keep the process
