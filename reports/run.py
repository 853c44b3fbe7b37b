"""One run as every report reads it: run.json, scores, comparisons and records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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


def read_run(path: Path, sets: SampleSets | None = None, *, require_scores: bool = False) -> Run:
    """Read the run folder at `path`, finished or not.

    Args:
        sets: sample sets of runs that were read before, so that equal ones are kept once.
        require_scores: refuse a run that is not scored yet.

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
    return Run(
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
