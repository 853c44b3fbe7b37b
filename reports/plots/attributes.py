"""The measured metrics one by one, as dots with intervals and chance ticks, under their groups' headings."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reports.plots.style import (
    COLUMN_WIDTH,
    SMALL,
    Look,
    Picture,
    Theme,
    add_axes,
    heading_height,
    label_height,
    literal,
    looks,
    new_figure,
    write_heading,
    write_label,
)
from reports.plots.svg import name_point
from reports.run_document import RunSystem
from reports.run_report import BenchmarkReport, RunReport
from reports.text.wording import NOT_DISCRIMINATING, NOT_SOUND, score_text, shown, tokens_text
from vtok_eval.results.records import Metric

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_SYSTEMS = 8


@dataclass(frozen=True)
class PictureLayout:
    """Positions of the picture's parts, in inches except names (characters) and legend_columns.

    row: each system of a metric's row; gap: between metrics; left: of the axes.
    """

    width: float
    row: float
    gap: float
    left: float
    names: int
    legend_columns: int


PAGE = PictureLayout(width=6.6, row=0.11, gap=0.12, left=1.75, names=26, legend_columns=3)
COLUMN = PictureLayout(width=COLUMN_WIDTH, row=0.085, gap=0.09, left=1.12, names=17, legend_columns=2)


def attributes(report: RunReport, benchmark: BenchmarkReport) -> Picture | None:
    """The picture; None where there are fewer than two measured fractions, or no system to show."""
    # What is neither better nor worse at either end (a judge's own rates) is not a score of a system.
    metrics = [m for m in benchmark.details if m.unit == "fraction" and m.higher_is_better is not None]
    systems, choice = shown_systems(benchmark, baseline=report.baseline)
    if len(metrics) < 2 or not systems:
        return None
    label = report.label_of(benchmark)
    return Picture(
        name=f"{benchmark.info.id}-metric-by-metric",
        title=f"{benchmark.info.id}, metric by metric ({choice})",
        alt=_alt(benchmark, metrics, systems, choice, label),
        data=_data(benchmark, metrics, systems, label),
        draw=lambda theme: _draw(benchmark, metrics, systems, theme, choice=choice, label=label),
    )


def shown_systems(benchmark: BenchmarkReport, *, baseline: str | None) -> tuple[Sequence[RunSystem], str]:
    """At most `MAX_SYSTEMS` systems, and how they were chosen, as text.

    Those with the baseline's budget where there are at least two, the only ones that compare like with
    like; else the contenders, in the run's order.
    """
    equal = benchmark.at_budget_of(baseline) if baseline is not None else ()
    if len(equal) > 1:
        # The baseline is always shown, last, so that the others are above it.
        others = [system for system in equal if system.name != baseline][: MAX_SYSTEMS - 1]
        own = [system for system in equal if system.name == baseline]
        prices = [benchmark.prices[system.name] for system in (*others, *own)]
        low, high = tokens_text(min(prices)), tokens_text(max(prices))
        budget = low if low == high else f"{low} to {high}"
        return [*others, *own], f"systems at the baseline's budget: {budget} {benchmark.unit.per_clip}"
    contenders = benchmark.contenders() or benchmark.systems
    count = "all" if len(contenders) <= MAX_SYSTEMS else f"the first {MAX_SYSTEMS}"
    return contenders[:MAX_SYSTEMS], f"{count} systems; budgets differ"


def _data(
    benchmark: BenchmarkReport, metrics: Sequence[Metric], systems: Sequence[RunSystem], label: str
) -> pd.DataFrame:
    import pandas as pd

    rows = [
        {
            "group": metric.group,
            "metric": metric.name,
            "system": system.name,
            "control": system.control,
            "tokens_per_clip": benchmark.tokens.get(system.name),
            "bits_per_clip": benchmark.bits.get(system.name),
            "value": cell.score.value,
            "low": cell.score.low,
            "high": cell.score.high,
            "chance": metric.chance,
            "discriminates": benchmark.discriminates(metric.name),
            "sound": benchmark.is_sound(metric.name),
            "label": label,
        }
        for metric in metrics
        for system in _with_ceiling(benchmark, systems)
        if (cell := benchmark.cell(system.name, metric.name)) is not None
    ]
    return pd.DataFrame(rows)


def _line_ceiling(benchmark: BenchmarkReport, systems: Sequence[RunSystem]) -> RunSystem | None:
    """The ceiling where it is drawn as a line, being none of the systems drawn as dots."""
    return None if benchmark.ceiling in systems else benchmark.ceiling


def _with_ceiling(benchmark: BenchmarkReport, systems: Sequence[RunSystem]) -> Sequence[RunSystem]:
    ceiling = _line_ceiling(benchmark, systems)
    return systems if ceiling is None else [*systems, ceiling]


def _alt(
    benchmark: BenchmarkReport,
    metrics: Sequence[Metric],
    systems: Sequence[RunSystem],
    choice: str,
    label: str,
) -> str:
    parts = []
    for metric in metrics:
        drawn = _with_ceiling(benchmark, systems)
        cells = [(system.name, benchmark.cell(system.name, metric.name)) for system in drawn]
        listed = "; ".join(f"{name} {score_text(cell.score)}" for name, cell in cells if cell is not None)
        parts.append(f"{metric.title}: {listed}.")
    about = f"Dot plot of {benchmark.info.id}, metric by metric, in percent, {choice} ({label})."
    return f"{about} {' '.join(parts)}"


def _draw(
    benchmark: BenchmarkReport,
    metrics: Sequence[Metric],
    systems: Sequence[RunSystem],
    theme: Theme,
    *,
    choice: str,
    label: str,
) -> Figure:
    layout = COLUMN if theme.in_column else PAGE
    width = layout.width
    row = layout.row * len(systems) + layout.gap
    groups = list(dict.fromkeys(metric.group for metric in metrics))
    above = heading_height(choice, width)
    top = above + 0.2 * -(-len(systems) // layout.legend_columns) + 0.18
    below = f"{_signs(benchmark, metrics, systems)} Setting: {label}"
    foot = 0.46 + label_height(below, width)
    height = row * len(metrics) + 0.26 * len(groups) + top + foot
    figure = new_figure(theme, width=width, height=height)
    axes = add_axes(figure, theme, left=layout.left, right=0.15, top=top, bottom=foot)
    _draw_rows(axes, benchmark, metrics, systems, theme, layout)
    axes.set_xlabel("score (%), with interval")
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    write_heading(figure, choice, theme)
    legend = figure.legend(
        *axes.get_legend_handles_labels(),
        loc="upper left",
        bbox_to_anchor=(0.0, 1 - above / height),
        ncols=layout.legend_columns,
        frameon=False,
        fontsize=SMALL + 0.5,
        labelcolor=theme.text,
        handletextpad=0.3,
        columnspacing=1.2,
    )
    legend.set_in_layout(False)
    write_label(figure, below, theme)
    return figure


def _signs(benchmark: BenchmarkReport, metrics: Sequence[Metric], systems: Sequence[RunSystem]) -> str:
    """What the picture's signs mean; only those that occur in it."""
    signs = []
    if any(metric.chance is not None for metric in metrics):
        signs.append("Upright grey line: chance.")
    if (ceiling := _line_ceiling(benchmark, systems)) is not None:
        signs.append(f"Dotted: {ceiling.name}.")
    if not all(benchmark.discriminates(metric.name) for metric in metrics):
        signs.append(f"{NOT_DISCRIMINATING} tells no systems apart in this run.")
    if not all(benchmark.is_sound(metric.name) for metric in metrics):
        signs.append(f"{NOT_SOUND} reader not sound here.")
    return " ".join(signs)


def _draw_rows(
    axes: Axes,
    benchmark: BenchmarkReport,
    metrics: Sequence[Metric],
    systems: Sequence[RunSystem],
    theme: Theme,
    layout: PictureLayout,
) -> None:
    """One unit of height per metric, and some for each group's name; the first at the top."""
    heading = 0.26 / (layout.row * len(systems) + layout.gap)
    styles = looks(benchmark.systems, theme)
    step = 0.8 / max(len(systems), 1)
    centres: list[float] = []
    at, group = 0.0, None
    for metric in metrics:
        if metric.group != group:
            group = metric.group
            axes.axhline(at, color=theme.faint, linewidth=0.6, alpha=0.6)
            axes.annotate(
                literal(group.upper() or "OTHER"),
                xy=(0.06 / layout.width, at + heading / 2),
                xycoords=("figure fraction", "data"),
                ha="left",
                va="center",
                fontsize=SMALL,
                color=theme.faint,
                weight="bold",
            )
            at += heading
        centre = at + 0.5
        if metric.chance is not None:
            chance = shown(metric.chance, metric)
            axes.plot([chance, chance], [at + 0.06, at + 0.94], color=theme.faint, linewidth=1.4, zorder=1)
        if _line_ceiling(benchmark, systems) is not None:
            _draw_ceiling(axes, benchmark, metric, theme, top=at + 0.06, bottom=at + 0.94)
        for i, system in enumerate(systems):
            _draw_dot(
                axes,
                benchmark,
                system,
                metric,
                styles,
                y=centre + step * (i - (len(systems) - 1) / 2),
                named=not centres,
            )
        centres.append(centre)
        at += 1.0
    axes.set_ylim(at, 0.0)
    axes.set_xlim(*_limits(benchmark, metrics, systems))
    axes.set_yticks(centres, [literal(_name(benchmark, metric, layout.names)) for metric in metrics])


def _draw_ceiling(
    axes: Axes, benchmark: BenchmarkReport, metric: Metric, theme: Theme, *, top: float, bottom: float
) -> None:
    score = benchmark.ceiling_score(metric.name)
    if score is not None and score.value is not None:
        at = shown(score.value, metric)
        axes.plot([at, at], [top, bottom], color=theme.text, linewidth=1.2, linestyle=":", zorder=1)


def _name(benchmark: BenchmarkReport, metric: Metric, width: int) -> str:
    """A metric's name in at most two lines, without its group's; where it is shortened, its mark stays."""
    marks = "" if benchmark.discriminates(metric.name) else NOT_DISCRIMINATING
    marks += "" if benchmark.is_sound(metric.name) else NOT_SOUND
    mark = f"\N{NO-BREAK SPACE}{marks}" if marks else ""
    own = metric.title.removeprefix(f"{metric.group}: ")
    lines = textwrap.wrap(own[:1].upper() + own[1:], width=width - len(mark), max_lines=2, placeholder="…")
    return "\n".join(lines) + mark


def _draw_dot(
    axes: Axes,
    benchmark: BenchmarkReport,
    system: RunSystem,
    metric: Metric,
    styles: Mapping[str, Look],
    *,
    y: float,
    named: bool,
) -> None:
    """A dot with its interval; `named` enters it into the legend."""
    look = styles[system.name]
    dot: dict[str, Any] = {
        "linestyle": "none",
        "marker": look.marker,
        "markersize": 4.6,
        "color": look.color,
        "markerfacecolor": look.face,
    }
    name = literal(f"{system.name} (control)" if system.control else system.name)
    if named:
        axes.plot([], [], label=name, **dot)
    cell = benchmark.cell(system.name, metric.name)
    if cell is None or (value := cell.score.value) is None:
        return
    score = cell.score
    if score.low is not None and score.high is not None:
        axes.plot(
            [shown(score.low, metric), shown(score.high, metric)],
            [y, y],
            color=look.color,
            linewidth=1.1,
            alpha=0.75,
        )
    (marker,) = axes.plot([shown(value, metric)], [y], zorder=3, **dot)
    name_point(marker, f"{system.title}: {metric.title} {score_text(score)}")


def _limits(
    benchmark: BenchmarkReport, metrics: Sequence[Metric], systems: Sequence[RunSystem]
) -> tuple[float, float]:
    """The range of all intervals and chance levels, with a margin, within 0 to 100 %."""
    ends = [metric.chance for metric in metrics if metric.chance is not None]
    drawn = _with_ceiling(benchmark, systems)
    for metric in metrics:
        for system in drawn:
            cell = benchmark.cell(system.name, metric.name)
            if cell is not None:
                ends += [
                    end for end in (cell.score.low, cell.score.value, cell.score.high) if end is not None
                ]
    if not ends:
        return 0.0, 100.0
    return max(-1.0, 100 * min(ends) - 4), min(101.0, 100 * max(ends) + 4)
