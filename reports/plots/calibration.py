"""How reliable a judge is, category by category: sensitivity and specificity on control clips."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.plots.style import (
    COLUMN_WIDTH,
    SMALL,
    Picture,
    Theme,
    add_axes,
    heading_height,
    label_height,
    literal,
    new_figure,
    write_heading,
    write_label,
)
from reports.plots.svg import name_point
from reports.run_report import BenchmarkReport, RunReport

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

CONFIDENCE = 0.95
RATES = (
    ("yes_if_yes", "sensitivity: yes where yes is true"),
    ("no_if_no", "specificity: no where no is true"),
)


@dataclass(frozen=True)
class JudgeRate:
    """A proportion with its Clopper-Pearson interval (Biometrika 26, 1934)."""

    category: str
    rate: str
    hits: int
    n: int

    @property
    def value(self) -> float:
        """The proportion."""
        return self.hits / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """The interval at `CONFIDENCE`."""
        from scipy.special import betaincinv

        tail = (1 - CONFIDENCE) / 2
        misses = self.n - self.hits
        low = float(betaincinv(self.hits, misses + 1, tail)) if self.hits else 0.0
        high = float(betaincinv(self.hits + 1, misses, 1 - tail)) if misses else 1.0
        return low, high


def calibration(report: RunReport, benchmark: BenchmarkReport) -> Picture | None:
    """The picture; None where the benchmark's description holds no calibration of its judge."""
    found = benchmark.info.description.get("calibration")
    if not isinstance(found, Mapping):
        return None
    rates = _rates(found.get("rows"))
    if not rates:
        return None
    about = f"judge {found.get('judge', 'not named')} on {found.get('control_set', 'a control set')}"
    label = report.label_of(benchmark)
    return Picture(
        name=f"{benchmark.info.id}-judge-calibration",
        title=f"{benchmark.info.id}: {about}",
        alt=_alt(rates, about, label),
        data=_data(rates, about, label),
        draw=lambda theme: _draw(rates, about, theme, label=label),
    )


def _rates(rows: object) -> list[JudgeRate]:
    """Sensitivity and specificity of each category that has control questions of the kind."""
    found = []
    for row in rows if isinstance(rows, list) else ():
        for key, _ in RATES:
            counts = row.get(key) if isinstance(row, Mapping) else None
            if not isinstance(counts, Mapping) or not counts.get("n"):
                continue
            found.append(JudgeRate(str(row.get("category")), key, int(counts["hits"]), int(counts["n"])))
    return found


def _alt(rates: Sequence[JudgeRate], about: str, label: str) -> str:
    listed = "; ".join(map(_said, rates))
    return f"Dot plot of the {about}, in percent with 95 % intervals ({label}). {listed}."


def _said(rate: JudgeRate) -> str:
    name = dict(RATES)[rate.rate].partition(":")[0]
    low, high = rate.interval
    return f"{rate.category} {name} {100 * rate.value:.0f} [{100 * low:.0f}, {100 * high:.0f}] of {rate.n}"


def _data(rates: Sequence[JudgeRate], about: str, label: str) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        {
            "category": rate.category,
            "rate": rate.rate,
            "hits": rate.hits,
            "n": rate.n,
            "value": rate.value,
            "low": rate.interval[0],
            "high": rate.interval[1],
            "judge": about,
            "label": label,
        }
        for rate in rates
    )


def _draw(rates: Sequence[JudgeRate], about: str, theme: Theme, *, label: str) -> Figure:
    categories = list(dict.fromkeys(rate.category for rate in rates))
    width, left = (COLUMN_WIDTH, 0.95) if theme.in_column else (6.6, 1.3)
    above = heading_height(about, width)
    top = above + (0.4 if theme.in_column else 0.28)
    foot = 0.46 + label_height(label, width)
    height = top + 0.42 * len(categories) + foot
    figure = new_figure(theme, width=width, height=height)
    axes = add_axes(figure, theme, left=left, right=0.2, top=top, bottom=foot)
    colors = dict(zip((key for key, _ in RATES), (theme.vtok, theme.frames), strict=True))
    markers = {"yes_if_yes": "o", "no_if_no": "s"}
    for key, name in RATES:
        axes.plot([], [], linestyle="none", marker=markers[key], color=colors[key], label=name)
    for rate in rates:
        y = categories.index(rate.category) + (-0.14 if rate.rate == "yes_if_yes" else 0.14)
        low, high = rate.interval
        axes.plot([100 * low, 100 * high], [y, y], color=colors[rate.rate], linewidth=1.2, alpha=0.8)
        (dot,) = axes.plot(
            [100 * rate.value], [y], marker=markers[rate.rate], markersize=5, color=colors[rate.rate]
        )
        name_point(dot, _said(rate))
    axes.axvline(50, color=theme.faint, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    names = ["\n".join(textwrap.wrap(name, width=12 if theme.in_column else 18)) for name in categories]
    axes.set_yticks(range(len(categories)), [literal(name) for name in names])
    axes.set_ylim(len(categories) - 0.5, -0.5)
    axes.set_xlim(-1, 101)
    axes.grid(visible=False, axis="y")
    interval = "" if theme.in_column else ", with 95 % interval"
    axes.set_xlabel(f"right (%){interval}; dashed: a coin")
    write_heading(figure, about, theme)
    legend = figure.legend(
        loc="upper left",
        bbox_to_anchor=(0.0, 1 - above / height),
        ncols=1 if theme.in_column else 2,
        frameon=False,
        fontsize=SMALL + 0.5,
        labelcolor=theme.text,
    )
    legend.set_in_layout(False)
    write_label(figure, label, theme)
    return figure
