"""Reconstruction clip by clip: each system's values and bits for each clip, from the run's records."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from reports.run_report import BenchmarkReport, RunReport
from reports.tables.grid import Grid, GridCell, GridRow, RowKind
from reports.text.wording import INFINITE as INFINITE_SIGN
from reports.text.wording import MISSING, title_text
from vtok_eval.results.records import INFINITE, Metric, Record, Status
from vtok_eval.results.store import RunFolder

BENCHMARK = "reconstruction"
MOST_CLIPS = 40
"""Clips that a page lists; of more, those on which the systems are worst."""


def records_of(report: RunReport, benchmark: BenchmarkReport) -> dict[str, list[Record]]:
    """By system, the records of a reconstruction benchmark; empty of others, and where none are kept."""
    if benchmark.info.name != BENCHMARK:
        return {}
    return {
        job.system: RunFolder(report.folders[job.benchmark, job.system]).raw_records(job.id)
        for job in report.jobs
        if job.benchmark == benchmark.info.id
    }


def mean_costs(report: RunReport, benchmark: BenchmarkReport, cost: str) -> dict[str, float]:
    """By system the mean of a cost over the clips that state it; no key where none does."""
    found = {}
    for system, records in records_of(report, benchmark).items():
        amounts = [record.cost[cost] for record in records if cost in record.cost]
        if amounts:
            found[system] = math.fsum(amounts) / len(amounts)
    return found


def clips_grid(report: RunReport, benchmark: BenchmarkReport) -> tuple[Grid, str] | None:
    """A heading for each clip, below it each system with bits per pixel and its values; and how it is read.

    None for any benchmark but reconstruction.
    """
    by_clip: dict[str, list[tuple[str, Record]]] = defaultdict(list)
    for system, records in records_of(report, benchmark).items():
        for record in records:
            by_clip[record.sample_id].append((system, record))
    if not by_clip:
        return None
    metrics = [metric for metric in benchmark.metrics if not metric.derived and not metric.mean_of]
    columns = ("Clip and system", "Bits per pixel", *(title_text(metric) for metric in metrics))
    rows: list[GridRow] = []
    shown = sorted(by_clip, key=lambda clip: (_badness(by_clip[clip], metrics), clip))[:MOST_CLIPS]
    for clip in [name for name in by_clip if name in set(shown)]:
        empty = [GridCell("")] * (len(columns) - 1)
        rows.append(GridRow(RowKind.HEADING, (GridCell(clip), *empty)))
        rows += [_row(benchmark.title_of(system), record, metrics) for system, record in by_clip[clip]]
    note = (
        f"Means over training seeds where there are several. {INFINITE_SIGN}: the clip came back unchanged."
    )
    if len(by_clip) > MOST_CLIPS:
        note += f" {MOST_CLIPS} of {len(by_clip):,} clips, those with the lowest {metrics[0].title}."
    return Grid(columns, tuple(rows), lead=2), note


def _badness(entries: Sequence[tuple[str, Record]], metrics: Sequence[Metric]) -> float:
    """The mean of the first metric over the systems, so that the worst clips come first."""
    if not metrics:
        return 0.0
    name, sign = metrics[0].name, -1.0 if metrics[0].higher_is_better is False else 1.0
    found = [value for _, record in entries for value in record.values.get(name, ())]
    return sign * math.fsum(found) / len(found) if found else math.inf


def _row(title: str, record: Record, metrics: Sequence[Metric]) -> GridRow:
    if record.status is Status.FAILED:
        failed = GridCell("failed")
        return GridRow(RowKind.VALUES, (GridCell(title), failed, *[GridCell(MISSING)] * len(metrics)))
    bits = record.cost.get("bits_per_pixel")
    cells = [GridCell(_value(record, metric)) for metric in metrics]
    return GridRow(
        RowKind.VALUES, (GridCell(title), GridCell(MISSING if bits is None else f"{bits:.3g}"), *cells)
    )


def _value(record: Record, metric: Metric) -> str:
    if metric.name in str(record.meta.get(INFINITE, "")).split(";"):
        return INFINITE_SIGN
    values = record.values.get(metric.name, ())
    return f"{math.fsum(values) / len(values):.4g}" if values else MISSING
