"""How a reader's losses fell: what Trainer logged, as points of one curve over all stages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class CurvePoint:
    """The losses after a step, in nats a token; None where that one was not measured there.

    step: from 1, over all stages. training_loss: mean over the steps since the last such point.
    validation_loss: see `ReaderModel`.

    Example:
        >>> CurvePoint("projection", 10, training_loss=2.5).validation_loss is None
        True
    """

    stage: str
    step: int
    training_loss: float | None = None
    validation_loss: float | None = None


@dataclass(frozen=True)
class LearningCurve:
    """The points of a training, in order.

    Example:
        >>> curve = LearningCurve((CurvePoint("all", 10, 2.5), CurvePoint("all", 20, 1.5, 1.75)))
        >>> curve.last_training_loss, curve.last_validation_loss
        (1.5, 1.75)
    """

    points: tuple[CurvePoint, ...]

    @property
    def last_training_loss(self) -> float | None:
        """The training loss at the end; None where none was logged."""
        return next((p.training_loss for p in reversed(self.points) if p.training_loss is not None), None)

    @property
    def last_validation_loss(self) -> float | None:
        """The validation loss at the end; None where none was measured."""
        return next((p.validation_loss for p in reversed(self.points) if p.validation_loss is not None), None)

    def to_json(self) -> list[dict[str, object]]:
        """As JSON."""
        return [asdict(point) for point in self.points]

    @classmethod
    def of_json(cls, content: Iterable[Mapping[str, object]]) -> LearningCurve:
        """What `to_json` gave."""
        return cls(tuple(CurvePoint(**point) for point in content))  # type: ignore[arg-type]


def stage_points(history: Sequence[Mapping[str, float]], *, stage: str, first: int) -> tuple[CurvePoint, ...]:
    """The points of one stage from Trainer's log. first: steps of the stages before it.

    Example:
        >>> log = [{"step": 10, "loss": 2.0}, {"step": 10, "eval_loss": 2.5}, {"step": 10, "train_loss": 2.0}]
        >>> stage_points(log, stage="all", first=100)
        (CurvePoint(stage='all', step=110, training_loss=2.0, validation_loss=2.5),)
    """
    training = {int(entry["step"]): entry["loss"] for entry in history if "loss" in entry}
    validation = {int(entry["step"]): entry["eval_loss"] for entry in history if "eval_loss" in entry}
    return tuple(
        CurvePoint(stage, first + step, training.get(step), validation.get(step))
        for step in sorted(training.keys() | validation.keys())
    )
