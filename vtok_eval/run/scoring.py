"""From a run folder's records to its scores and comparisons: a pure function of what the journal holds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from vtok_eval.results.columns import job_columns
from vtok_eval.results.records import Comparison, Metric, Record, Score
from vtok_eval.results.statistics import compare_all, mark_discriminating, score_systems

if TYPE_CHECKING:
    from vtok_eval.benchmark import DerivesScores
    from vtok_eval.results.store import RunFolder


def score_run(
    folder: RunFolder,
    *,
    metrics: Mapping[str, Sequence[Metric]],
    label: str,
    baseline: str | None,
    controls: Collection[str] = (),
    deriving: Mapping[str, DerivesScores] | None = None,
) -> tuple[list[Score], list[Comparison]]:
    """Scores of every finished job of the benchmarks in `metrics`, and comparisons with the baseline.

    metrics: by benchmark id. label: stands with every score. baseline: a system's name; a benchmark that did
    not run it has no comparisons. controls: systems that cannot show that a metric discriminates.
    deriving: benchmarks that compute further scores themselves, by id.
    What the folder holds of benchmarks that are not in `metrics` stays as it is.
    """
    scores = [score for score in _kept_scores(folder) if score.benchmark not in metrics]
    comparisons = [kept for kept in _kept_comparisons(folder) if kept.benchmark not in metrics]
    for benchmark, measured in metrics.items():
        by_system = _records_by_system(folder, benchmark)
        of_jobs = iter(
            score_systems([job_columns(records) for records in by_system.values()], measured, label=label)
        )
        for records in by_system.values():
            scores += islice(of_jobs, len(measured))
            if deriving and benchmark in deriving:
                scores += deriving[benchmark].derived_scores(records, label=label)
        if baseline in by_system:
            comparisons += compare_all(by_system, baseline, measured)
    return mark_discriminating(scores, controls=tuple(controls)), comparisons


def _records_by_system(folder: RunFolder, benchmark: str) -> dict[str, list[Record]]:
    return {
        job.system: folder.raw_records(job.id)
        for job in folder.jobs()
        if job.benchmark == benchmark and job.state == "done" and job.n_samples
    }


def _kept_scores(folder: RunFolder) -> list[Score]:
    return folder.scores() if (folder.path / "scores.json").exists() else []


def _kept_comparisons(folder: RunFolder) -> list[Comparison]:
    return folder.comparisons() if (folder.path / "comparisons.json").exists() else []
