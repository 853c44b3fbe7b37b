"""A run's records as columns: journal and Parquet agree, and Parquet that is behind is not believed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vtok_eval.errors import RunFolderError
from vtok_eval.results.columns.job_columns import SampleSets, from_records, on_common_samples
from vtok_eval.results.columns.run_columns import RunRecords, read_records
from vtok_eval.results.journal import Job
from vtok_eval.results.records import Record, Status
from vtok_eval.results.store import RunFolder


def record(system: str, sample: int, *, reason: str | None = None, cluster: str = "") -> Record:
    name = f"s{sample:02d}"
    return Record(
        job=f"quiz/{system}",
        system=system,
        benchmark="quiz",
        sample_id=name,
        cluster=cluster or name,
        status=Status.OK if reason is None else Status.FAILED,
        reason=reason,
        values={} if reason else {"hit": (float(sample % 2),), "far": (0.5 * sample, 1.0)},
        cost={} if sample == 0 else {"tokens": 10.0 + sample},
        meta={"kind": "odd" if sample % 2 else "even"},
    )


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """Two finished jobs of four samples (one failed), one open with a single record, one without any."""
    made = RunFolder.create(tmp_path / "run", {})
    with made.journal() as journal:
        for system in ("a", "b", "open", "new"):
            journal.open_job(Job(f"quiz/{system}", system, "quiz", 4))
        journal.add([record("a", i) for i in (3, 1, 0, 2)])
        journal.add([record("b", i, reason="no frames" if i == 3 else None) for i in range(4)])
        journal.add([record("open", 1)])
        journal.close_job("quiz/a")
        journal.close_job("quiz/b")
    return made


def same(first: RunRecords, second: RunRecords) -> None:
    assert first.states == second.states
    assert first.tokens == pytest.approx(second.tokens)
    assert first.failures == second.failures
    assert first.jobs.keys() == second.jobs.keys()
    for key, job in first.jobs.items():
        other = second.jobs[key]
        assert job.samples.same_as(other.samples)
        assert job.samples.digest == other.samples.digest
        assert job.failed.tolist() == other.failed.tolist()
        assert job.failed_meta == other.failed_meta
        for name, values in job.values.items():
            np.testing.assert_array_equal(values, other.values[name])


def test_journal_by_hand(folder: RunFolder) -> None:
    found = read_records(folder, SampleSets())
    counts = {state.system: (state.n_samples, state.n_finished, state.n_failed) for state in found.states}
    assert counts == {"a": (4, 4, 0), "b": (4, 4, 1), "open": (4, 1, 0), "new": (4, 0, 0)}
    assert [state.done for state in found.states] == [True, True, False, False]
    assert set(found.jobs) == {("quiz", "a"), ("quiz", "b"), ("quiz", "open")}
    # Sample 0 states no tokens; the others cost 11, 12 and 13.
    assert found.tokens == {("quiz", "a"): 12.0, ("quiz", "b"): 12.0, ("quiz", "open"): 11.0}
    (failure,) = found.failures
    assert (failure.system, failure.sample_id, failure.reason) == ("b", "s03", "no frames")
    assert found.jobs["quiz", "a"].values["hit"].tolist() == [[0.0], [1.0], [0.0], [1.0]]
    assert found.jobs["quiz", "b"].failed_meta == {3: {"kind": "odd"}}
    assert found.jobs["quiz", "a"].samples is found.jobs["quiz", "b"].samples


def test_parquet_says_what_the_journal_says(folder: RunFolder) -> None:
    from_journal = read_records(folder, SampleSets())
    folder.export_records()
    same(read_records(folder, SampleSets()), from_journal)


def test_without_a_journal_parquet_is_the_run(folder: RunFolder) -> None:
    before = read_records(folder, SampleSets())
    folder.export_records()
    (folder.path / "journal.sqlite").unlink()
    found = read_records(folder, SampleSets())
    assert found.failures == before.failures
    assert found.tokens == before.tokens
    states = {state.system: (state.n_finished, state.n_failed, state.done) for state in found.states}
    assert states == {"a": (4, 0, True), "b": (4, 1, True), "open": (1, 0, True)}


def test_parquet_that_is_behind_is_not_believed(folder: RunFolder) -> None:
    folder.export_records()
    with folder.journal() as journal:
        assert journal.retry_failed("quiz/b") == ["s03"]
        journal.add([record("b", 3)])
        journal.close_job("quiz/b")
    found = read_records(folder, SampleSets())
    assert found.failures == ()
    assert found.jobs["quiz", "b"].values["hit"].tolist() == [[0.0], [1.0], [0.0], [1.0]]


def test_a_run_that_has_not_begun(tmp_path: Path) -> None:
    found = read_records(RunFolder.create(tmp_path / "run", {}), SampleSets())
    assert (found.states, dict(found.jobs), found.failures) == ((), {}, ())


@pytest.mark.parametrize("name", ["records", "samples"])
def test_broken_parquet_is_named(folder: RunFolder, name: str) -> None:
    folder.export_records()
    (folder.path / "journal.sqlite").unlink()
    (folder.path / f"{name}.parquet").write_bytes(b"PAR1 no parquet PAR1")
    with pytest.raises(RunFolderError, match=rf"{name}\.parquet"):
        read_records(folder, SampleSets())


def test_jobs_of_different_samples_are_brought_together() -> None:
    sets = SampleSets()
    first = from_records([record("a", i) for i in (1, 2)], sets)
    second = from_records([record("b", i) for i in (0, 2)], sets)
    left, right = on_common_samples([first, second])
    assert left.samples.ids == ("s00", "s01", "s02")
    np.testing.assert_array_equal(left.values["hit"], [[np.nan], [1.0], [0.0]])
    np.testing.assert_array_equal(right.values["hit"], [[0.0], [np.nan], [0.0]])
    moved = from_records([record("b", i, cluster="elsewhere") for i in (0, 2)], sets)
    with pytest.raises(ValueError, match="'s02' is in a different cluster"):
        on_common_samples([first, moved])


def test_a_run_in_which_everything_failed_is_read(tmp_path: Path) -> None:
    made = RunFolder.create(tmp_path / "run", {})
    with made.journal() as journal:
        journal.open_job(Job("quiz/a", "a", "quiz", 3))
        journal.add([record("a", i, reason="no such video") for i in range(3)])
        journal.close_job("quiz/a")
    from_journal = read_records(made, SampleSets())
    made.export_records()
    from_parquet = read_records(made, SampleSets())
    same(from_journal, from_parquet)
    (job,) = from_parquet.jobs.values()
    assert job.failed.tolist() == [True] * 3
    assert job.values == {}


def test_a_run_in_which_nothing_could_be_run_is_read(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", {})
    with folder.journal():
        pass
    folder.export_records()
    found = read_records(folder, SampleSets())
    assert (found.jobs, found.tokens, found.failures) == ({}, {}, ())
