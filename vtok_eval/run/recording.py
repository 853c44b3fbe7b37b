"""From the result of evaluating a sample to its record."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from vtok_eval.benchmark import NoResult
from vtok_eval.results.journal import check_record
from vtok_eval.results.records import FAILED_AT, INFINITE, TRAINING_SEEDS, TRUTH, Record, Status

if TYPE_CHECKING:
    from vtok_eval.benchmark import Outcome, Sample
    from vtok_eval.run.plan import PlannedJob


def record_of(job: PlannedJob, sample: Sample, result: Outcome | NoResult) -> Record:
    """The record of one result; a result that cannot be kept (NaN, say) is a failure of its sample."""
    record = unchecked_record(job, sample, result)
    try:
        check_record(record)
    except ValueError as error:
        return _failed(job, sample, str(error))
    return record


def unchecked_record(job: PlannedJob, sample: Sample, result: Outcome | NoResult) -> Record:
    """The record of one result, which the journal may still refuse."""
    if isinstance(result, NoResult):
        return _failed(job, sample, result.reason)
    if result.error is not None and not result.failed_at:
        return _failed(job, sample, result.error)
    meta = _meta(sample)
    if result.training_seeds:
        meta[TRAINING_SEEDS] = result.training_seeds
    if result.failed_at:
        meta[FAILED_AT] = ";".join(result.failed_at)
    if result.infinite:
        meta[INFINITE] = ";".join(result.infinite)
    return Record(
        job=job.id,
        system=job.system.name,
        benchmark=job.benchmark_id,
        sample_id=sample.id,
        cluster=sample.cluster,
        status=Status.FAILED if result.failed_at else Status.OK,
        reason=result.error,
        values=result.values,
        outputs=result.outputs,
        cost=result.cost,
        meta=meta,
    )


def _failed(job: PlannedJob, sample: Sample, reason: str | None) -> Record:
    return Record(
        job=job.id,
        system=job.system.name,
        benchmark=job.benchmark_id,
        sample_id=sample.id,
        cluster=sample.cluster,
        status=Status.FAILED,
        reason=reason,
        meta=_meta(sample),
    )


def _meta(sample: Sample) -> dict[str, object]:
    truth = without_places(sample.target)
    return {**sample.meta, TRUTH: truth} if truth else dict(sample.meta)


def without_places(target: Mapping[str, object]) -> dict[str, object]:
    """A target without the places of files on this machine, which published results should not name.

    Example:
        >>> without_places({"answer": "red", "path": "/home/me/clip.mp4"})
        {'answer': 'red'}
    """

    def is_place(value: object) -> bool:
        if isinstance(value, list | tuple):
            return any(is_place(entry) for entry in value)
        return isinstance(value, str) and Path(value).is_absolute()

    return {name: value for name, value in target.items() if not is_place(value)}
