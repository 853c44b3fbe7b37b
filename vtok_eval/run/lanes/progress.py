"""One display of a run over all its lanes: jobs and samples done, samples a second, when it will end."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TextIO

log = logging.getLogger(__name__)

_LINE_EVERY_S = 30.0
_REDRAW_EVERY_S = 0.2


class RunProgress:
    """Shows how far a run is: a line that is redrawn on a terminal, else a plain line every half minute.

    Use it in a `with`: what is logged meanwhile is written above the line.

    Example:
        >>> clock = iter([0.0, 10.0]).__next__
        >>> progress = RunProgress(n_jobs=4, n_samples=300, clock=clock)
        >>> progress.add_samples(100)
        >>> progress.text()
        '0 of 4 jobs, 100 of 300 samples, 10.0 samples/s, about 20 s left'
    """

    def __init__(
        self,
        *,
        n_jobs: int,
        n_samples: int,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._n_jobs, self._n_samples = n_jobs, n_samples
        self._jobs_done = self._samples_done = 0
        self._preparing: Sequence[str] = ()
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._started = clock()
        self._drawn_at = self._started
        self._width = 0
        self._above = _Above(self)

    def __enter__(self) -> RunProgress:
        if self._stream.isatty():
            for handler in logging.getLogger().handlers:
                handler.addFilter(self._above)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handler in logging.getLogger().handlers:
            handler.removeFilter(self._above)
        self.clear()

    def add_samples(self, count: int) -> None:
        """Note that so many more samples have their result."""
        self._samples_done += count

    def add_job(self) -> None:
        """Note that one more job is done."""
        self._jobs_done += 1

    def show(self, *, preparing: Sequence[str] = ()) -> None:
        """Show where the run is, if it was last shown long enough ago. preparing: jobs that train or load."""
        self._preparing = preparing
        terminal = self._stream.isatty()
        now = self._clock()
        if now - self._drawn_at < (_REDRAW_EVERY_S if terminal else _LINE_EVERY_S):
            return
        self._drawn_at = now
        if not terminal:
            log.info("%s", self.text(now))
            return
        text = self.text(now)
        self._stream.write("\r" + text.ljust(self._width))
        self._stream.flush()
        self._width = len(text)

    def clear(self) -> None:
        """Take the line away, for something else to be written."""
        if self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._stream.flush()
            self._width = 0

    def text(self, now: float | None = None) -> str:
        """The line."""
        seconds = (self._clock() if now is None else now) - self._started
        parts = [
            f"{self._jobs_done} of {self._n_jobs} jobs",
            f"{self._samples_done:,} of {self._n_samples:,} samples",
        ]
        if self._samples_done and seconds > 0:
            rate = self._samples_done / seconds
            left = _duration((self._n_samples - self._samples_done) / rate)
            parts += [f"{rate:,.1f} samples/s", f"about {left} left"]
        if self._preparing:
            more = len(self._preparing) - 2
            parts.append(
                f"preparing {', '.join(self._preparing[:2])}{f' and {more} more' if more > 0 else ''}"
            )
        return ", ".join(parts)


class _Above(logging.Filter):
    """Clears the line before something is logged; lets everything pass."""

    def __init__(self, progress: RunProgress) -> None:
        super().__init__()
        self._progress = progress

    def filter(self, record: logging.LogRecord) -> bool:
        self._progress.clear()
        return True


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"
