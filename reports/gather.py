"""What a report shows of one run, gathered from its run folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reports.best import find_best
from vtok_eval.errors import RunFolderError
from vtok_eval.results.journal import Job
from vtok_eval.results.records import Comparison, Metric, Record, Score, Status
from vtok_eval.results.store import RunFolder

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


@dataclass(frozen=True)
class BenchmarkInfo:
    """A benchmark of the run, as run.json describes it."""

    id: str
    name: str = ""
    version: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    description: Mapping[str, Any] = field(default_factory=dict)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the benchmark wants said beside its numbers."""
        notes = self.description.get("notes", ())
        return (notes,) if isinstance(notes, str) else tuple(str(note) for note in notes)


@dataclass(frozen=True)
class Cell:
    """One score, its comparison with the baseline, and whether the paired test supports that it is best."""

    score: Score
    comparison: Comparison | None = None
    best: bool = False


@dataclass(frozen=True)
class BenchmarkReport:
    """A benchmark's results.

    metrics: in the benchmark's order. systems: those that have a score, in the run's order.
    tokens: mean tokens per clip over the samples that went well, by system; no key where none is known;
        empty where tokens are among the metrics.
    """

    info: BenchmarkInfo
    metrics: tuple[Metric, ...]
    systems: tuple[SystemInfo, ...]
    tokens: Mapping[str, float]
    cells: Mapping[tuple[str, str], Cell]

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
class JobProgress:
    """How far a job came. folder: of the run that the job belongs to."""

    folder: Path
    id: str
    system: str
    benchmark: str
    n_samples: int
    n_finished: int
    n_failed: int
    done: bool


@dataclass(frozen=True)
class FailedSample:
    """A sample that failed, and why."""

    system: str
    benchmark: str
    sample_id: str
    reason: str


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
    unfinished: why the numbers are not the run's final ones, in words; empty where they are.
    run: run.json as it is.
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
    jobs: tuple[JobProgress, ...]
    failed: tuple[FailedSample, ...]
    not_run: tuple[NotRun, ...]
    unfinished: tuple[str, ...]
    run: Mapping[str, Any]

    def benchmark(self, identifier: str) -> BenchmarkReport | None:
        """The results of the benchmark with this id."""
        return next((found for found in self.benchmarks if found.info.id == identifier), None)


def records_of(report: RunReport, benchmark: str, system: str) -> list[Record]:
    """The records of a system on a benchmark, by its id; none where there is no such job."""
    for job in report.jobs:
        if (job.benchmark, job.system) == (benchmark, system):
            return RunFolder(job.folder).raw_records(job.id)
    return []


def gather(path: Path, *, rank: bool = True) -> RunReport:
    """Read the run folder at `path`, finished or not; without `rank` no cell is called the best.

    Raises:
        RunFolderError: there is no run, or a file of it cannot be read.
    """
    folder = RunFolder.open(path)
    run = folder.run()
    scores, missing = _scores(folder)
    comparisons = folder.comparisons() if (folder.path / "comparisons.json").exists() else []
    jobs = folder.jobs()
    seen = _read_records(folder, jobs)
    described = tuple(_benchmark_infos(run, scores))
    systems = tuple(_system_infos(run, scores, jobs))
    return RunReport(
        paths=(folder.path,),
        name=str(run.get("name") or folder.path.name),
        label=_label(run, scores),
        setting=str(run.get("setting") or ""),
        description=str(run.get("description") or ""),
        baseline=run.get("baseline"),
        systems=systems,
        benchmarks=tuple(
            _benchmark_report(folder, info, systems, scores, comparisons, seen, rank=rank)
            for info in described
            if any(score.benchmark == info.id for score in scores)
        ),
        described=described,
        jobs=seen.progress,
        failed=seen.failed,
        not_run=tuple(
            NotRun(*(str(entry.get(key, "")) for key in ("system", "benchmark", "reason")))
            for entry in run.get("not_run", ())
        ),
        unfinished=(*missing, *_unfinished(seen.progress, scores, run)),
        run=run,
    )


@dataclass(frozen=True)
class _Seen:
    """What one pass over the records gives."""

    progress: tuple[JobProgress, ...]
    failed: tuple[FailedSample, ...]
    tokens: Mapping[tuple[str, str], float]


def _read_records(folder: RunFolder, jobs: Sequence[Job]) -> _Seen:
    progress, failed, tokens = [], [], {}
    for job in jobs:
        records = folder.raw_records(job.id)
        bad = [record for record in records if record.status is Status.FAILED]
        progress.append(
            JobProgress(
                folder=folder.path,
                id=job.id,
                system=job.system,
                benchmark=job.benchmark,
                n_samples=job.n_samples,
                n_finished=len(records),
                n_failed=len(bad),
                done=job.state == "done",
            )
        )
        failed += [
            FailedSample(job.system, job.benchmark, record.sample_id, record.reason or "") for record in bad
        ]
        mean = _mean_tokens(records)
        if mean is not None:
            tokens[job.benchmark, job.system] = mean
    return _Seen(tuple(progress), tuple(failed), tokens)


def _mean_tokens(records: Sequence[Record]) -> float | None:
    counts = [record.cost["tokens"] for record in records if "tokens" in record.cost]
    return sum(counts) / len(counts) if counts else None


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
    run: Mapping[str, Any], scores: Sequence[Score], jobs: Sequence[Job]
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
    folder: RunFolder,
    info: BenchmarkInfo,
    systems: Sequence[SystemInfo],
    scores: Sequence[Score],
    comparisons: Sequence[Comparison],
    seen: _Seen,
    *,
    rank: bool,
) -> BenchmarkReport:
    own = [score for score in scores if score.benchmark == info.id]
    metrics = tuple({score.metric.name: score.metric for score in own}.values())
    scored = {score.system for score in own}
    present = tuple(system for system in systems if system.name in scored)
    against = {(entry.system, entry.metric): entry for entry in comparisons if entry.benchmark == info.id}
    jobs = {job.system: job.id for job in seen.progress if job.benchmark == info.id and job.done}
    contenders = [system.name for system in present if not system.control and system.name in jobs]
    # Where tokens are themselves measured (at several clip lengths), their mean over samples says nothing.
    counted = any(metric.unit == "tokens" for metric in metrics)
    best: dict[str, str] = {}
    if rank:
        best = find_best(
            lambda system: folder.raw_records(jobs[system]), own, metrics=metrics, contenders=contenders
        )
    return BenchmarkReport(
        info=info,
        metrics=metrics,
        systems=present,
        tokens={
            system.name: seen.tokens[info.id, system.name]
            for system in present
            if (info.id, system.name) in seen.tokens and not counted
        },
        cells={
            (score.system, score.metric.name): Cell(
                score=score,
                comparison=against.get((score.system, score.metric.name)),
                best=best.get(score.metric.name) == score.system,
            )
            for score in own
        },
    )


def _unfinished(
    jobs: Sequence[JobProgress], scores: Sequence[Score], run: Mapping[str, Any]
) -> Iterator[str]:
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


def _never_entered(jobs: Sequence[JobProgress], run: Mapping[str, Any]) -> Iterator[str]:
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
