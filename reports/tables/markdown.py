"""A run's tables as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from reports.run_report import BenchmarkReport, RunReport
from reports.tables.beside_vbench import beside_vbench_grid
from reports.tables.budget import BudgetTables
from reports.tables.clips import clips_grid
from reports.tables.grid import Grid, GridCell, GridRow, RowKind, comparison_grid, details_grid
from reports.text.headline import headline, how_to_read
from reports.text.notes import status_notes, table_notes


def markdown(report: RunReport, budget: Mapping[str, BudgetTables] | None = None) -> str:
    """The finding and every benchmark's tables, and how to read them; `budget`: those at equal budget."""
    return "\n\n".join(_blocks(report, budget or {})) + "\n"


def _blocks(report: RunReport, budget: Mapping[str, BudgetTables]) -> Iterator[str]:
    yield f"# {escape(report.name)}"
    yield f"**{escape(report.label)}**"
    for note in status_notes(report):
        yield f"> **{escape(note)}**"
    yield "\n".join(f"- {escape(sentence)}" for sentence in headline(report))
    if reading := how_to_read(report):
        yield escape(reading)
    for benchmark in report.benchmarks:
        yield from _benchmark_blocks(benchmark, report)
        yield from _reconstruction_blocks(benchmark, report)
        if benchmark.info.id in budget:
            yield from _budget_blocks(budget[benchmark.info.id], benchmark, report)


def _benchmark_blocks(benchmark: BenchmarkReport, report: RunReport) -> Iterator[str]:
    yield f"## {escape(benchmark.info.title)}"
    yield markdown_table(comparison_grid(benchmark, baseline=report.baseline))
    yield escape(report.label)
    yield "\n".join(f"- {escape(note)}" for note in table_notes(benchmark, baseline=report.baseline))
    if set(benchmark.details) - set(benchmark.headline):
        yield f"### {escape(benchmark.info.title)}, metric by metric"
        yield markdown_table(details_grid(benchmark))
        yield escape(report.label)


def _reconstruction_blocks(benchmark: BenchmarkReport, report: RunReport) -> Iterator[str]:
    """The tables that only a run of the benchmark reconstruction has."""
    beside = beside_vbench_grid(report, benchmark)
    if beside is not None:
        yield "### VBench of originals and reconstructions"
        yield markdown_table(beside)
        yield escape(report.label)
    clips = clips_grid(report, benchmark)
    if clips is not None:
        yield f"### {escape(benchmark.info.title)}, clip by clip"
        yield markdown_table(clips[0])
        yield escape(report.label)
        yield f"- {escape(clips[1])}"


def _budget_blocks(tables: BudgetTables, benchmark: BenchmarkReport, report: RunReport) -> Iterator[str]:
    for title, grid, notes in tables.grids(benchmark):
        yield f"### {escape(benchmark.info.title)}, {title}"
        yield markdown_table(grid)
        yield escape(report.label)
        yield "\n".join(f"- {escape(note)}" for note in notes)


def escape(text: str) -> str:
    r"""Text as Markdown shows it letter by letter: no markup, no HTML, no table cell ends in it.

    Example:
        >>> escape("a|b")
        'a\\|b'
    """
    flat = " ".join(text.split())
    return re.sub(r"([\\`*_{}\[\]<>#|~&!$])", r"\\\1", flat)


def markdown_table(grid: Grid, *, align: str = "---:") -> str:
    """The grid as a table; `align`: of all columns but the first."""
    head = _line([escape(column) for column in grid.columns])
    rule = _line(["---", *[align] * (len(grid.columns) - 1)])
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
    if not text:
        return text
    # Markdown has no underline; <ins> is what GitHub and pandoc show as one.
    text = f"<ins>{text}</ins>" if cell.underlined else text
    return f"**{text}**" if cell.bold else text


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
