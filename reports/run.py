"""What a report shows of one run, gathered from its run folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.tables.best_systems import Podium, find_best, tested_pairs
from reports.text.caveats import caveats, with_caveats
from vtok_eval.errors import RunFolderError
from vtok_eval.results.records import Comparison, Metric, Score
from vtok_eval.results.store import RunFolder

if TYPE_CHECKING:
    from vtok_eval.results.columns import JobColumns, SampleSets
    from vtok_eval.results.pairs import Pair
    from vtok_eval.results.run_columns import Failure, JobState, RunRecords

BUDGET_TOLERANCE = 0.1
"""Two systems have an equal token budget where their tokens per clip differ by at most this share."""


@dataclass(frozen=True)
class SystemInfo:
    """A system of the run. control: it is no contender and can be neither best nor the headline's subject."""

    name: str
    spec: str = ""
    kind: str = ""
    control: bool = False
    description: Mapping[str, Any] = field(default_factory=dict)

    @property
    def caveats(self) -> tuple[str, ...]:
        """What is shown next to its name."""
        return caveats(self.description, spec=self.spec)

    @property
    def title(self) -> str:
        """Its name as tables show it, with its caveats."""
        return with_caveats(self.name, self.caveats)


@dataclass(frozen=True)
class BenchmarkInfo:
    """A benchmark of the run, as run.json describes it."""

    id: str
    name: str = ""
    version: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    description: Mapping[str, Any] = field(default_factory=dict)

    @property
    def caveats(self) -> tuple[str, ...]:
        """What is shown next to its name."""
        return caveats(self.description)

    @property
    def title(self) -> str:
        """Its id as headings and captions show it, with its caveats."""
        return with_caveats(self.id, self.caveats)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the benchmark wants said with its numbers."""
        notes = self.description.get("notes", ())
        return (notes,) if isinstance(notes, str) else tuple(str(note) for note in notes)


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
    tokens: mean tokens per clip over the samples that went well, by system; no key where none is known;
        empty where tokens are among the metrics. pairs: the paired tests between its contenders.
    """

    info: BenchmarkInfo
    metrics: tuple[Metric, ...]
    systems: tuple[SystemInfo, ...]
    tokens: Mapping[str, float]
    cells: Mapping[tuple[str, str], Cell]
    pairs: Sequence[Pair] = ()

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
        """Whether the metric tells any systems of the run apart."""
        cells = [cell for (_, name), cell in self.cells.items() if name == metric]
        return all(cell.score.discriminates for cell in cells)

    def contenders(self) -> tuple[SystemInfo, ...]:
        """The systems that are no controls."""
        return tuple(system for system in self.systems if not system.control)

    @property
    def ceiling(self) -> SystemInfo | None:
        """The system that is judged on a benchmark's own clips as they are; None where there is none."""
        return next((system for system in self.systems if system.kind == "originals"), None)

    def ceiling_score(self, metric: str) -> Score | None:
        """The ceiling's score; None where there is none, or it has no value."""
        cell = None if self.ceiling is None else self.cell(self.ceiling.name, metric)
        return None if cell is None or cell.score.value is None else cell.score

    def at_budget_of(self, name: str) -> tuple[SystemInfo, ...]:
        """The systems, `name` among them, with as many tokens per clip, within `BUDGET_TOLERANCE`."""
        budget = self.tokens.get(name)
        if budget is None:
            return ()
        return tuple(
            system
            for system in self.systems
            if abs(self.tokens.get(system.name, -1.0) - budget) <= BUDGET_TOLERANCE * budget
        )


@dataclass(frozen=True)
class NotRun:
    """A system on a benchmark that the machine could not run, and why."""

    system: str
    benchmark: str
    reason: str


@dataclass(frozen=True)
class RunReport:
    """Everything that a report shows of one run, or of several as one.

    paths: of the run folders. label: must stand beside every number. benchmarks: those with scores.
    columns: the records, and folders: the run folder, by benchmark and system. unfinished: why the numbers
    are not the run's final ones, in words; empty where they are. run: run.json as it is.
    """

    paths: tuple[Path, ...]
    name: str
    label: str
    setting: str
    description: str
    baseline: str | None
    systems: tuple[SystemInfo, ...]
    benchmarks: tuple[BenchmarkReport, ...]
    described: tuple[BenchmarkInfo, ...]
    jobs: tuple[JobState, ...]
    columns: Mapping[tuple[str, str], JobColumns]
    folders: Mapping[tuple[str, str], Path]
    failed: tuple[Failure, ...]
    not_run: tuple[NotRun, ...]
    unfinished: tuple[str, ...]
    run: Mapping[str, Any]

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


def gather(path: Path, *, rank: bool = True, sets: SampleSets | None = None) -> RunReport:
    """Read the run folder at `path`, finished or not; without `rank` no cell is called the best.

    sets: sample sets that runs read before have, so that equal ones are kept once.

    Raises:
        RunFolderError: there is no run, or a file of it cannot be read.
    """
    from vtok_eval.results.columns import SampleSets
    from vtok_eval.results.run_columns import read_records

    folder = RunFolder.open(path)
    run = folder.run()
    scores, missing = _scores(folder)
    comparisons = folder.comparisons() if (folder.path / "comparisons.json").exists() else []
    records = read_records(folder, sets or SampleSets())
    described = tuple(_benchmark_infos(run, scores))
    systems = tuple(_system_infos(run, scores, records.states))
    return RunReport(
        paths=(folder.path,),
        name=str(run.get("name") or folder.path.name),
        label=_label(run, scores),
        setting=str(run.get("setting") or ""),
        description=str(run.get("description") or ""),
        baseline=run.get("baseline"),
        systems=systems,
        benchmarks=tuple(
            _benchmark_report(info, systems, scores, comparisons, records, rank=rank)
            for info in described
            if any(score.benchmark == info.id for score in scores)
        ),
        described=described,
        jobs=records.states,
        columns=records.jobs,
        folders={(state.benchmark, state.system): folder.path for state in records.states},
        failed=records.failures,
        not_run=tuple(
            NotRun(*(str(entry.get(key, "")) for key in ("system", "benchmark", "reason")))
            for entry in run.get("not_run", ())
        ),
        unfinished=(*missing, *_unfinished(records.states, scores, run)),
        run=run,
    )


def _scores(folder: RunFolder) -> tuple[list[Score], tuple[str, ...]]:
    """The scores, and why there are none, in words."""
    if not (folder.path / "scores.json").exists():
        return [], ("nothing is scored yet: scores are computed once every job of the run has ended",)
    return folder.scores(), ()


def _label(run: Mapping[str, Any], scores: Sequence[Score]) -> str:
    """The run's label.

    Raises:
        RunFolderError: the scores carry other labels, so that no label would be true of all of them.
    """
    labels = {score.label for score in scores if score.label}
    own = str(run.get("label") or "")
    if labels - {own} and own:
        raise RunFolderError(
            f"the run's label is {own!r}, but it holds scores labelled {sorted(labels)[0]!r}"
        )
    if len(labels) > 1:
        raise RunFolderError(f"the run holds scores of several labels: {', '.join(sorted(labels))}")
    return own or next(iter(labels), "") or "no label: in which setting this was measured is not recorded"


def _system_infos(
    run: Mapping[str, Any], scores: Sequence[Score], jobs: Sequence[JobState]
) -> Iterator[SystemInfo]:
    """The systems of run.json in its order, then those that only scores or jobs name."""
    known = set()
    for entry in run.get("systems", ()):
        known.add(entry["name"])
        yield SystemInfo(
            name=entry["name"],
            spec=str(entry.get("spec", "")),
            kind=str(entry.get("kind", "")),
            control=bool(entry.get("control", False)),
            description=entry.get("description") or {},
        )
    others = [score.system for score in scores] + [job.system for job in jobs]
    yield from (SystemInfo(name) for name in dict.fromkeys(others) if name not in known)


def _benchmark_infos(run: Mapping[str, Any], scores: Sequence[Score]) -> Iterator[BenchmarkInfo]:
    known = set()
    for entry in run.get("benchmarks", ()):
        identifier = str(entry.get("id") or entry.get("name"))
        known.add(identifier)
        yield BenchmarkInfo(
            id=identifier,
            name=str(entry.get("name", identifier)),
            version=str(entry.get("version", "")),
            options=entry.get("options") or {},
            description=entry.get("description") or {},
        )
    for name in dict.fromkeys(score.benchmark for score in scores):
        if name not in known:
            yield BenchmarkInfo(id=name, name=name)


def _benchmark_report(
    info: BenchmarkInfo,
    systems: Sequence[SystemInfo],
    scores: Sequence[Score],
    comparisons: Sequence[Comparison],
    records: RunRecords,
    *,
    rank: bool,
) -> BenchmarkReport:
    own = [score for score in scores if score.benchmark == info.id]
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
        comparisons=[entry for entry in comparisons if entry.benchmark == info.id],
        tokens={}
        if counted
        else {
            system.name: records.tokens[info.id, system.name]
            for system in present
            if (info.id, system.name) in records.tokens
        },
        jobs={name: job for name, job in jobs.items() if name in done} if rank else {},
    )


def make_benchmark_report(
    info: BenchmarkInfo,
    *,
    metrics: tuple[Metric, ...],
    systems: tuple[SystemInfo, ...],
    scores: Sequence[Score],
    comparisons: Sequence[Comparison],
    tokens: Mapping[str, float],
    jobs: Mapping[str, JobColumns],
) -> BenchmarkReport:
    """A benchmark's results, with the best and second best of the systems that `jobs` has columns of."""
    against = {(entry.system, entry.metric): entry for entry in comparisons}
    contenders = [system.name for system in systems if not system.control and system.name in jobs]
    tested = {name: jobs[name] for name in contenders}
    pairs = tested_pairs(tested, scores, metrics=metrics, tokens=tokens)
    podiums = find_best(pairs, scores, metrics=metrics, contenders=contenders)
    none = Podium()
    return BenchmarkReport(
        info=info,
        metrics=metrics,
        systems=systems,
        tokens=tokens,
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
    )


def _unfinished(jobs: Sequence[JobState], scores: Sequence[Score], run: Mapping[str, Any]) -> Iterator[str]:
    """One line for each thing that keeps the numbers from being final."""
    scored = {(score.benchmark, score.system) for score in scores}
    for job in jobs:
        if not job.done:
            yield f"job {job.id} is open: {job.n_finished} of {job.n_samples} samples are done"
        elif scores and (job.benchmark, job.system) not in scored:
            yield f"job {job.id} is done, but not scored yet"
    yield from _never_entered(jobs, run)
    sessions = run.get("sessions") or ()
    if sessions and sessions[-1].get("finished") is None:
        yield "the last session has no end: it was killed, or it is still running"


def _never_entered(jobs: Sequence[JobState], run: Mapping[str, Any]) -> Iterator[str]:
    """Jobs that were planned and not begun, as far as the folder tells.

    run.json does not hold which kinds a benchmark accepts: that a system belongs to a benchmark is concluded
    from another system of its kind that was entered there.
    """
    kinds = {entry["name"]: entry.get("kind") for entry in run.get("systems", ())}
    entered = {(job.benchmark, job.system) for job in jobs}
    excused = {(entry.get("benchmark"), entry.get("system")) for entry in run.get("not_run", ())}
    accepted = Counter((job.benchmark, kinds.get(job.system)) for job in jobs)
    begun = {job.benchmark for job in jobs}
    for entry in run.get("benchmarks", ()):
        identifier = str(entry.get("id") or entry.get("name"))
        if identifier not in begun and not any(benchmark == identifier for benchmark, _ in excused):
            yield f"benchmark {identifier} has not begun"
        for system, kind in kinds.items():
            pair = (identifier, system)
            if accepted[identifier, kind] and pair not in entered and pair not in excused:
                yield f"job {identifier}/{system} has not begun"
