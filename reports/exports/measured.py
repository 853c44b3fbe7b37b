"""What the exports read of a run: one system with its scores, benchmark by benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reports.run import read_document
from reports.run_document import RunBenchmark, RunDocument, RunSystem
from vtok_eval.errors import RunFolderError, UnknownNameError
from vtok_eval.results.records import Score
from vtok_eval.results.store import RunFolder


@dataclass(frozen=True)
class MeasuredSystem:
    """One system of a run. scores: by benchmark id, in the run's order; only benchmarks it has scores on."""

    folder: RunFolder
    run: RunDocument
    system: RunSystem
    benchmarks: Mapping[str, RunBenchmark]
    scores: Mapping[str, tuple[Score, ...]]

    @property
    def label(self) -> str:
        """What must accompany every number that is shown."""
        return self.run.label or "no label: in which setting this was measured is not recorded"


def measured_system(run: Path, system: str) -> MeasuredSystem:
    """Read a system of the run folder `run`; its records are not read.

    Raises:
        RunFolderError: there is no run, it cannot be read, it is not scored yet, or the system has no score.
        UnknownNameError: the run has no such system.
    """
    folder = RunFolder.open(Path(run))
    document = read_document(folder)
    systems = {entry.name: entry for entry in document.systems}
    if system not in systems:
        raise UnknownNameError(what="system", name=system, known=systems)
    earlier = {entry.id for entry in document.benchmarks if entry.version_of}
    own = [score for score in folder.scores() if score.system == system and score.benchmark not in earlier]
    if not own:
        raise RunFolderError(f"the run {folder.path} has no score of {system!r}")
    described = {entry.id: entry for entry in document.benchmarks}
    names = dict.fromkeys(score.benchmark for score in own)
    return MeasuredSystem(
        folder=folder,
        run=document,
        system=systems[system],
        benchmarks={name: described.get(name, RunBenchmark(id=name, name=name)) for name in names},
        scores={name: tuple(score for score in own if score.benchmark == name) for name in names},
    )
