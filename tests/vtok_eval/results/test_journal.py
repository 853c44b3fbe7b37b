"""The journal keeps every committed record whole, through anything."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from vtok_eval.errors import RunFolderError
from vtok_eval.results.journal import Job, Journal, check_record
from vtok_eval.results.records import SCHEMA_VERSION, Record, Status

JOB = Job("vtok on scenes", "vtok", "scenes", 4)
ROOT = Path(__file__).resolve().parents[3]


def ok(sample: str, value: float = 1.0, **fields: object) -> Record:
    values = {"direction": (value, 0.25)}
    return Record(JOB.id, "vtok", "scenes", sample, f"clip {sample}", Status.OK, values=values, **fields)


def failed(sample: str) -> Record:
    return Record(JOB.id, "vtok", "scenes", sample, f"clip {sample}", Status.FAILED, reason="truncated video")


@pytest.fixture
def journal(tmp_path: Path):
    with Journal(tmp_path / "journal.sqlite") as opened:
        opened.open_job(JOB)
        yield opened


def test_a_record_comes_back_as_it_went_in(journal: Journal) -> None:
    full = ok(
        "1",
        outputs={"logits": [0.1, 2.5], "text": "grün 🎬", "none": None},
        cost={"tokens": 31},
        meta={"n": [1]},
    )
    journal.add([full, failed("0")])
    assert list(journal.records(JOB.id)) == [failed("0"), full]
    assert list(journal.records()) == [failed("0"), full]
    assert journal.finished(JOB.id) == {"0", "1"}
    assert journal.finished("another job") == set()


def test_records_survive_closing_and_come_in_one_order_whatever_order_they_came_in(tmp_path: Path) -> None:
    orders = (["0", "1", "2", "3"], ["2", "0", "3", "1"])
    read = []
    for number, order in enumerate(orders):
        path = tmp_path / f"{number}.sqlite"
        with Journal(path) as journal:
            journal.open_job(JOB)
            for sample in order:
                journal.add([ok(sample)])
        with Journal(path, read_only=True) as journal:
            read.append(list(journal.records(JOB.id)))
    assert read[0] == read[1]
    assert [record.sample_id for record in read[0]] == ["0", "1", "2", "3"]


def test_a_sample_never_stands_twice_and_a_refused_batch_leaves_nothing(journal: Journal) -> None:
    journal.add([ok("1")])
    with pytest.raises(ValueError, match="sample '1' of job 'vtok on scenes' has a record already"):
        journal.add([ok("2"), ok("1", 0.0)])
    with pytest.raises(ValueError, match="sample '3'"):
        journal.add([ok("3"), ok("3")])
    assert list(journal.records(JOB.id)) == [ok("1")]


def test_a_job_is_done_only_when_every_sample_has_a_record(journal: Journal) -> None:
    journal.add([ok("0"), ok("1"), ok("2")])
    with pytest.raises(ValueError, match="3 records for 4 samples"):
        journal.close_job(JOB.id)
    journal.add([failed("3")])
    journal.close_job(JOB.id)
    assert journal.job(JOB.id).state == "done"
    with pytest.raises(ValueError, match="is done"):
        journal.add([ok("4")])
    journal.open_job(JOB)
    assert journal.jobs() == [Job(JOB.id, "vtok", "scenes", 4, state="done")]


def test_only_failed_records_can_be_replaced_and_only_by_asking(journal: Journal) -> None:
    journal.add([ok("0"), failed("1"), ok("2"), failed("3")])
    journal.close_job(JOB.id)
    assert journal.retry_failed(JOB.id) == ["1", "3"]
    assert journal.job(JOB.id).state == "open"
    assert journal.finished(JOB.id) == {"0", "2"}
    journal.add([ok("1"), ok("3")])
    journal.close_job(JOB.id)
    assert journal.retry_failed(JOB.id) == []
    assert journal.job(JOB.id).state == "done"


def test_records_go_to_their_own_job_only(journal: Journal) -> None:
    stranger = Record("no such job", "vtok", "scenes", "0", "c", Status.OK)
    with pytest.raises(ValueError, match="no job 'no such job'"):
        journal.add([stranger])
    other_system = Record(JOB.id, "frames-4", "scenes", "0", "c", Status.OK)
    with pytest.raises(ValueError, match="vtok x scenes, not frames-4 x scenes"):
        journal.add([other_system])


def test_a_job_of_another_run_is_refused(journal: Journal) -> None:
    with pytest.raises(RunFolderError, match=r"belongs to another run.*n_samples 4, this run has 600"):
        journal.open_job(Job(JOB.id, "vtok", "scenes", 600))


@pytest.mark.parametrize(
    ("record", "complaint"),
    [
        (ok("0", float("nan")), "sample '0'.*'direction' must be finite"),
        (ok("0", float("inf")), "must be finite"),
        (ok("0", outputs={"logit": float("nan")}), "outputs of sample '0'.*JSON"),
        (ok("0", meta={"path": Path("x")}), "meta of sample '0'.*JSON"),
        (ok("0", cost={"seconds": float("inf")}), "cost of sample '0'"),
        (ok("0", reason="but why"), "is ok"),
        (Record(JOB.id, "vtok", "scenes", "0", "c", Status.OK, values={"m": ()}), "'m'"),
        (Record(JOB.id, "vtok", "scenes", "0", "c", Status.FAILED), "must have a reason"),
        (Record(JOB.id, "vtok", "scenes", "0", "c", Status.FAILED, "x", {"m": (1.0,)}), "no values"),
    ],
)
def test_what_strict_json_cannot_hold_is_refused(journal: Journal, record: Record, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        check_record(record)
    with pytest.raises(ValueError, match=complaint):
        journal.add([ok("1"), record])
    assert journal.finished(JOB.id) == set()


def test_a_second_writer_is_refused_and_a_reader_is_not(journal: Journal) -> None:
    journal.add([ok("0")])
    with pytest.raises(RunFolderError, match=rf"another run is writing to .*process {os.getpid()}"):
        Journal(journal.path)
    with Journal(journal.path, read_only=True) as reader:
        assert reader.finished(JOB.id) == {"0"}
        with pytest.raises(RunFolderError, match="read-only"):
            reader.retry_failed(JOB.id)
    journal.close()
    Journal(journal.path).close()


WRITER = """
import sys
from pathlib import Path
from vtok_eval.results.journal import Job, Journal
from vtok_eval.results.records import Record, Status

def record(sample):
    return Record("j", "s", "b", f"{sample:07d}", "c", Status.OK, values={"m": (float(sample),)},
                  outputs={"text": "x" * (sample % 997)})

with Journal(Path(sys.argv[1])) as journal:
    journal.open_job(Job("j", "s", "b", 10**7))
    start = len(journal.finished("j"))
    for batch in range(start, 10**7, 7):
        journal.add(record(sample) for sample in range(batch, batch + 7))
        print(batch + 7, flush=True)
"""


def test_sigkill_loses_no_committed_transaction_and_tears_none(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    for n_batches in (1, 40, 150):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        assert writer.stdout is not None
        announced = [int(writer.stdout.readline()) for _ in range(n_batches)][-1]
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().split("\n")
        writer.wait()
        writer.stdout.close()
        announced = max([announced, *(int(line) for line in rest[:-1] if line)])
        with Journal(path) as journal:
            samples = [record.sample_id for record in journal.records("j")]
            values = [record.values["m"][0] for record in journal.records("j")]
        # Whole transactions of 7 only, from the first sample on without a hole, one at most not announced.
        assert len(samples) % 7 == 0
        assert samples == [f"{sample:07d}" for sample in range(len(samples))]
        assert values == [float(sample) for sample in range(len(samples))]
        assert announced <= len(samples) <= announced + 7


def test_a_newer_schema_is_refused_by_writer_and_reader(journal: Journal) -> None:
    path = journal.path
    journal.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE schema SET version = ?", (SCHEMA_VERSION + 1,))
    connection.close()
    for read_only in (False, True):
        with pytest.raises(RunFolderError, match=rf"schema version {SCHEMA_VERSION + 1}.*update vtok-eval"):
            Journal(path, read_only=read_only)


def test_a_full_disk_is_said_and_loses_only_the_batch(journal: Journal) -> None:
    journal.add([ok("0")])
    # SQLite reports its page limit exactly as it reports a full disk (SQLITE_FULL).
    (pages,) = journal._connection.execute("PRAGMA page_count").fetchone()
    journal._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(RunFolderError, match="the disk is full: cannot write the run folder"):
        journal.add([ok("1", outputs={"text": "x" * 100_000})])
    assert journal.finished(JOB.id) == {"0"}
    journal._connection.execute(f"PRAGMA max_page_count = {pages + 1000}")
    journal.add([ok("1")])
    assert journal.finished(JOB.id) == {"0", "1"}


def test_files_that_are_no_journal_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"this is no database" * 100)
    for read_only in (False, True):
        with pytest.raises(RunFolderError, match="is not a journal of vtok-eval, or is broken"):
            Journal(path, read_only=read_only)
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
    connection.close()
    with pytest.raises(RunFolderError, match="is not a journal"):
        Journal(other)
    with pytest.raises(RunFolderError, match="cannot open the journal"):
        Journal(tmp_path / "missing.sqlite", read_only=True)
    with pytest.raises(RunFolderError, match="cannot write in the run folder"):
        Journal(tmp_path / "no" / "folder" / "journal.sqlite")
