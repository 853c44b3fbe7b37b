"""Quality, Semantic and Total of a run folder with intervals, and its scores in the form of the reference."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.vbench.dimensions import DIMENSIONS
from benchmarks.vbench.result_files import DimensionResult, write_results
from benchmarks.vbench.totals import (
    TOTALS,
    Totals,
    TotalsInterval,
    VideoScore,
    dimension_scores,
    intervals,
    totals,
)
from vtok_eval.errors import VtokEvalError
from vtok_eval.results.records import Record, Status
from vtok_eval.results.store import RunFolder


@dataclass(frozen=True)
class SystemTotals:
    """VBench's results for one system of a run.

    videos: every video's score on every dimension it counts for. n_failed: videos that lack one or all.
    """

    system: str
    videos: tuple[VideoScore, ...]
    per_video: dict[str, dict[str, float]]
    n_failed: int

    @property
    def scores(self) -> dict[str, float]:
        """Dimension scores, as fractions."""
        return dimension_scores(self.videos)

    @property
    def totals(self) -> Totals:
        """The three totals; None where a dimension is missing."""
        return totals(self.scores)

    def intervals(self, *, seed: int) -> dict[str, TotalsInterval]:
        """Bootstrap intervals over prompts, of dimensions and totals."""
        return intervals(self.videos, seed=seed)


def of_records(records: Iterable[Record]) -> list[SystemTotals]:
    """The totals of every system, from VBench's records."""
    by_system: dict[str, list[Record]] = {}
    for record in records:
        by_system.setdefault(record.system, []).append(record)
    return [_of_system(system, found) for system, found in by_system.items()]


def of_run(path: Path) -> list[SystemTotals]:
    """The totals of every system that VBench was run on.

    Raises:
        RunFolderError: `path` is not a run folder.
        VtokEvalError: the run holds no records of VBench.
    """
    folder = RunFolder.open(path)
    vbench = {entry["id"] for entry in folder.run()["benchmarks"] if entry["name"] == "vbench"}
    found = of_records(record for record in folder.raw_records() if record.benchmark in vbench)
    if not found:
        raise VtokEvalError(f"{path}: holds no results of VBench")
    return found


def lines(found: SystemTotals, *, seed: int = 0) -> list[str]:
    """The dimensions and totals of a system as text; a total that lacks a dimension says which."""
    spans = found.intervals(seed=seed)
    said = [f"{found.system}: {len(found.per_video)} videos scored, {found.n_failed} failed"]
    for entry in DIMENSIONS:
        if entry.name in found.scores:
            said.append(f"  {entry.title}: {_value(found.scores[entry.name], spans.get(entry.name))}")
    for name in TOTALS:
        value = getattr(found.totals, name)
        if value is None:
            wanted = [entry.name for entry in DIMENSIONS if name in ("total", entry.group)]
            lacking = [each for each in found.totals.missing if each in wanted]
            said.append(f"  {name.title()}: not given, not run: {', '.join(lacking)}")
        else:
            said.append(f"  {name.title()}: {_value(value, spans.get(name))}")
    return said


def write_reference_files(found: SystemTotals, folder: Path) -> Path:
    """Write `{system}_eval_results.json` in the reference's form; returns its path."""
    results = {
        name: DimensionResult(
            score, {video: scores[name] for video, scores in found.per_video.items() if name in scores}
        )
        for name, score in found.scores.items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{found.system.replace('/', '_')}_eval_results.json"
    write_results(path, results)
    return path


def _of_system(system: str, records: Sequence[Record]) -> SystemTotals:
    videos = []
    per_video: dict[str, dict[str, float]] = {}
    n_failed = 0
    for record in records:
        n_failed += record.status is Status.FAILED
        if not record.values:
            continue
        weights = record.outputs.get("weights", {})
        per_video[record.sample_id] = {name: values[0] for name, values in record.values.items()}
        videos += [
            VideoScore(name, record.cluster, values[0], weight=float(weights.get(name, 1.0)))
            for name, values in record.values.items()
        ]
    return SystemTotals(system, tuple(videos), per_video, n_failed=n_failed)


def _value(value: float, span: TotalsInterval | None) -> str:
    if span is None:
        return f"{100 * value:.2f} % (one prompt: no interval)"
    return f"{100 * value:.2f} % [{100 * span.low:.2f}, {100 * span.high:.2f}]"
