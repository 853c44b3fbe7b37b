"""The run folder: where a run's provenance, records, scores and artifacts are, and how they are read."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtok_eval.errors import RunFolderError
from vtok_eval.files.atomic import write_atomically as write_atomically
from vtok_eval.files.atomic import write_bytes as write_bytes
from vtok_eval.results.journal import Job, Journal, check_version
from vtok_eval.results.records import (
    SCHEMA_VERSION,
    TRUTH,
    Comparison,
    Correction,
    Metric,
    NoTest,
    Record,
    Score,
    Status,
)
from vtok_eval.results.self_checks import SelfCheck
from vtok_eval.results.soundness import marked_score, unsound_groups

if TYPE_CHECKING:
    import pandas as pd

RECORD_COLUMNS = (
    "job",
    "system",
    "benchmark",
    "sample_id",
    "cluster",
    "status",
    "reason",
    "metric",
    "replicate",
    "value",
)
SAMPLE_COLUMNS = (*RECORD_COLUMNS[:7], "values", "outputs", "cost", "meta", "truth")


@dataclass(frozen=True)
class RunFolder:
    """A folder that holds one run; make it with `create`, read it with `open`.

    run.json: provenance and plan. journal.sqlite: jobs and records, the truth of what was done.
    scores.json, comparisons.json, self_checks.json: computed from the records. records.parquet,
    samples.parquet: the records for other tools. artifacts/<job>/: what a benchmark keeps. report/: tables,
    plots and pages.

    Files other than the journal are written atomically. JSON is strict: it never holds NaN or
    infinity.
    Every method raises RunFolderError where a file cannot be read or written.

    Example:
        >>> import tempfile
        >>> folder = RunFolder.create(Path(tempfile.mkdtemp()) / "mini", {"suite": "mini"})
        >>> folder.run()["suite"], RunFolder.exists(folder.path)
        ('mini', True)
    """

    path: Path

    @classmethod
    def create(cls, path: Path, run: Mapping[str, object]) -> RunFolder:
        """Make a run folder at `path`, which must not exist or be empty, with `run` as its run.json.

        Raises:
            RunFolderError: there is a run or anything else at `path`, or it cannot be written.
        """
        path = Path(path)
        if (path / "run.json").exists():
            raise RunFolderError(f"{path} already holds a run; continue it, or name another folder")
        if path.exists() and not path.is_dir():
            raise RunFolderError(f"{path} is a file; a run needs a folder")
        try:
            path.mkdir(parents=True, exist_ok=True)
            # A run killed while it wrote its first file leaves that file's unfinished twin and nothing else.
            others = [entry.name for entry in path.iterdir() if not entry.name.endswith(".unfinished")]
        except OSError as error:
            raise RunFolderError(f"cannot make the run folder {path}: {error.strerror}") from error
        if others:
            raise RunFolderError(
                f"{path} is not empty and holds no run (it has {min(others)}); name another folder"
            )
        folder = cls(path)
        folder.write_run(run)
        return folder

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """The run at `path`.

        Raises:
            RunFolderError: nothing is there, it holds no run, only half of one, or one of a newer version.
        """
        folder = cls(Path(path))
        if not folder.path.is_dir():
            raise RunFolderError(f"there is no run folder {folder.path}")
        if not cls.exists(folder.path):
            journal = folder.path / "journal.sqlite"
            what = (
                "holds half a run (a journal without run.json)"
                if journal.exists()
                else "holds no run (no run.json)"
            )
            raise RunFolderError(f"{folder.path} {what}")
        folder.run()
        return folder

    @staticmethod
    def exists(path: Path) -> bool:
        """Whether there is a run at `path`, readable or not."""
        return (Path(path) / "run.json").is_file()

    def run(self) -> dict[str, Any]:
        """The content of run.json: provenance and plan."""
        return self._read("run.json")

    def write_run(self, run: Mapping[str, object]) -> None:
        """Overwrite run.json; `schema_version` is added.

        Raises:
            ValueError: strict JSON cannot hold `run`.
        """
        self._write("run.json", run)

    def journal(self) -> Journal:
        """The run's journal, locked for writing; use it in a `with`."""
        return Journal(self.path / "journal.sqlite")

    def jobs(self) -> list[Job]:
        """Every job of the run, in the order in which they were entered; none before the first."""
        if not self._has_journal():
            return []
        with self.reader() as journal:
            return journal.jobs()

    def raw_records(self, job: str | None = None) -> list[Record]:
        """The records of one job or all, as the journal has them now."""
        if not self._has_journal():
            return []
        with self.reader() as journal:
            return list(journal.records(job))

    def records(self) -> pd.DataFrame:
        """The records in long format, one row per sample, metric and replicate, columns `RECORD_COLUMNS`.

        A sample without values (a failed one) has one row, with metric, replicate and value missing.
        """
        import pandas as pd

        rows = [row for record in self.raw_records() for row in _long_rows(record)]
        frame = pd.DataFrame(rows, columns=list(RECORD_COLUMNS))
        return frame.astype({"replicate": "Int64", "value": "float64"})

    def samples(self) -> pd.DataFrame:
        """One row per sample, columns `SAMPLE_COLUMNS`; the last five are JSON texts."""
        import pandas as pd

        rows = [_sample_row(record) for record in self.raw_records()]
        return pd.DataFrame(rows, columns=list(SAMPLE_COLUMNS))

    def export_records(self) -> Path:
        """Write records.parquet (long) and samples.parquet (one row per sample); returns the first's path."""
        write_atomically(self.path / "samples.parquet", partial(self.samples().to_parquet, index=False))
        write_atomically(self.path / "records.parquet", partial(self.records().to_parquet, index=False))
        return self.path / "records.parquet"

    def scores(self) -> list[Score]:
        """What `write_scores` wrote, marked where a self-check found that the reader is not sound.

        Raises:
            RunFolderError: the run has no scores yet.
        """
        unsound = unsound_groups(self.self_checks())
        return [marked_score(score_of(entry), unsound) for entry in self._entries("scores")]

    def write_scores(self, scores: Sequence[Score]) -> None:
        """Overwrite scores.json."""
        self._write("scores.json", {"scores": [asdict(score) for score in scores]})

    def comparisons(self) -> list[Comparison]:
        """What `write_comparisons` wrote.

        Raises:
            RunFolderError: the run has no comparisons yet.
        """
        return [comparison_of(entry) for entry in self._entries("comparisons")]

    def write_comparisons(self, comparisons: Sequence[Comparison]) -> None:
        """Overwrite comparisons.json."""
        self._write("comparisons.json", {"comparisons": [asdict(comparison) for comparison in comparisons]})

    def self_checks(self) -> list[SelfCheck]:
        """What `write_self_checks` wrote; none where an earlier version wrote the run."""
        if not (self.path / "self_checks.json").exists():
            return []
        try:
            return [SelfCheck.of(entry) for entry in self._entries("self_checks")]
        except (KeyError, TypeError, ValueError) as error:
            raise RunFolderError(f"cannot read {self.path / 'self_checks.json'}: {error}") from error

    def write_self_checks(self, checks: Sequence[SelfCheck]) -> None:
        """Overwrite self_checks.json."""
        self._write("self_checks.json", {"self_checks": [asdict(check) for check in checks]})

    def artifacts(self, job: str) -> Path:
        """The job's own folder under artifacts/, made. Its name is readable and unique to the job's id."""
        return self._made(self.path / "artifacts" / folder_name(job))

    def report(self) -> Path:
        """The folder of the report, made."""
        return self._made(self.path / "report")

    def _made(self, folder: Path) -> Path:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunFolderError(f"cannot make the folder {folder}: {error.strerror}") from error
        return folder

    def _has_journal(self) -> bool:
        return (self.path / "journal.sqlite").exists()

    def reader(self) -> Journal:
        """The run's journal, for reading alone; use it in a `with`."""
        return Journal(self.path / "journal.sqlite", read_only=True)

    def _entries(self, kind: str) -> list[dict[str, Any]]:
        if not (self.path / f"{kind}.json").exists():
            raise RunFolderError(f"the run {self.path} has no {kind} yet: it was not finished; run it again")
        entries = self._read(f"{kind}.json").get(kind)
        if not isinstance(entries, list):
            raise RunFolderError(f"{self.path / kind}.json holds no list of {kind}; it is broken")
        return entries

    def _read(self, name: str) -> dict[str, Any]:
        path = self.path / name
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise RunFolderError(f"cannot read {path}: {error.strerror}") from error
        except ValueError as error:
            raise RunFolderError(f"{path} is half-written or not JSON: {error}") from error
        if not isinstance(content, dict):
            raise RunFolderError(f"{path} holds no JSON object")
        check_version(content.get("schema_version"), path)
        return content

    def _write(self, name: str, content: Mapping[str, object]) -> None:
        versioned = {**content, "schema_version": SCHEMA_VERSION}
        write_json(self.path / name, versioned)


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write strict JSON, atomically.

    Raises:
        ValueError: `content` holds NaN, infinity or what JSON has no form for.
        RunFolderError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "facts.json"
        >>> write_json(path, {"seed": 0})
        >>> json.loads(path.read_text())
        {'seed': 0}
    """
    try:
        text = json.dumps(content, allow_nan=False, ensure_ascii=False, indent=2) + "\n"
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path.name} cannot be written as strict JSON: {error}") from error
    write_bytes(path, text.encode())


def folder_name(job: str) -> str:
    """A name that every file system takes, readable, and different for different job ids.

    Example:
        >>> folder_name("b/vtok:grid=4")
        'b_vtok_grid=4-3e1eef4532'
    """
    readable = re.sub(r"[^A-Za-z0-9._=-]+", "_", job)[:80].strip(".")
    if readable == job:
        return readable
    return f"{readable or 'job'}-{hashlib.sha256(job.encode()).hexdigest()[:10]}"


def _long_rows(record: Record) -> Iterable[tuple[object, ...]]:
    start = _identity(record)
    if not record.values:
        return [(*start, None, None, None)]
    return [
        (*start, metric, replicate, value)
        for metric, values in record.values.items()
        for replicate, value in enumerate(values)
    ]


def _sample_row(record: Record) -> tuple[object, ...]:
    values = {name: list(numbers) for name, numbers in record.values.items()}
    meta = {name: value for name, value in record.meta.items() if name != TRUTH}
    parts = (values, record.outputs, record.cost, meta, record.meta.get(TRUTH, {}))
    return (*_identity(record), *map(_dump, parts))


def _identity(record: Record) -> tuple[object, ...]:
    return (
        record.job,
        record.system,
        record.benchmark,
        record.sample_id,
        record.cluster,
        str(Status(record.status)),
        record.reason,
    )


def _dump(content: Mapping[str, object]) -> str:
    return json.dumps(dict(content), allow_nan=False, ensure_ascii=False)


def score_of(entry: Mapping[str, Any]) -> Score:
    """The score that an entry of scores.json holds; 0.1.0 counted replicates; 1 may mean no training.

    Raises:
        TypeError: a field is missing or unknown.

    Example:
        >>> entry = {"system": "vtok", "benchmark": "b", "metric": {"name": "hit", "title": "Hit rate"},
        ...          "value": 0.5, "low": 0.4, "high": 0.6, "n": 100, "n_failed": 0, "n_clusters": 100}
        >>> score_of(entry).metric.title
        'Hit rate'
    """
    metric = entry["metric"]
    lists = {name: tuple(metric[name]) for name in ("mean_of", "weights") if name in metric}
    fields = {**entry, "metric": Metric(**{**metric, **lists})}
    replicates = fields.pop("replicates", 1)
    return Score(**{"seeds": replicates if replicates > 1 else 0, **fields})


def comparison_of(entry: Mapping[str, Any]) -> Comparison:
    """The comparison that an entry of comparisons.json holds, as this version or 0.1.0 (with Holm) wrote it.

    Raises:
        TypeError, ValueError: a field is missing, unknown or of no known value.

    Example:
        >>> old = {"benchmark": "b", "metric": "hit", "system": "a", "baseline": "c", "difference": 0.1,
        ...        "low": 0.0, "high": 0.2, "p": 0.01, "p_holm": 0.04, "n_clusters": 50}
        >>> found = comparison_of(old)
        >>> found.p_corrected, found.correction.value
        (0.04, 'Holm')
    """
    fields = dict(entry)
    if "p_holm" in fields:
        fields |= {"p_corrected": fields.pop("p_holm"), "correction": Correction.HOLM}
    fields["correction"] = Correction(fields.get("correction", Correction.MAX_T))
    no_test = fields.get("no_test")
    return Comparison(**{**fields, "no_test": None if no_test is None else NoTest(no_test)})
