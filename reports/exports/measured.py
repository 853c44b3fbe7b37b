"""What the exports read of a run: one system with its scores, benchmark by benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from reports.run import read_document
from reports.run_document import RunBenchmark, RunDocument, RunSystem
from reports.text.wording import shown, title_text
from vtok_eval.errors import RunFolderError, UnknownNameError
from vtok_eval.results.records import Metric, Score
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

    @property
    def label_with_caveats(self) -> str:
        """The label, and what must be said of the system: random weights, say."""
        return "; ".join([self.label, *self.system.caveats])


def is_accuracy(metric: Metric) -> bool:
    """Whether a metric is a share of right answers: a fraction that guessing has a level of."""
    return metric.bounded and metric.chance is not None


def metric_name(metric: Metric) -> str:
    """What a metric is called where nothing around it explains it.

    Example:
        >>> metric_name(Metric("static", "Static", chance=0.375))
        'Static accuracy (%)'
        >>> metric_name(Metric("psnr", "PSNR", unit="dB")), metric_name(Metric("n", "tokens", unit="tokens"))
        ('PSNR (dB)', 'Tokens')
    """
    title = f"{metric.title[:1].upper()}{metric.title[1:]}"
    if is_accuracy(metric) and "accuracy" not in title.lower():
        title = f"{title} accuracy"
    return title_text(replace(metric, title=title))


def rounded(value: float | None, metric: Metric) -> float | None:
    """A value in the unit in which it is shown: percent to two decimals, others to four digits.

    Example:
        >>> rounded(0.813308948, Metric("static", "Static")), rounded(32.14159, Metric("p", "P", unit="dB"))
        (81.33, 32.14)
    """
    if value is None:
        return None
    return round(shown(value, metric), 2) if metric.unit == "fraction" else float(f"{value:.4g}")


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
