"""The shards of one job that wait for a lane, and what is known of the lanes that have died with them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from vtok_eval.run.lanes.messages import Shard

SHARD_SAMPLES = 32
"""Samples a lane is given at once: what its death costs at most."""
DEATHS_TO_GO_SINGLY = 2
"""Lanes that may die with a shard before its samples go one by one."""
DEATHS_TO_FAIL = 3
"""Lanes that may die with a sample, or while preparing a job, before it fails."""
DEATHS_ALONE_TO_FAIL = 2
"""How many of them must have had no other sample: one may have died for an unrelated reason."""


@dataclass(frozen=True)
class LaneJob:
    """A job as the dispatcher gets it. samples: ids of those that have no record yet.

    parallel: false for what measures cost: nothing else may run meanwhile.
    """

    id: str
    system: str
    benchmark: str
    samples: Sequence[str]
    parallel: bool = True


@dataclass
class JobQueue:
    """A job's waiting shards and its state.

    n_left: samples without a result. preparing: the lane that prepares it first. ready: lanes that have it
    prepared. without: hosts that lack something it needs. expected: by lane, the shard that it was told it
    will probably be given next.
    """

    job: LaneJob
    shards: deque[Shard] = field(init=False)
    n_left: int = field(init=False)
    prepared: bool = False
    preparing: int | None = None
    deaths_preparing: int = 0
    ready: set[int] = field(default_factory=set)
    closed_to_others: bool = False
    without: dict[str, str] = field(default_factory=dict)
    expected: dict[int, Shard] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.n_left = len(self.job.samples)
        # What runs alone is not cut: its repeats belong together.
        size = SHARD_SAMPLES if self.job.parallel else max(1, self.n_left)
        self.shards = deque(
            Shard(self.job.id, self.job.system, self.job.benchmark, tuple(self.job.samples[at : at + size]))
            for at in range(0, self.n_left, size)
        )

    def taken(self, lane: int) -> Shard:
        """The next shard for a lane, with the samples of the one that it should expect after it.

        That is the one that it expects, else the first that no other lane does, else any.
        """
        shard = self._next_for(lane)
        self.shards.remove(shard)
        others = [each for number, each in self.expected.items() if number != lane]
        coming = next((each for each in self.shards if each not in others), None)
        if coming is None:
            self.expected.pop(lane, None)
            return shard
        self.expected[lane] = coming
        return replace(shard, then=coming.samples)

    def _next_for(self, lane: int) -> Shard:
        told = self.expected.get(lane)
        if told is not None and told in self.shards:
            return told
        others = list(self.expected.values())
        return next((each for each in self.shards if each not in others), self.shards[-1])

    def put_back(self, shard: Shard) -> None:
        """Let another lane have the shard, next."""
        if shard.samples:
            self.shards.appendleft(replace(shard, then=()))

    def put_back_after_death(self, left: Shard) -> Shard | None:
        """Put back what a dead lane left of its shard; the shard of one sample that has to fail, if it must.

        A sample fails only if lanes have died on it alone. So after `DEATHS_TO_GO_SINGLY` deaths a shard's
        samples are sent one by one, which finds the one that kills every lane.
        """
        single = len(left.samples) == 1
        left = replace(left, deaths=left.deaths + 1, alone=left.alone + single)
        if left.deaths >= DEATHS_TO_FAIL and left.alone >= DEATHS_ALONE_TO_FAIL:
            return left
        parts = [left.samples]
        if left.deaths >= DEATHS_TO_GO_SINGLY:
            parts = [(sample,) for sample in left.samples]
        for samples in reversed(parts):
            self.put_back(replace(left, samples=samples))
        return None
