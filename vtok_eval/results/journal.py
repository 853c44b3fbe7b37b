"""The journal of a run: each finished sample, kept so that a killed run loses none and repeats none."""

from __future__ import annotations

import json
import logging
import math
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from vtok_eval.errors import RunFolderError
from vtok_eval.results.lock import acquire_lock
from vtok_eval.results.records import FAILED_AT, SCHEMA_VERSION, Record, Status

logger = logging.getLogger(__name__)

NEW_JOURNAL = f"""
BEGIN IMMEDIATE;
CREATE TABLE schema (version INTEGER NOT NULL);
INSERT INTO schema (version) VALUES ({SCHEMA_VERSION});
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    system TEXT NOT NULL,
    benchmark TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'done')),
    n_samples INTEGER NOT NULL CHECK (n_samples >= 0),
    info TEXT NOT NULL
);
CREATE TABLE records (
    job TEXT NOT NULL REFERENCES jobs (id),
    sample_id TEXT NOT NULL,
    cluster TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('ok', 'failed')),
    reason TEXT,
    "values" TEXT NOT NULL,
    outputs TEXT NOT NULL,
    cost TEXT NOT NULL,
    meta TEXT NOT NULL,
    PRIMARY KEY (job, sample_id)
);
COMMIT;
"""

_ENCODER = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"))
"""Made once: a run's driver encodes four objects for each of many samples."""

INSERT = 'INSERT INTO records (job, sample_id, cluster, status, reason, "values", outputs, cost, meta)'


@dataclass(frozen=True)
class Job:
    """One system on one benchmark, as the journal knows it.

    state: "open" while samples are missing, "done" after that. info: what the harness wants kept (JSON).
    """

    id: str
    system: str
    benchmark: str
    n_samples: int
    state: str = "open"
    info: Mapping[str, Any] = field(default_factory=dict)


class Journal:
    """Jobs and their records, in one SQLite file.

    Each `add` is one transaction, written to SQLite's write-ahead log with `synchronous=NORMAL`: a process
    killed at any moment, SIGKILL included, leaves every committed transaction whole; a power cut or a crash
    of the operating system may lose the last ones (never half of one), which a resumed run then does again.

    One process writes at a time: the writer holds a lock on the file `<path>.lock`, which the kernel frees
    when the process dies, however it dies. Readers (`read_only=True`) need no lock and see committed data
    only. Use as a context manager, from the thread that opened it.

    Raises:
        RunFolderError: the folder cannot be written or is full, another process is writing, the file is not a
            journal or comes from a newer version. Every method may raise it.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = Path(path)
        self.read_only = read_only
        self._lock: IO[str] | None = None if read_only else acquire_lock(self.path)
        try:
            with _translated(self.path):
                self._connection = _connect(self.path, read_only=read_only)
        except BaseException:
            self._release()
            raise
        try:
            with _translated(self.path):
                self._check_schema()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and let other processes write; closing twice is allowed."""
        self._connection.close()
        self._release()

    def open_job(self, job: Job) -> None:
        """Enter a job, or continue one that was entered before; a done job stays done.

        Raises:
            RunFolderError: the folder holds a job of this id with another system, benchmark or sample count.
        """
        info = _json(job.info, what=f"info of job {job.id!r}")
        known = self._jobs("WHERE id = ?", (job.id,))
        if known:
            _check_same(known[0], job, self.path)
            return
        with self._transaction():
            self._connection.execute(
                "INSERT INTO jobs (id, system, benchmark, state, n_samples, info)"
                " VALUES (?, ?, ?, 'open', ?, ?)",
                (job.id, job.system, job.benchmark, job.n_samples, info),
            )

    def close_job(self, job: str) -> None:
        """Mark a job as done.

        Raises:
            ValueError: some of its samples are missing, so it is not done; or no such job.
        """
        known = self.job(job)
        n_records = len(self.finished(job))
        if n_records != known.n_samples:
            raise ValueError(f"job {job!r} has {n_records} records for {known.n_samples} samples")
        with self._transaction():
            self._connection.execute("UPDATE jobs SET state = 'done' WHERE id = ?", (job,))

    def job(self, job: str) -> Job:
        """The job of this id.

        Raises:
            ValueError: no such job.
        """
        known = self._jobs("WHERE id = ?", (job,))
        if not known:
            raise ValueError(f"the journal {self.path} has no job {job!r}")
        return known[0]

    def jobs(self) -> list[Job]:
        """Every job, in the order in which they were entered."""
        return self._jobs("ORDER BY rowid", ())

    def add(self, records: Iterable[Record]) -> None:
        """Keep records, all of them or (when anything is raised) none.

        Raises:
            ValueError: a sample of the job has a record already, the job is not open, or a record holds what
                cannot be stored (`check_record`).
        """
        batch = list(records)
        rows = [_row(record) for record in batch]
        for job in sorted({record.job for record in batch}):
            self._check_open(job, [record for record in batch if record.job == job])
        try:
            with self._transaction():
                self._connection.executemany(f"{INSERT} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        except sqlite3.IntegrityError as error:
            raise ValueError(f"{_first_twice(batch, self)} has a record already") from error

    def order_jobs(self, ids: Sequence[str]) -> None:
        """Put the jobs named in `ids` last, in that order; what is not there is passed over.

        Lanes enter jobs in the order in which they get ready; scores and exports follow the journal's order.
        """
        known = [job.id for job in self.jobs()]
        named = [job for job in ids if job in set(known)]
        ordered = [job for job in known if job not in set(named)] + named
        if ordered == known:
            return
        with self._transaction():
            (highest,) = self._connection.execute("SELECT max(rowid) FROM jobs").fetchone()
            self._connection.executemany(
                "UPDATE jobs SET rowid = ? WHERE id = ?",
                [(highest + place, job) for place, job in enumerate(ordered, start=1)],
            )

    def rename_jobs(self, system: Callable[[str], str], benchmark: Callable[[str], str]) -> None:
        """Give systems and benchmarks other names, in one transaction; a job's id follows from them.

        system, benchmark: from a name to the name from now on.

        Raises:
            ValueError: a job of the new name is there already.
        """
        renamed = [
            (
                f"{benchmark(job.benchmark)}/{system(job.system)}",
                system(job.system),
                benchmark(job.benchmark),
                job,
            )
            for job in self.jobs()
        ]
        changed = [entry for entry in renamed if entry[0] != entry[3].id]
        if not changed:
            return
        try:
            with self._transaction():
                # Records refer to their job: until both are renamed, they do not match.
                self._connection.execute("PRAGMA defer_foreign_keys = ON")
                for new, new_system, new_benchmark, job in changed:
                    self._connection.execute(
                        "UPDATE jobs SET id = ?, system = ?, benchmark = ? WHERE id = ?",
                        (new, new_system, new_benchmark, job.id),
                    )
                    self._connection.execute("UPDATE records SET job = ? WHERE job = ?", (new, job.id))
        except sqlite3.IntegrityError as error:
            raise ValueError(f"a job of {self.path} cannot be renamed: {error}") from error

    def finished(self, job: str) -> set[str]:
        """Ids of the job's samples that have a record, ok or failed."""
        with _translated(self.path):
            found = self._connection.execute("SELECT sample_id FROM records WHERE job = ?", (job,))
            return {sample_id for (sample_id,) in found}

    def records(self, job: str | None = None) -> Iterator[Record]:
        """The records of one job, or of all, ordered by job and sample id whatever order they came in."""
        where, arguments = ("WHERE records.job = ?", (job,)) if job is not None else ("", ())
        query = (
            "SELECT records.job, jobs.system, jobs.benchmark, sample_id, cluster, status, reason,"
            ' "values", outputs, cost, meta FROM records JOIN jobs ON jobs.id = records.job'
            f" {where} ORDER BY jobs.rowid, sample_id"
        )
        with _translated(self.path):
            for row in self._connection.execute(query, arguments):
                yield _record(row)

    def counts(self) -> dict[str, tuple[int, int]]:
        """By job: how many of its samples have a record, and how many of these failed."""
        query = "SELECT job, count(*), sum(status = 'failed') FROM records GROUP BY job"
        with _translated(self.path):
            found = self._connection.execute(query).fetchall()
        return {job: (n, n_failed) for job, n, n_failed in found}

    def failures(self) -> list[tuple[str, str, str]]:
        """Job, sample id and reason of every sample that failed, by job and sample id."""
        query = (
            "SELECT records.job, sample_id, reason FROM records JOIN jobs ON jobs.id = records.job"
            " WHERE status = 'failed' ORDER BY jobs.rowid, sample_id"
        )
        with _translated(self.path):
            return [(job, sample, reason or "") for job, sample, reason in self._connection.execute(query)]

    def mean_costs(self, name: str) -> dict[str, float]:
        """By job: the mean of a cost over the samples that state it; no key where none does."""
        query = "SELECT job, avg(json_extract(cost, ?)) FROM records GROUP BY job"
        with _translated(self.path):
            found = self._connection.execute(query, (f'$."{name}"',)).fetchall()
        return {job: float(mean) for job, mean in found if mean is not None}

    def count_outputs(self, name: str) -> list[tuple[str, str, str, int]]:
        """Benchmark, system, the JSON of the output `name`, and how many samples have it so."""
        query = (
            "SELECT jobs.benchmark, jobs.system, json_extract(outputs, ?) AS found, count(*)"
            " FROM records JOIN jobs ON jobs.id = records.job"
            " WHERE outputs LIKE ? AND found IS NOT NULL GROUP BY jobs.rowid, found ORDER BY jobs.rowid"
        )
        with _translated(self.path):
            rows = self._connection.execute(query, (f'$."{name}"', f'%"{name}"%')).fetchall()
        return [(benchmark, system, str(found), count) for benchmark, system, found, count in rows]

    def retry_failed(self, job: str) -> list[str]:
        """Take out the job's failed records and open it again, in one transaction; returns the sample ids.

        This is the only way in which a record is ever replaced. A run killed right after it finds the samples
        unfinished and does them.
        """
        self.job(job)
        with self._transaction():
            found = self._connection.execute(
                "DELETE FROM records WHERE job = ? AND status = 'failed' RETURNING sample_id", (job,)
            ).fetchall()
            if found:
                self._connection.execute("UPDATE jobs SET state = 'open' WHERE id = ?", (job,))
        return sorted(sample_id for (sample_id,) in found)

    def _check_open(self, job: str, batch: list[Record]) -> None:
        known = self.job(job)
        if known.state != "open":
            raise ValueError(f"job {job!r} is done and takes no more records")
        for record in batch:
            if (record.system, record.benchmark) != (known.system, known.benchmark):
                raise ValueError(
                    f"sample {record.sample_id!r}: job {job!r} is {known.system} x {known.benchmark}, "
                    f"not {record.system} x {record.benchmark}"
                )

    def _jobs(self, condition: str, arguments: tuple[str, ...]) -> list[Job]:
        query = f"SELECT id, system, benchmark, n_samples, state, info FROM jobs {condition}"
        with _translated(self.path):
            rows = self._connection.execute(query, arguments).fetchall()
        return [
            Job(id=name, system=system, benchmark=benchmark, n_samples=n, state=state, info=json.loads(info))
            for name, system, benchmark, n, state, info in rows
        ]

    def _check_schema(self) -> None:
        (n_tables,) = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if n_tables == 0 and not self.read_only:
            self._connection.executescript(NEW_JOURNAL)
        versions = self._connection.execute("SELECT version FROM schema").fetchall()
        check_version(versions[0][0] if versions else None, self.path)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with _translated(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                # A full disk makes SQLite roll back by itself; a second ROLLBACK would hide the reason.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def check_version(version: object, path: Path) -> None:
    """Refuse a file whose schema version this version of vtok-eval cannot read.

    Raises:
        RunFolderError: the version is newer than `SCHEMA_VERSION`, or is none.
    """
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise RunFolderError(
            f"{path} has no valid schema version (found {version!r}); it is not ours or broken"
        )
    if version > SCHEMA_VERSION:
        raise RunFolderError(
            f"{path} has schema version {version}, written by a newer vtok-eval; "
            f"this one reads up to {SCHEMA_VERSION}: update vtok-eval"
        )


def check_record(record: Record) -> None:
    """Refuse a record that breaks the schema or that strict JSON cannot hold.

    Raises:
        ValueError: one line naming the sample and the field: a value or cost that is not finite, a metric
            without values, a failed sample without a reason or with values, outputs or meta that are no JSON.
    """
    _row(record)


def _row(record: Record) -> tuple[str | None, ...]:
    what = f"sample {record.sample_id!r} of job {record.job!r}"
    status = Status(record.status)
    if status is Status.FAILED and (not record.reason or _values_at_odds(record)):
        raise ValueError(
            f"{what} failed: it must have a reason and no values, or those of metrics that it did not fail "
            f"at (meta {FAILED_AT!r})"
        )
    if status is Status.OK and record.reason is not None:
        raise ValueError(f"{what} is ok: it cannot have a reason for failing")
    values = {name: [float(value) for value in row] for name, row in record.values.items()}
    for name, row in values.items():
        if not row or not all(math.isfinite(value) for value in row):
            raise ValueError(f"{what}: values of metric {name!r} must be finite numbers, not {row}")
    cost = {name: float(value) for name, value in record.cost.items()}
    return (
        record.job,
        record.sample_id,
        record.cluster,
        str(status),
        record.reason,
        _json(values, what=f"values of {what}"),
        _json(record.outputs, what=f"outputs of {what}"),
        _json(cost, what=f"cost of {what}"),
        _json(record.meta, what=f"meta of {what}"),
    )


def _values_at_odds(record: Record) -> bool:
    """Whether a failed record has values that it should not have."""
    if FAILED_AT not in record.meta:
        return bool(record.values)
    return not set(record.values).isdisjoint(str(record.meta[FAILED_AT]).split(";"))


def _record(row: tuple[Any, ...]) -> Record:  # Any: SQLite's row
    job, system, benchmark, sample_id, cluster, status, reason, values, outputs, cost, meta = row
    return Record(
        job=job,
        system=system,
        benchmark=benchmark,
        sample_id=sample_id,
        cluster=cluster,
        status=Status(status),
        reason=reason,
        values={name: tuple(numbers) for name, numbers in json.loads(values).items()},
        outputs=json.loads(outputs),
        cost=json.loads(cost),
        meta=json.loads(meta),
    )


def _json(content: Mapping[str, Any], *, what: str) -> str:
    try:
        return _ENCODER.encode(dict(content))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} cannot be kept as JSON: {error}") from error


def _first_twice(batch: list[Record], journal: Journal) -> str:
    seen: dict[str, set[str]] = {}
    for record in batch:
        known = seen.setdefault(record.job, journal.finished(record.job))
        if record.sample_id in known:
            return f"sample {record.sample_id!r} of job {record.job!r}"
        known.add(record.sample_id)
    return "a sample"


def _check_same(known: Job, job: Job, path: Path) -> None:
    for name in ("system", "benchmark", "n_samples"):
        before, now = getattr(known, name), getattr(job, name)
        if before != now:
            raise RunFolderError(
                f"the run folder {path.parent} belongs to another run: its job {job.id!r} has {name} "
                f"{before!r}, this run has {now!r}; use another folder"
            )


def _connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    if not read_only:
        connection = sqlite3.connect(path, isolation_level=None)
        _configure(connection, path)
        return connection
    # A reader of a write-ahead log must be able to create its index file. On a read-only disk it cannot, but
    # then no process can be writing there either.
    sealed = not os.access(path.parent, os.W_OK) and not path.with_name(path.name + "-wal").exists()
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if sealed else ''}",
        uri=True,
        isolation_level=None,
    )


def _configure(connection: sqlite3.Connection, path: Path) -> None:
    try:
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
    except sqlite3.Error:
        connection.close()
        raise
    # Where the file system has no shared memory (some network ones) SQLite keeps its rollback journal,
    # which is as safe and a little slower.
    if mode != "wal":
        logger.info("%s: no write-ahead log on this file system, using journal mode %s", path, mode)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors about the file into the one line that a user can act on."""
    try:
        yield
    except sqlite3.IntegrityError:
        raise
    except sqlite3.ProgrammingError:
        raise
    except sqlite3.DatabaseError as error:
        raise RunFolderError(_explain(error, path)) from error


def _explain(error: sqlite3.DatabaseError, path: Path) -> str:
    text = str(error)
    if "full" in text:
        return f"the disk is full: cannot write the run folder {path.parent}"
    if "readonly" in text:
        return f"the run folder {path.parent} cannot be written (read-only)"
    if "unable to open" in text:
        return f"cannot open the journal {path}: it does not exist or may not be read and written"
    if "locked" in text or "busy" in text:
        return f"another run is writing to {path.parent}"
    if "not a database" in text or "malformed" in text or "no such table" in text:
        return f"{path} is not a journal of vtok-eval, or is broken ({text})"
    return f"cannot use the journal {path}: {text}"
