"""What a command logs, on standard error: how much, and what is said again and again only counted."""

from __future__ import annotations

import logging
import os
import sys
from collections import Counter
from typing import TextIO

from vtok_eval.errors import SpecError

OWN_LOGGERS = ("vtok_eval", "benchmarks", "tv_align", "reports")
SAID_IN_FULL = 3
"""So many warnings of one wording are written; the rest are counted."""


def set_verbosity(*, verbose: bool, quiet: bool) -> None:
    """Log so much to standard error: warnings alone (quiet), what happens (default), or details (verbose).

    Raises:
        SpecError: both are asked for.
    """
    if verbose and quiet:
        raise SpecError("-v asks for more words and -q for fewer; leave one out")
    handler = _handler()
    handler.counts_repeats = not verbose
    level = logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO
    for name in OWN_LOGGERS:
        logging.getLogger(name).setLevel(level)
    if quiet:
        os.environ["TQDM_DISABLE"] = "1"  # read when tqdm is first imported, here or in a worker


def say_repeats() -> None:
    """Say how many warnings were only counted, a line for each wording."""
    _handler().say_repeats()


def _handler() -> _StandardError:
    root = logging.getLogger()
    found = next((handler for handler in root.handlers if isinstance(handler, _StandardError)), None)
    if found is None:
        found = _StandardError()
        root.addHandler(found)
    return found


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to what standard error is when something is logged: a display may have taken it over."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(logging.Formatter("%(message)s"))
        self.counts_repeats = True
        self._said: Counter[tuple[str, str]] = Counter()
        self._last: dict[tuple[str, str], str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, or count it."""
        if self.counts_repeats and record.levelno == logging.WARNING:
            wording = _wording(record)
            self._said[wording] += 1
            if self._said[wording] > SAID_IN_FULL:
                self._last[wording] = record.getMessage()
                return
        self.stream = sys.stderr
        super().emit(record)

    def say_repeats(self) -> None:
        """Write a line for each wording that was only counted after a while, and begin anew."""
        for wording, last in self._last.items():
            more = self._said[wording] - SAID_IN_FULL
            sys.stderr.write(f"{more:,} more like the last: {last}\n" if more > 1 else f"{last}\n")
        self._said.clear()
        self._last.clear()


def _wording(record: logging.LogRecord) -> tuple[str, str]:
    """What warnings of one kind have in common: who says it, and the text before names are put into it."""
    text = str(record.msg)
    return record.name, record.getMessage() if text == "%s" else text
