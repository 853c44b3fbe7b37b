"""Every headline difference from the baseline at its token budget, as points with intervals about zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.plots.style import (
    COLUMN_WIDTH,
    Picture,
    Theme,
    add_axes,
    label_height,
    literal,
    looks,
    new_figure,
    write_label,
)
from reports.plots.svg import name_point
from reports.run_document import RunSystem
from reports.run_report import RunReport
from reports.text.headline import compared, comparison_of, subjects
from reports.text.wording import PairedVerdict, corrected_p_text, difference_text, percent, shown, verdict
from vtok_eval.results.records import Comparison, Metric

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

ROW = 0.27
"""Inches of a row."""
CHARACTER = 0.059
"""Inches that a character of a row's name takes at most, on average."""


@dataclass(frozen=True)
class _Row:
    benchmark: str
    metric: Metric
    system: RunSystem
    comparison: Comparison

    @property
    def is_significant(self) -> bool:
        return verdict(self.comparison, self.metric) is not PairedVerdict.NOT_SHOWN

    def shown(self, value: float | None) -> float | None:
        """In points, positive where the system is better than the baseline."""
        if value is None:
            return None
        return shown(value, self.metric) * (-1 if self.metric.higher_is_better is False else 1)


def forest(report: RunReport) -> Picture | None:
    """The picture; None where nothing was compared with a baseline.

    Metrics are fractions; where less is better the sign is turned, so that right of zero is always better.
    """
    rows = _rows(report)
    if not rows or report.baseline is None:
        return None
    baseline = report.baseline
    return Picture(
        name="differences",
        title=f"Differences from {baseline} at its token budget",
        alt=_alt(rows, baseline, _label(report)),
        data=_data(rows, report),
        draw=lambda theme: _draw(rows, theme, report=report),
    )


def _rows(report: RunReport) -> list[_Row]:
    if report.baseline is None:
        return []
    return [
        _Row(benchmark.info.title, metric, system, found)
        for benchmark in compared(report)
        for metric in benchmark.headline
        if metric.unit == "fraction" and benchmark.is_sound(metric.name)
        for system in subjects(benchmark, report.baseline)
        if (found := comparison_of(benchmark, system.name, metric)) is not None
    ]


def _label(report: RunReport) -> str:
    """The setting, with the caveats of every benchmark and system in the picture, each once."""
    found: dict[str, list[str]] = {}
    for benchmark in compared(report):
        for caveat in benchmark.info.caveats:
            found.setdefault(caveat, []).append(benchmark.info.id)
        for system in benchmark.systems:
            for caveat in system.caveats:
                found.setdefault(caveat, []).append(system.name)
    said = [f"{what.capitalize()}: {', '.join(dict.fromkeys(names))}." for what, names in found.items()]
    return " ".join([f"{report.label.removesuffix('.')}.", *said]) if said else report.label


def _alt(rows: Sequence[_Row], baseline: str, label: str) -> str:
    said = "; ".join(map(_said, rows))
    return f"Differences from {baseline} with intervals ({label}). {said}."


def _said(row: _Row) -> str:
    return (
        f"{row.benchmark}, {row.metric.title}, {row.system.title}: "
        f"{difference_text(row.comparison, row.metric)} points, {corrected_p_text(row.comparison)}"
    )


def _data(rows: Sequence[_Row], report: RunReport) -> pd.DataFrame:
    import pandas as pd

    label = _label(report)
    return pd.DataFrame(
        [
            {
                "benchmark": row.benchmark,
                "metric": row.metric.name,
                "system": row.system.name,
                "baseline": report.baseline,
                "difference": row.comparison.difference,
                "low": row.comparison.low,
                "high": row.comparison.high,
                "p_corrected": row.comparison.p_corrected,
                "significant": row.is_significant,
                "label": label,
            }
            for row in rows
        ]
    )


def _draw(rows: Sequence[_Row], theme: Theme, *, report: RunReport) -> Figure:
    width = COLUMN_WIDTH if theme.in_column else 9.0
    levels = " and ".join(percent(level) for level in sorted({row.comparison.confidence for row in rows}))
    explained = f"Filled: significant after correction. Lines: {levels} intervals of the paired difference."
    below = f"{explained} Setting: {_label(report)}"
    foot = (0.65 if theme.in_column else 0.5) + label_height(below, width)
    headings = _headings(rows) if theme.in_column else {}
    height = ROW * (len(rows) + len(headings)) + foot + 0.15
    figure = new_figure(theme, width=width, height=height)
    names = [literal(_name(row, theme)) for row in rows]
    left = 0.25 + CHARACTER * max(map(len, [*names, *headings.values()]))
    axes = add_axes(figure, theme, left=min(left, 0.6 * width), right=0.15, top=0.1, bottom=foot)
    styles = looks(report.systems, theme)
    axes.axvline(0, color=theme.text, linewidth=0.9)
    places = [i + sum(first <= i for first in headings) for i in range(len(rows))]
    for place, row in zip(places, rows, strict=True):
        look = styles[row.system.name]
        found = row.comparison
        low, value, high = (row.shown(end) for end in (found.low, found.difference, found.high))
        if low is not None and high is not None:
            axes.plot([low, high], [place, place], color=look.color, linewidth=1.6, solid_capstyle="butt")
        face = look.color if row.is_significant else theme.background
        (dot,) = axes.plot(
            [value or 0.0], [place], look.marker, color=look.color, markerfacecolor=face, markersize=6
        )
        name_point(dot, _said(row))
    ticks = dict(zip(places, names, strict=True))
    ticks |= {places[first] - 1: literal(heading) for first, heading in headings.items()}
    axes.set_yticks(list(ticks), list(ticks.values()))
    axes.set_ylim(places[-1] + 0.6, -0.6)
    parts = (f"points from {report.baseline}:", "better to the right")
    if theme.in_column:
        axes.set_xlabel(literal("\n".join(parts)), loc="right")
    else:
        axes.set_xlabel(literal(" ".join(parts)))
    for i in range(1, len(rows)):
        if rows[i].benchmark != rows[i - 1].benchmark:
            axes.axhline(places[i - 1] + 0.5, color=theme.faint, linewidth=0.6)
    write_label(figure, below, theme)
    return figure


def _headings(rows: Sequence[_Row]) -> dict[int, str]:
    """The benchmark by the number of its first row; none where there is one benchmark."""
    firsts = {
        i: row.benchmark for i, row in enumerate(rows) if i == 0 or row.benchmark != rows[i - 1].benchmark
    }
    return firsts if len(firsts) > 1 else {}


def _name(row: _Row, theme: Theme) -> str:
    own = f"{row.metric.title}: {row.system.title}"
    return own if theme.in_column else f"{row.benchmark} · {own}"
