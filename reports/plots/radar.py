"""VBench's dimensions around a circle; those that were not run are named and left open, never drawn as 0."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from reports.plots.style import (
    COLUMN_WIDTH,
    SMALL,
    Look,
    Picture,
    Theme,
    label_height,
    literal,
    new_figure,
    write_label,
)
from reports.plots.svg import draw_points
from reports.run_document import RunSystem
from reports.run_report import BenchmarkReport, RunReport
from reports.text.wording import score_text, shown
from vtok_eval.results.records import Score

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEAST_DIMENSIONS = 3
MAX_SYSTEMS = 6


def radar(report: RunReport, benchmark: BenchmarkReport) -> Picture | None:
    """The picture; None where the benchmark names or ran fewer than three dimensions."""
    named = benchmark.info.description.get("dimensions")
    if not isinstance(named, Mapping) or len(named) < LEAST_DIMENSIONS:
        return None
    states = {str(name): str(state) for name, state in named.items()}
    systems = [s for s in (benchmark.contenders() or benchmark.systems) if _scores(benchmark, s, states)]
    if len(_measured(benchmark, states)) < LEAST_DIMENSIONS:
        return None
    chosen = systems[:MAX_SYSTEMS]
    count = "" if len(chosen) == len(systems) else f", the first {MAX_SYSTEMS} of {len(systems)} systems"
    label = report.label_of(benchmark)
    return Picture(
        name=f"{benchmark.info.id}-radar",
        title=f"{benchmark.info.id}: its {len(states)} dimensions{count}",
        alt=_alt(benchmark, chosen, states, label),
        data=_data(benchmark, chosen, states, label),
        draw=lambda theme: _draw(benchmark, chosen, states, theme, label=label),
    )


def _scores(benchmark: BenchmarkReport, system: RunSystem, states: Mapping[str, str]) -> dict[str, Score]:
    cells = {name: benchmark.cell(system.name, name) for name in states}
    return {
        name: cell.score for name, cell in cells.items() if cell is not None and cell.score.value is not None
    }


def _titles(benchmark: BenchmarkReport, states: Mapping[str, str]) -> dict[str, str]:
    known = {metric.name: metric.title for metric in benchmark.metrics}
    return {name: known.get(name, name.replace("_", " ").capitalize()) for name in states}


def _measured(benchmark: BenchmarkReport, states: Mapping[str, str]) -> set[str]:
    return {name for system in benchmark.systems for name in _scores(benchmark, system, states)}


def _alt(
    benchmark: BenchmarkReport, systems: Sequence[RunSystem], states: Mapping[str, str], label: str
) -> str:
    titles, measured = _titles(benchmark, states), _measured(benchmark, states)
    parts = []
    for system in systems:
        scores = _scores(benchmark, system, states)
        listed = "; ".join(f"{titles[name]} {score_text(score)}" for name, score in scores.items())
        parts.append(f"{system.title}: {listed}.")
    missing = ", ".join(titles[name] for name in states if name not in measured)
    if missing:
        parts.append(f"Not run: {missing}.")
    return f"Radar of {benchmark.info.id} in percent ({label}). {' '.join(parts)}"


def _data(
    benchmark: BenchmarkReport, systems: Sequence[RunSystem], states: Mapping[str, str], label: str
) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for name, state in states.items():
        for system in systems:
            score = _scores(benchmark, system, states).get(name)
            rows.append(
                {
                    "dimension": name,
                    "system": system.name,
                    "state": state if score is None else "run",
                    "value": None if score is None else score.value,
                    "low": None if score is None else score.low,
                    "high": None if score is None else score.high,
                    "n": None if score is None else score.n,
                    "label": label,
                }
            )
    return pd.DataFrame(rows)


def _draw(
    benchmark: BenchmarkReport,
    systems: Sequence[RunSystem],
    states: Mapping[str, str],
    theme: Theme,
    *,
    label: str,
) -> Figure:
    width, around = (COLUMN_WIDTH, 0.86) if theme.in_column else (6.6, 1.25)
    legend_columns = 2 if theme.in_column else 3
    foot = 0.08 + label_height(label, width)
    circle = width - 2 * around
    above, below = 0.5, foot + 0.5 + 0.19 * -(-len(systems) // legend_columns)
    height = above + circle + below
    figure = new_figure(theme, width=width, height=height)
    axes = figure.add_axes(
        (around / width, below / height, circle / width, circle / height), projection="polar"
    )
    _dress(axes, _titles(benchmark, states), _measured(benchmark, states), theme)
    styles = _looks(systems, theme)
    angles = {name: 2 * math.pi * i / len(states) for i, name in enumerate(states)}
    for system in systems:
        _draw_system(axes, _scores(benchmark, system, states), angles, styles[system.name], system)
    legend = figure.legend(
        *axes.get_legend_handles_labels(),
        loc="lower center",
        bbox_to_anchor=(0.5, foot / height),
        ncols=legend_columns,
        frameon=False,
        fontsize=SMALL + 0.5,
        labelcolor=theme.text,
        columnspacing=1.2,
    )
    legend.set_in_layout(False)
    write_label(figure, label, theme)
    return figure


def _looks(systems: Sequence[RunSystem], theme: Theme) -> dict[str, Look]:
    """A colour and a marker for each: lines cross here, so that a family's shared colour would not do."""
    colors = (theme.vtok, theme.frames, *theme.others)
    return {
        system.name: Look(colors[i % len(colors)], "os^DvP"[i % 6], colors[i % len(colors)])
        for i, system in enumerate(systems)
    }


def _dress(axes: Axes, titles: Mapping[str, str], measured: set[str], theme: Theme) -> None:
    axes.set_facecolor(theme.background)
    axes.set_theta_zero_location("N")  # type: ignore[attr-defined]
    axes.set_theta_direction(-1)  # type: ignore[attr-defined]
    axes.set_ylim(0, 100)
    axes.set_yticks([25, 50, 75, 100], ["25", "50", "75", "100 %"], fontsize=SMALL - 0.5, color=theme.faint)
    axes.set_rlabel_position(180 / len(titles))  # type: ignore[attr-defined]
    angles = [2 * math.pi * i / len(titles) for i in range(len(titles))]
    axes.set_xticks(angles, [""] * len(titles))
    axes.grid(color=theme.faint, alpha=0.3, linewidth=0.6)
    axes.spines["polar"].set_color(theme.faint)
    for angle, (name, title) in zip(angles, titles.items(), strict=True):
        text = "\n".join(textwrap.wrap(title, width=12 if theme.in_column else 16))
        run = name in measured
        side = math.sin(angle)
        axes.text(
            angle,
            108,
            literal(text if run else f"{text}\n(not run)"),
            fontsize=SMALL - 0.5 if theme.in_column else SMALL + 0.5,
            color=theme.text if run else theme.faint,
            style="normal" if run else "italic",
            ha="center" if abs(side) < 0.1 else "left" if side > 0 else "right",
            va="center" if abs(math.cos(angle)) < 0.95 else "bottom" if math.cos(angle) > 0 else "top",
        )
        if not run:
            axes.plot([angle, angle], [0, 100], color=theme.background, linewidth=1.6, zorder=1)
            axes.plot(
                [angle, angle], [0, 100], color=theme.faint, linewidth=0.7, linestyle=(0, (1, 4)), zorder=1
            )


def _draw_system(
    axes: Axes, scores: Mapping[str, Score], angles: Mapping[str, float], look: Look, system: RunSystem
) -> None:
    values = {name: shown(score.value or 0.0, score.metric) for name, score in scores.items()}
    for first, second in _neighbours(list(angles)):
        if first in values and second in values:
            axes.plot(
                [angles[first], angles[second]],
                [values[first], values[second]],
                color=look.color,
                linewidth=1.2,
                alpha=0.8,
            )
    for name, score in scores.items():
        if score.low is not None and score.high is not None:
            ends = [shown(score.low, score.metric), shown(score.high, score.metric)]
            axes.plot([angles[name]] * 2, ends, color=look.color, linewidth=1.0, alpha=0.6)
    points = [
        (angles[name], values[name], f"{system.title}: {score.metric.title} {score_text(score)}")
        for name, score in scores.items()
    ]
    draw_points(
        axes,
        points,
        marker=look.marker,
        markersize=5,
        color=look.color,
        markerfacecolor=look.face,
        label=literal(system.title),
        zorder=3,
    )


def _neighbours(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each with the next, around the circle."""
    yield from zip(names, [*names[1:], names[0]], strict=True)
