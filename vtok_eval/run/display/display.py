"""A run's display: on a terminal one block, redrawn, with a line above it for each job that has ended."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from vtok_eval.progress import StepCounter, shown_on
from vtok_eval.results.plain_text import printable
from vtok_eval.run.display.state import Phase, RunState, time_of_day

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

log = logging.getLogger(__name__)

_LINE_EVERY_S = 30.0
_REDRAWS_PER_S = 4
_MOST_RUNNING = 8
_WARNS_ALONE = logging.WARNING


class RunDisplay:
    """Shows a run while it goes; use it in a `with`.

    On a terminal: how far the suite is, when it will end, what is running, redrawn in place, and above it one
    line for each job that has ended; what is logged or printed meanwhile goes above too. Without a terminal:
    the same lines as log messages, and how far the run is every half minute. Where only warnings are wanted
    (`-q`), nothing.

    state: of the run; the display changes it. stream: default: standard error.
    """

    def __init__(self, state: RunState, *, stream: TextIO | None = None) -> None:
        self.state = state
        self._stream = sys.stderr if stream is None else stream
        self._console: Console | None = None
        self._open = ExitStack()
        self._said_at = state.started
        self._width = max((len(job.id) for job in state.jobs), default=0)

    def __enter__(self) -> RunDisplay:
        self._open.enter_context(shown_on(self))
        if self._stream.isatty() and not _is_quiet():
            self._start_live()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()
        self._console = None

    def _start_live(self) -> None:
        from rich.console import Console
        from rich.live import Live

        console = Console(file=self._stream, highlight=False)
        if console.is_dumb_terminal:
            return
        self._console = console
        self._open.enter_context(
            Live(
                console=console,
                get_renderable=self._block,
                refresh_per_second=_REDRAWS_PER_S,
                transient=True,
                redirect_stdout=sys.stdout.isatty(),
                redirect_stderr=True,
            )
        )

    def run(self, jobs: Sequence[str], *, preparing: Sequence[str] = ()) -> None:
        """These jobs are being worked on now; some of them are being prepared."""
        self.state.run(jobs, preparing=preparing)
        self._tell()

    def add_samples(self, job: str, count: int = 1) -> None:
        """So many more samples of a job have their result."""
        self.state.add_samples(job, count)
        self._tell()

    def end(self, job: str, text: str, *, seconds: float, ok: bool = True) -> None:
        """A job has ended: say what came of it. seconds: what it took one lane. ok: nothing failed."""
        self.state.end(job, seconds=seconds)
        n_jobs = len(self.state.jobs)
        number = f"[{len(self.state.ended):>{len(str(n_jobs))}}/{n_jobs}]"
        self._say(f"{number} {job:<{self._width}}  {text}", style="" if ok else "yellow")

    @contextmanager
    def steps(self, description: str, *, total: int, unit: str) -> Iterator[StepCounter]:
        """Show a piece of work within the running job as long as the context is open."""
        phase = Phase(description, total, unit)
        self.state.begin_phase(phase)
        try:
            yield _Counter(phase, self)
        finally:
            self.state.end_phase(phase)

    def _say(self, line: str, *, style: str) -> None:
        self._said_at = self.state.clock()
        line = printable(line)
        if self._console is None:
            log.info("%s", line)
            return
        from rich.text import Text

        self._console.print(Text(line, style=style), soft_wrap=True)

    def _tell(self) -> None:
        """Without a terminal: how far the run is, if nothing was said for a while."""
        now = self.state.clock()
        if self._console is not None or now - self._said_at < _LINE_EVERY_S:
            return
        self._said_at = now
        log.info("%s", "; ".join([self.state.text(), *self.state.running()[:2]]))

    def _block(self) -> RenderableType:
        """What is redrawn: the suite, then the running jobs."""
        from rich.console import Group
        from rich.text import Text

        state = self.state
        left = state.seconds_left()
        end = f", ends about {time_of_day(left)}" if left is not None else ""
        lines = [Text(f"{_bar(state)} {state.text()}{end}")]
        running = state.running()
        lines += [Text(f"  {printable(line)}", style="dim") for line in running[:_MOST_RUNNING]]
        if len(running) > _MOST_RUNNING:
            lines.append(Text(f"  and {len(running) - _MOST_RUNNING} more", style="dim"))
        for line in lines:
            line.no_wrap, line.overflow = True, "ellipsis"
        return Group(*lines)


class _Counter:
    """Counts a phase's steps for a display."""

    def __init__(self, phase: Phase, display: RunDisplay) -> None:
        self._phase, self._display = phase, display

    def update(self, n: int = 1) -> None:
        """So many more steps are done."""
        self._phase.done += n
        self._display._tell()

    def set_postfix_str(self, s: str = "", refresh: bool = True) -> None:
        """A few words on how it goes."""
        del refresh
        self._phase.remark = s


def _is_quiet() -> bool:
    """Whether only warnings are wanted: somebody has set so the level of this program's log."""
    return logging.getLogger("vtok_eval").level >= _WARNS_ALONE


def _bar(state: RunState, *, width: int = 20) -> str:
    share = len(state.ended) / len(state.jobs) if state.jobs else 1.0
    return "█" * round(share * width) + "░" * (width - round(share * width))
