"""What tokens cost: their number as clips grow, and latency and peak memory against it, as measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reports.plots.labels import side_by_side
from reports.plots.style import (
    COLUMN_WIDTH,
    SMALL,
    Picture,
    Theme,
    add_axes,
    label_height,
    literal,
    looks,
    new_figure,
    write_label,
)
from reports.plots.svg import draw_points, name_point
from reports.run_document import RunSystem
from reports.run_report import BenchmarkReport, RunReport
from reports.text.wording import score_text, tokens_text
from vtok_eval.results.records import Score

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BY_LENGTH = "@"
"""Parts a metric's name: "latency_ms@16" is measured on clips of 16 frames."""
DASHES = ("-", (0, (5, 2)), (0, (1.2, 1.6)), (0, (6, 2, 1.2, 2)), (0, (3, 1.5)))


@dataclass(frozen=True)
class Curve:
    """A quantity of one system over clip lengths: frames -> score, in rising order."""

    system: RunSystem
    scores: Mapping[int, Score]

    def values(self) -> tuple[float, ...]:
        """The values in the order of the lengths."""
        return tuple(score.value or 0.0 for score in self.scores.values())


@dataclass(frozen=True)
class Point:
    """A system's tokens and what they cost (latency, memory) at one clip length."""

    system: RunSystem
    tokens: Score
    amount: Score


def growth(report: RunReport, benchmark: BenchmarkReport) -> Picture | None:
    """Tokens per clip against clip length; None where they were measured at fewer than two lengths."""
    curves = [curve for curve in _curves(benchmark, unit="tokens") if len(curve.scores) > 1]
    if not curves:
        return None
    label = report.label_of(benchmark)
    return Picture(
        name=f"{benchmark.info.id}-token-growth",
        title=f"{benchmark.info.id}: tokens per clip as clips grow",
        alt=(
            f"Lines of measured tokens per clip against frames per clip ({label}). "
            + " ".join(_described(curve) for curve in curves)
        ),
        data=_data([("tokens", curve) for curve in curves], label),
        draw=lambda theme: _draw_growth(curves, benchmark, theme, label=label),
    )


def latency(report: RunReport, benchmark: BenchmarkReport) -> Picture | None:
    """Encode latency against tokens per clip at the headline's clip length; None without both."""
    return _against_tokens(report, benchmark, unit="ms", what="encode latency", slug="latency")


def memory(report: RunReport, benchmark: BenchmarkReport) -> Picture | None:
    """Peak memory against tokens per clip at the headline's clip length; None without both."""
    return _against_tokens(report, benchmark, unit="MiB", what="peak memory", slug="memory")


def _against_tokens(
    report: RunReport, benchmark: BenchmarkReport, *, unit: str, what: str, slug: str
) -> Picture | None:
    """A quantity against tokens. A system that makes no tokens encodes nothing, and would only stretch the
    axes."""
    n_frames = _headline_length(benchmark)
    tokens = _at_length(benchmark, "tokens", n_frames)
    amount = _at_length(benchmark, unit, n_frames)
    if tokens is None or amount is None:
        return None
    points = [
        Point(system, count.score, cost.score)
        for system in benchmark.systems
        if (count := benchmark.cell(system.name, tokens))
        and (cost := benchmark.cell(system.name, amount))
        and count.score.value
        and cost.score.value
    ]
    if not points:
        return None
    label = report.label_of(benchmark)
    listed = " ".join(
        f"{point.system.title}: {score_text(point.amount)} at {tokens_text(point.tokens.value)} tokens."
        for point in points
    )
    return Picture(
        name=f"{benchmark.info.id}-{slug}-against-tokens",
        title=f"{benchmark.info.id}: {what} against tokens, clips of {n_frames} frames",
        alt=f"{what.capitalize()} in {unit} against tokens per clip of {n_frames} frames ({label}). {listed}",
        data=_cost_data(points, unit, label),
        draw=lambda theme: _draw_cost(
            points, benchmark, theme, axis=f"{what}, {unit} per clip (log)", n_frames=n_frames, label=label
        ),
    )


def _headline_length(benchmark: BenchmarkReport) -> str:
    """The clip length of the headline's tokens; empty where there is none."""
    names = [m.name for m in benchmark.headline if m.unit == "tokens" and BY_LENGTH in m.name]
    return names[0].rpartition(BY_LENGTH)[2] if names else ""


def _at_length(benchmark: BenchmarkReport, unit: str, n_frames: str) -> str | None:
    """The first metric of a unit that is measured on clips of this length."""
    fitting = (
        metric.name
        for metric in benchmark.metrics
        if metric.unit == unit and n_frames and metric.name.rpartition(BY_LENGTH)[2] == n_frames
    )
    return next(fitting, None)


def _curves(benchmark: BenchmarkReport, *, unit: str) -> list[Curve]:
    """The first quantity of this unit that is measured by clip length, for each system that has it."""
    by_length = [
        metric
        for metric in benchmark.metrics
        if metric.unit == unit
        and metric.name.rpartition(BY_LENGTH)[2].isdecimal()
        and BY_LENGTH in metric.name
    ]
    if not by_length:
        return []
    quantity = by_length[0].name.rpartition(BY_LENGTH)[0]
    names = {
        int(metric.name.rpartition(BY_LENGTH)[2]): metric.name
        for metric in by_length
        if metric.name.rpartition(BY_LENGTH)[0] == quantity
    }
    curves = []
    for system in benchmark.systems:
        cells = {length: benchmark.cell(system.name, names[length]) for length in sorted(names)}
        scores = {
            n: cell.score for n, cell in cells.items() if cell is not None and cell.score.value is not None
        }
        if scores:
            curves.append(Curve(system, scores))
    return curves


def _data(curves: Sequence[tuple[str, Curve]], label: str) -> pd.DataFrame:
    import pandas as pd

    rows = [
        {
            "quantity": quantity,
            "system": curve.system.name,
            "n_frames": n_frames,
            "value": score.value,
            "low": score.low,
            "high": score.high,
            "n": score.n,
            "n_failed": score.n_failed,
            "label": label,
        }
        for quantity, curve in curves
        for n_frames, score in curve.scores.items()
    ]
    return pd.DataFrame(rows)


def _described(curve: Curve) -> str:
    listed = ", ".join(f"{tokens_text(score.value)} at {n}" for n, score in curve.scores.items())
    return f"{curve.system.name}: {listed} frames."


def _cost_data(points: Sequence[Point], unit: str, label: str) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        {
            "system": point.system.name,
            "tokens": point.tokens.value,
            "value": point.amount.value,
            "unit": unit,
            "low": point.amount.low,
            "high": point.amount.high,
            "n": point.amount.n,
            "n_failed": point.amount.n_failed,
            "label": label,
        }
        for point in points
    )


def _draw_growth(curves: Sequence[Curve], benchmark: BenchmarkReport, theme: Theme, *, label: str) -> Figure:
    groups = _equal_curves(curves)
    figure, axes = _axes(theme, label, n_entries=len(groups))
    styles = looks(benchmark.systems, theme)
    lengths = sorted({n for curve in curves for n in curve.scores})
    _powers_of_two(axes, lengths, [value for curve in curves for value in curve.values()])
    entries = []
    for i, group in enumerate(sorted(groups, key=lambda group: group[0].values()[-1], reverse=True)):
        curve, look = group[0], styles[group[0].system.name]
        name = ", ".join(member.system.name for member in group)
        said = [f"{name}: {tokens_text(s.value)} tokens of {n} frames" for n, s in curve.scores.items()]
        dashes = DASHES[i % len(DASHES)]
        axes.plot(list(curve.scores), curve.values(), color=look.color, linestyle=dashes, linewidth=1.3)
        draw_points(
            axes,
            list(zip(curve.scores, curve.values(), said, strict=True)),
            color=look.color,
            marker=look.marker,
            markersize=4.6,
            markerfacecolor=look.face,
        )
        (entry,) = axes.plot(
            [],
            [],
            color=look.color,
            linestyle=dashes,
            linewidth=1.3,
            marker=look.marker,
            markersize=4.6,
            markerfacecolor=look.face,
        )
        entries.append((name, entry))
    axes.set_xlabel("frames per clip, T (log)")
    axes.set_ylabel("tokens per clip (log)")
    _legend(axes, entries, theme)
    write_label(figure, label, theme)
    return figure


def _axes(theme: Theme, label: str, *, n_entries: int) -> tuple[Figure, Axes]:
    """Axes with room for the legend: at their right on a page, above them in a column."""
    width = COLUMN_WIDTH if theme.in_column else 6.6
    beside, above = (0.1, 0.15 + 0.19 * -(-n_entries // 2)) if theme.in_column else (2.13, 0.18)
    foot = 0.46 + label_height(label, width)
    height = (2.4 if theme.in_column else 3.0) + above + foot
    figure = new_figure(theme, width=width, height=height)
    return figure, add_axes(figure, theme, left=0.62, right=beside, top=above, bottom=foot)


def _equal_curves(curves: Sequence[Curve]) -> list[list[Curve]]:
    """Groups of coinciding curves, so that each group is drawn and named once."""
    groups: dict[tuple[tuple[int, float], ...], list[Curve]] = {}
    for curve in curves:
        groups.setdefault(tuple(zip(curve.scores, curve.values(), strict=True)), []).append(curve)
    return list(groups.values())


def _powers_of_two(axes: Axes, lengths: Sequence[int], values: Sequence[float]) -> None:
    """Both axes logarithmic, with plain numbers; 0 is on a short linear stretch at the foot."""
    axes.set_xscale("log", base=2)
    axes.set_xticks(lengths, [f"{length:,}" for length in lengths])
    axes.minorticks_off()
    _log_tokens(axes, "y", values)


def _log_tokens(axes: Axes, which: str, values: Sequence[float]) -> None:
    positive = [value for value in values if value > 0] or [1.0]
    low, high = math.floor(math.log2(min(positive))), math.ceil(math.log2(max(positive)))
    ticks = [2.0**power for power in range(low, high + 1)]
    has_zero = len(positive) < len(values)
    axis = axes.yaxis if which == "y" else axes.xaxis
    set_scale, set_limits = (
        (axes.set_yscale, axes.set_ylim) if which == "y" else (axes.set_xscale, axes.set_xlim)
    )
    if has_zero:
        set_scale("symlog", base=2, linthresh=ticks[0], linscale=0.6)
        ticks = [0.0, *ticks]
        set_limits(-0.25 * ticks[1], 1.2 * ticks[-1])
    else:
        set_scale("log", base=2)
        set_limits(ticks[0] / 1.25, ticks[-1] * 1.25)
    axis.set_ticks(ticks, [f"{tick:,.0f}" if tick >= 1 or tick == 0 else f"{tick:g}" for tick in ticks])
    axes.minorticks_off()


def _legend(axes: Axes, entries: Sequence[tuple[str, Artist]], theme: Theme) -> None:
    """Names next to the axes, in the order of the lines' ends, largest first; in a column, above them."""
    import textwrap

    place: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1.02, 0.5), "labelspacing": 0.7}
    if theme.in_column:
        place = {"loc": "lower left", "bbox_to_anchor": (-0.2, 1.01), "labelspacing": 0.4, "ncols": 2}
    wide = 21 if theme.in_column else 30
    names = ["\n".join(textwrap.wrap(name, width=wide, break_on_hyphens=False)) for name, _ in entries]
    legend = axes.legend(
        [artist for _, artist in entries],
        [literal(name) for name in names],
        frameon=False,
        fontsize=SMALL + 0.5,
        labelcolor=theme.text,
        handlelength=2.6,
        columnspacing=1.0,
        **place,
    )
    legend.set_in_layout(False)


def _draw_cost(
    points: Sequence[Point],
    benchmark: BenchmarkReport,
    theme: Theme,
    *,
    axis: str,
    n_frames: str,
    label: str,
) -> Figure:
    figure, axes = _axes(theme, label, n_entries=len(points))
    styles = looks(benchmark.systems, theme)
    _log_tokens(axes, "x", [point.tokens.value or 0.0 for point in points])
    axes.set_yscale("log")
    entries = []
    at = _beside(points)
    for point in sorted(points, key=lambda point: point.amount.value or 0.0, reverse=True):
        look, x, y = styles[point.system.name], at[point.system.name], point.amount.value or 0.0
        if point.amount.low is not None and point.amount.high is not None:
            axes.plot(
                [x, x], [point.amount.low, point.amount.high], color=look.color, linewidth=1.0, alpha=0.7
            )
        (marker,) = axes.plot(
            [x],
            [y],
            linestyle="none",
            color=look.color,
            marker=look.marker,
            markersize=6,
            markerfacecolor=look.face,
        )
        amount, tokens = score_text(point.amount), tokens_text(point.tokens.value)
        name_point(marker, f"{point.system.title}: {amount} at {tokens} tokens")
        entries.append((point.system.name, marker))
    _plain_numbers(axes)
    aside = "log" if theme.in_column else "log, equal ones side by side"
    axes.set_xlabel(f"tokens per clip of {n_frames} frames ({aside})")
    axes.set_ylabel(axis)
    _legend(axes, entries, theme)
    write_label(figure, label, theme)
    return figure


def _beside(points: Sequence[Point]) -> dict[str, float]:
    """Each point's position on the axis of tokens: near-equal counts side by side."""
    places = side_by_side({point.system.name: math.log2(point.tokens.value or 1.0) for point in points})
    return {name: 2.0**place for name, place in places.items()}


def _plain_numbers(axes: Axes) -> None:
    """Ticks at 1, 2 and 5 times powers of ten, written as plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.yaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
