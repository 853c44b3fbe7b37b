"""The display of a run: what it says, plain lines without a terminal, one line with one."""

import io
import logging

from vtok_eval.run.lanes.progress import RunProgress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def progress(stream: io.StringIO, *times: float) -> RunProgress:
    return RunProgress(n_jobs=3, n_samples=8_000, stream=stream, clock=iter([0.0, *times]).__next__)


def test_it_says_jobs_samples_rate_end_and_what_is_being_prepared():
    shown = progress(io.StringIO(), 100.0)
    shown.add_samples(1_000)
    shown.add_job()
    assert shown.text() == "1 of 3 jobs, 1,000 of 8,000 samples, 10.0 samples/s, about 12 min left"
    shown = progress(io.StringIO(), 100.0, 200.0)
    shown.show(preparing=["a", "b", "c"])
    assert shown.text() == "0 of 3 jobs, 0 of 8,000 samples, preparing a, b and 1 more"


def test_without_a_terminal_there_is_a_plain_line_now_and_then(caplog):
    stream = io.StringIO()
    with caplog.at_level("INFO"), progress(stream, 10.0, 31.0, 40.0) as shown:
        for _ in range(3):
            shown.show()
    assert [record.message for record in caplog.records] == ["0 of 3 jobs, 0 of 8,000 samples"]
    assert stream.getvalue() == ""


def test_on_a_terminal_one_line_is_redrawn_and_logging_is_above_it():
    stream = Terminal()
    handler = logging.StreamHandler(stream)
    logging.getLogger().addHandler(handler)
    try:
        with progress(stream, 1.0, 1.1, 2.0) as shown:
            for _ in range(3):
                shown.show()
            logging.getLogger("vtok_eval").warning("something")
    finally:
        logging.getLogger().removeHandler(handler)
    line = "0 of 3 jobs, 0 of 8,000 samples"
    assert stream.getvalue() == f"\r{line}\r{line}\r{' ' * len(line)}\rsomething\n"
