"""One run as every report reads it: run.json, scores, comparisons and records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from reports.run_document import RunDocument
from reports.strict_json import complaint
from vtok_eval.errors import RunFolderError
from vtok_eval.results.records import Comparison, Score
from vtok_eval.results.self_checks import SelfCheck
from vtok_eval.results.store import RunFolder

if TYPE_CHECKING:
    from vtok_eval.results.columns.job_columns import SampleSets
    from vtok_eval.results.columns.run_columns import RunRecords


@dataclass(frozen=True)
class Run:
    """What a run folder, or a verified submission, holds.

    Attributes:
        name: of the folder or the file.
        path: the run folder; None of a submission.
        document: run.json.
        scores, comparisons: empty where the run is not scored yet.
        scored: whether it is.
        records: the records as columns, with the state of each job.
        decoded: by benchmark and system, what `decode` changed in the clips, as text; empty for a submission.
        self_checks: what the run found of its own readers; for a submission, the subset checks.
    """

    name: str
    path: Path | None
    document: RunDocument
    scores: tuple[Score, ...]
    comparisons: tuple[Comparison, ...]
    scored: bool
    records: RunRecords
    decoded: Mapping[tuple[str, str], str] = field(default_factory=dict)
    self_checks: tuple[SelfCheck, ...] = ()

    @property
    def last_session_is_open(self) -> bool:
        """Whether the last process that worked on the run has not said that it ended."""
        sessions = self.document.sessions
        return bool(sessions) and sessions[-1].finished is None


def read_run(
    path: Path,
    sets: SampleSets | None = None,
    *,
    require_scores: bool = False,
    versions: bool = False,
) -> Run:
    """Read the run folder at `path`, finished or not.

    Args:
        sets: sample sets of runs that were read before, so that equal ones are kept once.
        require_scores: refuse a run that is not scored yet.
        versions: with its earlier versions (`mine@d631`).

    Raises:
        RunFolderError: there is no run, a file of it cannot be read, or it lacks scores that are required.
    """
    from vtok_eval.results.columns.job_columns import SampleSets
    from vtok_eval.results.columns.run_columns import read_records
    from vtok_eval.results.decoded_clips import decoded_in_words

    folder = RunFolder.open(Path(path))
    document = read_document(folder)
    scored = (folder.path / "scores.json").exists()
    compared = (folder.path / "comparisons.json").exists()
    try:
        scores = tuple(folder.scores()) if scored or require_scores else ()
    except (TypeError, KeyError, AttributeError) as error:
        raise RunFolderError(
            f"{folder.path / 'scores.json'} holds scores of another form: {error}"
        ) from error
    run = Run(
        name=folder.path.resolve().name,
        path=folder.path,
        document=document,
        scores=scores,
        comparisons=tuple(folder.comparisons()) if compared else (),
        scored=scored,
        records=read_records(folder, sets or SampleSets()),
        decoded=decoded_in_words(folder),
        self_checks=tuple(folder.self_checks()),
    )
    return run if versions else without_versions(run)


def without_versions(run: Run) -> Run:
    """The run without its earlier versions (`mine@d631`), as reports show it unless they are asked for."""
    document = run.document
    systems = {system.name for system in document.systems if system.version_of}
    benchmarks = {benchmark.id for benchmark in document.benchmarks if benchmark.version_of}
    if not systems and not benchmarks:
        return run

    def current(benchmark: str, system: str) -> bool:
        return benchmark not in benchmarks and system not in systems

    return replace(
        run,
        document=document.changed(
            systems=[system for system in document.systems if not system.version_of],
            benchmarks=[benchmark for benchmark in document.benchmarks if not benchmark.version_of],
        ),
        scores=tuple(score for score in run.scores if current(score.benchmark, score.system)),
        comparisons=tuple(entry for entry in run.comparisons if current(entry.benchmark, entry.system)),
        records=_current_records(run.records, current),
        decoded={key: text for key, text in run.decoded.items() if current(*key)},
        self_checks=tuple(check for check in run.self_checks if check.benchmark not in benchmarks),
    )


def _current_records(records: RunRecords, current: Callable[[str, str], bool]) -> RunRecords:
    from vtok_eval.results.columns.run_columns import RunRecords

    return RunRecords(
        states=tuple(state for state in records.states if current(state.benchmark, state.system)),
        jobs={key: job for key, job in records.jobs.items() if current(*key)},
        tokens={key: mean for key, mean in records.tokens.items() if current(*key)},
        failures=tuple(entry for entry in records.failures if current(entry.benchmark, entry.system)),
    )


def read_document(folder: RunFolder) -> RunDocument:
    """The folder's run.json.

    Raises:
        RunFolderError: it cannot be read, or a value in it has another form.
    """
    content = folder.run()
    content.setdefault("name", folder.path.resolve().name)
    try:
        return RunDocument.model_validate(content)
    except ValidationError as error:
        raise RunFolderError(f"{folder.path / 'run.json'}: {complaint(error)}") from error
