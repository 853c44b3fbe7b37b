"""Scores into an experiment's log: TensorBoard, Weights & Biases, or a writer that the user passes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, runtime_checkable

from vtok_eval.errors import MissingDependencyError, SpecError, UnknownNameError

if TYPE_CHECKING:
    import pandas as pd


@runtime_checkable
class ScalarWriter(Protocol):
    """TensorBoard's `SummaryWriter`, or anything with its method."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int | None = None) -> None:
        """Keep one value."""
        ...


@runtime_checkable
class MetricLogger(Protocol):
    """A run of Weights & Biases, or anything with its method."""

    def log(self, data: dict[str, float], step: int | None = None) -> None:
        """Keep some values of one step."""
        ...


LogTarget: TypeAlias = Literal["tensorboard", "wandb"] | ScalarWriter | MetricLogger


def log_scores(
    scores: pd.DataFrame, names: Mapping[str, str], target: LogTarget, *, step: int | None, folder: Path
) -> dict[str, float]:
    """Write headline scores to an experiment's log; returns what was written, by tag.

    Tags are `NAME/BENCHMARK/METRIC`, with `/low` and `/high` for the ends of the interval.

    Args:
        scores: as `RunView.scores` gives them.
        names: system -> the name that tags get; other systems are not logged.
        target: where to: see `vtok_eval.evaluate`.
        step: of the training; None for a log without steps.
        folder: the run folder; TensorBoard's files go into its folder `tensorboard`.

    Raises:
        MissingDependencyError: the package is not installed.
        UnknownNameError: no such log.
    """
    shown = scores[scores["headline"] & scores["system"].isin(list(names)) & scores["value"].notna()]
    values: dict[str, float] = {}
    for row in shown.to_dict("records"):
        tag = f"{names[row['system']]}/{row['benchmark']}/{row['metric']}"
        ends = {tag: row["value"], f"{tag}/low": row["low"], f"{tag}/high": row["high"]}
        values |= {name: float(value) for name, value in ends.items() if value == value}
    if target == "tensorboard":
        _to_tensorboard(values, step, folder)
    elif target == "wandb":
        _to_wandb(values, step, folder)
    elif isinstance(target, str):
        raise UnknownNameError(what="log", name=target, known=("tensorboard", "wandb"))
    elif isinstance(target, ScalarWriter):
        for tag, value in values.items():
            target.add_scalar(tag, value, step)
    elif isinstance(target, MetricLogger):
        target.log(values, step=step)
    else:
        raise SpecError(
            f"log_to: {type(target).__qualname__} has neither add_scalar nor log; "
            "pass 'tensorboard', 'wandb', a SummaryWriter or a run of wandb"
        )
    return values


def _to_tensorboard(values: Mapping[str, float], step: int | None, folder: Path) -> None:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "log_to='tensorboard' needs the package 'tensorboard': pip install tensorboard"
        ) from error
    with SummaryWriter(str(folder / "tensorboard")) as writer:
        for tag, value in values.items():
            writer.add_scalar(tag, value, step)


def _to_wandb(values: dict[str, float], step: int | None, folder: Path) -> None:
    """Into the run that is going on, which the training may have begun; else into a new one."""
    try:
        import wandb
    except ModuleNotFoundError as error:
        raise MissingDependencyError("log_to='wandb' needs the package 'wandb': pip install wandb") from error
    run = wandb.run or wandb.init(project="vtok-eval", dir=str(folder))
    run.log(values, step=step)
