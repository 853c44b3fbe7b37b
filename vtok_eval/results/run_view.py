"""Reads a run folder for notebooks and scripts: its systems, benchmarks, scores and records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtok_eval.errors import UnknownNameError
from vtok_eval.results.records import SCORE_NUMBERS
from vtok_eval.results.store import RunFolder

if TYPE_CHECKING:
    import pandas as pd

    from vtok_eval.results.records import Record, Score


@dataclass(frozen=True)
class RecordedSystem:
    """A system of a run, as run.json keeps it.

    kind: a value of `SystemKind`. control: it cannot be best. description: the JSON form of a `Description`.
    """

    name: str
    spec: str
    kind: str
    control: bool = False
    description: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class RecordedBenchmark:
    """A benchmark of a run, as run.json keeps it; description: the JSON form of a `Description`."""

    id: str
    name: str
    version: str
    options: Mapping[str, object] = field(default_factory=dict)
    description: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class RunView:
    """A run folder, read again at each call; nothing is written.

    Made by `open_run`.
    """

    folder: RunFolder

    @property
    def path(self) -> Path:
        """The run folder."""
        return self.folder.path

    @property
    def info(self) -> dict[str, Any]:
        """run.json as it is: suite, label, seed, systems, benchmarks, sessions."""
        return self.folder.run()

    @property
    def systems(self) -> tuple[RecordedSystem, ...]:
        """The systems, in the run's order."""
        return tuple(
            RecordedSystem(
                name=entry["name"],
                spec=entry.get("spec", ""),
                kind=entry.get("kind", ""),
                control=bool(entry.get("control", False)),
                description=entry.get("description") or {},
            )
            for entry in self.info.get("systems", ())
        )

    @property
    def benchmarks(self) -> tuple[RecordedBenchmark, ...]:
        """The benchmarks, in the run's order."""
        return tuple(
            RecordedBenchmark(
                id=entry.get("id") or entry["name"],
                name=entry["name"],
                version=entry.get("version", ""),
                options=entry.get("options") or {},
                description=entry.get("description") or {},
            )
            for entry in self.info.get("benchmarks", ())
        )

    def scores(self) -> pd.DataFrame:
        """One row a system, benchmark and metric.

        Columns: system, benchmark, metric, unit, value, low, high, confidence, n, n_failed, n_clusters,
        seeds, seed_deviation, headline, higher_is_better, label. value, low and high are in the metric's
        unit; missing ones are NaN.

        Raises:
            RunFolderError: the run has no scores yet.
        """
        import pandas as pd

        return pd.DataFrame(
            [_score_row(score) for score in self.folder.scores()], columns=list(_SCORE_COLUMNS)
        )

    def comparisons(self) -> pd.DataFrame:
        """One row a system compared with the baseline, by benchmark and metric: the fields of `Comparison`.

        Raises:
            RunFolderError: the run has no comparisons yet.
        """
        import pandas as pd

        return pd.DataFrame([asdict(comparison) for comparison in self.folder.comparisons()])

    def records(self, benchmark: str | None = None, system: str | None = None) -> Sequence[Record]:
        """One record for each sample that was evaluated, failed ones included, in the journal's order.

        Args:
            benchmark: only of this benchmark, by its id.
            system: only of this system, by its name.

        Raises:
            UnknownNameError: the run has no such benchmark or system.
        """
        for what, name, known in (
            ("benchmark of this run", benchmark, [entry.id for entry in self.benchmarks]),
            ("system of this run", system, [entry.name for entry in self.systems]),
        ):
            if name is not None and name not in known:
                raise UnknownNameError(what=what, name=name, known=known)
        return [
            record
            for record in self.folder.raw_records()
            if benchmark in (None, record.benchmark) and system in (None, record.system)
        ]


def open_run(path: str | Path) -> RunView:
    """A run folder to read: its systems, benchmarks, scores and records.

    Raises:
        RunFolderError: no run folder at this path, or one that a later release wrote.

    Example:
        >>> import vtok_eval
        >>> run = vtok_eval.open_run("runs/mini")  # doctest: +SKIP
        >>> run.scores().query("headline and benchmark == 'understanding-scenes'")  # doctest: +SKIP
    """
    return RunView(RunFolder.open(Path(path)))


_SCORE_COLUMNS = (
    "system", "benchmark", "metric", "unit", *SCORE_NUMBERS, "headline", "higher_is_better", "label",
)  # fmt: skip


def _score_row(score: Score) -> dict[str, object]:
    fields = {name: getattr(score, name) for name in _SCORE_COLUMNS if hasattr(score, name)}
    metric = score.metric
    return {
        **fields,
        "metric": metric.name,
        "unit": metric.unit,
        "headline": metric.headline,
        "higher_is_better": metric.higher_is_better,
    }
