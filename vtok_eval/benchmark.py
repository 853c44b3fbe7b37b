"""What a benchmark is to the harness: samples, something that evaluates a system on them, and metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from vtok_eval.results.description import Description
from vtok_eval.systems import System, SystemKind

if TYPE_CHECKING:
    import torch

    from vtok_eval.data import Clip, ClipForm, Clips
    from vtok_eval.results.records import Metric, Record, Score

Result = TypeVar("Result")


class ClipSource(Protocol):
    """Where a clip comes from: a file, a rendering recipe. Cheap to hold; `load` does the work."""

    @property
    def key(self) -> str:
        """Names the content: equal keys mean equal frames, in every process and on every machine."""
        ...

    def load(self) -> Clip:
        """Decode or render the clip.

        Raises:
            VideoError: the file is missing, broken or beyond a limit.
        """
        ...


@dataclass(frozen=True)
class Sample:
    """One thing to be evaluated.

    id: stable over runs and machines, unique within the benchmark.
    cluster: what intervals resample by; the clip's id where several samples share a clip.
    clip: None for a benchmark that opens files itself.
    target: the truth, as JSON can hold it. meta: what tables group by.
    """

    id: str
    cluster: str
    clip: ClipSource | None = None
    target: Mapping[str, Any] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What evaluating one sample gave; the runner makes a `Record` of it (see there for the fields).

    `error` is set where just this sample failed though its batch went well; it is recorded as a failure.
    failed_at: the metrics that it failed at, where that is known; then `values` may hold the others.
    training_seeds: how many seeds trained what gave the values, each of which then has one value per seed; 0
    where nothing was trained for the run.
    """

    values: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    cost: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None
    failed_at: tuple[str, ...] = ()
    training_seeds: int = 0


class Evaluator(Protocol):
    """One system made ready for one benchmark: its probe trained, its models loaded.

    One that needs no pixels of some clips has an attribute `unread` as well, which says of which (see
    `Runner.map`).
    One that waits for a server says in an attribute `concurrency` how many samples it takes at once, each by
    itself on a thread of its own; the others get batches.
    """

    def evaluate(self, samples: Sequence[Sample], clips: Clips | None) -> Sequence[Outcome]:
        """One outcome per sample, in order. Must not depend on which samples share the batch.

        clips: the samples' clips on the runner's device, or None where the samples have none.
        """
        ...


@dataclass(frozen=True)
class NoResult:
    """Why a sample has no result: one line."""

    reason: str


Unread = Callable[[ClipSource], "ClipForm | None"]
"""The form of a clip whose pixels will not be looked at; None for any other."""


class ClipRunner(Protocol):
    """Loads clips and runs functions over them in batches, with retries; see `run.runners.runner.Runner`.

    device: where clips are handed over. batch_size: samples handed over at once, at most.
    """

    @property
    def device(self) -> torch.device:
        """Where clips are handed over."""
        ...

    @property
    def batch_size(self) -> int:
        """Samples handed over at once, at most."""
        ...

    def map(
        self,
        samples: Sequence[Sample],
        function: Callable[[Sequence[Sample], Clips | None], Sequence[Result]],
        *,
        description: str,
        unread: Unread | None = None,
    ) -> Iterator[tuple[Sample, Result | NoResult]]:
        """Yield each sample once, with the function's result for it or the reason why there is none.

        unread: tells of which clips the function is not going to look at the pixels; they are not loaded.
        """
        ...

    def load(self, source: ClipSource) -> Clip:
        """The source's clip, from memory where it is kept there."""
        ...


@dataclass(frozen=True)
class Context:
    """What a benchmark may use while it prepares a system.

    runner: loads clips and runs functions over them in batches.
    seed: of the run; derive every generator from it.
    artifacts: the job's own folder, made; what it writes there must be written atomically.
    cache: the user's cache folder, shared by all runs.
    """

    runner: ClipRunner
    device: torch.device
    seed: int
    artifacts: Path
    cache: Path


@runtime_checkable
class DerivesScores(Protocol):
    """A benchmark with scores that are no means over its samples; see `Metric.derived`."""

    def derived_scores(self, records: Sequence[Record], *, label: str) -> Sequence[Score]:
        """Those of one job, from its records; a pure function of them and of the benchmark's options."""
        ...


class Benchmark(Protocol):
    """A benchmark. Its constructor takes the options a suite may set, as keyword arguments.

    A class whose benchmark has parts to choose from, like VBench's dimensions, names the option that holds
    their list in a class attribute `parts_option`; the command line then takes `NAME:part,part`.
    One that could take a kind of system but for its options or its data says why not in a mapping `why_not`.
    One that measures cost sets `parallel = False`: on several devices its jobs run alone, on one of them.
    """

    name: str
    version: str
    accepts: frozenset[SystemKind]
    """Kinds of system it can evaluate."""

    def metrics(self) -> Sequence[Metric]:
        """What it measures, in the order tables show it."""
        ...

    def samples(self, system: System) -> Sequence[Sample]:
        """All samples, in a fixed order; cheap: no clip is loaded. For videos they depend on the system."""
        ...

    def prepare(self, system: System, context: Context) -> Evaluator:
        """Make the system ready: train a probe, load models. May take long; shows its progress."""
        ...

    def describe(self) -> Description:
        """What provenance keeps: options, data and their hash, protocol and source; notes for the report."""
        ...
