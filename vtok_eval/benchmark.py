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
    from vtok_eval.devices.deferred import Deferred
    from vtok_eval.results.records import Metric, Record, Score

Result = TypeVar("Result")


class ClipSource(Protocol):
    """Where a clip comes from: a file, a rendering recipe. Cheap to hold; `load` does the work.

    Example:
        >>> from vtok_eval.scenes.dataset import SceneClip
        >>> source = SceneClip(seed=0, split="test", index=0, size=32, n_frames=4)
        >>> source.key, source.load().frames.shape
        ('scenes-v.../seed=0/test/0/32x4', torch.Size([4, 3, 32, 32]))
    """

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

    Example:
        >>> Sample("clip-1/colour", cluster="clip-1", target={"colour": "red"}).target
        {'colour': 'red'}
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

    Example:
        >>> Outcome(values={"accuracy": (1.0, 0.0)}, training_seeds=2).values["accuracy"]
        (1.0, 0.0)
        >>> Outcome(error="the video has no frame").error
        'the video has no frame'
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
    An evaluator whose device goes on computing while it returns also has a method `begin`, as `evaluate` but
    with a `Deferred` of the outcomes: the runner then begins the next batch before it asks for them.
    An evaluator that waits for a server has an attribute `concurrency`: how many samples it takes at once,
    each on its own thread. Other evaluators get batches.

    Example:
        >>> class Brightness:
        ...     def evaluate(self, samples, clips):
        ...         means = clips.frames.double().mean(dim=(1, 2, 3, 4)) / 255
        ...         return [Outcome(values={"brightness": (float(mean),)}) for mean in means]
        >>> import torch
        >>> from vtok_eval.data import Clip, Clips
        >>> clips = Clips.stack([Clip(torch.full((2, 3, 4, 4), 51, dtype=torch.uint8), fps=4.0)])
        >>> Brightness().evaluate([Sample("a", cluster="a")], clips)[0].values
        {'brightness': (0.2,)}
    """

    def evaluate(self, samples: Sequence[Sample], clips: Clips | None) -> Sequence[Outcome]:
        """One outcome per sample, in order. Must not depend on which samples share the batch.

        clips: the samples' clips on the runner's device, or None where the samples have none.
        """
        ...


@dataclass(frozen=True)
class NoResult:
    """Why a sample has no result: one line.

    Example:
        >>> NoResult("clip.mp4: is empty").reason
        'clip.mp4: is empty'
    """

    reason: str


Unread = Callable[[ClipSource], "ClipForm | None"]
"""The form of a clip whose pixels are not needed; None for any other clip."""


class ClipRunner(Protocol):
    """Loads clips and runs functions over them in batches, with retries; see `run.runners.runner.Runner`.

    device: where clips are handed over. batch_size: samples handed over at once, at most.

    Example:
        >>> import torch
        >>> from vtok_eval.run.runners.runner import Runner
        >>> runner = Runner(device=torch.device("cpu"), batch_size=8)
        >>> samples = [Sample(name, cluster=name) for name in ("a", "b")]
        >>> def upper(batch, clips):
        ...     return [sample.id.upper() for sample in batch]
        >>> list(result for _, result in runner.map(samples, upper, description="upper"))
        ['A', 'B']
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
        function: Callable[[Sequence[Sample], Clips | None], Sequence[Result] | Deferred[Sequence[Result]]],
        *,
        description: str,
        unread: Unread | None = None,
    ) -> Iterator[tuple[Sample, Result | NoResult]]:
        """Yield each sample once, with the function's result or the reason why it has none.

        A function that gives a `Deferred` lets the next batch begin before its results have arrived.
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

    Example:
        >>> import torch
        >>> from vtok_eval.run.runners.runner import Runner
        >>> cpu = torch.device("cpu")
        >>> Context(Runner(device=cpu), cpu, seed=0, artifacts=Path("artifacts"), cache=Path("cache")).seed
        0
    """

    runner: ClipRunner
    device: torch.device
    seed: int
    artifacts: Path
    cache: Path


@runtime_checkable
class ScalesTraining(Protocol):
    """A benchmark that trains on clips of its own, and can do so on fewer: for a smoke test, `--limit`.

    Example:
        >>> class Probing:
        ...     def with_less_training(self, share): ...
        >>> isinstance(Probing(), ScalesTraining)
        True
    """

    def with_less_training(self, share: float) -> Benchmark:
        """The same benchmark with about this share (0 to 1) of its training and validation clips.

        Its samples are the same, and must not depend on the system.
        """
        ...


@runtime_checkable
class DerivesScores(Protocol):
    """A benchmark with scores that are not means over its samples; see `Metric.derived`.

    Example:
        >>> class Calibrated:
        ...     def derived_scores(self, records, *, label): ...
        >>> isinstance(Calibrated(), DerivesScores)
        True
    """

    def derived_scores(self, records: Sequence[Record], *, label: str) -> Sequence[Score]:
        """Those of one job, from its records; a pure function of them and of the benchmark's options."""
        ...


class Benchmark(Protocol):
    """A benchmark. Its constructor takes the options a suite may set, as keyword arguments.

    A class whose benchmark has parts to choose from, like VBench's dimensions, names the option that holds
    their list in a class attribute `parts_option`; the command line then takes `NAME:part,part`.
    If its options or data rule out a kind of system, a mapping `why_not` says why. If it takes only some
    systems of a kind, a method `takes(system)` says which; with the others it makes no job.
    A benchmark that measures cost sets `parallel = False`: its jobs then run alone, on one device.

    Example:
        The smallest whole one is in docs/add_a_benchmark.md. The shipped ones are built by name:

        >>> from vtok_eval.registry import BENCHMARKS
        >>> scenes = BENCHMARKS.resolve("understanding-scenes")(test_clips=3)
        >>> list(metric.name for metric in scenes.metrics() if metric.headline)
        ['static', 'temporal', 'camera']
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
