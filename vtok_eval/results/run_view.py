"""Reads a run folder for notebooks and scripts: its scores, tests, samples, pictures and report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtok_eval.errors import RunFolderError, UnknownNameError
from vtok_eval.results.columns.data_frame_rows import SCORE_COLUMNS, sample_row, score_row
from vtok_eval.results.columns.job_columns import SampleSets
from vtok_eval.results.columns.run_columns import RunRecords, read_records
from vtok_eval.results.identity import version_names
from vtok_eval.results.statistics.scores import compare_all
from vtok_eval.results.store import RunFolder

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from vtok_eval.results.records import Comparison, Record


@dataclass(frozen=True)
class RecordedSystem:
    """A system of a run, as run.json keeps it.

    kind: a value of `SystemKind`. control: it cannot be best. description: the JSON form of a `Description`.

    Example:
        >>> RecordedSystem(name="vtok", spec="vtok:grid=4", kind="tokenizer").control
        False
    """

    name: str
    spec: str
    kind: str
    control: bool = False
    description: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class RecordedBenchmark:
    """A benchmark of a run, as run.json keeps it; description: the JSON form of a `Description`.

    Example:
        >>> RecordedBenchmark(id="scenes", name="understanding-scenes", version="9").options
        {}
    """

    id: str
    name: str
    version: str
    options: Mapping[str, object] = field(default_factory=dict)
    description: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class RunView:
    """A run folder to read; made by `open_run` and `evaluate`. Only `report` writes.

    versions: with the earlier versions of systems and benchmarks, such as mine@d631.

    Example:
        >>> run = open_run("runs/mini")  # doctest: +SKIP
        >>> run.compare("vtok-mean", "frames-2")  # doctest: +SKIP
        >>> run.plot("scores against tokens")  # doctest: +SKIP
    """

    folder: RunFolder
    versions: bool = False

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
        hidden = self._hidden()
        return tuple(
            RecordedSystem(
                name=entry["name"],
                spec=entry.get("spec", ""),
                kind=entry.get("kind", ""),
                control=bool(entry.get("control", False)),
                description=entry.get("description") or {},
            )
            for entry in self.info.get("systems", ())
            if entry["name"] not in hidden
        )

    @property
    def benchmarks(self) -> tuple[RecordedBenchmark, ...]:
        """The benchmarks, in the run's order."""
        hidden = self._hidden()
        return tuple(
            RecordedBenchmark(
                id=entry.get("id") or entry["name"],
                name=entry["name"],
                version=entry.get("version", ""),
                options=entry.get("options") or {},
                description=entry.get("description") or {},
            )
            for entry in self.info.get("benchmarks", ())
            if (entry.get("id") or entry["name"]) not in hidden
        )

    def scores(self) -> pd.DataFrame:
        """One row a system, benchmark and metric.

        Columns: system, benchmark, metric, unit, value, low, high, confidence, n, n_failed, n_clusters,
        seeds, seed_deviation, tokens, bits, headline, higher_is_better, sound, label. value, low and high are
        in the metric's unit; tokens and bits are means per clip. Missing ones are NaN.

        Raises:
            RunFolderError: the run has no scores yet.
        """
        import pandas as pd

        hidden = self._hidden()
        tokens, bits = self._records.tokens, self._records.bits
        rows = []
        for score in self.folder.scores():
            if hidden & {score.system, score.benchmark}:
                continue
            job = score.benchmark, score.system
            costs = {"tokens": tokens.get(job, math.nan), "bits": bits.get(job, math.nan)}
            rows.append({**score_row(score), **costs})
        return pd.DataFrame(rows, columns=list(SCORE_COLUMNS))

    def compare(self, a: str, b: str, *, benchmark: str | None = None) -> pd.DataFrame:
        """The paired test of one system against another on every metric they share: a minus b.

        p-values are corrected over the metrics of this pair, headline metrics by themselves. Where a
        self-check found that the reader misses what the tokens hold, there is no p-value.

        Args:
            a: a system's name. b: the other's; the difference is a's value minus b's.
            benchmark: only of this benchmark, by its id.

        Returns:
            One row a benchmark and metric: the fields of `Comparison`.

        Raises:
            UnknownNameError: the run has no such system or benchmark.
            RunFolderError: no benchmark has finished results of both.
        """
        import pandas as pd

        self._check_names(benchmark=benchmark, systems=(a, b))
        found = [
            comparison
            for entry in self.benchmarks
            if benchmark in (None, entry.id)
            for comparison in self._compared(entry.id, a, b)
        ]
        if not found:
            where = f"in {benchmark}" if benchmark else "in any benchmark"
            raise RunFolderError(f"{self.path} has no finished results of both {a} and {b} {where}")
        return pd.DataFrame([asdict(comparison) for comparison in found])

    def _compared(self, benchmark: str, a: str, b: str) -> list[Comparison]:
        jobs = self._records.jobs
        both = {name: jobs[benchmark, name] for name in (a, b) if (benchmark, name) in jobs}
        scores = [score for score in self.folder.scores() if score.benchmark == benchmark]
        metrics = list({score.metric.name: score.metric for score in scores}.values())
        if len(both) < 2 or a == b or not metrics:
            return []
        return compare_all(both, b, metrics)

    @cached_property
    def _records(self) -> RunRecords:
        return read_records(self.folder, SampleSets())

    def samples(self, benchmark: str, system: str | None = None) -> pd.DataFrame:
        """One row a sample and system of a benchmark, failed ones included.

        Columns: system, sample_id, cluster, status, reason, a column for each value (`value.correct`, with
        `#N` for the Nth training seed from the second on), each output (`output.answer`), each cost
        (`cost.tokens`) and each fact about the sample (`meta.question`)
        and of its truth (`truth.answer`).

        Raises:
            UnknownNameError: the run has no such benchmark or system.
        """
        import pandas as pd

        return pd.DataFrame([sample_row(record) for record in self.records(benchmark, system)])

    def plot(self, title: str | None = None, *, benchmark: str | None = None) -> Figure:
        """A picture of the report, as a figure of matplotlib: `run.plot("scores against tokens")`.

        Args:
            title: the picture's title, or part of it; None for the first one of the report.
            benchmark: only of this benchmark, by its id.

        Raises:
            UnknownNameError: no picture has such a title; names those that the run has.
        """
        from vtok_eval.registry import REPORTS

        self._check_names(benchmark=benchmark)
        figure: Figure = REPORTS.resolve("figure")(self.path, title, benchmark=benchmark)
        return figure

    def report(self, out: str | Path | None = None) -> Path:
        """Write the report (tables, pictures, page); returns the page's path.

        Args:
            out: the folder to write to; None for the folder `report` of the run.
        """
        from vtok_eval.registry import REPORTS

        html: Path = REPORTS.resolve("folder")(self.path, None if out is None else Path(out)).html
        return html

    def comparisons(self) -> pd.DataFrame:
        """One row a system compared with the baseline, by benchmark and metric: the fields of `Comparison`.

        Raises:
            RunFolderError: the run has no comparisons yet.
        """
        import pandas as pd

        hidden = self._hidden()
        return pd.DataFrame(
            [
                asdict(comparison)
                for comparison in self.folder.comparisons()
                if not hidden & {comparison.system, comparison.benchmark}
            ]
        )

    def records(self, benchmark: str | None = None, system: str | None = None) -> Sequence[Record]:
        """One record for each sample that was evaluated, failed ones included, in the journal's order.

        Args:
            benchmark: only of this benchmark, by its id.
            system: only of this system, by its name.

        Raises:
            UnknownNameError: the run has no such benchmark or system.
        """
        self._check_names(benchmark=benchmark, systems=() if system is None else (system,))
        hidden = self._hidden()
        return [
            record
            for record in self.folder.raw_records()
            if benchmark in (None, record.benchmark) and system in (None, record.system)
            if not hidden & {record.system, record.benchmark}
        ]

    def _check_names(self, *, benchmark: str | None, systems: Sequence[str] = ()) -> None:
        known = [entry.id for entry in self.benchmarks]
        if benchmark is not None and benchmark not in known:
            raise UnknownNameError(what="benchmark of this run", name=benchmark, known=known)
        names = [entry.name for entry in self.systems]
        for system in systems:
            if system not in names:
                raise UnknownNameError(what="system of this run", name=system, known=names)

    def _hidden(self) -> frozenset[str]:
        """Names of the systems and benchmarks that are not shown."""
        if self.versions:
            return frozenset()
        run = self.info
        return version_names(run, "systems") | version_names(run, "benchmarks")


def open_run(path: str | Path, *, versions: bool = False) -> RunView:
    """A run folder to read: its systems, benchmarks, scores and records.

    versions: with the earlier versions (mine@d631) of what was changed and measured again.

    Raises:
        RunFolderError: no run folder at this path, or one that a later release wrote.

    Example:
        >>> import vtok_eval
        >>> run = vtok_eval.open_run("runs/mini")  # doctest: +SKIP
        >>> run.scores().query("headline and benchmark == 'understanding-scenes'")  # doctest: +SKIP
    """
    return RunView(RunFolder.open(Path(path)), versions=versions)
