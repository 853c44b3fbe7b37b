"""The harness: plan, run, score, save. What it is given is a suite; what it leaves is a run folder."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtok_eval.benchmark import Context, DerivesScores, Outcome
from vtok_eval.errors import MissingDependencyError, RunFolderError
from vtok_eval.results.journal import Job, Journal, check_record
from vtok_eval.results.provenance import finish, provenance
from vtok_eval.results.records import FAILED_AT, TRAINING_SEEDS, Record, Status
from vtok_eval.results.store import RunFolder
from vtok_eval.run.identity import check_same_run, merged_entries
from vtok_eval.run.plan import NotRun, Plan, PlannedJob, described, make_plan
from vtok_eval.run.runners.loading import Failure
from vtok_eval.run.scoring import score_run
from vtok_eval.specs.systems import VideoMaking

if TYPE_CHECKING:
    import torch

    from vtok_eval.benchmark import Benchmark, Sample
    from vtok_eval.run.runners.runner import Runner
    from vtok_eval.run.suite import Suite

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunSettings:
    """How a suite is run; only `limit` and `seed` may change a number, and a run folder holds to both.

    seed: None for the suite's. limit: the first so many samples of each benchmark; None for all.
    retry_failed: do the samples again that failed before. command: the command line, for provenance.
    """

    device: str = "auto"
    batch_size: int = 16
    loader_threads: int = 2
    seed: int | None = None
    limit: int | None = None
    retry_failed: bool = False
    clip_memory_bytes: int = 1_200 * 2**20
    feature_cache_bytes: int = 20 * 2**30
    command: Sequence[str] = ()


@dataclass(frozen=True)
class RunSummary:
    """How a run ended.

    new_samples: evaluated by this call; 0 means that there was nothing to do. n_done: jobs of the plan that
    are done, now or before. not_run: what this machine cannot run. optional_not_run: the same, for what the
    suite marks as optional.
    """

    folder: Path
    new_samples: int
    n_done: int
    failed: tuple[Record, ...] = ()
    not_run: tuple[NotRun, ...] = ()
    optional_not_run: tuple[NotRun, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every planned sample has a result, those aside that are optional and cannot be run here."""
        return not self.failed and not self.not_run


@dataclass
class Harness:
    """Runs one suite into one folder; `run` may be called again after any end of the process."""

    suite: Suite
    settings: RunSettings
    cache: Path
    device: torch.device = field(init=False)
    runner: Runner = field(init=False)

    def __post_init__(self) -> None:
        from vtok_eval.run.runners.device import choose_device
        from vtok_eval.run.runners.runner import Runner
        from vtok_eval.video.clip_cache import ClipCache

        self.device = choose_device(self.settings.device)
        self.runner = Runner(
            device=self.device,
            batch_size=self.settings.batch_size,
            loader_threads=self.settings.loader_threads,
            clip_cache=ClipCache(self.settings.clip_memory_bytes),
        )

    @property
    def seed(self) -> int:
        """The seed from which every generator of the run is derived."""
        return self.suite.seed if self.settings.seed is None else self.settings.seed

    def plan(self, out: Path | None = None) -> Plan:
        """The jobs of the suite.

        out: the run folder, where it is known: there lie the videos that are made for the run.

        Raises:
            VtokEvalError: an entry of the suite is wrong; see `make_plan`.
        """
        from vtok_eval.tokenizers.build import BuildContext
        from vtok_eval.tokenizers.feature_cache import FeatureCache

        features = FeatureCache(self.cache / "features.sqlite", max_bytes=self.settings.feature_cache_bytes)
        context = BuildContext(device=self.device, cache=features, names=self.suite.specs_by_name())
        making = VideoMaking((out or Path("runs") / self.suite.name) / "videos", self.seed)
        return make_plan(self.suite, context, making, limit=self.settings.limit)

    def run(self, out: Path) -> RunSummary:
        """Do what is missing in the run folder `out`, score everything, save.

        Raises:
            RunFolderError: the folder cannot be written, another process writes to it, or it belongs to a run
                with other settings.
            VtokEvalError: an entry of the suite is wrong.
        """
        plan = self.plan(out)
        folder = self._open(out, plan)
        new_samples = 0
        with folder.journal() as journal:
            # What cannot be run here may have been run before, elsewhere.
            done = {job.id for job in journal.jobs() if job.state == "done"}
            not_run = [entry for entry in plan.not_run if entry.job not in done]
            pending = [job for job in plan.jobs if self._is_pending(journal, job)]
            if not pending and (folder.path / "scores.json").exists():
                return self._summary(folder, plan, journal, new_samples=0, not_run=not_run)
            _say_what_it_takes(pending)
            log.info(
                "at most %d clips are loaded ahead, and %d MiB of clips kept",
                2 * self.settings.batch_size + self.settings.loader_threads,
                self.settings.clip_memory_bytes // 2**20,
            )
            session = self._begin_session(folder, plan)
            for number, job in enumerate(pending, start=1):
                started = time.perf_counter()
                log.info("[%d/%d] %s", number, len(pending), job.id)
                try:
                    new_samples += self._run_job(folder, journal, job)
                except MissingDependencyError as error:
                    not_run.append(NotRun(job.system.name, job.benchmark_id, str(error)))
                    log.warning("not run: %s: %s", job.id, error)
                session["jobs"][job.id] = round(time.perf_counter() - started, 3)
            self._score(folder, plan)
            self._end_session(folder, plan, session, not_run)
            return self._summary(folder, plan, journal, new_samples=new_samples, not_run=not_run)

    def _is_pending(self, journal: Journal, job: PlannedJob) -> bool:
        known = {entry.id: entry for entry in journal.jobs()}.get(job.id)
        if known is None or known.state == "open":
            return True
        return self.settings.retry_failed and bool(journal.retry_failed(job.id))

    def _run_job(self, folder: RunFolder, journal: Journal, job: PlannedJob) -> int:
        """Evaluate the samples that have no record yet; returns how many there were."""
        finished = journal.finished(job.id)
        remaining = [sample for sample in job.samples if sample.id not in finished]
        # The job is entered only once it is ready, so that one that cannot be run here leaves no trace.
        evaluate = self._prepare(folder, job) if remaining else None
        journal.open_job(Job(job.id, job.system.name, job.benchmark_id, len(job.samples)))
        if evaluate is not None:
            for sample, result in self.runner.map(remaining, evaluate, description=job.id):
                journal.add([_record(job, sample, result)])
        journal.close_job(job.id)
        return len(remaining)

    def _prepare(self, folder: RunFolder, job: PlannedJob) -> Any:
        """The function that evaluates batches; it fails every sample where the system cannot be prepared."""
        context = Context(
            runner=self.runner,
            device=self.device,
            seed=self.seed,
            artifacts=folder.artifacts(job.id),
            cache=self.cache,
        )
        try:
            return job.benchmark.prepare(job.system, context).evaluate
        except (MissingDependencyError, RunFolderError):
            raise
        except Exception as error:
            # A system that cannot even be prepared is a result about it: every sample fails and says why.
            log.warning("%s could not be prepared: %s", job.id, error)
            log.debug("the failure in full", exc_info=True)
            reason = f"could not be prepared: {type(error).__name__}: {' '.join(str(error).split())}"
            return lambda samples, clips: [Outcome(error=reason) for _ in samples]

    def _score(self, folder: RunFolder, plan: Plan) -> None:
        benchmarks = _measurable(plan)
        scores, comparisons = score_run(
            folder,
            metrics={name: benchmark.metrics() for name, benchmark in benchmarks.items()},
            label=self.suite.label,
            baseline=self.suite.baseline,
            controls={entry.name for entry in self.suite.systems if entry.control},
            deriving={
                name: benchmark
                for name, benchmark in benchmarks.items()
                if isinstance(benchmark, DerivesScores)
            },
        )
        folder.write_scores(scores)
        folder.write_comparisons(comparisons)
        folder.export_records()

    def _open(self, out: Path, plan: Plan) -> RunFolder:
        if not RunFolder.exists(out):
            return RunFolder.create(out, self._run_json(plan, sessions=[]))
        folder = RunFolder.open(out)
        check_same_run(folder, self._run_json(plan, sessions=[]), measurable=_measurable(plan))
        return folder

    def _run_json(self, plan: Plan, *, sessions: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "name": self.suite.name,
            "label": self.suite.label,
            "setting": self.suite.setting,
            "description": self.suite.description,
            "baseline": self.suite.baseline,
            "seed": self.seed,
            "limit": self.settings.limit,
            "systems": [
                {
                    "name": entry.name,
                    "spec": entry.spec,
                    "control": entry.control,
                    "kind": plan.systems[entry.name].kind,
                    "description": plan.systems[entry.name].description.to_json(),
                }
                for entry in self.suite.systems
                if entry.name in plan.systems
            ],
            "benchmarks": [
                {
                    "id": entry.id,
                    "name": entry.name,
                    "options": entry.options,
                    "version": plan.benchmarks[entry.id].version,
                    "description": described(plan.benchmarks[entry.id]).to_json(),
                }
                for entry in self.suite.benchmarks
                if entry.id in plan.benchmarks
            ],
            "not_run": [],
            "sessions": sessions,
        }

    def _begin_session(self, folder: RunFolder, plan: Plan) -> dict[str, Any]:
        """Enter this process into run.json, beside what the folder already holds of other systems."""
        before = folder.run()
        session = provenance(command=self.settings.command, seed=self.seed, device=str(self.device))
        session["jobs"] = {}
        run = self._run_json(plan, sessions=[*before["sessions"], session])
        run["not_run"] = before["not_run"]
        held = folder.jobs()
        run["systems"] = merged_entries(
            before["systems"], run["systems"], key="name", held={job.system for job in held}
        )
        run["benchmarks"] = merged_entries(
            before["benchmarks"], run["benchmarks"], key="id", held={job.benchmark for job in held}
        )
        folder.write_run(run)
        return session

    def _end_session(
        self, folder: RunFolder, plan: Plan, session: dict[str, Any], not_run: Sequence[NotRun]
    ) -> None:
        run = folder.run()
        run["sessions"][-1] = finish(session)
        tried = {job.id for job in plan.jobs} | {entry.job for entry in plan.not_run}
        earlier = [entry for entry in run["not_run"] if NotRun(**entry).job not in tried]
        run["not_run"] = [*earlier, *(asdict(entry) for entry in not_run)]
        folder.write_run(run)

    def _summary(
        self, folder: RunFolder, plan: Plan, journal: Journal, *, new_samples: int, not_run: Sequence[NotRun]
    ) -> RunSummary:
        failed = tuple(record for record in journal.records() if record.status is Status.FAILED)
        planned = {job.id for job in plan.jobs}
        n_done = sum(job.state == "done" for job in journal.jobs() if job.id in planned)
        optional = [e for e in not_run if self.suite.is_optional(benchmark=e.benchmark, system=e.system)]
        required = [entry for entry in not_run if entry not in optional]
        return RunSummary(folder.path, new_samples, n_done, failed, tuple(required), tuple(optional))


def _measurable(plan: Plan) -> Mapping[str, Benchmark]:
    """The benchmarks that have anything to measure on this machine, by id."""
    return {name: benchmark for name, benchmark in plan.benchmarks.items() if benchmark.metrics()}


def _say_what_it_takes(pending: Sequence[PlannedJob]) -> None:
    """What the benchmarks of these jobs will need, before the first begins."""
    for benchmark_id, benchmark in {job.benchmark_id: job.benchmark for job in pending}.items():
        for line in described(benchmark).cost:
            log.info("%s: %s", benchmark_id, line)


def _record(job: PlannedJob, sample: Sample, result: Outcome | Failure) -> Record:
    """The record of one result; a result that cannot be kept (NaN, say) is a failure of its sample."""
    reason = result.reason if isinstance(result, Failure) else result.error
    failed = Record(
        job=job.id,
        system=job.system.name,
        benchmark=job.benchmark_id,
        sample_id=sample.id,
        cluster=sample.cluster,
        status=Status.FAILED,
        reason=reason,
        meta=sample.meta,
    )
    if isinstance(result, Failure) or (result.error is not None and not result.failed_at):
        return failed
    meta = dict(sample.meta)
    if result.training_seeds:
        meta[TRAINING_SEEDS] = result.training_seeds
    record = replace(failed, values=result.values, outputs=result.outputs, cost=result.cost, meta=meta)
    if result.failed_at:
        record = replace(record, meta={**meta, FAILED_AT: ";".join(result.failed_at)})
    else:
        record = replace(record, status=Status.OK)
    try:
        check_record(record)
    except ValueError as error:
        return replace(failed, reason=str(error))
    return record
