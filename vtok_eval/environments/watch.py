"""What calls to other processes cost inside these: seconds, operations, memory.

The clock of this process would count the moving of data, and its counters see nothing of what a worker does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(frozen=True)
class RemoteCall:
    """One call of a method in another process.

    Attributes:
        seconds: inside the worker, of the method alone.
        moving_s: all other seconds until the result was here: what moves the data.
        flop: floating-point operations; None where the worker cannot count them.
        peak_bytes: memory at the peak beyond what was in use; None where the worker cannot tell.
    """

    seconds: float
    moving_s: float
    flop: int | None = None
    peak_bytes: int | None = None

    @classmethod
    def of(cls, measured: Mapping[str, float], *, total_s: float) -> RemoteCall:
        """From what the worker has measured, and the seconds of the whole call in this process."""
        flop, peak = measured.get("flop"), measured.get("peak_bytes")
        return cls(
            seconds=measured["seconds"],
            moving_s=total_s - measured["seconds"],
            flop=None if flop is None else int(flop),
            peak_bytes=None if peak is None else int(peak),
        )


@dataclass
class Watch:
    """The calls to other processes during a `with watch_calls()`; empty where there were none.

    measure: what the workers are asked to measure besides seconds: "flop", "peak_bytes".
    """

    measure: Sequence[str] = ()
    calls: list[RemoteCall] = field(default_factory=list)

    @property
    def moving_s(self) -> float:
        """Seconds that went into moving data to other processes and back."""
        return sum(call.moving_s for call in self.calls)


_current: ContextVar[Watch | None] = ContextVar("watch", default=None)


@contextmanager
def watch_calls(*measure: str) -> Iterator[Watch]:
    """Watch the calls to other processes that this thread makes.

    Example:
        >>> with watch_calls("flop") as watch:
        ...     _ = 1 + 1
        >>> watch.calls, watch.moving_s
        ([], 0)
    """
    watch = Watch(measure)
    token = _current.set(watch)
    try:
        yield watch
    finally:
        _current.reset(token)


def watched() -> Watch | None:
    """Who watches the calls of this thread, if anybody."""
    return _current.get()
