"""What a report shows of one run: its benchmarks, each with scores, comparisons and the best systems."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from reports.run import Run, read_run
from reports.run_document import NotRunEntry, RunBenchmark, RunDocument, RunSystem
from reports.tables.best_systems import Podium, find_best, tested_pairs
from vtok_eval.errors import RunFolderError
from vtok_eval.results.budget import BudgetUnit
from vtok_eval.results.records import Comparison, Metric, Score
from vtok_eval.results.self_checks import SelfCheck

if TYPE_CHECKING:
    from vtok_eval.results.columns.job_columns import JobColumns, SampleSets
    from vtok_eval.results.columns.run_columns import Failure, JobState
    from vtok_eval.results.statistics.pairs import Pair

RATES = "bits"
"""The group of the metrics that a run adds where tokens are codes."""
BUDGET_TOLERANCE = 0.1
"""Two systems have an equal budget where their tokens, or bits, per clip differ by at most this share."""


@dataclass(frozen=True)
class Cell:
    """One score, its comparison with the baseline, and whether paired tests show it best or second best."""

    score: Score
    comparison: Comparison | None = None
    best: bool = False
    second: bool = False


@dataclass(frozen=True)
class BenchmarkReport:
    """A benchmark's results.

    metrics: in the benchmark's order. systems: those that have a score, in the run's order.
    tokens, bits: means per clip over the samples that went well, by system; no key where none is known;
        empty where tokens are among the metrics. unit: which of the two budgets are counted in.
    pairs: the paired tests between its contenders.
    input_fits: by system, what was done to clips so that they met its input contract.
    decoded: by system, what its `decode` changed of the clips that it was given.
    """

    info: RunBenchmark
    metrics: tuple[Metric, ...]
    systems: tuple[RunSystem, ...]
    tokens: Mapping[str, float]
    cells: Mapping[tuple[str, str], Cell]
    pairs: Sequence[Pair] = ()
    input_fits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    decoded: Mapping[str, str] = field(default_factory=dict)
    bits: Mapping[str, float] = field(default_factory=dict)
    unit: BudgetUnit = BudgetUnit.TOKENS

    @property
    def prices(self) -> Mapping[str, float]:
        """What a clip costs by system, in `unit`; no key where it is not known."""
        return self.tokens if self.unit is BudgetUnit.TOKENS else self.bits

    @property
    def shows_bits(self) -> bool:
        """Whether tables have a column of bits: where budgets are in bits, or some tokens are codes."""
        return bool(self.bits) and (
            self.unit is BudgetUnit.BITS or any(metric.group == RATES for metric in self.metrics)
        )

    def title_of(self, system: str) -> str:
        """A system's name as tables show it, with its caveats."""
        return next((info.title for info in self.systems if info.name == system), system)

    def cell(self, system: str, metric: str) -> Cell | None:
        """The cell of a system and a metric, by their names."""
        return self.cells.get((system, metric))

    @property
    def headline(self) -> tuple[Metric, ...]:
        """The metrics of the short table: the headline ones, or all where there is none."""
        return tuple(metric for metric in self.metrics if metric.headline) or self.metrics

    @property
    def details(self) -> tuple[Metric, ...]:
        """The metrics of the long table: the measured ones, by group; no means of other metrics."""
        measured = [metric for metric in self.metrics if not metric.mean_of]
        groups = list(dict.fromkeys(metric.group for metric in measured))
        return tuple(sorted(measured, key=lambda metric: groups.index(metric.group)))

    def discriminates(self, metric: str) -> bool:
        """Whether the metric distinguishes any systems of the run."""
        cells = [cell for (_, name), cell in self.cells.items() if name == metric]
        return all(cell.score.discriminates for cell in cells)

    def is_sound(self, metric: str) -> bool:
        """Whether the reader of the metric passed the run's self-checks; where not, nothing is concluded."""
        return all(cell.score.sound for (_, name), cell in self.cells.items() if name == metric)

    def reservations(self, metric: str) -> tuple[str, ...]:
        """Why the metric's values must not be taken as they are, for any of the systems."""
        cells = [cell for (_, name), cell in self.cells.items() if name == metric]
        return tuple(dict.fromkeys(cell.score.reservation for cell in cells if cell.score.reservation))

    def contenders(self) -> tuple[RunSystem, ...]:
        """The systems that are not controls."""
        return tuple(system for system in self.systems if not system.control)

    @property
    def ceiling(self) -> RunSystem | None:
        """The system judged on a benchmark's unchanged clips; None if there is none."""
        return next((system for system in self.systems if system.kind == "originals"), None)

    def ceiling_score(self, metric: str) -> Score | None:
        """The ceiling's score; None where there is none, or it has no value."""
        cell = None if self.ceiling is None else self.cell(self.ceiling.name, metric)
        return None if cell is None or cell.score.value is None else cell.score

    def at_budget_of(self, name: str) -> tuple[RunSystem, ...]:
        """The systems, including `name`, that cost what it costs, within `BUDGET_TOLERANCE`."""
        budget = self.prices.get(name)
        if budget is None:
            return ()
        return tuple(
            system
            for system in self.systems
            if abs(self.prices.get(system.name, -1.0) - budget) <= BUDGET_TOLERANCE * budget
        )


@dataclass(frozen=True)
class RunReport:
    """Everything that a report shows of one run, or of several merged runs.

    paths: of the run folders. label: must accompany every number. benchmarks: those with scores.
    columns: the records, and folders: the run folder, by benchmark and system. unfinished: why the numbers
    are not the run's final ones, as text; empty where they are. run: run.json. apart: of merged runs, why a
    benchmark has several tables, a sentence without its full stop for each.
    """

    paths: tuple[Path, ...]
    name: str
    label: str
    setting: str
    description: str
    baseline: str | None
    systems: tuple[RunSystem, ...]
    benchmarks: tuple[BenchmarkReport, ...]
    described: tuple[RunBenchmark, ...]
    jobs: tuple[JobState, ...]
    columns: Mapping[tuple[str, str], JobColumns]
    folders: Mapping[tuple[str, str], Path]
    failed: tuple[Failure, ...]
    not_run: tuple[NotRunEntry, ...]
    unfinished: tuple[str, ...]
    run: RunDocument
    self_checks: tuple[SelfCheck, ...] = ()
    apart: tuple[str, ...] = ()

    def label_of(self, benchmark: BenchmarkReport) -> str:
        """The label as a picture of a benchmark carries it, with what must be said of the systems in it."""
        found: dict[str, list[str]] = {}
        for system in benchmark.systems:
            for caveat in system.caveats:
                found.setdefault(caveat, []).append(system.name)
        said = [f"{caveat.capitalize()}: {', '.join(names)}." for caveat, names in found.items()]
        own = [f"{', '.join(benchmark.info.caveats).capitalize()}."] if benchmark.info.caveats else []
        label = f"{self.label.removesuffix('.')}." if own or said else self.label
        return " ".join([label, *own, *said])

    def benchmark(self, identifier: str) -> BenchmarkReport | None:
        """The results of the benchmark with this id."""
        return next((found for found in self.benchmarks if found.info.id == identifier), None)


def gather(
    path: Path,
    *,
    rank: bool = True,
    sets: SampleSets | None = None,
    versions: bool = False,
    unit: BudgetUnit | None = None,
) -> RunReport:
    """Read the run folder at `path`, finished or not; without `rank` no cell is called the best.

    sets: sample sets that runs read before have, so that equal ones are kept once. versions: with earlier
    versions of systems and benchmarks, which is for `gather_runs`: nothing compares them with the others yet.
    unit: what budgets are counted in; None for what the run says.

    Raises:
        RunFolderError: there is no run, a file of it cannot be read, or it does not say how many bits clips
            cost although budgets are to be in bits.
    """
    run = read_run(path, sets, versions=versions)
    counted_in = run.document.budget if unit is None else unit
    if counted_in is BudgetUnit.BITS and run.records.tokens and not run.records.bits:
        raise RunFolderError(
            f"{path} does not say how many bits its tokens cost (it is of an earlier version): run it again "
            "in another folder, or compare with --budget tokens"
        )
    scores, document = run.scores, run.document
    states = run.records.states
    described = tuple(_benchmarks(document, scores))
    systems = tuple(_systems(document, scores, states))
    return RunReport(
        paths=(Path(path),),
        name=document.name or run.name,
        label=_label(document, scores),
        setting=document.setting,
        description=document.description,
        baseline=document.baseline,
        systems=systems,
        benchmarks=tuple(
            _benchmark_report(benchmark, systems, run, rank=rank, unit=counted_in)
            for benchmark in described
            if any(score.benchmark == benchmark.id for score in scores)
        ),
        described=described,
        jobs=states,
        columns=run.records.jobs,
        folders={(state.benchmark, state.system): Path(path) for state in states},
        failed=run.records.failures,
        not_run=tuple(document.not_run),
        unfinished=tuple(_unfinished(run)),
        run=document,
        self_checks=run.self_checks,
    )


def _label(run: RunDocument, scores: Sequence[Score]) -> str:
    """The run's label.

    Raises:
        RunFolderError: the scores carry other labels, so that no label would be true of all of them.
    """
    labels = {score.label for score in scores if score.label}
    if run.label and labels - {run.label}:
        other = min(labels - {run.label})
        raise RunFolderError(f"the run's label is {run.label!r}, but it holds scores labelled {other!r}")
    if len(labels) > 1:
        raise RunFolderError(f"the run holds scores of several labels: {', '.join(sorted(labels))}")
    return (
        run.label or next(iter(labels), "") or "no label: in which setting this was measured is not recorded"
    )


def _systems(run: RunDocument, scores: Sequence[Score], jobs: Sequence[JobState]) -> Iterator[RunSystem]:
    """The systems of run.json in its order, then those that only scores or jobs name."""
    yield from run.systems
    known = {system.name for system in run.systems}
    others = [score.system for score in scores] + [job.system for job in jobs]
    yield from (RunSystem(name=name) for name in dict.fromkeys(others) if name not in known)


def _benchmarks(run: RunDocument, scores: Sequence[Score]) -> Iterator[RunBenchmark]:
    yield from run.benchmarks
    known = {benchmark.id for benchmark in run.benchmarks}
    for name in dict.fromkeys(score.benchmark for score in scores):
        if name not in known:
            yield RunBenchmark(id=name, name=name)


def _benchmark_report(
    info: RunBenchmark,
    systems: Sequence[RunSystem],
    run: Run,
    *,
    rank: bool,
    unit: BudgetUnit,
) -> BenchmarkReport:
    records = run.records
    own = [score for score in run.scores if score.benchmark == info.id]
    metrics = tuple({score.metric.name: score.metric for score in own}.values())
    scored = {score.system for score in own}
    present = tuple(system for system in systems if system.name in scored)
    done = {state.system for state in records.states if state.benchmark == info.id and state.done}
    jobs = {name: job for (benchmark, name), job in records.jobs.items() if benchmark == info.id}
    # Where tokens are themselves measured (at several clip lengths), their mean over samples says nothing.
    counted = any(metric.unit == "tokens" for metric in metrics)
    return make_benchmark_report(
        info,
        metrics=metrics,
        systems=present,
        scores=own,
        comparisons=[entry for entry in run.comparisons if entry.benchmark == info.id],
        tokens={} if counted else _of_systems(records.tokens, info.id, present),
        bits={} if counted else _of_systems(records.bits, info.id, present),
        unit=unit,
        jobs={name: job for name, job in jobs.items() if name in done} if rank else {},
        input_fits={
            system.name: tuple(fits)
            for system in present
            if (fits := run.document.input_fits.get(f"{info.id}/{system.name}"))
        },
        decoded={system: text for (benchmark, system), text in run.decoded.items() if benchmark == info.id},
    )


def _of_systems(
    costs: Mapping[tuple[str, str], float], benchmark: str, systems: Sequence[RunSystem]
) -> dict[str, float]:
    return {
        system.name: costs[benchmark, system.name] for system in systems if (benchmark, system.name) in costs
    }


def make_benchmark_report(
    info: RunBenchmark,
    *,
    metrics: tuple[Metric, ...],
    systems: tuple[RunSystem, ...],
    scores: Sequence[Score],
    comparisons: Sequence[Comparison],
    tokens: Mapping[str, float],
    jobs: Mapping[str, JobColumns],
    input_fits: Mapping[str, tuple[str, ...]],
    decoded: Mapping[str, str],
    bits: Mapping[str, float],
    unit: BudgetUnit,
) -> BenchmarkReport:
    """A benchmark's results, with the best and second best of the systems that `jobs` has columns of."""
    against = {(entry.system, entry.metric): entry for entry in comparisons}
    contenders = [system.name for system in systems if not system.control and system.name in jobs]
    tested = {name: jobs[name] for name in contenders}
    pairs = tested_pairs(
        tested, scores, metrics=metrics, prices=tokens if unit is BudgetUnit.TOKENS else bits
    )
    podiums = find_best(pairs, scores, metrics=metrics, contenders=contenders)
    none = Podium()
    return BenchmarkReport(
        info=info,
        metrics=metrics,
        systems=systems,
        tokens=tokens,
        bits=bits,
        unit=unit,
        cells={
            (score.system, score.metric.name): Cell(
                score=score,
                comparison=against.get((score.system, score.metric.name)),
                best=podiums.get(score.metric.name, none).best == score.system,
                second=podiums.get(score.metric.name, none).second == score.system,
            )
            for score in scores
        },
        pairs=pairs,
        input_fits=input_fits,
        decoded=decoded,
    )


def _unfinished(run: Run) -> Iterator[str]:
    """One line for each thing that keeps the numbers from being final."""
    if not run.scored:
        yield "nothing is scored yet: scores are computed once every job of the run has ended"
    scored = {(score.benchmark, score.system) for score in run.scores}
    for job in run.records.states:
        if not job.done:
            yield f"job {job.id} is open: {job.n_finished} of {job.n_samples} samples are done"
        elif run.scores and (job.benchmark, job.system) not in scored:
            yield f"job {job.id} is done, but not scored yet"
    yield from _never_entered(run.records.states, run.document)
    if run.last_session_is_open:
        yield "the last session has no end: it was killed, or it is still running"


def _kind(system: RunSystem) -> str:
    return "reconstructed" if system.spec.startswith("reconstructed:") else system.kind


def _never_entered(jobs: Sequence[JobState], run: RunDocument) -> Iterator[str]:
    """Jobs that were planned but not begun, according to the folder.

    run.json does not hold which kinds a benchmark accepts: that a system belongs to a benchmark is concluded
    from another system of its kind that was entered there. Videos that a tokenizer reconstructed are a kind
    of their own, since some benchmarks take only those.
    """
    kinds = {system.name: _kind(system) for system in run.systems if not system.version_of}
    entered = {(job.benchmark, job.system) for job in jobs}
    excused = {(entry.benchmark, entry.system) for entry in run.not_run}
    accepted = Counter((job.benchmark, kinds.get(job.system)) for job in jobs)
    begun = {job.benchmark for job in jobs}
    for benchmark in run.benchmarks:
        if benchmark.version_of:
            continue
        if benchmark.id not in begun and not any(name == benchmark.id for name, _ in excused):
            yield f"benchmark {benchmark.id} has not begun"
        for system, kind in kinds.items():
            pair = (benchmark.id, system)
            if accepted[benchmark.id, kind] and pair not in entered and pair not in excused:
                yield f"job {benchmark.id}/{system} has not begun"
