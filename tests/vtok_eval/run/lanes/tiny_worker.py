"""A worker without torch for lanes that are real processes: it echoes, sleeps, and dies on request."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vtok_eval.benchmark import Outcome
from vtok_eval.run.lanes.job_queue import LaneJob
from vtok_eval.run.lanes.messages import Message, Prepared, Results, Shard, ShardDone

PLACE = "tests.vtok_eval.run.lanes.tiny_worker:TinyWorker"
PRINTING = "tests.vtok_eval.run.lanes.tiny_worker:PrintingWorker"


def work(n_jobs: int = 2, n_samples: int = 200) -> list[LaneJob]:
    return [
        LaneJob(f"b/{job}", f"s{job}", "b", [f"{job}:{i}" for i in range(n_samples)]) for job in range(n_jobs)
    ]


@dataclass(frozen=True)
class Tiny:
    """killer: a sample at which the lane kills itself. seconds: for each sample."""

    lane: int
    killer: str = ""
    seconds: float = 0.0
    refuses: bool = False


class TinyWorker:
    """Gives each sample the id of its lane's process."""

    def __init__(self, tiny: Tiny) -> None:
        if tiny.refuses:
            raise RuntimeError("this worker cannot be made")
        self.tiny = tiny
        self.job = ""

    def facts(self) -> Mapping[str, str | int]:
        return {"lane": self.tiny.lane, "device": "cpu", "host": "here", "process": os.getpid()}

    def evaluate(self, shard: Shard) -> Iterator[Message]:
        if shard.job != self.job:
            self.job = shard.job
            yield Prepared(shard.job)
        for name in shard.samples:
            time.sleep(self.tiny.seconds)
            if name == self.tiny.killer:
                os.kill(os.getpid(), signal.SIGKILL)
            yield Results(shard.job, ((name, Outcome(outputs={"process": os.getpid()})),))
        yield ShardDone(shard.job)


class PrintingWorker:
    """Prints, and cannot be made."""

    def __init__(self, tiny: Tiny) -> None:
        sys.stdout.write("printed in the lane")
        raise TypeError("not a worker")
