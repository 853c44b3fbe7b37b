"""From a run folder's records to its scores, comparisons and self-checks, by a pure function of them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from vtok_eval.errors import RunFolderError
from vtok_eval.results.columns.job_columns import JobColumns, job_columns
from vtok_eval.results.records import PHOTO, Comparison, Metric, Record, Score, Status
from vtok_eval.results.self_checks import ConvergenceFacts, SelfCheck, TokenRelation
from vtok_eval.results.soundness import marked_job, marked_score, unsound_groups
from vtok_eval.results.statistics.chance_checks import chance_checks
from vtok_eval.results.statistics.checking import (
    convergence_check,
    photo_checks,
    same_token_checks,
    subset_checks,
)
from vtok_eval.results.statistics.code_use import all_rate_scores
from vtok_eval.results.statistics.scores import compare_all, mark_discriminating, score_systems
from vtok_eval.results.store import folder_name

if TYPE_CHECKING:
    from vtok_eval.benchmark import DerivesScores
    from vtok_eval.results.store import RunFolder


TRAINING_FILE = "training.json"
"""In a job's artifacts, where a reader was trained for it."""


class RunScores(NamedTuple):
    """What is computed from the records of a run."""

    scores: list[Score]
    comparisons: list[Comparison]
    self_checks: list[SelfCheck]


def score_run(
    folder: RunFolder,
    *,
    metrics: Mapping[str, Sequence[Metric]],
    label: str,
    baseline: str | None,
    controls: Collection[str] = (),
    versions: Collection[str] = (),
    deriving: Mapping[str, DerivesScores] | None = None,
    relations: Sequence[TokenRelation] = (),
) -> RunScores:
    """Scores of every finished job of the benchmarks in `metrics`, comparisons with the baseline, checks.

    metrics: by benchmark id. label: shown with every score. baseline: a system's name; a benchmark that did
    not run it has no comparisons. controls: systems that cannot show that a metric discriminates.
    versions: systems that are earlier versions of others: they are scored, and nothing else.
    deriving: benchmarks that compute further scores themselves, by id. Where a system's tokens are codes, the
    rates of all systems are added (see `code_use`). relations: of the systems' tokens;
    where a larger set of tokens reads less than one that it contains, scores of that group of metrics are not
    `sound`, and their comparisons have no p-value.
    What the folder holds of benchmarks that are not in `metrics` stays as it is.
    """
    kept = [score for score in _kept_scores(folder) if score.benchmark not in metrics]
    scores = [replace(score, label=label) for score in kept]
    of_versions: list[Score] = []
    comparisons = [kept for kept in _kept_comparisons(folder) if kept.benchmark not in metrics]
    checks = [kept for kept in folder.self_checks() if kept.benchmark not in metrics]
    for benchmark, measured in metrics.items():
        every = _records_by_system(folder, benchmark)
        by_system = {system: records for system, records in every.items() if system not in versions}
        jobs = {system: job_columns(records) for system, records in by_system.items()}
        own = _self_checks(folder, benchmark, jobs, measured, relations)
        photos = _photos(by_system)
        if photos:
            # Of rendered clips every answer is as likely as any other; of real ones some can be guessed.
            own += chance_checks([jobs[system] for system in _without_tokens(by_system)], measured)
        unsound = unsound_groups(own)
        jobs = {system: marked_job(job, unsound) for system, job in jobs.items()}
        one = deriving.get(benchmark) if deriving else None
        scores += _scores(by_system, jobs, measured, label=label, deriving=one, unsound=unsound)
        earlier = {system: records for system, records in every.items() if system in versions}
        columns = {system: marked_job(job_columns(records), unsound) for system, records in earlier.items()}
        of_versions += _scores(earlier, columns, measured, label=label, deriving=one, unsound=unsound)
        if baseline in jobs:
            comparisons += compare_all(jobs, baseline, measured)
            own += photo_checks(jobs, measured, baseline=baseline, photos=photos)
        checks += own
    marked = mark_discriminating(scores, controls=tuple(controls))
    return RunScores([*marked, *of_versions], comparisons, checks)


def _scores(
    by_system: Mapping[str, Sequence[Record]],
    jobs: Mapping[str, JobColumns],
    metrics: Sequence[Metric],
    *,
    label: str,
    deriving: DerivesScores | None,
    unsound: Mapping[str, frozenset[str]],
) -> Iterator[Score]:
    """The scores of one benchmark's jobs, job by job."""
    of_jobs = iter(score_systems(list(jobs.values()), metrics, label=label))
    rates = all_rate_scores(by_system, label=label)
    for system, records in by_system.items():
        yield from islice(of_jobs, len(metrics))
        yield from rates[system]
        if deriving is not None:
            derived = deriving.derived_scores(records, label=label)
            yield from (marked_score(score, unsound) for score in derived)


def _self_checks(
    folder: RunFolder,
    benchmark: str,
    jobs: Mapping[str, JobColumns],
    metrics: Sequence[Metric],
    relations: Sequence[TokenRelation],
) -> list[SelfCheck]:
    found = subset_checks(jobs, metrics, relations) + same_token_checks(jobs, metrics, relations)
    for job in folder.jobs():
        if job.benchmark == benchmark and job.system in jobs:
            facts = _training_facts(folder, job.id)
            if facts is not None and facts.get("recipe", {}) is not None:
                found.append(convergence_check(benchmark, job.system, facts))
    return found


def _without_tokens(by_system: Mapping[str, Sequence[Record]]) -> list[str]:
    """The systems that give no token of any clip."""
    return [
        system
        for system, records in by_system.items()
        if all(record.cost.get("tokens") == 0 for record in records if record.status is Status.OK)
        and any(record.status is Status.OK for record in records)
    ]


def _training_facts(folder: RunFolder, job: str) -> ConvergenceFacts | None:
    path = folder.path / "artifacts" / folder_name(job) / TRAINING_FILE
    if not path.is_file():
        return None
    try:
        content: ConvergenceFacts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunFolderError(f"cannot read {path}: {error}") from error
    return content


def _photos(by_system: Mapping[str, Sequence[Record]]) -> dict[str, str]:
    """By sample id the photo behind its clip, where records say."""
    return {
        record.sample_id: str(record.meta[PHOTO])
        for records in by_system.values()
        for record in records
        if PHOTO in record.meta
    }


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
