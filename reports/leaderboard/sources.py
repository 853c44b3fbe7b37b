"""The leaderboard's sources: your own run folders, and submissions verified here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from reports.run import Run, read_run
from reports.strict_json import complaint
from reports.submission.pack import SUFFIX
from reports.submission.schema import Manifest, SubmittedRun, known_part
from reports.submission.verify import verify
from vtok_eval.errors import RunFolderError
from vtok_eval.results.columns.job_columns import SampleSets, from_records
from vtok_eval.results.columns.run_columns import RunRecords
from vtok_eval.results.records import Record
from vtok_eval.results.soundness import marked_job, unsound_groups
from vtok_eval.results.store import RunFolder


@dataclass(frozen=True)
class BoardSource:
    """A run on the leaderboard.

    run: as every report reads it; its name is unique on a site. manifest, sha256: of a submission, else None.
    """

    run: Run
    manifest: Manifest | None = None
    sha256: str | None = None

    def unfinished(self) -> Iterator[str]:
        """Why the run's numbers are not final, as text."""
        open_jobs = [job for job in self.run.records.states if not job.done]
        if open_jobs:
            yield f"{len(open_jobs)} of its jobs are open, the first is {open_jobs[0].id}"
        if self.run.last_session_is_open:
            yield "its last session has no end: it was killed, or is still running"


def find_runs(folder: Path) -> list[Path]:
    """The run folders and submissions in `folder`, by name; half-written run folders too.

    Raises:
        RunFolderError: there is no such folder, or no run in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise RunFolderError(f"there is no folder {folder}")
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise RunFolderError(f"cannot read {folder}: {error.strerror}") from error
    found = [entry for entry in entries if _is_run(entry)]
    if not found:
        raise RunFolderError(f"{folder} holds no run: no folder with a run.json and no *{SUFFIX}")
    return found


def source_name(path: Path) -> str:
    """How a run is called: its folder's name, or a submission's file name without the suffix."""
    name = Path(path).resolve().name
    return name.removesuffix(SUFFIX).removesuffix(".zip")


def load_source(path: Path, sets: SampleSets) -> BoardSource:
    """Read a run folder, or verify a submission and take what was verified.

    Raises:
        RunFolderError: no run is there, it has no scores yet, a newer schema, or cannot be read.
        SubmissionError: the submission is refused.
    """
    path = Path(path)
    return _from_folder(path, sets) if path.is_dir() else _from_submission(path, sets)


def _is_run(entry: Path) -> bool:
    if entry.is_dir():
        return (entry / "run.json").exists() or (entry / "journal.sqlite").exists()
    return entry.name.endswith(".zip")


def _from_submission(path: Path, sets: SampleSets) -> BoardSource:
    if not path.exists():
        raise RunFolderError(f"there is no run {path}")
    verified = verify(path)
    unsound = unsound_groups(verified.self_checks)
    tokens, bits = (
        {
            key: mean
            for key, records in verified.records.items()
            if (mean := _mean_cost(records, name)) is not None
        }
        for name in ("tokens", "bits")
    )
    records = RunRecords(
        states=(),
        jobs={
            key: marked_job(from_records(records, sets), unsound)
            for key, records in verified.records.items()
            if records
        },
        tokens=tokens,
        bits=bits,
        failures=(),
    )
    run = Run(
        name=source_name(path),
        path=None,
        document=verified.run,
        scores=verified.scores,
        comparisons=(),
        scored=True,
        records=records,
        self_checks=verified.self_checks,
    )
    return BoardSource(run, manifest=verified.manifest, sha256=verified.sha256)


def _from_folder(path: Path, sets: SampleSets) -> BoardSource:
    run = read_run(path, sets, require_scores=True)
    # Its texts are published on pages: the same limits apply as to a submission's.
    content = known_part(RunFolder.open(path).run())
    try:
        document = SubmittedRun.model_validate(content)
    except ValidationError as error:
        raise RunFolderError(f"{path / 'run.json'}: {complaint(error)}") from error
    return BoardSource(replace(run, name=source_name(path), document=document))


def _mean_cost(records: Sequence[Record], name: str) -> float | None:
    """The mean of a cost (tokens, bits) per clip of these records; None where none tells."""
    counts = [record.cost[name] for record in records if name in record.cost]
    return sum(counts) / len(counts) if counts else None
