"""VBench of originals and of their reconstructions, with the reconstructions' own metrics in one table."""

from __future__ import annotations

from reports.run_report import BenchmarkReport, RunReport
from reports.tables.clips import BENCHMARK
from reports.tables.grid import Grid, GridCell, GridRow, RowKind, heading
from reports.text.wording import score_text

VBENCH = "vbench"


def beside_vbench_grid(report: RunReport, benchmark: BenchmarkReport) -> Grid | None:
    """Folders of videos and what tokenizers made of them, with the scores of both benchmarks.

    None unless the benchmark is reconstruction and the run has VBench of some of the same systems.
    """
    if benchmark.info.name != BENCHMARK:
        return None
    reconstructed = {system.name for system in benchmark.systems}
    vbench = [
        found
        for found in report.benchmarks
        if found.info.name == VBENCH and reconstructed & {system.name for system in found.systems}
    ]
    if not vbench:
        return None
    systems = {system.name: system for found in vbench for system in found.systems}.values()
    columns = [(found, metric) for found in vbench for metric in found.headline]
    columns += [(benchmark, metric) for metric in benchmark.headline]
    names = ("Videos", *(f"{_short(found)}{heading(found, metric)}" for found, metric in columns))
    rows = []
    for system in sorted(systems, key=lambda system: system.name in reconstructed):
        cells = [found.cell(system.name, metric.name) for found, metric in columns]
        texts = [GridCell(score_text(cell.score if cell else None)) for cell in cells]
        part = "" if system.name in reconstructed else " (original)"
        rows.append(GridRow(RowKind.VALUES, (GridCell(f"{system.title}{part}"), *texts)))
    return Grid(names, tuple(rows))


def _short(found: BenchmarkReport) -> str:
    return "VBench " if found.info.name == VBENCH else ""
