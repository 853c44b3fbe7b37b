"""Several runs as one report: their systems side by side, compared anew with one baseline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from reports.comparable import Compared, setting_differences
from reports.run_document import RunBenchmark, RunDocument, RunSystem
from reports.run_report import (
    BenchmarkReport,
    Cell,
    RunReport,
    gather,
    make_benchmark_report,
)
from vtok_eval.errors import RunFolderError, UnknownNameError
from vtok_eval.results.budget import BudgetUnit
from vtok_eval.results.records import Comparison, Metric, Score
from vtok_eval.results.self_checks import SelfCheck

if TYPE_CHECKING:
    from vtok_eval.results.columns.job_columns import JobColumns


def gather_runs(
    paths: Sequence[Path],
    *,
    baseline: str | None = None,
    versions: bool = False,
    unit: BudgetUnit | None = None,
) -> RunReport:
    """One run as it is, or several merged; `baseline` replaces the (first) run's baseline.

    versions: with the earlier versions that the folders hold, beside what took their place.
    unit: what budgets are counted in; None for what the (first) run says.

    A system in several runs is listed once for each, with the run's folder after its name. A benchmark of
    several runs is one table where its settings agree, whatever the runs' suites are called; where they do
    not, it is a table of its own, called after the run, and a note says which setting differs.

    Raises:
        RunFolderError: no run is named, one cannot be read, two folders have one name, or runs mean different
            things by one metric.
        UnknownNameError: no run has such a baseline.
    """
    if not paths:
        raise RunFolderError("no run folder is named")
    if len(paths) == 1 and baseline is None and not versions:
        return gather(paths[0], unit=unit)
    from vtok_eval.results.columns.job_columns import SampleSets

    _refuse_equal_names(paths)
    sets = SampleSets()
    first = gather(paths[0], rank=False, sets=sets, versions=versions, unit=unit)
    others = [
        gather(path, rank=False, sets=sets, versions=versions, unit=unit or first.run.budget)
        for path in paths[1:]
    ]
    runs, apart = _settings_apart([first, *others])
    named = _named_apart(runs)
    systems = tuple(system for run in named for system in run.systems)
    chosen = _baseline(named, runs, baseline)
    identifiers = dict.fromkeys(report.info.id for run in named for report in run.benchmarks)
    described = {info.id: info for run in reversed(runs) for info in run.described}
    return RunReport(
        paths=tuple(path for run in runs for path in run.paths),
        name=" + ".join(dict.fromkeys(_folder_name(run) for run in runs)),
        label=_label(runs),
        setting=first.setting,
        description="; ".join(dict.fromkeys(run.description for run in runs if run.description)),
        baseline=chosen,
        systems=systems,
        benchmarks=tuple(_together(identifier, named, systems, chosen) for identifier in identifiers),
        described=tuple(described.values()),
        jobs=tuple(job for run in named for job in run.jobs),
        columns={key: job for run in named for key, job in run.columns.items()},
        folders={key: path for run in named for key, path in run.folders.items()},
        failed=tuple(sample for run in named for sample in run.failed),
        not_run=tuple(entry for run in named for entry in run.not_run),
        unfinished=tuple(_unfinished(runs)),
        run=_provenance(runs),
        self_checks=tuple(_checks(named)),
        apart=tuple(apart),
    )


@dataclass(frozen=True)
class _Measured:
    """What one system has on one benchmark."""

    system: RunSystem
    scores: tuple[Score, ...]
    job: JobColumns | None
    tokens: float | None
    bits: float | None
    input_fits: tuple[str, ...] = ()
    decoded: str = ""


def _refuse_equal_names(paths: Sequence[Path]) -> None:
    names = Counter(Path(path).resolve().name for path in paths)
    repeated = [name for name, count in names.items() if count > 1]
    if repeated:
        raise RunFolderError(f"two runs are in folders called {repeated[0]!r}: rename one, or name it once")


def _settings_apart(runs: Sequence[RunReport]) -> tuple[list[RunReport], list[str]]:
    """The runs, benchmarks of unlike settings given ids of their own; and a sentence about each of those."""
    tables: dict[str, dict[str, Compared]] = {}
    renamed, sentences = [], []
    for run in runs:
        ids: dict[str, str] = {}
        for info in run.described:
            this = Compared(info, run.run, _folder_name(run))
            known = tables.setdefault(info.id, {})
            differences = {name: setting_differences(other, this) for name, other in known.items()}
            alike = next((name for name, text in differences.items() if not text), None)
            if alike is None:
                alike = f"{info.id} ({_folder_name(run)})" if known else info.id
                sentences += [f"{info.id} is shown apart: {text}" for text in list(differences.values())[:1]]
                known[alike] = this
            ids[info.id] = alike
        renamed.append(_with_ids(run, {old: new for old, new in ids.items() if old != new}))
    return renamed, sentences


def _with_ids(run: RunReport, ids: Mapping[str, str]) -> RunReport:
    """The run with other ids for some benchmarks."""
    if not ids:
        return run

    def new(benchmark: str) -> str:
        return ids.get(benchmark, benchmark)

    def info(entry: RunBenchmark) -> RunBenchmark:
        return entry.changed(id=new(entry.id))

    return replace(
        run,
        benchmarks=tuple(replace(report, info=info(report.info)) for report in run.benchmarks),
        described=tuple(info(entry) for entry in run.described),
        jobs=tuple(replace(job, benchmark=new(job.benchmark)) for job in run.jobs),
        columns={
            (new(benchmark), name): replace(job, benchmark=new(benchmark))
            for (benchmark, name), job in run.columns.items()
        },
        folders={(new(benchmark), name): path for (benchmark, name), path in run.folders.items()},
        failed=tuple(replace(sample, benchmark=new(sample.benchmark)) for sample in run.failed),
        not_run=tuple(entry.changed(benchmark=new(entry.benchmark)) for entry in run.not_run),
        self_checks=tuple(replace(check, benchmark=new(check.benchmark)) for check in run.self_checks),
    )


def _label(runs: Sequence[RunReport]) -> str:
    """The first run's label where the others add systems to its benchmarks; else every run's."""
    first = {info.id for info in runs[0].described}
    if all(info.id in first for run in runs for info in run.described):
        return runs[0].label
    return " | ".join(dict.fromkeys(run.label for run in runs))


def _named_apart(runs: Sequence[RunReport]) -> list[RunReport]:
    """The runs with their folder's name added to systems that others of them have too."""
    counts = Counter(system.name for run in runs for system in run.systems)
    return [_renamed(run, {name for name, count in counts.items() if count > 1}) for run in runs]


def _renamed(run: RunReport, names: set[str]) -> RunReport:
    def new(name: str) -> str:
        return f"{name} ({_folder_name(run)})" if name in names else name

    def cell(cell: Cell) -> Cell:
        return Cell(replace(cell.score, system=new(cell.score.system)))

    def systems(found: Sequence[RunSystem]) -> tuple[RunSystem, ...]:
        return tuple(system.changed(name=new(system.name)) for system in found)

    return replace(
        run,
        systems=systems(run.systems),
        benchmarks=tuple(
            replace(
                report,
                systems=systems(report.systems),
                tokens={new(name): tokens for name, tokens in report.tokens.items()},
                bits={new(name): bits for name, bits in report.bits.items()},
                input_fits={new(name): fits for name, fits in report.input_fits.items()},
                decoded={new(name): text for name, text in report.decoded.items()},
                cells={(new(name), metric): cell(found) for (name, metric), found in report.cells.items()},
            )
            for report in run.benchmarks
        ),
        jobs=tuple(replace(job, system=new(job.system)) for job in run.jobs),
        columns={
            (benchmark, new(name)): replace(job, system=new(name))
            for (benchmark, name), job in run.columns.items()
        },
        folders={(benchmark, new(name)): path for (benchmark, name), path in run.folders.items()},
        self_checks=tuple(
            replace(check, systems=tuple(new(system) for system in check.systems))
            for check in run.self_checks
        ),
        failed=tuple(replace(sample, system=new(sample.system)) for sample in run.failed),
        not_run=tuple(entry.changed(system=new(entry.system)) for entry in run.not_run),
    )


def _baseline(named: Sequence[RunReport], runs: Sequence[RunReport], wanted: str | None) -> str | None:
    """The baseline's name in the joint report, from the first run that has it.

    Raises:
        UnknownNameError: no run has the requested baseline.
    """
    name = wanted or next((run.baseline for run in runs if run.baseline is not None), None)
    if name is None:
        return None
    for renamed, run in zip(named, runs, strict=True):
        for new, old in zip(renamed.systems, run.systems, strict=True):
            if name in {old.name, new.name}:
                return new.name
    if wanted is None:
        return None
    known = [system.name for run in named for system in run.systems]
    raise UnknownNameError(what="baseline system", name=wanted, known=known)


def _together(
    identifier: str, runs: Sequence[RunReport], systems: Sequence[RunSystem], baseline: str | None
) -> BenchmarkReport:
    """One benchmark over all runs: the scores as they are, everything that compares systems computed anew."""
    from vtok_eval.results.soundness import marked_job, marked_score, unsound_groups
    from vtok_eval.results.statistics.scores import compare_all, mark_discriminating

    # One protocol, one reader: what one run found of it holds for the systems of the others.
    unsound = unsound_groups(check for run in runs for check in run.self_checks)
    measured = {found.system.name: found for run in runs for found in _measured(identifier, run)}
    metrics = _metrics(identifier, measured.values())
    controls = [system.name for system in systems if system.control]
    scores = mark_discriminating(
        [marked_score(score, unsound) for found in measured.values() for score in found.scores],
        controls=controls,
    )
    jobs = {name: marked_job(found.job, unsound) for name, found in measured.items() if found.job is not None}
    try:
        comparisons: list[Comparison] = compare_all(jobs, baseline, metrics) if baseline in jobs else []
        return make_benchmark_report(
            next(report.info for run in runs for report in run.benchmarks if report.info.id == identifier),
            metrics=metrics,
            systems=tuple(found.system for found in measured.values()),
            scores=scores,
            comparisons=comparisons,
            tokens={name: found.tokens for name, found in measured.items() if found.tokens is not None},
            bits={name: found.bits for name, found in measured.items() if found.bits is not None},
            unit=next(report.unit for run in runs for report in run.benchmarks),
            jobs=jobs,
            input_fits={
                found.system.name: found.input_fits for found in measured.values() if found.input_fits
            },
            decoded={name: found.decoded for name, found in measured.items() if found.decoded},
        )
    except ValueError as error:
        raise RunFolderError(f"the runs cannot be in one table: {identifier}: {error}") from error


def _measured(identifier: str, run: RunReport) -> Iterator[_Measured]:
    """What the run's systems have on the benchmark; records of finished jobs only."""
    report = run.benchmark(identifier)
    if report is None:
        return
    done = {job.system for job in run.jobs if job.benchmark == identifier and job.done}
    scores: dict[str, list[Score]] = {}
    for (name, _), cell in report.cells.items():
        scores.setdefault(name, []).append(cell.score)
    for system in report.systems:
        yield _Measured(
            system=system,
            scores=tuple(scores[system.name]),
            job=run.columns.get((identifier, system.name)) if system.name in done else None,
            tokens=report.tokens.get(system.name),
            bits=report.bits.get(system.name),
            input_fits=report.input_fits.get(system.name, ()),
            decoded=report.decoded.get(system.name, ""),
        )


def _metrics(identifier: str, measured: Iterable[_Measured]) -> tuple[Metric, ...]:
    """Every metric once.

    Raises:
        RunFolderError: runs mean different things by one name.
    """
    found: dict[str, Metric] = {}
    for system in measured:
        for score in system.scores:
            if found.setdefault(score.metric.name, score.metric) != score.metric:
                raise RunFolderError(
                    f"the runs cannot be in one table: they define {identifier}'s metric "
                    f"{score.metric.name!r} differently"
                )
    return tuple(found.values())


def _unfinished(runs: Sequence[RunReport]) -> Iterator[str]:
    if len(runs) == 1:
        yield from runs[0].unfinished
        return
    for run in runs:
        yield from (f"{_folder_name(run)}: {reason}" for reason in run.unfinished)


def _checks(runs: Sequence[RunReport]) -> Iterator[SelfCheck]:
    """The self-checks of all runs; of several, each says which run made it."""
    for run in runs:
        said = f" (run {_folder_name(run)})" if len(runs) > 1 else ""
        yield from (replace(check, detail=f"{check.detail}{said}") for check in run.self_checks)


def _provenance(runs: Sequence[RunReport]) -> RunDocument:
    """The first run's run.json with the sessions of all, each with its run's folder."""
    sessions = [session.changed(run=str(run.paths[0])) for run in runs for session in run.run.sessions]
    return runs[0].run.changed(sessions=sessions)


def _folder_name(run: RunReport) -> str:
    return run.paths[0].resolve().name
