"""Pack a finished run into the one file that others can verify."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from reports.strict_json import complaint
from reports.submission.archive import MANIFEST, RECORDS, write_archive
from reports.submission.schema import FORM, FORM_VERSION, Manifest
from vtok_eval.errors import RunFolderError, SubmissionError
from vtok_eval.results.identity import VERSION_OF, version_names
from vtok_eval.results.journal import Job
from vtok_eval.results.records import SCHEMA_VERSION, Record
from vtok_eval.results.store import RunFolder, write_atomically

SUFFIX = ".vtok-run.zip"
"""How submissions are called."""


def submit(
    run: Path,
    out: Path | None = None,
    *,
    submitter: str = "",
    notes: str = "",
    links: Sequence[tuple[str, str]] = (),
) -> Path:
    """Pack the run folder `run` into one file, verify that file, and return its path.

    The records travel as JSON lines, one per sample. Not as the journal itself: a SQLite file from a stranger
    can carry views, triggers and damaged pages into a library of C code that runs when it is opened. Not as
    Parquet either: its pages are compressed by themselves, so that a small file can hold any number of rows
    and nothing outside the reader can count what it unpacks to.
    Left out: what the benchmarks kept (artifacts), the report, earlier versions of what has changed since,
    and the path of the folder that the run was started in, which says nothing about the numbers and may name
    a person.

    out: default NAME.vtok-run.zip next to the run folder. links: (title, http or https address) of pages
    about the systems. The same run gives the same bytes with one version of zlib.

    Raises:
        RunFolderError: there is no run, it is not finished, or the file cannot be written.
        SubmissionError: a name, note or link breaks the schema, or the run's scores do not follow from its
            records.
    """
    from reports.submission.verify import verify

    run = Path(run)
    out = run.with_name(run.resolve().name + SUFFIX) if out is None else Path(out)
    folder = RunFolder.open(run)
    whole = folder.run()
    earlier = version_names(whole, "systems") | version_names(whole, "benchmarks")
    jobs = [job for job in folder.jobs() if not {job.system, job.benchmark} & earlier]
    _check_finished(folder, jobs)
    files = {
        "run.json": _json(_without_folders(_without_versions(whole))),
        "scores.json": _json(
            {
                "schema_version": SCHEMA_VERSION,
                # Nobody could compute a derived one again from the records.
                "scores": [
                    asdict(score)
                    for score in folder.scores()
                    if not score.metric.derived and not {score.system, score.benchmark} & earlier
                ],
            }
        ),
        "comparisons.json": _json(
            {
                "schema_version": SCHEMA_VERSION,
                "comparisons": [
                    asdict(comparison)
                    for comparison in folder.comparisons()
                    if not {comparison.system, comparison.benchmark} & earlier
                ],
            }
        ),
        RECORDS: b"".join(_line(record) for job in jobs for record in folder.raw_records(job.id)),
    }
    manifest = {
        "form": FORM,
        "form_version": FORM_VERSION,
        "submitter": submitter,
        "notes": notes,
        "links": [{"title": title, "url": url} for title, url in links],
        "files": {name: {"sha256": _sha256(text), "bytes": len(text)} for name, text in files.items()},
        "jobs": [
            {"id": job.id, "system": job.system, "benchmark": job.benchmark, "n_samples": job.n_samples}
            for job in jobs
        ],
    }
    try:
        Manifest.model_validate(manifest)
    except ValidationError as error:
        raise SubmissionError(f"{run} cannot be submitted: {complaint(error)}") from error

    def write(unfinished: Path) -> None:
        write_archive(unfinished, {MANIFEST: _json(manifest), **files})
        # What others would refuse must not leave this machine.
        try:
            verify(unfinished)
        except SubmissionError as error:
            reason = str(error).removeprefix(f"{unfinished}: ")
            raise SubmissionError(f"{run} cannot be submitted: {reason}") from error

    write_atomically(out, write)
    return out


def _check_finished(folder: RunFolder, jobs: Sequence[Job]) -> None:
    """Raises RunFolderError where a job is open, nothing was done or nothing is scored."""
    unfinished = [job for job in jobs if job.state != "done"]
    if not jobs:
        raise RunFolderError(f"the run {folder.path} has done nothing yet; there is nothing to submit")
    if unfinished:
        raise RunFolderError(
            f"the run {folder.path} is half-finished ({len(unfinished)} of {len(jobs)} jobs are open, "
            f"the first is {unfinished[0].id}); run it to its end, then submit it"
        )
    folder.scores()
    folder.comparisons()


def _without_versions(run: Mapping[str, Any]) -> dict[str, Any]:
    current = {
        kind: [entry for entry in run.get(kind, ()) if not entry.get(VERSION_OF)]
        for kind in ("systems", "benchmarks")
    }
    return {**run, **current}


def _without_folders(run: Mapping[str, Any]) -> dict[str, Any]:
    sessions = [{**session, "folder": None} for session in run.get("sessions", ())]
    return {**run, "sessions": sessions}


def _line(record: Record) -> bytes:
    content = {
        "job": record.job,
        "sample_id": record.sample_id,
        "cluster": record.cluster,
        "status": str(record.status),
        "reason": record.reason,
        "values": {name: list(values) for name, values in record.values.items()},
        "outputs": dict(record.outputs),
        "cost": dict(record.cost),
        "meta": dict(record.meta),
    }
    return json.dumps(content, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def _json(content: Mapping[str, object]) -> bytes:
    return json.dumps(content, allow_nan=False, indent=1).encode() + b"\n"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
