"""Verify a submission: its form, its hashes, and that its scores follow from its records."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from reports.strict_json import complaint, parse
from reports.submission.archive import MANIFEST, RECORDS, read_archive
from reports.submission.schema import (
    ComparisonsDocument,
    JobEntry,
    Manifest,
    RecordEntry,
    ScoresDocument,
    SubmittedRun,
)
from vtok_eval.errors import SubmissionError, VtokEvalError
from vtok_eval.results.journal import check_record
from vtok_eval.results.records import SCHEMA_VERSION, Comparison, Metric, Record, Score
from vtok_eval.results.self_checks import SelfCheck
from vtok_eval.version import __version__

MAX_RECORDS = 400_000
"""About a gigabyte while they are verified."""

MAX_CELLS = 10_000_000
"""Records times metrics, summed over jobs: some minutes of computing on one core."""

MAX_LINE_BYTES = 1 * 2**20

TOLERANCE = 1e-9
"""Relative and absolute, of a number that was computed again: sums differ in their last bits by machine."""

RESAMPLED = frozenset(
    {"low", "high", "p", "p_corrected", "correction", "no_test", "method", "test", "discriminates"}
    | {"sound", "seeds", "baseline_seeds", "seed_deviation"}
)
"""What another version of vtok-eval may compute in another way from the same records."""

Document = TypeVar("Document", bound=BaseModel)


@dataclass(frozen=True)
class Verified:
    """A submission that passed `verify`; nothing else makes one.

    scores, comparisons: as computed here from the records, whatever the file claims; of a run of another
    version of vtok-eval, the claimed intervals and p-values need not be those of this one. records: by
    benchmark and system. self_checks: the subset checks, made here anew from the declared relations of the
    systems' tokens. sha256: of the file.

    What this shows: the file is whole, has the form, and its numbers are what the records give. What it
    cannot show: that the records are what the named system gave.
    """

    path: Path
    sha256: str
    manifest: Manifest
    run: SubmittedRun
    scores: tuple[Score, ...]
    comparisons: tuple[Comparison, ...]
    records: Mapping[tuple[str, str], Sequence[Record]]
    self_checks: tuple[SelfCheck, ...] = ()


def verify(file: Path) -> Verified:
    """Verify a submission that `submit` packed; nothing in it is run, and nothing is written.

    Checked, in this order: sizes and entries of the archive (before anything is unpacked); sizes and SHA-256
    of each file against the manifest; every key and type; that jobs, systems and benchmarks are those of the
    run and every sample occurs once; scores and comparisons, computed again from the records.

    Raises:
        SubmissionError: one line that names the file and what is wrong.
    """
    path = Path(file)
    unpacked = read_archive(path)
    try:
        manifest = _document(Manifest, MANIFEST, unpacked.files[MANIFEST], versioned=False)
        _check_hashes(manifest, unpacked.files)
        run = _document(SubmittedRun, "run.json", unpacked.files["run.json"])
        scores = _document(ScoresDocument, "scores.json", unpacked.files["scores.json"])
        comparisons = _document(ComparisonsDocument, "comparisons.json", unpacked.files["comparisons.json"])
        _check_names(run, manifest)
        records = _records(unpacked.files[RECORDS], manifest.jobs)
        claimed = [entry.score() for entry in scores.scores]
        recomputed = _recompute(run, records, _metrics(claimed))
        unchecked = frozenset() if _made_by_this_version(run) else RESAMPLED
        _check_equal("scores.json", claimed, recomputed.scores, unchecked=unchecked)
        _check_equal(
            "comparisons.json",
            [entry.comparison() for entry in comparisons.comparisons],
            recomputed.comparisons,
            unchecked=unchecked,
        )
    except SubmissionError as error:
        raise SubmissionError(f"{path}: {error}") from error
    return Verified(
        path=path,
        sha256=unpacked.sha256,
        manifest=manifest,
        run=run,
        scores=tuple(recomputed.scores),
        comparisons=tuple(recomputed.comparisons),
        records=records,
        self_checks=tuple(recomputed.self_checks),
    )


def _document(model: type[Document], name: str, text: bytes, *, versioned: bool = True) -> Document:
    try:
        content = parse(text)
    except ValueError as error:
        raise SubmissionError(f"{name} is not strict JSON: {_short(error)}") from error
    if not isinstance(content, dict):
        raise SubmissionError(f"{name} holds no JSON object")
    if versioned:
        _check_version(name, content.pop("schema_version", None))
    elif isinstance(content.get("form_version"), int) and content["form_version"] > 1:
        raise SubmissionError(
            f"{name} has form version {content['form_version']}, of a newer vtok-eval: update this one"
        )
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise SubmissionError(f"{name}: {complaint(error)}") from error
    except RecursionError as error:
        raise SubmissionError(f"{name} is nested too deeply") from error


def _check_version(name: str, version: object) -> None:
    if type(version) is not int or version < 1:
        raise SubmissionError(f"{name} has no valid schema version")
    if version > SCHEMA_VERSION:
        raise SubmissionError(
            f"{name} has schema version {version}, written by a newer vtok-eval; this one reads up to "
            f"{SCHEMA_VERSION}: update vtok-eval"
        )


def _check_hashes(manifest: Manifest, files: Mapping[str, bytes]) -> None:
    named, there = set(manifest.files), set(files) - {MANIFEST}
    if named != there:
        raise SubmissionError(f"the manifest names other files than are there: {sorted(named ^ there)[0]!r}")
    for name, entry in manifest.files.items():
        if len(files[name]) != entry.bytes:
            raise SubmissionError(f"{name} has {len(files[name]):,} bytes; the manifest says {entry.bytes:,}")
        if hashlib.sha256(files[name]).hexdigest() != entry.sha256:
            raise SubmissionError(f"{name} is not the file that the manifest's hash was taken of")


def _check_names(run: SubmittedRun, manifest: Manifest) -> None:
    """Raises SubmissionError if a name is repeated or a job is not in this run."""
    systems = _once("system", [entry.name for entry in run.systems])
    benchmarks = _once("benchmark", [entry.id for entry in run.benchmarks])
    _once("job", [job.id for job in manifest.jobs])
    _once("pair of system and benchmark", [f"{job.system} on {job.benchmark}" for job in manifest.jobs])
    for job in manifest.jobs:
        if job.system not in systems or job.benchmark not in benchmarks:
            raise SubmissionError(f"job {job.id!a} is of a system or a benchmark that run.json does not have")
    if run.baseline is not None and run.baseline not in systems:
        raise SubmissionError(f"the baseline {run.baseline!a} is not among the systems")


def _once(what: str, names: Sequence[str]) -> set[str]:
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise SubmissionError(f"the {what} {twice!a} occurs twice")
    return set(names)


def _records(text: bytes, jobs: Sequence[JobEntry]) -> dict[tuple[str, str], list[Record]]:
    """The records by benchmark and system, in the jobs' order; every sample of every job once."""
    by_id = {job.id: job for job in jobs}
    found: dict[str, list[Record]] = {job.id: [] for job in jobs}
    samples: dict[str, set[str]] = defaultdict(set)
    for number, line in enumerate(_lines(text), start=1):
        if number > MAX_RECORDS:
            raise SubmissionError(f"{RECORDS} has more than {MAX_RECORDS:,} records")
        record = _record(line, number, by_id)
        if record.sample_id in samples[record.job]:
            raise SubmissionError(f"{RECORDS}, line {number}: sample {record.sample_id[:100]!a} occurs twice")
        samples[record.job].add(record.sample_id)
        found[record.job].append(record)
    for job in jobs:
        if len(found[job.id]) != job.n_samples:
            raise SubmissionError(
                f"job {job.id!a} has {len(found[job.id]):,} records for {job.n_samples:,} samples"
            )
    return {(job.benchmark, job.system): found[job.id] for job in jobs}


def _lines(text: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(text):
        end = text.find(b"\n", start, start + MAX_LINE_BYTES)
        if end < 0:
            raise SubmissionError(
                f"{RECORDS} has a line of more than {MAX_LINE_BYTES:,} bytes, or no last line end"
            )
        yield text[start:end]
        start = end + 1


def _record(line: bytes, number: int, jobs: Mapping[str, JobEntry]) -> Record:
    place = f"{RECORDS}, line {number}"
    try:
        entry = RecordEntry.model_validate(parse(line))
    except ValidationError as error:
        raise SubmissionError(f"{place}: {complaint(error)}") from error
    except ValueError as error:
        raise SubmissionError(f"{place} is not strict JSON: {_short(error)}") from error
    except RecursionError as error:
        raise SubmissionError(f"{place} is nested too deeply") from error
    if entry.job not in jobs:
        raise SubmissionError(f"{place}: the manifest has no job {entry.job!a}")
    record = entry.record(jobs[entry.job])
    try:
        check_record(record)
    except (ValueError, OverflowError, RecursionError) as error:
        raise SubmissionError(f"{place}: {_short(error)}") from error
    return record


def _metrics(scores: Sequence[Score]) -> dict[str, list[Metric]]:
    """Each benchmark's metrics in their order; a metric must mean the same for every system."""
    found: dict[str, dict[str, Metric]] = defaultdict(dict)
    for score in scores:
        known = found[score.benchmark].setdefault(score.metric.name, score.metric)
        if known != score.metric:
            raise SubmissionError(
                f"scores.json: metric {known.name!a} of {score.benchmark!a} is defined in two ways"
            )
    return {benchmark: list(metrics.values()) for benchmark, metrics in found.items()}


class Recomputed(NamedTuple):
    """What the records of a submission give."""

    scores: list[Score]
    comparisons: list[Comparison]
    self_checks: list[SelfCheck]


def _recompute(
    run: SubmittedRun,
    records: Mapping[tuple[str, str], Sequence[Record]],
    metrics: Mapping[str, Sequence[Metric]],
) -> Recomputed:
    """What the harness computes from these records, benchmark by benchmark."""
    cells = sum(len(rows) * len(metrics.get(benchmark, ())) for (benchmark, _), rows in records.items())
    if cells > MAX_CELLS:
        raise SubmissionError(
            f"{cells:,} values (records x metrics) are more than the {MAX_CELLS:,} that are computed again"
        )
    from vtok_eval.results.columns.job_columns import job_columns
    from vtok_eval.results.self_checks import relations_in
    from vtok_eval.results.soundness import marked_job, unsound_groups
    from vtok_eval.results.statistics.checking import subset_checks
    from vtok_eval.results.statistics.scores import compare_all, mark_discriminating, score_systems

    controls = tuple(entry.name for entry in run.systems if entry.control)
    relations = relations_in({"relations": [entry.model_dump() for entry in run.relations]})
    scores: list[Score] = []
    comparisons: list[Comparison] = []
    checks: list[SelfCheck] = []
    try:
        for benchmark in dict.fromkeys(benchmark for benchmark, _ in records):
            measured = metrics.get(benchmark, [])
            by_system = {
                system: rows for (name, system), rows in records.items() if name == benchmark and rows
            }
            jobs = {system: job_columns(rows) for system, rows in by_system.items()}
            own = subset_checks(jobs, measured, relations)
            unsound = unsound_groups(own)
            jobs = {system: marked_job(job, unsound) for system, job in jobs.items()}
            scores += score_systems(list(jobs.values()), measured, label=run.label)
            if run.baseline is not None and run.baseline in jobs:
                comparisons += compare_all(jobs, run.baseline, measured)
            checks += own
    except (ValueError, VtokEvalError) as error:
        raise SubmissionError(f"no scores can be computed from the records: {_short(error)}") from error
    return Recomputed(mark_discriminating(scores, controls=controls), comparisons, checks)


Result = TypeVar("Result", Score, Comparison)


def _made_by_this_version(run: SubmittedRun) -> bool:
    return bool(run.sessions) and run.sessions[-1].vtok_eval == __version__


def _check_equal(
    name: str, claimed: Sequence[Result], recomputed: Sequence[Result], *, unchecked: frozenset[str]
) -> None:
    """Raises SubmissionError at the first claim that the records do not give, or that is missing."""
    theirs, ours = _by_key(name, claimed), _by_key(name, recomputed)
    for key in sorted(theirs.keys() ^ ours.keys()):
        what = "claims what the records do not give" if key in theirs else "lacks"
        raise SubmissionError(f"{name} {what}: {' / '.join(key)!a}")
    for key, entry in theirs.items():
        for field, value in asdict(entry).items():
            if field in unchecked:
                continue
            expected = getattr(ours[key], field)
            expected = asdict(expected) if field == "metric" and name == "scores.json" else expected
            if not _agree(value, expected):
                raise SubmissionError(
                    f"{name}: {field} of {' / '.join(key)!a} is {_short(value)!a}, but the records give "
                    f"{_short(expected)!a}"
                )


def _by_key(name: str, entries: Sequence[Result]) -> dict[tuple[str, ...], Result]:
    found: dict[tuple[str, ...], Result] = {}
    for entry in entries:
        metric = entry.metric.name if isinstance(entry, Score) else entry.metric
        key = (entry.benchmark, entry.system, metric)
        if key in found:
            raise SubmissionError(f"{name} holds {' / '.join(key)!a} twice")
        found[key] = entry
    return found


def _agree(claimed: object, expected: object) -> bool:
    if isinstance(claimed, float) and isinstance(expected, int | float):
        return math.isclose(claimed, expected, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return bool(claimed == expected)


def _short(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 200 else f"{text[:199]}…"
