"""What a driver and its lanes say to each other: plain data that any back end can send."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from vtok_eval.benchmark import NoResult, Outcome
    from vtok_eval.run.settings import RunSettings
    from vtok_eval.run.suite import Suite


@dataclass(frozen=True)
class LaneSetup:
    """What a lane that evaluates a suite is started with.

    device: as torch calls it. number, n_lanes: the lane's place among all lanes.
    out: the run folder. cache: the user's cache folder; None for that of the machine the lane runs on.
    systems: by name, the fingerprint of what the driver knows of a system; a lane that has built something
        else (another version of a file, other weights) does not measure it.
    """

    suite: Suite
    settings: RunSettings
    device: str
    number: int
    n_lanes: int
    out: Path
    cache: Path | None
    systems: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Shard:
    """Samples of one job that one lane evaluates together.

    job, system, benchmark: as in the plan. samples: their ids. deaths: lanes that have died with them;
    alone: those of the deaths at which the shard had one sample only. then: samples of the same job that the
    lane is probably given next, whose clips it may load meanwhile; nothing follows if it is not.

    Example:
        >>> Shard("scenes/vtok", "vtok", "scenes", ("a", "b")).without({"a"}).samples
        ('b',)
    """

    job: str
    system: str
    benchmark: str
    samples: tuple[str, ...]
    deaths: int = 0
    alone: int = 0
    then: tuple[str, ...] = ()

    def without(self, done: Collection[str]) -> Shard:
        """The shard with only the samples that are not in `done`."""
        return replace(self, samples=tuple(name for name in self.samples if name not in done))


@dataclass(frozen=True)
class Started:
    """The lane has its device and waits for shards. facts: the device, its model, host, process id."""

    facts: Mapping[str, str | int]


@dataclass(frozen=True)
class Prepared:
    """The job's system is ready on the lane, or every sample of it will fail."""

    job: str


@dataclass(frozen=True)
class Results:
    """What came of some samples of the lane's shard, by sample id."""

    job: str
    results: Sequence[tuple[str, Outcome | NoResult]]


@dataclass(frozen=True)
class ShardDone:
    """Every sample of the shard has its result; the lane waits for the next shard."""

    job: str


@dataclass(frozen=True)
class CannotRun:
    """The job needs something that the lane's machine lacks; none of the shard was evaluated."""

    job: str
    reason: str


@dataclass(frozen=True)
class Said:
    """A warning that was logged in the lane. level: as `logging` numbers it."""

    level: int
    text: str


@dataclass(frozen=True)
class RunEnds:
    """What ends the whole run: a user's error in one line, or a defect with its traceback."""

    message: str
    traceback: str | None = None


@dataclass(frozen=True)
class Died:
    """The lane's process is gone; the back end says so, not the lane. reason: how, in a few words."""

    reason: str


@dataclass(frozen=True)
class Interrupted:
    """The lane cannot be reached for a while; it may still live. `Started` or `Died` follows."""

    reason: str


Message = Started | Prepared | Results | ShardDone | CannotRun | Said | RunEnds | Died | Interrupted


class Worker(Protocol):
    """What runs inside a lane. It is made, in the lane, from one argument (`LaneSetup` for a suite)."""

    def facts(self) -> Mapping[str, str | int]:
        """The lane's device, its model, its host and process, as run.json keeps them."""
        ...

    def evaluate(self, shard: Shard) -> Iterator[Message]:
        """Evaluate a shard: `Prepared` where its job is new to the lane, `Results`, at last `ShardDone`."""
        ...
