"""The driver's part of a run in lanes: it alone writes the journal, from the lanes' messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vtok_eval.results.journal import Job
from vtok_eval.results.records import Record
from vtok_eval.run.display.display import RunDisplay
from vtok_eval.run.display.endings import job_size, say_end, without_record
from vtok_eval.run.display.state import RunState
from vtok_eval.run.lanes.devices import check_models
from vtok_eval.run.lanes.dispatcher import Dispatcher, Event, JobDone
from vtok_eval.run.lanes.job_queue import LaneJob
from vtok_eval.run.lanes.messages import CannotRun, Prepared, Results, Started
from vtok_eval.run.recording import record_of, unchecked_record

if TYPE_CHECKING:
    from vtok_eval.benchmark import Sample
    from vtok_eval.results.journal import Journal
    from vtok_eval.run.lanes.backend import Backend
    from vtok_eval.run.plan import PlannedJob


@dataclass
class LaneReport:
    """How a run in lanes went.

    job_seconds: time of lanes, summed. lanes: their facts. cannot_run: reasons, by job. deaths: of lanes.
    """

    new_samples: int = 0
    job_seconds: dict[str, float] = field(default_factory=dict)
    lanes: dict[int, Mapping[str, str | int]] = field(default_factory=dict)
    cannot_run: dict[str, str] = field(default_factory=dict)
    deaths: int = 0


def run_in_lanes(
    backend: Backend,
    journal: Journal,
    jobs: Sequence[PlannedJob],
    report: LaneReport,
    *,
    mixed_models: Sequence[str] = (),
) -> None:
    """Evaluate what is missing of `jobs` and journal it as it comes; `report` is filled meanwhile.

    Raises:
        LaneError: no lane can be started, or a lane met a defect.
        SpecError: lanes have devices of different models, not all named in `mixed_models`.
        VtokEvalError: something that concerns the whole run.
    """
    left = {job.id: without_record(journal, job) for job in jobs}
    for job in jobs:
        if not left[job.id]:
            _open(journal, job)
            journal.close_job(job.id)
            report.job_seconds[job.id] = 0.0
    work = [job for job in jobs if left[job.id]]
    dispatcher = Dispatcher(backend, [_lane_job(job, left[job.id]) for job in work])
    state = RunState([job_size(job, left[job.id]) for job in work], n_lanes=backend.n_lanes)
    with RunDisplay(state) as display:
        keeper = _Keeper(journal, {job.id: job for job in work}, left, report, display)
        for event in dispatcher.run():
            keeper.keep(event)
            if isinstance(event, Started):
                models = [str(lane.get("model")) for lane in report.lanes.values()]
                check_models(models, mixed_models=mixed_models)
            report.deaths = dispatcher.deaths
            display.run(dispatcher.at_work(), preparing=dispatcher.preparing())


@dataclass(frozen=True)
class _Keeper:
    """Journals what lanes tell. samples: by job, those without a record, by id."""

    journal: Journal
    jobs: Mapping[str, PlannedJob]
    samples: Mapping[str, Mapping[str, Sample]]
    report: LaneReport
    display: RunDisplay

    def keep(self, event: Event) -> None:
        if isinstance(event, Results):
            self._add(event)
        elif isinstance(event, Prepared):
            _open(self.journal, self.jobs[event.job])
        elif isinstance(event, JobDone):
            self.journal.close_job(event.job)
            self.report.job_seconds[event.job] = round(event.busy_s, 3)
            say_end(self.display, self.journal, self.jobs[event.job], seconds=event.busy_s)
        elif isinstance(event, CannotRun):
            self.report.cannot_run[event.job] = event.reason
            job = self.jobs[event.job]
            say_end(self.display, self.journal, job, seconds=0.0, not_run=event.reason)
        elif isinstance(event, Started):
            self.report.lanes[int(event.facts["lane"])] = event.facts

    def _add(self, event: Results) -> None:
        job, samples = self.jobs[event.job], self.samples[event.job]
        try:
            self.journal.add(unchecked_record(job, samples[name], result) for name, result in event.results)
        except ValueError:
            # One of them cannot be kept: that one fails.
            self.journal.add(_checked(job, samples, event))
        self.report.new_samples += len(event.results)
        self.display.add_samples(event.job, len(event.results))


def _checked(job: PlannedJob, samples: Mapping[str, Sample], event: Results) -> list[Record]:
    return [record_of(job, samples[name], result) for name, result in event.results]


def _open(journal: Journal, job: PlannedJob) -> None:
    journal.open_job(Job(job.id, job.system.name, job.benchmark_id, len(job.samples)))


def _lane_job(job: PlannedJob, left: Mapping[str, Sample]) -> LaneJob:
    parallel = getattr(job.benchmark, "parallel", True)
    return LaneJob(job.id, job.system.name, job.benchmark_id, tuple(left), parallel=parallel)
