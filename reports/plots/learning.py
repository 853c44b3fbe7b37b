"""Learning curves: the losses of readers that were trained for a run, as their jobs' artifacts keep them.

The contract: a job's artifacts hold `learning_curves.json`, strict JSON of the form {"system": "vtok",
"curves": [{"seed": 7, "points": [{"step": 20, "training_loss": 1.5, "validation_loss": null}, ...]}, ...]},
one curve for each training seed. A point has either loss or both; a loss is a mean over the words that are
learnt, in nats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

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
from reports.run_document import RunSystem
from reports.run_report import BenchmarkReport, RunReport
from vtok_eval.errors import RunFolderError
from vtok_eval.results.store import folder_name

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVES_FILE = "learning_curves.json"

Loss = Literal["training_loss", "validation_loss"]


class CurvePointJson(BaseModel):
    """The losses after a step of training; None where one was not measured."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    step: int = Field(ge=0)
    training_loss: float | None = None
    validation_loss: float | None = None


class SeedCurve(BaseModel):
    """One training."""

    model_config = ConfigDict(extra="forbid")

    seed: int
    points: list[CurvePointJson]


class LearningCurves(BaseModel):
    """What learning_curves.json holds."""

    model_config = ConfigDict(extra="forbid")

    system: str
    curves: list[SeedCurve] = Field(min_length=1)


@dataclass(frozen=True)
class _Learnt:
    system: RunSystem
    curves: Sequence[SeedCurve]

    def mean(self, loss: Loss) -> list[tuple[int, float]]:
        """The loss by step, averaged over the seeds that measured it there."""
        by_step: dict[int, list[float]] = {}
        for curve in self.curves:
            for point in curve.points:
                value = getattr(point, loss)
                if value is not None:
                    by_step.setdefault(point.step, []).append(value)
        return [(step, sum(values) / len(values)) for step, values in sorted(by_step.items())]


def learning(report: RunReport, benchmark: BenchmarkReport) -> Picture | None:
    """Training and validation loss against steps; None where no job of the benchmark keeps a curve.

    Raises:
        RunFolderError: a file of curves cannot be read or has another form.
    """
    learnt = list(_learnt(report, benchmark))
    if not learnt:
        return None
    label = report.label_of(benchmark)
    return Picture(
        name=f"{benchmark.info.id}-learning-curves",
        title=f"{benchmark.info.id}: loss while the readers learn, mean over their seeds",
        alt=f"Lines of loss against steps of training ({label}). {' '.join(map(_described, learnt))}",
        data=_data(learnt, label),
        draw=lambda theme: _draw(learnt, benchmark, theme, label=label),
    )


def _learnt(report: RunReport, benchmark: BenchmarkReport) -> list[_Learnt]:
    found = []
    for system in benchmark.systems:
        folder = report.folders.get((benchmark.info.id, system.name))
        if folder is None:
            continue
        job = folder_name(f"{benchmark.info.id}/{system.name}")
        path = folder / "artifacts" / job / CURVES_FILE
        if path.is_file():
            found.append(_Learnt(system, _read(path).curves))
    return found


def _read(path: Path) -> LearningCurves:
    try:
        return LearningCurves.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise RunFolderError(f"{path} does not hold learning curves: {reason}") from error


def _described(learnt: _Learnt) -> str:
    losses = learnt.mean("validation_loss") or learnt.mean("training_loss")
    if not losses:
        return f"{learnt.system.name}: no loss."
    (step, first), (_, last) = losses[0], losses[-1]
    return f"{learnt.system.name}: {first:.2f} after {step} steps, {last:.2f} at the end."


def _data(learnt: Sequence[_Learnt], label: str) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        {
            "system": each.system.name,
            "seed": curve.seed,
            "step": point.step,
            "training_loss": point.training_loss,
            "validation_loss": point.validation_loss,
            "label": label,
        }
        for each in learnt
        for curve in each.curves
        for point in curve.points
    )


def _draw(learnt: Sequence[_Learnt], benchmark: BenchmarkReport, theme: Theme, *, label: str) -> Figure:
    from matplotlib.ticker import StrMethodFormatter

    width = COLUMN_WIDTH if theme.in_column else 6.6
    above = 0.3 + 0.17 * -(-len(learnt) // (2 if theme.in_column else 4))
    foot = 0.46 + label_height(label, width)
    height = (2.3 if theme.in_column else 2.9) + above + foot
    figure = new_figure(theme, width=width, height=height)
    axes = add_axes(figure, theme, left=0.55, right=0.12, top=above, bottom=foot)
    plain = StrMethodFormatter("{x:g}")
    styles = looks(benchmark.systems, theme)
    for each in learnt:
        look = styles[each.system.name]
        axes.plot(*_columns(each.mean("training_loss")), color=look.color, linewidth=0.7, alpha=0.55)
        axes.plot(
            *_columns(each.mean("validation_loss")),
            color=look.color,
            linewidth=1.4,
            marker=look.marker,
            markersize=4.6,
            markerfacecolor=look.face,
            label=literal(each.system.title),
        )
    axes.set_xlabel("steps of training (thin: training loss; marks: validation loss)")
    # The first losses are several times the last ones, which differ by less than a tenth.
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(plain)
    axes.yaxis.set_minor_formatter(plain)
    axes.set_ylabel("loss, nats per word (log)")
    _write_legend(axes, theme)
    write_label(figure, label, theme)
    return figure


def _columns(points: Sequence[tuple[int, float]]) -> tuple[list[int], list[float]]:
    return [step for step, _ in points], [value for _, value in points]


def _write_legend(axes: Axes, theme: Theme) -> None:
    legend = axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.01),
        ncols=2 if theme.in_column else 4,
        frameon=False,
        fontsize=SMALL,
        handlelength=1.6,
        columnspacing=1.1,
        labelspacing=0.35,
    )
    for text in legend.get_texts():
        text.set_color(theme.text)
