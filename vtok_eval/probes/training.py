"""Trains a probe, and the tokenizer's own projection with it, by one recipe for every tokenizer."""

from __future__ import annotations

import copy
import inspect
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from vtok_eval.errors import TokenizerError
from vtok_eval.probes.attentive import JoinGroups, TokenReader, project
from vtok_eval.probes.features import FeatureTable, is_trained_with_probe
from vtok_eval.probes.optimizers import make_optimizers
from vtok_eval.probes.options.recipe import KeptRun, ReaderShape, Recipe, TrainingHistory
from vtok_eval.probes.preprocessing import Preprocessing
from vtok_eval.progress import StepCounter, steps
from vtok_eval.systems import TrainableTokenizer

log = logging.getLogger(__name__)

_VALIDATED_AT_ONCE = 256
_WARM_UP = 0.1
"""Share of the steps in which the learning rate rises from zero."""


@dataclass(frozen=True)
class TrainedReader:
    """A trained reader, in evaluation mode, and how it came about, as JSON can hold it.

    Example:
        >>> sorted(TrainedReader.__dataclass_fields__)
        ['history', 'preprocessing', 'reader', 'shape']
    """

    reader: TokenReader
    preprocessing: Preprocessing
    shape: ReaderShape
    history: TrainingHistory


class Objective(Protocol):
    """What a reader is trained for, and what it is chosen by.

    Example:
        >>> class Constant:
        ...     n_clips = 1
        ...     def loss(self, reader, index):
        ...         return torch.zeros((), requires_grad=True)
        ...     def validate(self, reader):
        ...         return 0.0, {}
        >>> objective: Objective = Constant()
    """

    @property
    def n_clips(self) -> int:
        """How many training clips there are."""
        ...

    def loss(self, reader: TokenReader, index: Tensor) -> Tensor:
        """The loss, a scalar, of the reader in training mode on the training clips `index` `(B,)`."""
        ...

    def validate(self, reader: TokenReader) -> tuple[float, Mapping[str, Any]]:
        """The score, higher being better, of the reader in evaluation mode on validation clips; its parts."""
        ...


def train_reader(
    build: Callable[[], TokenReader],
    objective: Objective,
    *,
    held_out: Objective,
    preprocessing: Preprocessing,
    shape: ReaderShape,
    recipe: Recipe,
    seed: int,
    device: torch.device,
    description: str,
) -> TrainedReader:
    """Train one reader per learning rate and keep the one with the best validation score.

    build: makes an untrained reader on `device`, drawn from torch's default generator. An epoch sees every
    training clip once, in an order that depends on the seed only; the recipe says which epoch is kept.
    held_out: the same objective with the validation clips in the place of the training clips; its loss after
    each epoch is kept in the history. The same inputs give the same numbers on the same device with the same
    number of threads.

    Raises:
        TokenizerError: training diverges at every learning rate.

    Example:
        >>> from vtok_eval.data import Tokens
        >>> from vtok_eval.probes.attentive import AttentiveProbe
        >>> from vtok_eval.probes.options.training import TrainingOptions
        >>> values = torch.linspace(-1, 1, 8)[:, None, None]  # of eight clips with one token each
        >>> table = FeatureTable((Tokens.of(values.half()),), slot=torch.zeros(8, 1).long())
        >>> class Sign:
        ...     n_clips = 8
        ...     def loss(self, reader, index):
        ...         logits = reader(*table.select(index, device=torch.device("cpu")))["positive"]
        ...         return nn.functional.cross_entropy(logits, (index >= 4).long())
        ...     def validate(self, reader):
        ...         return -float(self.loss(reader, torch.arange(8))), {}
        >>> recipe = TrainingOptions(width=16, heads=4, epochs=2).recipe(n_frames=1)
        >>> shape = ReaderShape(token_width=1, n_slots=1, group_widths=(1,))
        >>> def build():
        ...     probe = AttentiveProbe(shape.attention(recipe), n_classes={"positive": 2})
        ...     return TokenReader(JoinGroups(), probe)
        >>> trained = train_reader(
        ...     build, Sign(), held_out=Sign(), preprocessing=Preprocessing.of(table), shape=shape,
        ...     recipe=recipe, seed=0, device=torch.device("cpu"), description="probe")
        >>> trained.history["steps"]
        2
    """
    runs = []
    n_steps = len(recipe.learning_rates) * recipe.epochs * -(-objective.n_clips // recipe.batch_size)
    with steps(description, total=n_steps, unit="step") as progress, seeded(seed, device):
        for learning_rate in recipe.learning_rates:
            torch.manual_seed(seed)
            reader = build()
            runs.append(_Run(reader, objective, held_out, recipe, learning_rate, seed).train(progress))
    best = max(runs, key=lambda run: run.score)
    if best.kept is None:
        raise TokenizerError(
            "the probe's training diverged at every learning rate; are the tokens' values sound?"
        )
    reader.load_state_dict(best.kept.state)
    history = TrainingHistory(
        seed=seed,
        steps=recipe.epochs * -(-objective.n_clips // recipe.batch_size),
        chosen=best.as_json(best.kept),
        learning_rates_tried={str(run.learning_rate): run.score for run in runs},
    )
    return TrainedReader(reader.eval(), preprocessing, shape, history)


def new_projection(tokenizer: object, *, seed: int, widths: tuple[int, ...] | None = None) -> nn.Module:
    """The tokenizer's own projection if it is to be trained, else one that leaves the tokens unchanged.

    widths: of the groups of features, where they may have been reduced.

    Example:
        >>> new_projection(object(), seed=0)
        JoinGroups()
    """
    if not is_trained_with_probe(tokenizer):
        return JoinGroups()
    chosen = {"widths": widths} if widths is not None and _takes_widths(tokenizer) else {}
    make: Callable[..., nn.Module] = tokenizer.new_projection  # some also take `widths`
    return make(seed=seed, **chosen)


def may_be_reduced(tokenizer: object) -> bool:
    """Whether groups of features may reach the tokenizer's projection in another width than its own.

    So it is where nothing is projected, and where `new_projection` has a parameter `widths`.

    Example:
        >>> from vtok_eval.tokenizers.controls import Blind
        >>> may_be_reduced(Blind())
        True
    """
    return not is_trained_with_probe(tokenizer) or _takes_widths(tokenizer)


def _takes_widths(tokenizer: TrainableTokenizer) -> bool:
    return "widths" in inspect.signature(tokenizer.new_projection).parameters


def measure_shape(tokenizer: object, table: FeatureTable, *, seed: int, device: torch.device) -> ReaderShape:
    """The reader's shape for features like the table's, which has been reduced.

    Raises:
        TokenizerError: the tokenizer's projection breaks the protocol.

    Example:
        >>> from vtok_eval.data import Tokens
        >>> table = FeatureTable((Tokens.of(torch.zeros(8, 3, 4).half()),), slot=torch.zeros(8, 3).long())
        >>> measure_shape(object(), table, seed=0, device=torch.device("cpu"))
        ReaderShape(token_width=4, n_slots=1, group_widths=(4,), vocabulary=())
    """
    groups, _ = table.select(torch.arange(1, device="cpu"), device=device)
    widths = tuple(int(group.values.shape[2]) for group in groups)
    with torch.no_grad():
        tokens = project(new_projection(tokenizer, seed=seed, widths=widths).to(device), groups)
    n_slots = int(table.slot.max()) + 1 if table.slot.numel() else 1
    return ReaderShape(
        token_width=tokens.values.shape[2],
        n_slots=n_slots,
        group_widths=widths,
        vocabulary=() if tokens.coded is None else tokens.coded.sizes,
    )


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Draw from torch's default generators as from `seed`, and leave them as they were.

    Example:
        >>> with seeded(0, torch.device("cpu")):
        ...     first = torch.rand(2)
        >>> with seeded(0, torch.device("cpu")):
        ...     print(bool((torch.rand(2) == first).all()))
        True
    """
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


@dataclass(frozen=True)
class _KeptEpoch:
    """An epoch's number from 1, its validation score with its parts, and the reader after it."""

    number: int
    score: float
    parts: Mapping[str, object]
    state: Mapping[str, Tensor]


@dataclass(frozen=True)
class _Finished:
    """A training with one learning rate. kept: None where it diverged before an epoch could be kept."""

    learning_rate: float
    kept: _KeptEpoch | None
    losses: list[float]
    held_out_losses: list[float]

    @property
    def score(self) -> float:
        return -math.inf if self.kept is None else self.kept.score

    def as_json(self, kept: _KeptEpoch) -> KeptRun:
        return KeptRun(
            validation_score=kept.score,
            epoch=kept.number,
            validation=dict(kept.parts),
            learning_rate=self.learning_rate,
            training_losses=self.losses,
            validation_losses=self.held_out_losses,
        )


@dataclass
class _Run:
    """One training of one reader with one learning rate."""

    reader: TokenReader
    objective: Objective
    held_out: Objective
    recipe: Recipe
    learning_rate: float
    seed: int

    def train(self, progress: StepCounter) -> _Finished:
        """Train; gives the epoch that is kept and the losses of all epochs."""
        optimizers = make_optimizers(self.reader, recipe=self.recipe, learning_rate=self.learning_rate)
        n_clips = self.objective.n_clips
        n_steps = self.recipe.epochs * -(-n_clips // self.recipe.batch_size)
        schedules = [
            torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: warm_cosine(step, n_steps))
            for optimizer in optimizers
        ]
        order = torch.Generator(device="cpu").manual_seed(self.seed)
        best: _KeptEpoch | None = None
        losses: list[float] = []
        held_out_losses: list[float] = []
        for epoch in range(self.recipe.epochs):
            self.reader.train()
            total = 0.0
            for index in torch.randperm(n_clips, generator=order, device="cpu").split(self.recipe.batch_size):
                total += self._step(index, optimizers) * len(index)
                for schedule in schedules:
                    schedule.step()
                progress.update()
            if not math.isfinite(total):
                log.warning(
                    "training diverged in epoch %d at learning rate %g", epoch + 1, self.learning_rate
                )
                break
            losses.append(round(total / n_clips, 6))
            if self.recipe.keep == "best" or epoch + 1 == self.recipe.epochs:
                best = self._kept(best, epoch + 1)
            held_out_losses.append(round(self._held_out_loss(), 6))
        return _Finished(self.learning_rate, best, losses, held_out_losses)

    def _step(self, index: Tensor, optimizers: Sequence[torch.optim.Optimizer]) -> float:
        loss = self.objective.loss(self.reader, index)
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        return float(loss.detach())

    def _held_out_loss(self) -> float:
        """The loss of the reader in evaluation mode on all validation clips."""
        self.reader.eval()
        n_clips, total = self.held_out.n_clips, 0.0
        with torch.no_grad():
            for index in torch.arange(n_clips, device="cpu").split(_VALIDATED_AT_ONCE):
                total += float(self.held_out.loss(self.reader, index)) * len(index)
        return total / n_clips

    def _kept(self, best: _KeptEpoch | None, epoch: int) -> _KeptEpoch | None:
        self.reader.eval()
        with torch.no_grad():
            score, parts = self.objective.validate(self.reader)
        if score <= (-math.inf if best is None else best.score):
            return best
        return _KeptEpoch(epoch, score, parts, copy.deepcopy(self.reader.state_dict()))


def warm_cosine(step: int, n_steps: int) -> float:
    """The learning rate's factor at a step from 0: a straight rise, then half a cosine down to zero.

    Example:
        >>> [round(warm_cosine(step, 100), 2) for step in (0, 9, 55, 99)]
        [0.1, 1.0, 0.5, 0.0]
    """
    rise = max(1, round(_WARM_UP * n_steps))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, n_steps - rise)))
