"""A run's tables as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from reports.gather import BenchmarkReport, RunReport
from reports.grid import Grid, GridCell, GridRow, RowKind, comparison_grid, details_grid
from reports.headline import headline, how_to_read
from reports.notes import status_notes, table_notes


def markdown(report: RunReport) -> str:
    """The finding, the comparison and the long table of every benchmark, and how to read them."""
    return "\n\n".join(_blocks(report)) + "\n"


def _blocks(report: RunReport) -> Iterator[str]:
    yield f"# {escape(report.name)}"
    yield f"**{escape(report.label)}**"
    for note in status_notes(report):
        yield f"> **{escape(note)}**"
    yield "\n".join(f"- {escape(sentence)}" for sentence in headline(report))
    if reading := how_to_read(report):
        yield escape(reading)
    for benchmark in report.benchmarks:
        yield from _benchmark_blocks(benchmark, report)


def _benchmark_blocks(benchmark: BenchmarkReport, report: RunReport) -> Iterator[str]:
    yield f"## {escape(benchmark.info.id)}"
    yield _table(comparison_grid(benchmark, baseline=report.baseline))
    yield escape(report.label)
    yield "\n".join(f"- {escape(note)}" for note in table_notes(benchmark, baseline=report.baseline))
    if set(benchmark.details) - set(benchmark.headline):
        yield f"### {escape(benchmark.info.id)}, metric by metric"
        yield _table(details_grid(benchmark))
        yield escape(report.label)


def escape(text: str) -> str:
    """Text as Markdown shows it letter by letter: no markup, no HTML, no table cell ends in it."""
    flat = " ".join(text.split())
    return re.sub(r"([\\`*_{}\[\]<>#|~&!$])", r"\\\1", flat)


def _table(grid: Grid) -> str:
    head = _line([escape(column) for column in grid.columns])
    rule = _line(["---", *["---:"] * (len(grid.columns) - 1)])
    return "\n".join([head, rule, *(_row(row) for row in grid.rows)])


def _row(row: GridRow) -> str:
    texts = [_cell(cell) for cell in row.cells]
    if row.kind is RowKind.HEADING:
        texts[0] = f"*{texts[0]}*"
    if row.kind is RowKind.DIFFERENCES:
        texts[0] = f"↳ {texts[0]}"
    return _line(texts)


def _cell(cell: GridCell) -> str:
    text = escape(cell.text)
    return f"**{text}**" if cell.bold and text else text


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
