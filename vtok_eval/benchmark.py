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

    `error` is set if only this sample failed and its batch did not; the sample is recorded as failed.
    failed_at: the metrics that failed, if known; `values` may then hold the others.
    infinite: metrics whose value is infinite for the sample; `values` cannot hold them.
    training_seeds: number of training seeds behind the values; each metric then has one value per seed. 0 if
    nothing was trained for the run.
    """

    values: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    cost: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None
    failed_at: tuple[str, ...] = ()
    infinite: tuple[str, ...] = ()
    training_seeds: int = 0


class Evaluator(Protocol):
    """One system made ready for one benchmark: its probe trained, its models loaded.

    An evaluator that does not need the pixels of some clips also has an attribute `unread`, which says which
    clips (see `Runner.map`).
    An evaluator that waits for a server has an attribute `concurrency`: how many samples it takes at once,
    each on its own thread. Other evaluators get batches.
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
"""The form of a clip whose pixels are not needed; None for any other clip."""


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
        """Largest number of samples handed over at once."""
        ...

    def map(
        self,
        samples: Sequence[Sample],
        function: Callable[[Sequence[Sample], Clips | None], Sequence[Result]],
        *,
        description: str,
        unread: Unread | None = None,
    ) -> Iterator[tuple[Sample, Result | NoResult]]:
        """Yield each sample once, with the function's result or the reason why it has none.

        unread: says for which clips the function does not need the pixels; these are not loaded.
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
    """A benchmark with scores that are not means over its samples; see `Metric.derived`."""

    def derived_scores(self, records: Sequence[Record], *, label: str) -> Sequence[Score]:
        """Those of one job, from its records; a pure function of them and of the benchmark's options."""
        ...


class Benchmark(Protocol):
    """A benchmark. Its constructor takes the options a suite may set, as keyword arguments.

    A class whose benchmark has parts to choose from, like VBench's dimensions, names the option that holds
    their list in a class attribute `parts_option`; the command line then takes `NAME:part,part`.
    If its options or data rule out a kind of system, a mapping `why_not` says why.
    A benchmark that measures cost sets `parallel = False`: its jobs then run alone, on one device.
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
