"""The harness: plan, run, score, save. It takes a suite and leaves a run folder."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtok_eval.benchmark import DerivesScores
from vtok_eval.devices.precision import check_precision, precision_on
from vtok_eval.errors import CANNOT_RUN
from vtok_eval.results.identity import version_names
from vtok_eval.results.journal import Job, Journal
from vtok_eval.results.provenance import finish, provenance
from vtok_eval.results.records import Record, Status
from vtok_eval.results.self_checks import relations_in
from vtok_eval.results.store import RunFolder
from vtok_eval.run.display.endings import job_size, say_end, without_record
from vtok_eval.run.document import merged_document, run_document
from vtok_eval.run.jobs import build_context, make_runner, prepare
from vtok_eval.run.plan import NotRun, Plan, PlannedJob, described, make_plan
from vtok_eval.run.preflight import kept_fits
from vtok_eval.run.recording import record_of
from vtok_eval.run.reuse.versions import take_up
from vtok_eval.run.scoring import score_run
from vtok_eval.run.settings import RunSettings
from vtok_eval.specs.systems import VideoMaking

if TYPE_CHECKING:
    import torch

    from vtok_eval.benchmark import Benchmark, Sample
    from vtok_eval.run.display.display import RunDisplay
    from vtok_eval.run.runners.runner import Runner
    from vtok_eval.run.suite import Suite
    from vtok_eval.specs.live_objects import LiveObject

__all__ = ["Harness", "RunSettings", "RunSummary"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunSummary:
    """How a run ended.

    new_samples: evaluated by this call; 0 means that there was nothing to do. n_done: jobs of the plan that
    are done, now or before. not_run: what this machine cannot run. optional_not_run: the same, for what the
    suite marks as optional. changes: what was measured again, or set aside, since it changed; a line each.
    """

    folder: Path
    new_samples: int
    n_done: int
    failed: tuple[Record, ...] = ()
    not_run: tuple[NotRun, ...] = ()
    optional_not_run: tuple[NotRun, ...] = ()
    changes: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every planned sample has a result, those aside that are optional and cannot be run here."""
        return not self.failed and not self.not_run


@dataclass
class Harness:
    """Runs one suite into one folder; `run` may be called again after any end of the process.

    cache: the user's cache folder. objects: systems of the suite that were passed in Python, not as specs.
    """

    suite: Suite
    settings: RunSettings
    cache: Path
    objects: Sequence[LiveObject] = ()
    device: torch.device = field(init=False)
    runner: Runner = field(init=False)

    def __post_init__(self) -> None:
        from vtok_eval.run.lanes.devices import check_devices, check_ray_devices
        from vtok_eval.run.runners.device import choose_device

        check_precision(self.settings.precision)
        if self.settings.ray is None:
            check_devices(self.settings.devices, mixed_models=self.settings.mixed_models)
        else:
            check_ray_devices(self.settings.devices)
        # The lanes have the devices; the driver only describes the systems.
        self.device = choose_device("cpu" if self.settings.in_lanes else self.settings.device)
        self.runner = make_runner(self.settings, self.device)

    @property
    def seed(self) -> int:
        """The seed from which every generator of the run is derived."""
        return self.settings.seed_of(self.suite)

    def plan(self, out: Path | None = None) -> Plan:
        """The jobs of the suite.

        out: the run folder, if known: videos made for the run are stored there.

        Raises:
            VtokEvalError: an entry of the suite is wrong; see `make_plan`.
        """
        context = build_context(
            self.suite,
            self.settings,
            device=self.device,
            cache=self.cache,
            out=out,
            objects={live.reference: live for live in self.objects},
        )
        making = VideoMaking((out or Path("runs") / self.suite.name) / "videos", self.seed)
        return make_plan(self.suite, context, making, limit=self.settings.limit)

    def run(self, out: Path) -> RunSummary:
        """Do what is missing in the run folder `out`, score everything, save.

        What has changed since it was measured is measured again; its earlier version stays (`versions`).

        Raises:
            RunFolderError: the folder cannot be read or written, or another process writes to it.
            VtokEvalError: an entry of the suite is wrong.
        """
        plan = self.plan(out)
        document = run_document(self.suite, self.settings, plan)
        folder = RunFolder.open(out) if RunFolder.exists(out) else RunFolder.create(out, document)
        with folder.journal() as journal:
            changes = take_up(folder, journal, document, measurable=_measurable(plan))
            for line in changes:
                log.warning("%s", line)
            run = merged_document(
                folder.run(), document, measurable=_measurable(plan), held=bool(journal.jobs())
            )
            # What cannot be run here may have been run before, elsewhere.
            done = {job.id for job in journal.jobs() if job.state == "done"}
            not_run = [entry for entry in plan.not_run if entry.job not in done]
            pending = [job for job in plan.jobs if self._is_pending(journal, job)]
            if not pending and not changes and _is_scored(folder, journal, plan):
                folder.write_run(run)
                return self._summary(folder, plan, journal, new_samples=0, not_run=not_run)
            _say_what_it_takes(pending)
            session = self._begin_session(folder, run)
            run_jobs = self._run_in_lanes if self.settings.in_lanes else self._run_here
            new_samples, cannot_run = run_jobs(folder, journal, pending, session)
            not_run += cannot_run
            journal.order_jobs([job.id for job in plan.jobs])
            log.info("scoring %d jobs", len(plan.jobs))
            self._score(folder, plan)
            self._end_session(folder, plan, session, not_run)
            return self._summary(
                folder, plan, journal, new_samples=new_samples, not_run=not_run, changes=changes
            )

    def _run_here(
        self, folder: RunFolder, journal: Journal, pending: Sequence[PlannedJob], session: dict[str, Any]
    ) -> tuple[int, list[NotRun]]:
        """Do the jobs one after the other in this process; returns new samples and what cannot be run."""
        from vtok_eval.run.display.display import RunDisplay
        from vtok_eval.run.display.state import RunState
        from vtok_eval.run.runners.threads import torch_threads

        log.debug(
            "at most %d clips are loaded ahead, and %d MiB of clips kept",
            2 * self.settings.batch_size + self.settings.n_loader_threads,
            self.settings.clip_memory_bytes // 2**20,
        )
        new_samples, not_run = 0, []
        left = {job.id: without_record(journal, job) for job in pending}
        sizes = [job_size(job, left[job.id]) for job in pending]
        with torch_threads(self.settings.threads), RunDisplay(RunState(sizes)) as display:
            for job in pending:
                started = time.perf_counter()
                display.run([job.id])
                try:
                    self._run_job(folder, journal, job, list(left[job.id].values()), display)
                    new_samples += len(left[job.id])
                    reason = None
                except CANNOT_RUN as error:
                    reason = str(error)
                    not_run.append(NotRun(job.system.name, job.benchmark_id, reason))
                session["jobs"][job.id] = round(time.perf_counter() - started, 3)
                say_end(display, journal, job, seconds=session["jobs"][job.id], not_run=reason)
        return new_samples, not_run

    def _run_in_lanes(
        self, folder: RunFolder, journal: Journal, pending: Sequence[PlannedJob], session: dict[str, Any]
    ) -> tuple[int, list[NotRun]]:
        """Have the jobs done by worker processes; returns new samples and what cannot be run."""
        from vtok_eval.environments.client import release_all
        from vtok_eval.run.lanes.driver import LaneReport, run_in_lanes
        from vtok_eval.run.lanes.starting import open_lanes

        release_all()  # the lanes have workers of their own
        report = LaneReport()
        lanes = open_lanes(self.suite, self.settings, pending, out=folder.path, cache=self.cache)
        try:
            run_in_lanes(lanes, journal, pending, report, mixed_models=self.settings.mixed_models)
        finally:
            lanes.close()
            session["jobs"] = report.job_seconds
            session["lane_deaths"] = report.deaths
            session["lanes"] = [report.lanes[number] for number in sorted(report.lanes)]
            for fact in ("device", "precision"):
                session[fact] = ", ".join(dict.fromkeys(str(lane[fact]) for lane in session["lanes"]))
        by_id = {job.id: job for job in pending}
        return report.new_samples, [
            NotRun(by_id[job].system.name, by_id[job].benchmark_id, reason)
            for job, reason in report.cannot_run.items()
        ]

    def _is_pending(self, journal: Journal, job: PlannedJob) -> bool:
        known = {entry.id: entry for entry in journal.jobs()}.get(job.id)
        if known is None or known.state == "open":
            return True
        return self.settings.retry_failed and bool(journal.retry_failed(job.id))

    def _run_job(
        self,
        folder: RunFolder,
        journal: Journal,
        job: PlannedJob,
        remaining: Sequence[Sample],
        display: RunDisplay,
    ) -> None:
        """Evaluate the samples that have no record yet."""
        # The job is entered only once it is ready, so that one that cannot be run here leaves no trace.
        ready = None
        if remaining:
            ready = prepare(job, self.runner, out=folder.path, seed=self.seed, cache=self.cache)
        journal.open_job(Job(job.id, job.system.name, job.benchmark_id, len(job.samples)))
        if ready is not None:
            for sample, result in ready.evaluate(remaining, ()):
                journal.add([record_of(job, sample, result)])
                display.add_samples(job.id)
        journal.close_job(job.id)

    def _score(self, folder: RunFolder, plan: Plan) -> None:
        benchmarks, run = _measurable(plan), folder.run()
        found = score_run(
            folder,
            metrics={name: benchmark.metrics() for name, benchmark in benchmarks.items()},
            label=run["label"],
            baseline=run["baseline"],
            controls={entry["name"] for entry in run["systems"] if entry.get("control")},
            versions=version_names(run, "systems"),
            deriving={
                name: benchmark
                for name, benchmark in benchmarks.items()
                if isinstance(benchmark, DerivesScores)
            },
            relations=relations_in(run),
        )
        folder.write_scores(found.scores)
        folder.write_comparisons(found.comparisons)
        folder.write_self_checks(found.self_checks)
        folder.export_records()

    def _begin_session(self, folder: RunFolder, run: dict[str, Any]) -> dict[str, Any]:
        """Enter this process into run.json."""
        session = provenance(command=self.settings.command, seed=self.seed, device=str(self.device))
        session["precision"] = precision_on(self.settings.precision, self.device)
        session["jobs"] = {}
        folder.write_run({**run, "sessions": [*run["sessions"], session]})
        return session

    def _end_session(
        self, folder: RunFolder, plan: Plan, session: dict[str, Any], not_run: Sequence[NotRun]
    ) -> None:
        run = folder.run()
        run["sessions"][-1] = finish(session)
        tried = {job.id for job in plan.jobs} | {entry.job for entry in plan.not_run}
        earlier = [entry for entry in run["not_run"] if NotRun(**entry).job not in tried]
        run["not_run"] = [*earlier, *(asdict(entry) for entry in not_run)]
        fits = {job.id: list(kept_fits(folder.artifacts(job.id))) for job in plan.jobs}
        run["input_fits"] = {
            **run.get("input_fits", {}),
            **{job: texts for job, texts in fits.items() if texts},
        }
        folder.write_run(run)

    def _summary(
        self,
        folder: RunFolder,
        plan: Plan,
        journal: Journal,
        *,
        new_samples: int,
        not_run: Sequence[NotRun],
        changes: Sequence[str] = (),
    ) -> RunSummary:
        planned = {job.id for job in plan.jobs}
        run = folder.run()
        systems, benchmarks = version_names(run, "systems"), version_names(run, "benchmarks")
        failed = tuple(
            record
            for record in journal.records()
            if record.status is Status.FAILED
            and record.system not in systems
            and record.benchmark not in benchmarks
        )
        n_done = sum(job.state == "done" for job in journal.jobs() if job.id in planned)
        optional = [e for e in not_run if self.suite.is_optional(benchmark=e.benchmark, system=e.system)]
        required = [entry for entry in not_run if entry not in optional]
        return RunSummary(
            folder.path, new_samples, n_done, failed, tuple(required), tuple(optional), tuple(changes)
        )


def _measurable(plan: Plan) -> Mapping[str, Benchmark]:
    """The benchmarks that have anything to measure on this machine, by id."""
    return {name: benchmark for name, benchmark in plan.benchmarks.items() if benchmark.metrics()}


def _is_scored(folder: RunFolder, journal: Journal, plan: Plan) -> bool:
    """Whether every job that is done and can be scored here has a score."""
    if not (folder.path / "scores.json").exists():
        return False
    scored = {(score.benchmark, score.system) for score in folder.scores()}
    done = {(job.benchmark, job.system) for job in journal.jobs() if job.state == "done" and job.n_samples}
    measurable = _measurable(plan)
    return all(pair in scored for pair in done if pair[0] in measurable)


def _say_what_it_takes(pending: Sequence[PlannedJob]) -> None:
    """What the benchmarks of these jobs will need, before the first begins."""
    for benchmark_id, benchmark in {job.benchmark_id: job.benchmark for job in pending}.items():
        for line in described(benchmark).cost:
            log.info("%s: %s", benchmark_id, line)
