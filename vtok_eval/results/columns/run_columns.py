"""A run's records as columns: from its Parquet files where they are whole, else from its journal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from vtok_eval.results.columns.job_columns import JobColumns, SampleSets, from_records
from vtok_eval.results.columns.parquet_columns import (
    count_samples,
    read_failed,
    read_failed_meta,
    read_mean_cost,
    read_parquet,
    read_training_seeds,
)
from vtok_eval.results.soundness import marked_job, unsound_groups
from vtok_eval.results.store import RunFolder


@dataclass(frozen=True)
class JobState:
    """The progress of a job; n_finished includes failed samples.

    Example:
        >>> state = JobState("b/vtok", "vtok", "b", n_samples=400, n_finished=100, n_failed=2, done=False)
        >>> state.n_finished / state.n_samples
        0.25
    """

    id: str
    system: str
    benchmark: str
    n_samples: int
    n_finished: int
    n_failed: int
    done: bool


@dataclass(frozen=True)
class Failure:
    """A sample that failed, and why.

    Example:
        >>> Failure("vtok", "b", "clip 1", reason="is not video").reason
        'is not video'
    """

    system: str
    benchmark: str
    sample_id: str
    reason: str


@dataclass(frozen=True)
class RunRecords:
    """Everything that reports need from a run's records. jobs, tokens, bits: by benchmark and system.

    Example:
        >>> RunRecords(states=(), jobs={}, tokens={("b", "vtok"): 31.0}, failures=()).tokens["b", "vtok"]
        31.0
    """

    states: tuple[JobState, ...]
    jobs: Mapping[tuple[str, str], JobColumns]
    tokens: Mapping[tuple[str, str], float]
    failures: tuple[Failure, ...]
    bits: Mapping[tuple[str, str], float] = field(default_factory=dict)


def read_records(folder: RunFolder, sets: SampleSets) -> RunRecords:
    """Read the records of a run, finished or not. tokens, bits: means over the samples that state them.

    A folder without a journal (it was packed for others, say) is read from Parquet alone, and its jobs are
    done. Parquet files older than the journal are not read. Jobs have the marks of the run's self-checks
    (see `soundness`).

    Raises:
        RunFolderError: a file cannot be read.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> folder = RunFolder.create(Path(tempfile.mkdtemp()) / "mini", {"suite": "mini"})
        >>> read_records(folder, SampleSets()).jobs  # nothing was run yet
        {}
    """
    found = _read(folder, sets)
    unsound = unsound_groups(folder.self_checks())
    return replace(found, jobs={key: marked_job(job, unsound) for key, job in found.jobs.items()})


def _read(folder: RunFolder, sets: SampleSets) -> RunRecords:
    if not (folder.path / "journal.sqlite").exists():
        return _from_parquet(folder, None, sets) if _exported(folder) else RunRecords((), {}, {}, ())
    states = _states(folder)
    if _exported(folder) and _is_current(folder, states):
        return _from_parquet(folder, states, sets)
    return _from_journal(folder, states, sets)


def _exported(folder: RunFolder) -> bool:
    return all((folder.path / f"{name}.parquet").exists() for name in ("records", "samples"))


def _states(folder: RunFolder) -> tuple[JobState, ...]:
    with folder.reader() as journal:
        counts = journal.counts()
        return tuple(
            JobState(
                id=job.id,
                system=job.system,
                benchmark=job.benchmark,
                n_samples=job.n_samples,
                n_finished=counts.get(job.id, (0, 0))[0],
                n_failed=counts.get(job.id, (0, 0))[1],
                done=job.state == "done",
            )
            for job in journal.jobs()
        )


def _is_current(folder: RunFolder, states: tuple[JobState, ...]) -> bool:
    """Whether the export holds what the journal holds.

    A record is replaced only where its sample failed and was tried again, so that equal counts of records and
    of failures, job by job, mean equal records.
    """
    counted = count_samples(folder.path / "samples.parquet")
    expected = {state.id: (state.n_finished, state.n_failed) for state in states if state.n_finished}
    return counted == expected


def _from_parquet(folder: RunFolder, states: tuple[JobState, ...] | None, sets: SampleSets) -> RunRecords:
    samples = folder.path / "samples.parquet"
    found = read_parquet(
        folder.path / "records.parquet",
        sets,
        failed_meta=read_failed_meta(samples),
        training_seeds=read_training_seeds(samples),
    )
    jobs = {(job.benchmark, job.system): job for job in found}
    failures = tuple(Failure(*row) for row in read_failed(samples))
    return RunRecords(
        states=tuple(_done(jobs)) if states is None else states,
        jobs=jobs,
        tokens=read_mean_cost(samples, "tokens"),
        bits=read_mean_cost(samples, "bits"),
        failures=failures,
    )


def _done(jobs: Mapping[tuple[str, str], JobColumns]) -> Iterator[JobState]:
    for (benchmark, system), job in jobs.items():
        n = len(job.samples)
        yield JobState(f"{benchmark}/{system}", system, benchmark, n, n, int(job.failed.sum()), done=True)


def _from_journal(folder: RunFolder, states: tuple[JobState, ...], sets: SampleSets) -> RunRecords:
    by_id = {state.id: state for state in states}
    with folder.reader() as journal:
        jobs = {
            (state.benchmark, state.system): from_records(journal.records(state.id), sets)
            for state in states
            if state.n_finished
        }
        failures = journal.failures()
        tokens, bits = journal.mean_costs("tokens"), journal.mean_costs("bits")
    return RunRecords(
        states=states,
        jobs=jobs,
        tokens={(by_id[job].benchmark, by_id[job].system): mean for job, mean in tokens.items()},
        bits={(by_id[job].benchmark, by_id[job].system): mean for job, mean in bits.items()},
        failures=tuple(
            Failure(by_id[job].system, by_id[job].benchmark, sample, reason)
            for job, sample, reason in failures
        ),
    )
