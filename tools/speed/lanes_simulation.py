"""Simulates a large run in lanes: real processes and a real journal, with an evaluator that only sleeps.

Lanes die by SIGKILL at random, and some shards take long. It prints outcomes a second, the driver's memory
and CPU time, and whether every sample has one record:

    python -m tools.speed.lanes_simulation --samples 1000000 --lanes 64
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from vtok_eval.benchmark import Outcome, Sample
from vtok_eval.results.journal import Journal
from vtok_eval.results.records import Metric
from vtok_eval.run.lanes.driver import LaneReport, run_in_lanes
from vtok_eval.run.lanes.local import LocalLanes
from vtok_eval.run.lanes.messages import Message, Prepared, Results, Shard, ShardDone
from vtok_eval.run.plan import PlannedJob
from vtok_eval.systems import System, SystemKind

WORKER = "tools.speed.lanes_simulation:SleepingWorker"


@dataclass(frozen=True)
class Simulation:
    """What is simulated. seconds: a shard takes. batch: samples in one message.

    deaths, stragglers: the share of shards that kill their lane, and that take `straggle_s` instead.
    """

    n_samples: int = 1_000_000
    n_lanes: int = 64
    n_jobs: int = 280
    seconds: float = 0.02
    deaths: float = 0.0005
    stragglers: float = 0.01
    straggle_s: float = 1.0
    batch: int = 16
    seed: int = 0


@dataclass(frozen=True)
class Figures:
    """What was measured. lost: samples without a record; the journal refuses a second one."""

    samples: int
    lanes: int
    deaths: int
    seconds: float
    outcomes_per_s: float
    driver_cpu_s: float
    outcomes_per_driver_cpu_s: float
    driver_peak_mib: float
    lost: int
    failed: int


@dataclass(frozen=True)
class _LaneOf:
    number: int
    simulation: Simulation


class SleepingWorker:
    """Sleeps instead of evaluating; satisfies `Worker`."""

    def __init__(self, lane: _LaneOf) -> None:
        self._simulation = lane.simulation
        self._lane = lane.number
        # A lane that was started again must not die at the same place again.
        self._random = random.Random(f"{lane.simulation.seed} {lane.number} {os.getpid()}")
        self._job = ""

    def facts(self) -> Mapping[str, str | int]:
        """As `Worker.facts`."""
        return {"lane": self._lane, "device": "cpu", "model": "cpu", "host": socket.gethostname()}

    def evaluate(self, shard: Shard) -> Iterator[Message]:
        """Sleep for the whole shard, or die half way, or take long."""
        simulation = self._simulation
        if shard.job != self._job:
            self._job = shard.job
            yield Prepared(shard.job)
        straggles = self._random.random() < simulation.stragglers
        time.sleep(simulation.straggle_s if straggles else simulation.seconds)
        for at in range(0, len(shard.samples), simulation.batch):
            part = shard.samples[at : at + simulation.batch]
            yield Results(shard.job, tuple((name, _outcome(name)) for name in part))
            if at == 0 and self._random.random() < simulation.deaths:
                os.kill(os.getpid(), signal.SIGKILL)
        yield ShardDone(shard.job)


class _Benchmark:
    """As much of a benchmark as the driver asks for."""

    parallel = True

    def metrics(self) -> Sequence[Metric]:
        """None: the driver then only counts records."""
        return ()


def simulate(simulation: Simulation, folder: Path) -> Figures:
    """Run it, with the journal in `folder`.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     found = simulate(Simulation(n_samples=320, n_lanes=2, n_jobs=2, stragglers=0), Path(folder))
        >>> (found.samples, found.lost, found.failed)
        (320, 0, 0)
    """
    jobs = _jobs(simulation)
    report = LaneReport()
    lanes = LocalLanes(
        [_LaneOf(number, simulation) for number in range(simulation.n_lanes)],
        logs=folder / "logs",
        worker=WORKER,
    )
    started, cpu = time.monotonic(), time.process_time()
    with Journal(folder / "journal.sqlite") as journal:
        try:
            run_in_lanes(lanes, journal, jobs, report)
        finally:
            lanes.close()
        seconds, cpu = time.monotonic() - started, time.process_time() - cpu
        counts = journal.counts()
        n_failed = len(journal.failures())
    n_records = sum(n for n, _ in counts.values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return Figures(
        samples=n_records,
        lanes=simulation.n_lanes,
        deaths=report.deaths,
        seconds=round(seconds, 2),
        outcomes_per_s=round(report.new_samples / seconds),
        driver_cpu_s=round(cpu, 2),
        outcomes_per_driver_cpu_s=round(report.new_samples / cpu),
        driver_peak_mib=round(peak),
        lost=simulation.n_samples - n_records,
        failed=n_failed,
    )


def _jobs(simulation: Simulation) -> list[PlannedJob]:
    per_job, more = divmod(simulation.n_samples, simulation.n_jobs)
    return [
        PlannedJob(
            f"benchmark-{number % 14}/system-{number}",
            System(f"system-{number}", "stand-in", SystemKind.TOKENIZER, None),
            f"benchmark-{number % 14}",
            _Benchmark(),  # type: ignore[arg-type] # the driver asks it for nothing else
            [_sample(number, at) for at in range(per_job + (number < more))],
        )
        for number in range(simulation.n_jobs)
    ]


def _sample(job: int, at: int) -> Sample:
    return Sample(
        id=f"job-{job}/clip-{at:07}",
        cluster=f"clip-{at:07}",
        target={"answer": "B"},
        meta={"split": "test", "n_frames": 16, "group": "temporal"},
    )


def _outcome(name: str) -> Outcome:
    """About as much as a question's outcome holds."""
    return Outcome(
        values={"accuracy": (1.0,), "temporal": (0.0,)},
        outputs={"answer": "B", "read": "B", "expected": "C", "clip": name},
        cost={"tokens": 31.0, "seconds": 0.02},
    )


def main() -> None:
    """Read the options, simulate, print the figures as JSON."""
    # By its own name, not as __main__: the lanes must find these classes.
    from tools.speed.lanes_simulation import Simulation, simulate

    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--samples", type=int, default=Simulation.n_samples)
    parser.add_argument("--lanes", type=int, default=Simulation.n_lanes)
    parser.add_argument("--jobs", type=int, default=Simulation.n_jobs)
    parser.add_argument("--seconds", type=float, default=Simulation.seconds, help="that a shard takes")
    parser.add_argument("--folder", type=Path, help="where the journal goes; default: a temporary folder")
    given = parser.parse_args()
    simulation = Simulation(given.samples, given.lanes, given.jobs, given.seconds)
    with tempfile.TemporaryDirectory() as temporary:
        found = simulate(simulation, given.folder or Path(temporary))
    sys.stdout.write(
        json.dumps({"simulation": asdict(simulation), "measured": asdict(found)}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
