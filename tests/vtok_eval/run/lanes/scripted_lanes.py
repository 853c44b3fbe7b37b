"""Lanes without processes: what each says is computed here, and they die where a script wants it."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Collection, Sequence

from vtok_eval.benchmark import Outcome
from vtok_eval.run.lanes.messages import (
    CannotRun,
    Died,
    Message,
    Prepared,
    Results,
    Shard,
    ShardDone,
    Started,
)


class ScriptedLanes:
    """A `Backend` in memory. Each `wait` lets one lane, chosen at random, say one message.

    killers: samples with which a lane dies. dies: asked before every message; true kills the lane.
    dies_preparing, dies_starting: how often a job's preparation, or any lane's start, kills its lane.
    lacking: hosts on which no job can run. per_message: samples in one `Results`.
    """

    def __init__(
        self,
        n_lanes: int,
        *,
        killers: Collection[str] = (),
        dies: Callable[[], bool] = lambda: False,
        dies_preparing: int = 0,
        dies_starting: int = 0,
        lacking: Collection[str] = (),
        hosts: Sequence[str] = (),
        seed: int = 0,
    ) -> None:
        self.n_lanes = n_lanes
        self.killers = set(killers)
        self.dies = dies
        self.dies_preparing, self.dies_starting = dies_preparing, dies_starting
        self.lacking = set(lacking)
        self.hosts = hosts or ["here"] * n_lanes
        self.random = random.Random(seed)
        self.says: dict[int, deque[Message]] = {}
        self.holds: dict[int, str] = {}
        self.evaluated: list[str] = []
        self.running: list[set[str]] = []
        self.busy: dict[int, str] = {}
        self.starts = 0

    def start(self, lane: int) -> None:
        self.starts += 1
        self.holds.pop(lane, None)
        started: Message = Started({"lane": lane, "device": "cpu", "host": self.hosts[lane]})
        if self.dies_starting > 0:
            self.dies_starting -= 1
            started = Died("at its start")
        self.says[lane] = deque([started])

    def send(self, lane: int, shard: Shard) -> None:
        self.busy[lane] = shard.job
        self.running.append(set(self.busy.values()))
        self.says[lane].extend(self._answers(lane, shard))

    def wait(self, timeout_s: float) -> Sequence[tuple[int, Message]]:
        lanes = [lane for lane, says in self.says.items() if says]
        assert lanes, "the dispatcher waits, and no lane has anything to say"
        lane = self.random.choice(lanes)
        message = self.says[lane].popleft()
        if isinstance(message, Results | Prepared) and self.dies():
            message = Died("at random")
        if isinstance(message, Died):
            self.says[lane].clear()
            self.busy.pop(lane, None)
        if isinstance(message, ShardDone | CannotRun):
            self.busy.pop(lane, None)
        if isinstance(message, Results):
            self.evaluated += [name for name, _ in message.results]
        return [(lane, message)]

    def close(self) -> None:
        self.says.clear()

    def _answers(self, lane: int, shard: Shard) -> Sequence[Message]:
        if self.hosts[lane] in self.lacking:
            return [CannotRun(shard.job, "no such package")]
        said: list[Message] = []
        if self.holds.get(lane) != shard.job:
            if self.dies_preparing > 0:
                self.dies_preparing -= 1
                return [Died("while preparing")]
            self.holds[lane] = shard.job
            said.append(Prepared(shard.job))
        for name in shard.samples:
            if name in self.killers:
                return [*said, Died("killed by SIGKILL")]
            said.append(Results(shard.job, ((name, Outcome(outputs={"is": name})),)))
        return [*said, ShardDone(shard.job)]
