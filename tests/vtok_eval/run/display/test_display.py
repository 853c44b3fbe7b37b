"""A run's display: one block on a terminal, plain lines without one, nothing if only warnings are wanted."""

from __future__ import annotations

import logging
import os
import pty
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.vtok_eval.run.display.screen import screen
from vtok_eval.cli.log_output import OWN_LOGGERS, set_verbosity
from vtok_eval.progress import steps
from vtok_eval.run.display.display import RunDisplay
from vtok_eval.run.display.state import JobSize, RunState

JOBS = [
    JobSize(f"{benchmark}/{system}", benchmark, 100)
    for benchmark in ("scenes", "cost")
    for system in ("vtok", "blind")
]


@pytest.fixture(autouse=True)
def logging_as_it_was():
    loggers = [logging.getLogger(name) for name in OWN_LOGGERS]
    before = [(logger, logger.level) for logger in loggers]
    root = logging.getLogger()
    handlers, root.handlers[:] = list(root.handlers), []
    yield
    root.handlers[:] = handlers
    for logger, level in before:
        logger.setLevel(level)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def terminal(monkeypatch) -> Iterator[list[str]]:
    """Standard error is a pseudo terminal, and so is standard output; afterwards what was written there."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, 200))
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("COLUMNS", "LINES", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    written: list[str] = []
    with os.fdopen(theirs, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(sys, "stdout", stream)
        yield written
        monkeypatch.undo()
        stream.flush()
        written.append(_everything(ours))
    os.close(ours)


def _everything(descriptor: int) -> str:
    os.set_blocking(descriptor, False)
    parts = []
    while True:
        try:
            parts.append(os.read(descriptor, 65536))
        except BlockingIOError:
            return b"".join(parts).decode()


def test_a_terminal_keeps_one_line_for_each_job_and_what_was_said(monkeypatch):
    with terminal(monkeypatch) as written:
        set_verbosity(verbose=False, quiet=False)
        with RunDisplay(RunState(JOBS, clock=Clock())) as display:
            display.run(["scenes/vtok"])
            with steps("vtok: probe 1 of 2", total=34, unit="step") as counter:
                counter.update(3)
                block = display._block()
            logging.getLogger("vtok_eval.somewhere").warning("a warning")
            sys.stdout.write("a tokenizer that prints\n")
            display.add_samples("scenes/vtok", 100)
            display.end("scenes/vtok", "accuracy 50.0 % (100 samples, 3 s)", seconds=3.0)
            display.end("scenes/blind", "not run: no\x1b[2Jterminal", seconds=0.0, ok=False)
        sys.stderr.write("report: here\n")
    lines = [line for line in screen(written[0]) if line]
    assert lines == [
        "a warning",
        "a tokenizer that prints",
        "[1/4] scenes/vtok   accuracy 50.0 % (100 samples, 3 s)",
        "[2/4] scenes/blind  not run: no?[2Jterminal",
        "report: here",
    ]
    shown = [str(line) for line in block.renderables]
    assert shown[0].endswith("0 of 4 jobs, 0 of 400 samples")
    assert shown[1:] == ["  scenes/vtok: vtok: probe 1 of 2, 3 of 34 steps"]


def test_a_terminal_shows_the_block_while_it_runs(monkeypatch):
    with terminal(monkeypatch) as written, RunDisplay(RunState(JOBS, clock=Clock())) as display:
        display.run(["scenes/vtok"])
        display.end("scenes/vtok", "done", seconds=3.0)  # printing redraws the block below
    assert "1 of 4 jobs, 100 of 400 samples" in written[0]


def test_work_outside_a_run_has_a_bar_of_its_own(capsys, monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    with steps("on its own", total=2, unit="step") as counter:
        counter.update()
    assert "on its own" in capsys.readouterr().err


def test_without_a_terminal_there_are_plain_lines(capsys):
    set_verbosity(verbose=False, quiet=False)
    clock = Clock()
    with RunDisplay(RunState(JOBS, clock=clock)) as display:
        display.run(["scenes/vtok"])
        with steps("training", total=9, unit="step") as counter:
            clock.now = 29.0
            counter.update()
            clock.now = 31.0
            counter.update()
        display.end("scenes/vtok", "accuracy 50.0 %", seconds=31.0)
        clock.now = 70.0
        display.run(["scenes/blind"])
        display.add_samples("scenes/blind", 50)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "0 of 4 jobs, 0 of 400 samples; scenes/vtok: training, 2 of 9 steps",
        "[1/4] scenes/vtok   accuracy 50.0 %",
        "1 of 4 jobs, 100 of 400 samples, about 93 s left; scenes/blind",
    ]


@pytest.mark.parametrize("on_a_terminal", [True, False])
def test_quiet_shows_warnings_alone(monkeypatch, capsys, on_a_terminal):
    monkeypatch.setenv("TQDM_DISABLE", "")

    def shown() -> None:
        set_verbosity(verbose=False, quiet=True)
        with RunDisplay(RunState(JOBS, clock=Clock())) as display:
            display.run(["scenes/vtok"])
            logging.getLogger("vtok_eval").warning("a warning")
            display.end("scenes/vtok", "done", seconds=3.0)

    if on_a_terminal:
        with terminal(monkeypatch) as written:
            shown()
        assert screen(written[0]) == ["a warning", ""]
    else:
        shown()
        assert capsys.readouterr().err == "a warning\n"


def test_a_terminal_without_cursor_gets_plain_lines(monkeypatch):
    with terminal(monkeypatch) as written:
        set_verbosity(verbose=False, quiet=False)
        monkeypatch.setenv("TERM", "dumb")
        with RunDisplay(RunState(JOBS, clock=Clock())) as display:
            display.end("scenes/vtok", "done", seconds=3.0)
    assert "\x1b" not in written[0]
    assert written[0].split() == ["[1/4]", "scenes/vtok", "done"]


def test_many_running_jobs_are_counted(monkeypatch):
    jobs = [JobSize(f"b/{number}", "b", 10) for number in range(12)]
    display = RunDisplay(RunState(jobs, n_lanes=12, clock=Clock()))
    display.run([job.id for job in jobs], preparing=["b/0"])
    lines = [str(line) for line in display._block().renderables]
    assert (len(lines), lines[1], lines[-1]) == (10, "  b/0: being prepared", "  and 4 more")
