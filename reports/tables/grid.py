"""Tables as rows of text cells, before Markdown, LaTeX or the terminal gives them a form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from reports.run_document import RunSystem
from reports.run_report import BenchmarkReport, Cell
from reports.text.wording import (
    MISSING,
    NOT_DISCRIMINATING,
    RESERVED,
    corrected_p_text,
    count_text,
    difference_text,
    p_text,
    score_text,
    testable,
    title_text,
    tokens_text,
    unit_text,
    verdict,
)
from vtok_eval.results.records import Metric


class RowKind(Enum):
    """What a row holds."""

    VALUES = "values"
    DIFFERENCES = "differences"
    """Of the system above from the baseline."""
    HEADING = "heading"
    """The name of a group of metrics in the first cell, nothing else."""


@dataclass(frozen=True)
class GridCell:
    """A cell's text, and whether it is shown bold (the best) or underlined (the second best)."""

    text: str
    bold: bool = False
    underlined: bool = False

    @property
    def width(self) -> int:
        """Characters, with the mark for bold or underlined in plain text."""
        return len(self.text) + (self.bold or self.underlined)


@dataclass(frozen=True)
class GridRow:
    """As many cells as the grid has columns."""

    kind: RowKind
    cells: tuple[GridCell, ...]


@dataclass(frozen=True)
class Grid:
    """A table. lead: how many columns from the left are repeated in every part that `parts` makes."""

    columns: tuple[str, ...]
    rows: tuple[GridRow, ...]
    lead: int = 1

    def widths(self) -> list[int]:
        """The widest text of each column, in characters; headings may be broken between words."""
        bodies = [row for row in self.rows if row.kind is not RowKind.HEADING]
        return [
            max(
                max((len(word) for word in name.split()), default=0),
                max((row.cells[i].width for row in bodies), default=0),
            )
            for i, name in enumerate(self.columns)
        ]

    def parts(self, *, width: int, gap: int) -> Iterator[Grid]:
        """The grid split by columns into parts of at most `width` characters, `gap` between columns.

        The lead columns are repeated. A part has one other column at least, however wide that is.
        """
        widths = [column + gap for column in self.widths()]
        lead = list(range(self.lead))
        chosen: list[int] = []
        for i in range(self.lead, len(self.columns)):
            if chosen and sum(widths[j] for j in (*lead, *chosen, i)) > width:
                yield self._only([*lead, *chosen])
                chosen = []
            chosen.append(i)
        yield self._only([*lead, *chosen])

    def _only(self, kept: Sequence[int]) -> Grid:
        kept_rows = (GridRow(row.kind, tuple(row.cells[i] for i in kept)) for row in self.rows)
        # A part without metrics needs no line of differences.
        rows = tuple(
            row
            for row in kept_rows
            if row.kind is not RowKind.DIFFERENCES or any(c.text for c in row.cells[1:])
        )
        return Grid(tuple(self.columns[i] for i in kept), rows, self.lead)


def comparison_grid(benchmark: BenchmarkReport, *, baseline: str | None) -> Grid:
    """The short table: systems x headline metrics, what a clip costs first, differences below the values."""
    metrics = benchmark.headline
    prices = [heading for heading, _ in _price_columns(benchmark)]
    columns = ("System", *prices, *(heading(benchmark, metric) for metric in metrics), "n (failed)")
    rows: list[GridRow] = []
    for system in benchmark.systems:
        rows.append(_value_row(benchmark, system, metrics, baseline=baseline))
        rows += _difference_row(benchmark, system, metrics, baseline=baseline)
    return Grid(columns, tuple(rows), lead=1 + len(prices))


def details_grid(benchmark: BenchmarkReport) -> Grid:
    """The long table: measured metrics, by group, x systems."""
    metrics = benchmark.details
    chance = any(metric.chance is not None for metric in metrics)
    columns = ("Metric", *(("Chance",) if chance else ()), *(system.title for system in benchmark.systems))
    rows: list[GridRow] = []
    group = None
    for metric in metrics:
        if metric.group != group:
            group = metric.group
            rows.append(
                GridRow(RowKind.HEADING, (GridCell(group or "other"), *[GridCell("")] * (len(columns) - 1)))
            )
        rows.append(_metric_row(benchmark, metric, with_chance=chance))
    return Grid(columns, tuple(rows), lead=2 if chance else 1)


def heading(benchmark: BenchmarkReport, metric: Metric) -> str:
    """A metric's column heading: title, unit, and marks: does not discriminate, has a reservation."""
    mark = "" if benchmark.discriminates(metric.name) else f" {NOT_DISCRIMINATING}"
    reserved = f" {RESERVED}" if benchmark.reservations(metric.name) else ""
    return f"{title_text(metric)}{mark}{reserved}"


def system_text(system: RunSystem, *, baseline: str | None) -> str:
    """A system's name and its part in the comparison."""
    role = " (baseline)" if system.name == baseline else " (control)" if system.control else ""
    return f"{system.title}{role}"


def chance_text(metric: Metric) -> str:
    """The chance level as the metric's values are shown.

    Example:
        >>> from vtok_eval.results.records import Metric
        >>> chance_text(Metric("hit", "Hit rate", chance=0.25))
        '25.0'
    """
    if metric.chance is None:
        return MISSING
    return (
        f"{100 * metric.chance:.1f}"
        if metric.unit == "fraction"
        else f"{metric.chance:g} {unit_text(metric)}"
    )


def _score_cell(cell: Cell | None) -> GridCell:
    if cell is None:
        return GridCell(score_text(None))
    return GridCell(score_text(cell.score), bold=cell.best, underlined=cell.second)


def _value_row(
    benchmark: BenchmarkReport, system: RunSystem, metrics: Sequence[Metric], *, baseline: str | None
) -> GridRow:
    cells = [benchmark.cell(system.name, metric.name) for metric in metrics]
    prices = [GridCell(tokens_text(of.get(system.name))) for _, of in _price_columns(benchmark)]
    return GridRow(
        RowKind.VALUES,
        (
            GridCell(system_text(system, baseline=baseline)),
            *prices,
            *(_score_cell(cell) for cell in cells),
            GridCell(count_text(cell.score for cell in cells if cell)),
        ),
    )


def _difference_row(
    benchmark: BenchmarkReport, system: RunSystem, metrics: Sequence[Metric], *, baseline: str | None
) -> Iterator[GridRow]:
    """The row of differences; none where the system was not compared."""
    texts = []
    for metric in metrics:
        cell = benchmark.cell(system.name, metric.name)
        comparison = cell.comparison if cell else None
        if comparison is None or not testable(comparison):
            texts.append("")
            continue
        mark = verdict(comparison, metric).value
        difference = difference_text(comparison, metric, interval=False)
        p = (
            corrected_p_text(comparison)
            if comparison.p_corrected is None
            else p_text(comparison.p_corrected).replace(" ", "")
        )
        texts.append(f"{difference}, {p} {mark}".rstrip())
    if not any(texts):
        return
    prices = [GridCell("") for _ in _price_columns(benchmark)]
    yield GridRow(
        RowKind.DIFFERENCES,
        (GridCell(f"  minus {baseline}"), *prices, *(GridCell(text) for text in texts), GridCell("")),
    )


def _price_columns(benchmark: BenchmarkReport) -> list[tuple[str, Mapping[str, float]]]:
    """The columns of what a clip costs: heading and amounts by system."""
    found: list[tuple[str, Mapping[str, float]]] = []
    if benchmark.tokens:
        found.append(("Tokens per clip", benchmark.tokens))
    if benchmark.shows_bits:
        found.append(("Bits per clip", benchmark.bits))
    return found


def _metric_row(benchmark: BenchmarkReport, metric: Metric, *, with_chance: bool) -> GridRow:
    cells = [benchmark.cell(system.name, metric.name) for system in benchmark.systems]
    return GridRow(
        RowKind.VALUES,
        (
            GridCell(heading(benchmark, metric)),
            *((GridCell(chance_text(metric)),) if with_chance else ()),
            *(_score_cell(cell) for cell in cells),
        ),
    )
