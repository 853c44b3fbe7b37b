"""Trains a probe, and the tokenizer's own projection with it, by one recipe for every tokenizer."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from tqdm import tqdm

from benchmarks.understanding.features import FeatureTable, Statistics, is_trained_with_probe
from benchmarks.understanding.probe import AttentiveProbe, JoinGroups, TokenReader, project
from benchmarks.understanding.targets import Answer, Targets, above_chance, answers_of, loss_of, scores_of
from vtok_eval.errors import MissingDependencyError, TokenizerError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vtok_eval.scenes.vocabulary import Attribute

log = logging.getLogger(__name__)

_EVALUATED_AT_ONCE = 256
_WARM_UP = 0.1
"""Share of the steps in which the learning rate rises from zero."""
_ADAMW_BETAS = (0.9, 0.98)
_ADAMW_SHARE = 0.25
"""AdamW's learning rate beside Muon's, as a share of it."""
_LEARNT_BY_ADAMW = ("probe.classifiers.", "probe.embed_place.", "probe.queries", "probe.null_token")
"""Look-up tables and outputs: Muon is for the matrices between them."""


@dataclass(frozen=True)
class Recipe:
    """How a probe is trained: the same for every tokenizer.

    optimizer: "muon" (matrices by Muon, the rest by AdamW) or "adamw".
    learning_rates: each is tried, the one with the best validation score is kept.
    """

    width: int
    heads: int
    n_frames: int
    epochs: int
    batch_size: int
    optimizer: str
    learning_rates: tuple[float, ...]
    weight_decay: float


@dataclass(frozen=True)
class Split:
    """Clips with features and truth; `labels` as a scene gives them, attribute -> label or labels."""

    table: FeatureTable
    labels: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class ReaderShape:
    """What must be known to build an untrained `TokenReader`. n_slots: embeddings for places in a frame."""

    token_width: int
    n_slots: int


@dataclass(frozen=True)
class TrainedReader:
    """A trained reader, in evaluation mode, and how it came about (as JSON can hold it)."""

    reader: TokenReader
    statistics: Statistics
    shape: ReaderShape
    history: Mapping[str, Any]


def train_reader(
    tokenizer: Any,
    *,
    training: Split,
    validation: Split,
    statistics: Statistics,
    attributes: Sequence[Attribute],
    recipe: Recipe,
    seed: int,
    device: torch.device,
    description: str,
) -> TrainedReader:
    """Train one reader per learning rate and keep the one that the validation split likes best.

    Both tables are standardised already, by `statistics`. An epoch sees every training clip once, in an order
    that depends on the seed only; of all epochs the one with the best validation score is kept. The same
    inputs give the same numbers on the same device with the same number of threads.

    Raises:
        MissingDependencyError: the recipe asks for Muon and this torch has none.
        TokenizerError: the tokenizer's projection breaks the protocol, or training diverges.
    """
    shape = measure_shape(tokenizer, training.table, seed=seed, device=device)
    runs = []
    n_steps = len(recipe.learning_rates) * recipe.epochs * -(-len(training.table) // recipe.batch_size)
    with tqdm(total=n_steps, desc=description, unit="step", leave=False) as progress, seeded(seed, device):
        for learning_rate in recipe.learning_rates:
            torch.manual_seed(seed)
            reader = build_reader(
                tokenizer, shape, attributes=attributes, recipe=recipe, seed=seed, device=device
            )
            run = _Run(reader, training, validation, tuple(attributes), recipe, learning_rate, seed, device)
            runs.append(run.train(progress))
    best = max(runs, key=lambda run: run["validation_score"])
    if "state" not in best:
        raise TokenizerError(
            "the probe's training diverged at every learning rate; are the tokens' values sound?"
        )
    reader.load_state_dict(best.pop("state"))
    tried = {str(run["learning_rate"]): run["validation_score"] for run in runs}
    history = {"chosen": best, "learning_rates_tried": tried}
    return TrainedReader(reader.eval(), statistics, shape, history)


def build_reader(
    tokenizer: Any,
    shape: ReaderShape,
    *,
    attributes: Sequence[Attribute],
    recipe: Recipe,
    seed: int,
    device: torch.device,
) -> TokenReader:
    """An untrained reader for a tokenizer; the probe's weights come from torch's default generator."""
    probe = AttentiveProbe(
        n_classes={attribute.name: len(attribute.labels) for attribute in attributes},
        token_width=shape.token_width,
        n_slots=shape.n_slots,
        n_frames=recipe.n_frames,
        width=recipe.width,
        heads=recipe.heads,
    )
    return TokenReader(new_projection(tokenizer, seed=seed), probe).to(device)


def new_projection(tokenizer: Any, *, seed: int) -> nn.Module:
    """The tokenizer's own projection where it is to be trained, else one that leaves the tokens alone."""
    if not is_trained_with_probe(tokenizer):
        return JoinGroups()
    projection: nn.Module = tokenizer.new_projection(seed=seed)
    return projection


def measure_shape(tokenizer: Any, table: FeatureTable, *, seed: int, device: torch.device) -> ReaderShape:
    """The reader's shape for features like the table's.

    Raises:
        TokenizerError: the tokenizer's projection breaks the protocol.
    """
    groups, _ = table.select(torch.arange(1), device=device)
    with torch.no_grad():
        tokens = project(new_projection(tokenizer, seed=seed).to(device), groups)
    n_slots = int(table.slot.max()) + 1 if table.slot.numel() else 1
    return ReaderShape(token_width=tokens.values.shape[2], n_slots=n_slots)


def answer_all(
    reader: TokenReader, table: FeatureTable, attributes: Sequence[Attribute], *, device: torch.device
) -> list[dict[str, Answer]]:
    """The reader's answers for every clip of a standardised table."""
    answers: list[dict[str, Answer]] = []
    with torch.no_grad():
        for index in torch.arange(len(table)).split(_EVALUATED_AT_ONCE):
            logits = reader(*table.select(index, device=device))
            answers += answers_of(logits, attributes)
    return answers


def mean_scores(
    answers: Sequence[Mapping[str, Answer]],
    labels: Sequence[Mapping[str, Any]],
    attributes: Sequence[Attribute],
) -> dict[str, float]:
    """Each attribute's mean score over the clips that it applies to; none, no key."""
    scored = [scores_of(answer, truth, attributes) for answer, truth in zip(answers, labels, strict=True)]
    columns = {item.name: [clip[item.name] for clip in scored if item.name in clip] for item in attributes}
    return {name: sum(column) / len(column) for name, column in columns.items() if column}


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Draw from torch's default generators as from `seed`, and leave them as they were."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


@dataclass
class _Run:
    """One training of one reader with one learning rate."""

    reader: TokenReader
    training: Split
    validation: Split
    attributes: tuple[Attribute, ...]
    recipe: Recipe
    learning_rate: float
    seed: int
    device: torch.device

    def train(self, progress: tqdm[Any]) -> dict[str, Any]:
        """Train; the best epoch's `state`, its scores, and the losses of all epochs."""
        targets = Targets.of(self.attributes, self.training.labels)
        optimizers = make_optimizers(self.reader, recipe=self.recipe, learning_rate=self.learning_rate)
        n_steps = self.recipe.epochs * -(-len(self.training.table) // self.recipe.batch_size)
        schedules = [
            torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: warm_cosine(step, n_steps))
            for optimizer in optimizers
        ]
        order = torch.Generator().manual_seed(self.seed)
        best: dict[str, Any] = {"validation_score": -math.inf}
        losses: list[float] = []
        for epoch in range(self.recipe.epochs):
            self.reader.train()
            total = 0.0
            shuffled = torch.randperm(len(self.training.table), generator=order)
            for index in shuffled.split(self.recipe.batch_size):
                loss = self._step(index, targets, optimizers)
                total += loss * len(index)
                for schedule in schedules:
                    schedule.step()
                progress.update()
            if not math.isfinite(total):
                log.warning(
                    "training diverged in epoch %d at learning rate %g", epoch + 1, self.learning_rate
                )
                break
            losses.append(round(total / len(self.training.table), 6))
            best = self._better(best, epoch + 1)
        return {**best, "learning_rate": self.learning_rate, "training_losses": losses}

    def _step(
        self, index: torch.Tensor, targets: Targets, optimizers: Sequence[torch.optim.Optimizer]
    ) -> float:
        groups, slot = self.training.table.select(index, device=self.device)
        loss = loss_of(self.reader(groups, slot), targets.select(index, device=self.device))
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        return float(loss.detach())

    def _better(self, best: dict[str, Any], epoch: int) -> dict[str, Any]:
        self.reader.eval()
        answers = answer_all(self.reader, self.validation.table, self.attributes, device=self.device)
        scores = mean_scores(answers, self.validation.labels, self.attributes)
        score = above_chance(scores, self.attributes)
        if score <= best["validation_score"]:
            return best
        return {
            "validation_score": score,
            "epoch": epoch,
            "validation": scores,
            "state": copy.deepcopy(self.reader.state_dict()),
        }


def make_optimizers(
    reader: TokenReader, *, recipe: Recipe, learning_rate: float
) -> list[torch.optim.Optimizer]:
    """The recipe's optimizers over all parameters of a reader.

    With Muon, the learning rate and the weight decay are those of the matrices between the probe's tables and
    its classifiers; the rest is AdamW's, at a quarter of the rate. Tables, classifiers, biases and gains are
    never decayed.

    Raises:
        MissingDependencyError: the recipe asks for Muon and this torch has none.
    """
    parameters = [(name, value) for name, value in reader.named_parameters() if value.requires_grad]
    matrices = [
        value for name, value in parameters if value.ndim == 2 and not name.startswith(_LEARNT_BY_ADAMW)
    ]
    chosen = {id(value) for value in matrices}
    others = [value for _, value in parameters if id(value) not in chosen]
    if recipe.optimizer == "adamw":
        groups = [
            {"params": matrices, "weight_decay": recipe.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        return [torch.optim.AdamW(groups, lr=learning_rate, betas=_ADAMW_BETAS)]
    if not hasattr(torch.optim, "Muon"):
        raise MissingDependencyError(
            f"optimizer 'muon' needs torch 2.9 or later, not {torch.__version__}; set optimizer to 'adamw'"
        )
    by_muon = [_muon_group(value, recipe, learning_rate) for value in matrices]
    return [
        torch.optim.Muon(by_muon, lr=learning_rate),
        torch.optim.AdamW(others, lr=_ADAMW_SHARE * learning_rate, betas=_ADAMW_BETAS, weight_decay=0.0),
    ]


def _muon_group(matrix: nn.Parameter, recipe: Recipe, learning_rate: float) -> dict[str, Any]:
    """Settings with which Muon moves a matrix `(outputs, inputs)` by sqrt(outputs / inputs) per step.

    By itself it does so only where there are more outputs than inputs. Without this, one step would change
    what a map of 2,432 channels gives four times as much as a step of a map of 152 does, and the recipe would
    not be the same for wide and narrow tokens.
    """
    outputs, inputs = matrix.shape
    scale = math.sqrt(min(1.0, outputs / max(1, inputs)))
    # torch decays by rate x decay: the quotient keeps that product the same for every matrix.
    return {"params": [matrix], "lr": scale * learning_rate, "weight_decay": recipe.weight_decay / scale}


def warm_cosine(step: int, n_steps: int) -> float:
    """The learning rate's factor at a step from 0: a straight rise, then half a cosine down to zero."""
    rise = max(1, round(_WARM_UP * n_steps))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, n_steps - rise)))
