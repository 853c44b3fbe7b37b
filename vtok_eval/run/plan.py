"""What a run will do: the suite's systems times its benchmarks, as jobs with stable ids."""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vtok_eval.benchmark import ScalesTraining
from vtok_eval.errors import MissingDependencyError, SuiteError, UnknownNameError
from vtok_eval.registry import BENCHMARKS
from vtok_eval.results.budget import BudgetUnit
from vtok_eval.results.description import Description
from vtok_eval.specs.systems import build_system, kind_of
from vtok_eval.systems import CountingTokenizer

if TYPE_CHECKING:
    from vtok_eval.benchmark import Benchmark, Sample
    from vtok_eval.run.suite import BenchmarkEntry, Suite
    from vtok_eval.specs.systems import VideoMaking
    from vtok_eval.systems import System
    from vtok_eval.tokenizers.build import BuildContext

log = logging.getLogger(__name__)

Limit = int | float
"""So many samples of each benchmark (1 or more), or a share of them (a float between 0 and 1)."""


@dataclass(frozen=True)
class PlannedJob:
    """One system on one benchmark, with the samples it will be evaluated on."""

    id: str
    system: System
    benchmark_id: str
    benchmark: Benchmark
    samples: Sequence[Sample]


@dataclass(frozen=True)
class NotRun:
    """A system on a benchmark that this machine cannot run, and why, in one line."""

    system: str
    benchmark: str
    reason: str

    @property
    def job(self) -> str:
        """The job's id in the journal."""
        return job_id(self.benchmark, self.system)


@dataclass(frozen=True)
class Plan:
    """The jobs of a run in the order they are done, and what cannot be run here.

    systems and benchmarks: what provenance keeps of each, by name or id.
    """

    jobs: tuple[PlannedJob, ...]
    not_run: tuple[NotRun, ...]
    systems: Mapping[str, System]
    benchmarks: Mapping[str, Benchmark]


def make_plan(suite: Suite, context: BuildContext, making: VideoMaking, *, limit: Limit | None) -> Plan:
    """Build every system and benchmark of the suite and pair those that fit.

    making: where videos go that are made for the run; nothing is made yet.
    limit: how many samples of each benchmark are taken, or which share of them and of training clips;
        None for all.

    Raises:
        SpecError, UnknownNameError, SuiteError, VideoError: an entry of the suite is wrong.
        SuiteError: a benchmark fits no system, or a system no benchmark.
    """
    benchmarks, left_out = _build_benchmarks(suite)
    _check_every_benchmark_is_met(suite, benchmarks)
    _say_what_is_matched(suite)
    systems: dict[str, System] = {}
    missing: dict[str, str] = {}
    for entry in suite.systems:
        if not any(kind_of(entry.spec) in benchmark.accepts for benchmark in benchmarks.values()):
            continue
        try:
            systems[entry.name] = build_system(entry, context, making)
        except MissingDependencyError as error:
            missing[entry.name] = str(error)
    for benchmark_id, benchmark in benchmarks.items():
        met = [system for system in systems.values() if system.kind in benchmark.accepts]
        benchmarks[benchmark_id] = limited_benchmark(benchmark, limit, met[0]) if met else benchmark
    jobs = [
        _plan_job(systems[entry.name], benchmark_id, benchmark, limit)
        for benchmark_id, benchmark in benchmarks.items()
        for entry in suite.systems
        if entry.name in systems and kind_of(entry.spec) in benchmark.accepts
        if _takes(benchmark, systems[entry.name])
    ]
    not_run = left_out + [
        NotRun(entry.name, benchmark_id, missing[entry.name])
        for benchmark_id, benchmark in benchmarks.items()
        for entry in suite.systems
        if entry.name in missing and kind_of(entry.spec) in benchmark.accepts
    ]
    return Plan(tuple(jobs), tuple(not_run), systems, benchmarks)


def _say_what_is_matched(suite: Suite) -> None:
    """Warn of systems that match another's tokens where budgets are in bits: their bits may differ."""
    matching = [entry.name for entry in suite.systems if "budget=match:" in entry.spec]
    if suite.budget is BudgetUnit.BITS and matching:
        log.warning(
            "%s: budget=match matches tokens, and budgets are counted in bits here: bits per clip may differ",
            ", ".join(matching),
        )


def _takes(benchmark: Benchmark, system: System) -> bool:
    """Whether the benchmark takes this system, whose kind it accepts; see `Benchmark`."""
    takes = getattr(benchmark, "takes", None)
    return takes is None or bool(takes(system))


def _build_benchmarks(suite: Suite) -> tuple[dict[str, Benchmark], list[NotRun]]:
    """The suite's benchmarks by id, and what is not run because an optional one cannot be built here.

    Which systems such a benchmark takes is unknown, so every system is listed.
    """
    benchmarks: dict[str, Benchmark] = {}
    left_out: list[NotRun] = []
    for entry in suite.benchmarks:
        try:
            benchmarks[entry.id] = build_benchmark(entry)
        except MissingDependencyError as error:
            if not entry.optional:
                raise
            left_out += [NotRun(system.name, entry.id, str(error)) for system in suite.systems]
    return benchmarks, left_out


def limited_benchmark(benchmark: Benchmark, limit: Limit | None, system: System) -> Benchmark:
    """The benchmark in a smoke test of `limit` samples, or of that share of them: trained on less.

    system: any that the benchmark accepts.
    """
    if limit is None or not isinstance(benchmark, ScalesTraining):
        return benchmark
    n_samples = len(benchmark.samples(system))
    return benchmark.with_less_training(limited_count(n_samples, limit) / n_samples)


def limited_count(n_samples: int, limit: Limit) -> int:
    """How many of a benchmark's samples a limit leaves: so many, or this share, rounded up.

    Example:
        >>> limited_count(400, 20), limited_count(400, 0.01), limited_count(12, 20)
        (20, 4, 12)
    """
    wanted = limit if isinstance(limit, int) else math.ceil(limit * n_samples)
    return max(1, min(n_samples, wanted))


def build_benchmark(entry: BenchmarkEntry) -> Benchmark:
    """The benchmark that a suite's entry names, with its options.

    Raises:
        UnknownNameError: it has no such option.
        SuiteError: an option's value is refused.
    """
    make = BENCHMARKS.resolve(entry.name)
    known = inspect.signature(make).parameters
    for option in entry.options:
        if option not in known:
            raise UnknownNameError(what=f"option of benchmark {entry.name}", name=option, known=known)
    benchmark: Benchmark = make(**entry.options)
    return benchmark


def described(benchmark: Benchmark) -> Description:
    """What a benchmark says about itself; a plain mapping is read as a description's JSON form.

    Raises:
        SuiteError: it is neither.
    """
    try:
        return Description.of(benchmark.describe())
    except (TypeError, ValueError, AttributeError) as error:
        raise SuiteError(f"benchmark {benchmark.name}: describe(): {error}") from error


def fingerprint(system: System) -> str:
    """What distinguishes systems of the same name: a hash of spec and description.

    Example:
        >>> from vtok_eval.systems import System
        >>> a, b = (System("x", spec, "videos", None) for spec in ("videos:a", "videos:b"))
        >>> fingerprint(a) == fingerprint(b)
        False
    """
    facts = [system.spec, system.kind, system.description.identity()]
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def job_id(benchmark_id: str, system: str) -> str:
    """A job's name in the journal.

    Example:
        >>> job_id("understanding-scenes", "vtok")
        'understanding-scenes/vtok'
    """
    return f"{benchmark_id}/{system}"


def render_plan(plan: Plan) -> str:
    """The plan and its cost as text: a line per job with its samples, and the tokens each will make."""
    lines = [f"{'job':<48} {'samples':>8} {'tokens/clip':>12} {'tokens in all':>14}"]
    for job in plan.jobs:
        tokens = _tokens(job)
        per_clip = "-" if tokens is None else f"{tokens / len(job.samples):.1f}"
        in_all = "-" if tokens is None else f"{tokens:,}"
        lines.append(f"{job.id:<48} {len(job.samples):>8,} {per_clip:>12} {in_all:>14}")
    lines += [f"not run: {entry.benchmark}/{entry.system}: {entry.reason}" for entry in plan.not_run]
    n_samples = sum(len(job.samples) for job in plan.jobs)
    lines.append(f"{len(plan.jobs)} jobs, {n_samples:,} samples")
    lines += [
        f"{benchmark_id}: {note}"
        for benchmark_id, benchmark in plan.benchmarks.items()
        for note in described(benchmark).cost
    ]
    return "\n".join(lines)


def _tokens(job: PlannedJob) -> int | None:
    """Tokens the system will make of the job's clips, or None where that cannot be told beforehand."""
    tokenizer = job.system.subject
    lengths = Counter(sample.meta["n_frames"] for sample in job.samples if "n_frames" in sample.meta)
    if lengths.total() < len(job.samples) or not isinstance(tokenizer, CountingTokenizer):
        return None
    return sum(tokenizer.token_count(n_frames) * times for n_frames, times in lengths.items())


def _plan_job(system: System, benchmark_id: str, benchmark: Benchmark, limit: Limit | None) -> PlannedJob:
    samples = benchmark.samples(system)
    if not samples:
        raise SuiteError(f"benchmark {benchmark_id} has no samples for {system.name}")
    return PlannedJob(
        id=job_id(benchmark_id, system.name),
        system=system,
        benchmark_id=benchmark_id,
        benchmark=benchmark,
        samples=samples if limit is None else samples[: limited_count(len(samples), limit)],
    )


def _check_every_benchmark_is_met(suite: Suite, benchmarks: Mapping[str, Benchmark]) -> None:
    kinds = {kind_of(entry.spec) for entry in suite.systems}
    for benchmark_id, benchmark in benchmarks.items():
        why_not = getattr(benchmark, "why_not", {})
        reasons = [f"no {kind}s: {reason}" for kind, reason in why_not.items() if kind in kinds]
        if not kinds & benchmark.accepts:
            taken = (
                f"benchmark {benchmark_id} takes {' or '.join(sorted(benchmark.accepts))}; "
                f"the systems under test are {' and '.join(sorted(kinds))}"
            )
            raise SuiteError("; ".join([taken, *reasons]))
        for reason in reasons:
            log.warning("%s: %s", benchmark_id, reason)
