"""Gives shards to lanes, again if a lane has died, and reports to the driver what happens."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from vtok_eval.benchmark import NoResult
from vtok_eval.errors import LaneError
from vtok_eval.run.lanes.backend import Backend
from vtok_eval.run.lanes.job_queue import DEATHS_TO_FAIL, JobQueue, LaneJob
from vtok_eval.run.lanes.messages import (
    CannotRun,
    Died,
    Interrupted,
    Message,
    Prepared,
    Results,
    RunEnds,
    Said,
    Shard,
    ShardDone,
    Started,
)

log = logging.getLogger(__name__)

_DEATHS_TO_RETIRE = 3
"""How many times in a row a lane may die while starting before the run continues without it."""
_WAIT_S = 0.5
_LONG_START_S = 120.0


@dataclass(frozen=True)
class JobDone:
    """Every sample of the job has had its result. busy_s: seconds that lanes worked on it, summed."""

    job: str
    busy_s: float


Event = Started | Prepared | Results | CannotRun | JobDone


@dataclass
class _Lane:
    """What the dispatcher knows of one lane. holds: the job that it has prepared."""

    running: bool = False
    started: bool = False
    deaths_starting: int = 0
    host: str = ""
    holds: str | None = None
    system: str | None = None
    shard: Shard | None = None
    got: set[str] = field(default_factory=set)
    since: float = 0.0
    starting_since: float = field(default_factory=time.monotonic)

    @property
    def works(self) -> bool:
        """Whether it evaluates or starts; one that has waited long for its place on a cluster does not."""
        starts = not self.started and time.monotonic() - self.starting_since < _LONG_START_S
        return self.running and (self.shard is not None or starts)


class Dispatcher:
    """Has jobs evaluated by the lanes of a back end.

    A job is prepared by one lane first; others join it when nothing else is left to begin, and find its probe
    trained. When a lane dies, the rest of its shard goes to a lane again. A sample with which lanes die even
    alone fails, and so does a job whose preparation kills lanes. Jobs that are not `parallel` come last, one
    after the other on the first lane, while the other lanes are idle.
    """

    def __init__(self, backend: Backend, jobs: Sequence[LaneJob]) -> None:
        self._backend = backend
        self._queues = {job.id: JobQueue(job) for job in jobs}
        self._lanes = [_Lane() for _ in range(backend.n_lanes)]
        self._busy_s = dict.fromkeys(self._queues, 0.0)
        self._events: list[Event] = []
        self.deaths = 0

    def run(self) -> Iterator[Event]:
        """Evaluate every sample; yields what happens as it happens, `JobDone` or `CannotRun` last of a job.

        Raises:
            LaneError: no lane can be started, or a lane met a defect.
            VtokEvalError: something that concerns the whole run, in one line.
        """
        for lane in range(len(self._lanes)):
            self._start(lane)
        while self._queues:
            self._hand_out()
            if not self._events:
                self._check_somebody_works()
                for lane, message in self._backend.wait(_WAIT_S):
                    self._take(lane, message)
            yield from self._events
            self._events.clear()

    def at_work(self) -> list[str]:
        """The jobs that lanes are working on, for a display."""
        return [lane.shard.job for lane in self._lanes if lane.shard is not None]

    def preparing(self) -> list[str]:
        """The jobs that are being prepared now, for a display."""
        return [name for name, queue in self._queues.items() if queue.preparing is not None]

    def _start(self, lane: int) -> None:
        self._lanes[lane] = _Lane(running=True, deaths_starting=self._lanes[lane].deaths_starting)
        self._backend.start(lane)

    def _check_somebody_works(self) -> None:
        """Raise if no lane is working: the run would wait forever."""
        if not any(lane.running and (lane.shard is not None or not lane.started) for lane in self._lanes):
            raise RuntimeError(f"no lane may have what is left: {sorted(self._queues)}")

    def _drop_what_cannot_run(self) -> None:
        hosts = {lane.host for lane in self._lanes if lane.running}
        for name, queue in list(self._queues.items()):
            if queue.without and hosts <= queue.without.keys():
                self._events.append(CannotRun(name, next(iter(queue.without.values()))))
                del self._queues[name]

    def _hand_out(self) -> None:
        self._drop_what_cannot_run()
        for number, lane in enumerate(self._lanes):
            if lane.started and lane.shard is None:
                queue = self._next_queue(number)
                if queue is not None:
                    self._send(number, queue)

    def _send(self, number: int, queue: JobQueue) -> None:
        lane = self._lanes[number]
        if lane.holds != queue.job.id:
            self._let_go(number)
            if not queue.prepared:
                queue.preparing = number
        shard = queue.taken(number)
        lane.shard, lane.got, lane.since = shard, set(), time.monotonic()
        lane.system = shard.system
        self._backend.send(number, shard)

    def _next_queue(self, number: int) -> JobQueue | None:
        """The job whose next shard the lane should have; None while it has to wait."""
        lane = self._lanes[number]
        waiting = [queue for queue in self._queues.values() if queue.shards]
        together = [queue for queue in waiting if queue.job.parallel]
        if not together:
            return self._next_alone(number, waiting)
        for queue in together:
            if queue.job.id == lane.holds:
                return queue
        free = [queue for queue in together if self._may_have(number, queue)]
        fresh = [queue for queue in free if not queue.prepared]
        # The system that the lane has built already comes first; then the plan's order.
        fresh.sort(key=lambda queue: queue.job.system != lane.system)
        if fresh:
            return fresh[0]
        # One more lane has to build and prepare the system too: not for what the others will reach next.
        long = [queue for queue in free if len(queue.shards) > len(queue.ready)]
        return max(long, key=lambda queue: len(queue.shards), default=None)

    def _next_alone(self, number: int, waiting: Sequence[JobQueue]) -> JobQueue | None:
        """A job that must run alone: for the first lane that may have it, once all others are idle."""
        if any(lane.works for lane in self._lanes):
            return None
        for queue in waiting:
            able = [
                other
                for other, lane in enumerate(self._lanes)
                if lane.running and lane.started and lane.host not in queue.without
            ]
            if able and able[0] == number:
                return queue
        return None

    def _may_have(self, number: int, queue: JobQueue) -> bool:
        if self._lanes[number].host in queue.without or queue.preparing is not None:
            return False
        return not (queue.closed_to_others and queue.ready)

    def _take(self, number: int, message: Message) -> None:
        lane = self._lanes[number]
        if isinstance(message, Started):
            lane.started, lane.deaths_starting = True, 0
            lane.host = str(message.facts.get("host", ""))
            self._events.append(message)
        elif isinstance(message, Prepared):
            self._note_prepared(number, message)
        elif isinstance(message, Results):
            self._note_results(number, message)
        elif isinstance(message, ShardDone):
            self._free(number)
        elif isinstance(message, CannotRun):
            self._note_cannot_run(number, message)
        elif isinstance(message, Died):
            self._note_death(number, message)
        elif isinstance(message, Interrupted):
            self._note_interruption(number, message)
        elif isinstance(message, Said):
            log.log(message.level, "lane %d: %s", number, message.text)
        else:
            raise _ending(number, message)

    def _note_prepared(self, number: int, message: Prepared) -> None:
        self._lanes[number].holds = message.job
        self._events.append(message)
        queue = self._queues.get(message.job)
        if queue is None:
            return
        queue.prepared, queue.preparing, queue.deaths_preparing = True, None, 0
        queue.ready.add(number)

    def _note_results(self, number: int, message: Results) -> None:
        lane = self._lanes[number]
        if lane.holds != message.job:  # said while the lane could not be reached
            self._note_prepared(number, Prepared(message.job))
        lane.got.update(name for name, _ in message.results)
        self._events.append(message)
        # A job that was given up since, because another lane cannot run it, keeps what comes.
        if message.job in self._queues:
            self._count(self._queues[message.job], len(message.results))

    def _count(self, queue: JobQueue, n_results: int) -> None:
        queue.n_left -= n_results
        if queue.n_left == 0:
            for number, lane in enumerate(self._lanes):
                if lane.shard is not None and lane.shard.job == queue.job.id:
                    self._count_time(number)
            self._events.append(JobDone(queue.job.id, self._busy_s[queue.job.id]))
            del self._queues[queue.job.id]

    def _count_time(self, number: int) -> None:
        """Count the lane's time since it was last counted for the job of its shard."""
        lane = self._lanes[number]
        if lane.shard is not None:
            now = time.monotonic()
            self._busy_s[lane.shard.job] += now - lane.since
            lane.since = now

    def _free(self, number: int) -> None:
        """The lane's shard is done or lost: count its time, and let the lane have another."""
        self._count_time(number)
        self._lanes[number].shard = None

    def _let_go(self, number: int) -> None:
        """The lane has no job prepared any more."""
        for queue in self._queues.values():
            queue.ready.discard(number)
            queue.expected.pop(number, None)
        self._lanes[number].holds = None

    def _note_cannot_run(self, number: int, message: CannotRun) -> None:
        lane, queue = self._lanes[number], self._queues.get(message.job)
        left = None if lane.shard is None else lane.shard.without(lane.got)
        self._free(number)
        self._let_go(number)
        if queue is None:
            return  # another lane has said so before
        if left is not None:
            queue.put_back(left)
        queue.preparing = None if queue.preparing == number else queue.preparing
        queue.without[lane.host] = message.reason

    def _note_interruption(self, number: int, message: Interrupted) -> None:
        """The lane may live: what is left of its shard goes back, and no death is counted."""
        lane = self._lanes[number]
        log.warning("lane %d cannot be reached (%s); waiting for it", number, message.reason)
        lane.started, lane.starting_since = False, time.monotonic()
        if lane.shard is None or lane.shard.job not in self._queues:
            self._free(number)
            return
        queue = self._queues[lane.shard.job]
        queue.put_back(lane.shard.without(lane.got))
        queue.preparing = None if queue.preparing == number else queue.preparing
        self._free(number)

    def _note_death(self, number: int, message: Died) -> None:
        lane = self._lanes[number]
        shard, held = lane.shard, lane.holds
        self.deaths += 1
        self._free(number)
        self._let_go(number)
        if not lane.started:
            self._note_death_at_start(number, message)
            return
        if shard is not None and shard.job in self._queues:
            left = shard.without(lane.got)
            log.warning(
                "lane %d died (%s) with %d samples of %s; they are done again",
                number, message.reason, len(left.samples), shard.job,
            )  # fmt: skip
            if held == shard.job:
                self._put_back(left, message)
            else:
                self._note_death_preparing(number, left, message)
        else:
            log.warning("lane %d died (%s) while it was idle", number, message.reason)
        self._start(number)

    def _put_back(self, left: Shard, message: Died) -> None:
        queue = self._queues[left.job]
        failed = queue.put_back_after_death(left)
        if failed is not None:
            self._fail(queue, failed.samples, _died(failed.deaths, message))

    def _note_death_preparing(self, number: int, left: Shard, message: Died) -> None:
        queue = self._queues[left.job]
        queue.put_back(left)
        queue.preparing = None if queue.preparing == number else queue.preparing
        if queue.ready:
            # Another lane has it: there may be no room, in memory say, for one more.
            queue.closed_to_others = True
            return
        queue.deaths_preparing += 1
        if queue.deaths_preparing >= DEATHS_TO_FAIL:
            reason = f"could not be prepared: {_died(DEATHS_TO_FAIL, message)}"
            self._events.append(Prepared(left.job))
            self._fail(queue, [sample for shard in queue.shards for sample in shard.samples], reason)

    def _fail(self, queue: JobQueue, samples: Sequence[str], reason: str) -> None:
        self._events.append(Results(queue.job.id, tuple((sample, NoResult(reason)) for sample in samples)))
        self._count(queue, len(samples))

    def _note_death_at_start(self, number: int, message: Died) -> None:
        lane = self._lanes[number]
        lane.deaths_starting += 1
        lane.running = False
        if lane.deaths_starting < _DEATHS_TO_RETIRE:
            self._start(number)
            return
        log.warning("lane %d died %d times while it started (%s); the run goes on without it",
                    number, lane.deaths_starting, message.reason)  # fmt: skip
        if not any(lane.running for lane in self._lanes):
            raise LaneError(
                f"no lane could be started (the last: {message.reason}); each lane's output is in the run "
                "folder, logs/lane-N.log"
            )


def _died(times: int, message: Died) -> str:
    return f"its worker process died {times} times ({message.reason})"


def _ending(number: int, message: RunEnds) -> LaneError:
    if message.traceback is not None:
        log.error("lane %d:\n%s", number, message.traceback)
    return LaneError(f"lane {number}: {message.message}")
