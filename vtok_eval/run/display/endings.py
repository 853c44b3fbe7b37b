"""What a run's display needs of its jobs: how large they are, and what came of each."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from vtok_eval.run.display.job_result import job_result, shortened
from vtok_eval.run.display.state import JobSize, duration

if TYPE_CHECKING:
    from vtok_eval.benchmark import Sample
    from vtok_eval.results.journal import Journal
    from vtok_eval.run.display.display import RunDisplay
    from vtok_eval.run.plan import PlannedJob

MOST_READ = 20_000
"""Records are read again for a job's line if it has no more samples than this: it holds the driver up."""


def without_record(journal: Journal, job: PlannedJob) -> dict[str, Sample]:
    """The job's samples that have no result yet, by id."""
    finished = journal.finished(job.id)
    return {sample.id: sample for sample in job.samples if sample.id not in finished}


def job_size(job: PlannedJob, left: Collection[str]) -> JobSize:
    """What the display knows of a job. left: its samples that have no result yet."""
    return JobSize(job.id, job.benchmark_id, len(left))


def say_end(
    display: RunDisplay, journal: Journal, job: PlannedJob, *, seconds: float, not_run: str | None = None
) -> None:
    """Say in one line what came of a job that has ended. not_run: why it could not be run here."""
    if not_run is not None:
        display.end(job.id, f"not run: {shortened(not_run)}", seconds=seconds, ok=False)
        return
    metrics = job.benchmark.metrics()
    if len(job.samples) > MOST_READ or not metrics:
        n, n_failed = journal.counts().get(job.id, (0, 0))
        text = f"done ({n:,} samples, {n_failed:,} failed, {duration(seconds)})"
        display.end(job.id, text, seconds=seconds, ok=not n_failed)
        return
    result = job_result(list(journal.records(job.id)), metrics)
    display.end(job.id, result.text(seconds), seconds=seconds, ok=not result.causes)
