"""How far a run is: jobs and samples done, what is running, and when it will end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True)
class JobSize:
    """A job that is to be done. n_samples: those that have no result yet."""

    id: str
    benchmark: str
    n_samples: int


@dataclass
class Phase:
    """A piece of work within a job: so many of `total` steps are done."""

    description: str
    total: int
    unit: str
    done: int = 0
    remark: str = ""

    @property
    def text(self) -> str:
        """In a few words.

        Example:
            >>> Phase("vtok: probe 1 of 2", 120, "step", done=34).text
            'vtok: probe 1 of 2, 34 of 120 steps'
        """
        unit = self.unit if self.total == 1 else f"{self.unit}s"
        remark = f", {self.remark}" if self.remark else ""
        return f"{self.description}, {self.done:,} of {self.total:,} {unit}{remark}"


@dataclass
class RunState:
    """What is known of a run under way; any thread may read it.

    jobs: those to be done. n_lanes: how many are worked on at once. clock: seconds.

    Example:
        >>> jobs = [JobSize(f"scenes/{name}", "scenes", 100) for name in "abc"]
        >>> state = RunState(jobs, clock=lambda: 10.0)
        >>> state.end("scenes/a", seconds=10.0)
        >>> state.text()
        '1 of 3 jobs, 100 of 300 samples, about 20 s left'
    """

    jobs: Sequence[JobSize]
    n_lanes: int = 1
    clock: Callable[[], float] = time.monotonic
    ended: dict[str, float] = field(default_factory=dict, init=False)
    preparing: tuple[str, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._sizes = {job.id: job for job in self.jobs}
        self._samples = dict.fromkeys(self._sizes, 0)
        self._since: dict[str, float] = {}
        self._phases: list[Phase] = []
        self.started = self.clock()

    @property
    def n_samples(self) -> int:
        """Samples of all jobs."""
        return sum(job.n_samples for job in self.jobs)

    @property
    def samples_done(self) -> int:
        """Samples that have a result, or belong to a job that has ended."""
        return sum(self._done_of(job) for job in self.jobs)

    def run(self, jobs: Iterable[str], *, preparing: Iterable[str] = ()) -> None:
        """These jobs are being worked on now; some of them are being prepared (trained, loaded)."""
        with self._lock:
            now = self.clock()
            self._since = {job: self._since.get(job, now) for job in jobs}
            self.preparing = tuple(preparing)

    def add_samples(self, job: str, count: int = 1) -> None:
        """So many more samples of a job have their result."""
        with self._lock:
            self._samples[job] += count

    def end(self, job: str, *, seconds: float) -> None:
        """A job is done, or cannot be run. seconds: what it took one lane."""
        with self._lock:
            self.ended[job] = seconds
            self._since.pop(job, None)

    def begin_phase(self, phase: Phase) -> None:
        """A piece of work has begun, within what is running."""
        with self._lock:
            self._phases.append(phase)

    def end_phase(self, phase: Phase) -> None:
        """That piece of work is over."""
        with self._lock:
            self._phases.remove(phase)

    def running(self) -> list[str]:
        """A line for each job that is worked on: samples done, and the piece of work within it."""
        with self._lock:
            phases = [phase.text for phase in self._phases if phase.description not in self._sizes]
            return [self._line(job, phases[-1:]) for job in self._since]

    def seconds_left(self) -> float | None:
        """An estimate from the jobs that have ended, of the same benchmark if there are any; None before."""
        with self._lock:
            if not any(self.ended.values()):
                return None
            left = [job for job in self.jobs if job.id not in self.ended]
            seconds = sum(self._seconds_left_of(job) for job in left)
            return seconds / max(1, min(self.n_lanes, len(left)))

    def text(self) -> str:
        """The run in one line."""
        with self._lock:
            parts = [
                f"{len(self.ended)} of {len(self.jobs)} jobs",
                f"{self.samples_done:,} of {self.n_samples:,} samples",
            ]
            left = self.seconds_left()
            if left is not None and len(self.ended) < len(self.jobs):
                parts.append(f"about {duration(left)} left")
            return ", ".join(parts)

    def _done_of(self, job: JobSize) -> int:
        return job.n_samples if job.id in self.ended else min(self._samples[job.id], job.n_samples)

    def _seconds_left_of(self, job: JobSize) -> float:
        alike = [
            seconds for name, seconds in self.ended.items() if self._sizes[name].benchmark == job.benchmark
        ]
        known = alike or list(self.ended.values())
        expected = sum(known) / len(known)
        done = self._done_of(job)
        if done:
            return expected * (1 - done / job.n_samples)
        # No sample yet: it is being prepared.
        return max(0.0, expected - (self.clock() - self._since.get(job.id, self.clock())))

    def _line(self, job: str, phases: Sequence[str]) -> str:
        size = self._sizes[job]
        done = self._done_of(size)
        parts = [f"{done:,} of {size.n_samples:,} samples"] if done else []
        if job in self.preparing:
            parts.append("being prepared")
        return ": ".join([job, ", ".join([*parts, *phases])]) if parts or phases else job


def duration(seconds: float) -> str:
    """Seconds in words.

    Example:
        >>> duration(9.6), duration(600), duration(8000)
        ('10 s', '10 min', '2 h 13 min')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


def time_of_day(seconds_from_now: float) -> str:
    """When that is, by the clock on the wall; with the date if it is not today.

    Example:
        >>> len(time_of_day(0.0))
        5
    """
    now = datetime.now()
    then = now + timedelta(seconds=seconds_from_now)
    return then.strftime("%H:%M" if then.date() == now.date() else "%a %H:%M")
