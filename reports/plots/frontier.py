"""Accuracy against tokens or bits per clip: a panel per headline metric, with intervals and chance lines."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reports.families import line_of
from reports.plots.labels import Labelled, Line, place_labels, side_by_side
from reports.plots.style import (
    COLUMN_WIDTH,
    Look,
    Picture,
    Theme,
    dress,
    label_height,
    literal,
    looks,
    new_figure,
    write_label,
)
from reports.plots.svg import draw_points
from reports.run_document import RunSystem
from reports.run_report import BenchmarkReport, RunReport
from reports.tables.clips import mean_costs
from reports.text.wording import RESERVED, score_text, shown, title_text, tokens_text
from vtok_eval.results.budget import BudgetUnit
from vtok_eval.results.records import Metric, Score

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PER_ROW = 3
PANEL_HEIGHT = 3.2
"""Inches, with the title and the axis below."""
COLUMN_LENGTH = 8.4
"""Inches of a paper's column that panels above one another may take."""
FRONTIER_EXPLAINED = "Wide grey line: the best contender within each budget."
MOST_NAMES = 24
"""Points of a panel that all get their names; of more, a picture's data holds the rest."""
LONG_POWER = 13
"""From 2^13 = 8,192 on, ticks are named as powers."""
ZERO_BEFORE = 1.6
"""How far left of the fewest tokens "no tokens" is drawn, in doublings."""


@dataclass(frozen=True)
class Price:
    """What scores are drawn against: its name in files, its title, its column in data, an amount as text.

    explained: how it is counted, as a sentence below the picture.
    """

    name: str
    title: str
    column: str
    text: Callable[[float], str]
    explained: str = ""


TOKENS = Price("tokens", "tokens per clip", "tokens_per_clip", tokens_text)
BITS = Price("bits", "bits per pixel", "bits_per_pixel", lambda amount: f"{amount:.3g}")
BITS_PER_CLIP = Price(
    "bits-per-clip", "bits per clip", "bits_per_clip", tokens_text, BudgetUnit.BITS.explained
)
SECONDS = Price("seconds", "seconds per clip", "seconds", lambda amount: f"{amount:.3g}")


def frontier(report: RunReport, benchmark: BenchmarkReport) -> Picture | None:
    """The picture in the report's unit of budgets; None where no headline metric has priced scores."""
    price = TOKENS if benchmark.unit is BudgetUnit.TOKENS else BITS_PER_CLIP
    return _against(price, report, replace(benchmark, tokens=benchmark.prices))


def against_bits(report: RunReport, benchmark: BenchmarkReport) -> Picture | None:
    """Rate and distortion: scores against bits per pixel; None where records state none."""
    return _against(BITS, report, replace(benchmark, tokens=mean_costs(report, benchmark, BITS.column)))


def against_seconds(report: RunReport, benchmark: BenchmarkReport) -> Picture | None:
    """Scores against the seconds of encoding and decoding; None for any benchmark but reconstruction."""
    if not mean_costs(report, benchmark, BITS.column):
        return None
    return _against(SECONDS, report, replace(benchmark, tokens=mean_costs(report, benchmark, SECONDS.column)))


def _against(price: Price, report: RunReport, benchmark: BenchmarkReport) -> Picture | None:
    """The picture against a price, which `benchmark.tokens` holds by system."""
    metrics = [metric for metric in benchmark.headline if _points(benchmark, metric)]
    if not metrics:
        return None
    label = report.label_of(benchmark)
    return Picture(
        name=f"{benchmark.info.id}-against-{price.name}",
        title=f"{benchmark.info.id}: scores against {price.title}",
        alt=_alt(benchmark, metrics, label, price),
        data=_data(benchmark, metrics, label, price),
        draw=lambda theme: _draw(benchmark, metrics, theme, label=label, price=price),
    )


def _points(benchmark: BenchmarkReport, metric: Metric) -> list[tuple[RunSystem, float, Score]]:
    """The systems that have both tokens and a value, with both."""
    found = []
    for system in benchmark.systems:
        cell, tokens = benchmark.cell(system.name, metric.name), benchmark.tokens.get(system.name)
        if cell is not None and cell.score.value is not None and tokens is not None:
            found.append((system, tokens, cell.score))
    return found


def _frontier(points: Sequence[tuple[RunSystem, float, Score]], metric: Metric) -> list[str]:
    """The contenders that no other reaches at fewer or as many tokens, cheapest first; none where the metric
    has no better end or its reader is not sound."""
    if metric.higher_is_better is None or not all(score.sound for _, _, score in points):
        return []
    sign = 1 if metric.higher_is_better else -1
    best, found = -math.inf, []
    for system, _, score in sorted(points, key=lambda point: (point[1], -sign * (point[2].value or 0.0))):
        value = sign * (score.value or 0.0)
        if not system.control and value > best:
            best = value
            found.append(system.name)
    return found


def _data(benchmark: BenchmarkReport, metrics: Sequence[Metric], label: str, price: Price) -> pd.DataFrame:
    import pandas as pd

    rows = [
        {
            "metric": metric.name,
            "system": system.name,
            "control": system.control,
            price.column: tokens,
            "value": score.value,
            "low": score.low,
            "high": score.high,
            "on_frontier": system.name in on_frontier,
            "chance": metric.chance,
            "unit": metric.unit,
            "label": label,
        }
        for metric in metrics
        for on_frontier in [set(_frontier(_points(benchmark, metric), metric))]
        for system, tokens, score in _points(benchmark, metric)
    ]
    return pd.DataFrame(rows)


def _alt(benchmark: BenchmarkReport, metrics: Sequence[Metric], label: str, price: Price) -> str:
    parts = []
    for metric in metrics:
        ordered = sorted(_points(benchmark, metric), key=lambda point: (point[1], point[0].name))
        listed = "; ".join(
            f"{system.name} {score_text(score)} at {price.text(tokens)}" for system, tokens, score in ordered
        )
        if (ceiling := _ceiling(benchmark, metric)) is not None:
            listed += f"; dotted line: {ceiling[0]} {ceiling[1]:.1f}"
        best = ", ".join(_frontier(_points(benchmark, metric), metric)) or "none"
        parts.append(f"{title_text(metric)} at {price.title}: {listed}. The frontier: {best}.")
    return f"Scatter plots of {benchmark.info.id} scores against {price.title} ({label}). {' '.join(parts)}"


def _draw(
    benchmark: BenchmarkReport, metrics: Sequence[Metric], theme: Theme, *, label: str, price: Price
) -> Figure:
    n_columns = 1 if theme.in_column else min(PER_ROW, len(metrics))
    n_rows = math.ceil(len(metrics) / n_columns)
    width = COLUMN_WIDTH if theme.in_column else max(4.2, 3.45 * n_columns)
    below = " ".join(filter(None, (FRONTIER_EXPLAINED, price.explained, f"Setting: {label}")))
    foot = 0.46 + label_height(below, width)
    panel = min(PANEL_HEIGHT, COLUMN_LENGTH / n_rows) if theme.in_column else PANEL_HEIGHT
    height = panel * n_rows + foot - 0.3
    figure = new_figure(theme, width=width, height=height)
    panels = figure.subplots(n_rows, n_columns, squeeze=False)
    figure.subplots_adjust(
        left=0.5 / width,
        right=1 - 0.12 / width,
        top=1 - 0.32 / height,
        bottom=foot / height,
        wspace=0.16,
        hspace=0.36 if n_rows == 1 else 0.75 / (panel - 0.75),
    )
    for i, axes in enumerate(panels.flat):
        if i >= len(metrics):
            axes.set_visible(False)
            continue
        _draw_panel(axes, benchmark, metrics[i], theme, price)
    write_label(figure, below, theme)
    return figure


def _draw_panel(axes: Axes, benchmark: BenchmarkReport, metric: Metric, theme: Theme, price: Price) -> None:
    points = _points(benchmark, metric)
    styles = looks(benchmark.systems, theme)
    mark = "" if benchmark.discriminates(metric.name) else " (does not discriminate)"
    mark += "" if benchmark.is_sound(metric.name) else " (reader not sound here)"
    reserved = f" {RESERVED}" if benchmark.reservations(metric.name) else ""
    dress(axes, theme, title=f"{title_text(metric)}{mark}{reserved}")
    axes.set_xlabel(f"{price.title} (log, equal ones side by side)")
    at = _places({system.name: tokens for system, tokens, _ in points})
    _scale_x(axes, [tokens for _, tokens, _ in points], theme)
    _draw_frontier(axes, points, theme, at=at, metric=metric)
    lines = _draw_lines(axes, points, styles, at=at, metric=metric)
    alike: dict[Look, list[tuple[float, Score, str]]] = defaultdict(list)
    for system, tokens, score in points:
        said = (
            f"{system.title}: {title_text(metric)} {score_text(score)} at {price.text(tokens)} {price.title}"
        )
        alike[styles[system.name]].append((at[system.name], score, said))
    for look, members in alike.items():
        _draw_points(axes, members, look)
    _scale_y(axes, points, metric)
    if metric.chance is not None:
        axes.axhline(
            shown(metric.chance, metric), color=theme.faint, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1
        )
        axes.annotate(
            "chance",
            xy=(1.0, shown(metric.chance, metric)),
            xycoords=("axes fraction", "data"),
            xytext=(0, -2),
            textcoords="offset points",
            fontsize=6.5,
            color=theme.faint,
            ha="right",
            va="top",
        )
    if metric.chance is not None:
        chance = shown(metric.chance, metric)
        lines.append([(axes.get_xlim()[0], chance), (axes.get_xlim()[1], chance)])
    if (ceiling := _ceiling(benchmark, metric)) is not None:
        lines.append(_draw_ceiling(axes, *ceiling, theme))
    named = _worth_naming(points, metric)
    labelled = [
        _labelled(system, at[system.name], score, theme)
        for system, _, score in points
        if system.name in named
    ]
    place_labels(axes, labelled, lines=lines)


def _ceiling(benchmark: BenchmarkReport, metric: Metric) -> tuple[str, float] | None:
    """Name and score of the system that has no tokens because nothing of it was encoded: the ceiling."""
    score = benchmark.ceiling_score(metric.name)
    if score is None or score.value is None:
        return None
    return score.system, shown(score.value, metric)


def _draw_ceiling(axes: Axes, name: str, value: float, theme: Theme) -> Line:
    low, high = axes.get_ylim()
    axes.set_ylim(low, max(high, value + 0.06 * (max(high, value) - low)))
    axes.axhline(value, color=theme.text, linewidth=0.9, linestyle=":", zorder=1)
    axes.annotate(
        literal(name),
        xy=(1.0, value),
        xycoords=("axes fraction", "data"),
        xytext=(0, 2),
        textcoords="offset points",
        fontsize=6.5,
        color=theme.text,
        ha="right",
        va="bottom",
    )
    return [(axes.get_xlim()[0], value), (axes.get_xlim()[1], value)]


def _worth_naming(points: Sequence[tuple[RunSystem, float, Score]], metric: Metric) -> set[str]:
    """All systems where there is room for their names; of many, some of those on the frontier."""
    if len(points) <= MOST_NAMES:
        return {system.name for system, _, _ in points}
    steps = _frontier(points, metric)
    return set(steps[:: max(1, math.ceil(len(steps) / MOST_NAMES))] + steps[-1:])


def _places(tokens: Mapping[str, float]) -> dict[str, float]:
    """Each system's position on the axis: log2 of its tokens, near-equal ones side by side.

    A system without tokens is left of all others.
    """
    least = min((count for count in tokens.values() if count > 0), default=1.0)
    return side_by_side({name: _log(count, least) for name, count in tokens.items()})


def _log(tokens: float, least: float) -> float:
    return math.log2(tokens) if tokens > 0 else math.log2(least) - ZERO_BEFORE


def _scale_x(axes: Axes, tokens: Sequence[float], theme: Theme) -> None:
    """A logarithmic axis with a tick at powers of two, and a break before no tokens at all."""
    positive = [count for count in tokens if count > 0]
    least, most = (min(positive), max(positive)) if positive else (1.0, 2.0)
    zero = _log(0, least)
    powers = range(math.floor(math.log2(least)), math.ceil(math.log2(most)) + 1)
    ticks, names = [float(power) for power in powers], [_tick_name(power) for power in powers]
    left = math.log2(least) - 0.5
    if len(positive) < len(tokens):
        ticks, names = [zero, *ticks], ["0", *names]
        left = zero - 0.35
        axes.annotate(
            "//",
            xy=(zero + ZERO_BEFORE / 2, 0),
            xycoords=("data", "axes fraction"),
            ha="center",
            va="center",
            color=theme.faint,
            fontsize=8,
            annotation_clip=False,
        )
    axes.set_xticks(ticks, names)
    axes.set_xlim(left, math.log2(most) + 0.85)


def _tick_name(power: int) -> str:
    """2 to the power: in full, or as a power where the number is too long for its place."""
    if power < 0:
        return f"{2.0**power:,.3g}"
    return f"{2**power:,}" if power < LONG_POWER else f"$2^{{{power}}}$"


def _scale_y(axes: Axes, points: Sequence[tuple[RunSystem, float, Score]], metric: Metric) -> None:
    """Room for every interval and the chance line, and for labels above and below."""
    ends = [end for _, _, score in points for end in (score.low, score.value, score.high) if end is not None]
    if metric.chance is not None:
        ends.append(metric.chance)
    low, high = shown(min(ends), metric), shown(max(ends), metric)
    margin = 0.12 * (high - low) or 0.05 * abs(high) or 1.0
    axes.set_ylim(low - margin, high + margin)


def _draw_frontier(
    axes: Axes,
    points: Sequence[tuple[RunSystem, float, Score]],
    theme: Theme,
    *,
    at: Mapping[str, float],
    metric: Metric,
) -> None:
    """A wide line behind everything through the frontier's systems, level beyond the last of them."""
    scores = {system.name: score.value or 0.0 for system, _, score in points}
    line = [(at[name], shown(scores[name], metric)) for name in _frontier(points, metric)]
    if line:
        line.append((axes.get_xlim()[1], line[-1][1]))
        axes.plot(
            *zip(*line, strict=True),
            color=theme.faint,
            linewidth=6.0,
            alpha=0.22,
            solid_capstyle="butt",
            solid_joinstyle="round",
            zorder=0.9,
        )


def _draw_lines(
    axes: Axes,
    points: Sequence[tuple[RunSystem, float, Score]],
    styles: dict[str, Look],
    *,
    at: Mapping[str, float],
    metric: Metric,
) -> list[Line]:
    """Join systems that differ in their budget only, controls left out; returns the lines."""
    lines: dict[str, list[tuple[float, float, float, str]]] = defaultdict(list)
    drawn: list[Line] = []
    for system, tokens, score in points:
        if not system.control and score.value is not None:
            lines[line_of(system)].append((at[system.name], tokens, shown(score.value, metric), system.name))
    for members in lines.values():
        members.sort()
        if len({tokens for _, tokens, _, _ in members}) > 1:
            line = [(x, y) for x, _, y, _ in members]
            axes.plot(*zip(*line, strict=True), color=styles[members[0][3]].color, linewidth=1.1, alpha=0.6)
            drawn.append(line)
    return drawn


def _draw_points(axes: Axes, points: Sequence[tuple[float, Score, str]], look: Look) -> None:
    """Points that look alike, each with its interval and what it says when pointed at, drawn at once."""
    bars = [
        (x, *(shown(value, score.metric) for value in (score.value or 0.0, score.low, score.high)))
        for x, score, _ in points
        if score.low is not None and score.high is not None
    ]
    if bars:
        axes.errorbar(
            [x for x, _, _, _ in bars],
            [y for _, y, _, _ in bars],
            yerr=[
                [max(0.0, y - low) for _, y, low, _ in bars],
                [max(0.0, high - y) for _, y, _, high in bars],
            ],
            fmt="none",
            color=look.color,
            ecolor=look.color,
            elinewidth=1.0,
            capsize=2.0,
            alpha=0.8,
        )
    draw_points(
        axes,
        [(x, shown(score.value or 0.0, score.metric), said) for x, score, said in points],
        marker=look.marker,
        markersize=5.5,
        color=look.color,
        markerfacecolor=look.face,
        zorder=3,
    )


def _labelled(system: RunSystem, x: float, score: Score, theme: Theme) -> Labelled:
    metric = score.metric
    return Labelled(
        x=x,
        y=shown(score.value or 0.0, metric),
        text=system.name if len(system.name) <= 24 else f"{system.name[:23]}…",
        color=theme.faint if system.control else theme.text,
        low=None if score.low is None else shown(score.low, metric),
        high=None if score.high is None else shown(score.high, metric),
    )
