"""A lane's own process: `python -m vtok_eval.run.lanes.process CONNECTION LIFELINE`, started by `local`."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from multiprocessing.connection import Connection

from vtok_eval.run.lanes.serving import LaneServer

_PR_SET_PDEATHSIG = 1


def main(connection: int, lifeline: int) -> None:
    """Serve shards until the driver closes the connection.

    connection: a socket's file descriptor: the worker's place and its argument come first, then shards; lists
        of messages go back. lifeline: the read end of a pipe whose other end only the driver holds.
    """
    _die_with_the_driver(lifeline)
    logging.basicConfig(format="%(asctime)s %(message)s", stream=sys.stderr, level=logging.WARNING)
    logging.getLogger("vtok_eval").setLevel(logging.INFO)
    with (
        Connection(connection) as driver,
        contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError),
    ):
        server = LaneServer(*driver.recv())
        driver.send(server.start())
        while True:
            for messages in server.evaluate(driver.recv()):
                driver.send(messages)


def _die_with_the_driver(lifeline: int) -> None:
    """Have this process killed as soon as the driver is gone, even if it was killed itself.

    The lifeline closes with the driver's last open end of it. On Linux the kernel is asked too: its signal
    comes even while code that never lets another thread run is computing.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    threading.Thread(target=_watch, args=(lifeline,), name="lifeline", daemon=True).start()


def _watch(lifeline: int) -> None:
    os.read(lifeline, 1)
    # What this process has started dies with it: the lane leads its own process group.
    os.killpg(os.getpgid(0), signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
