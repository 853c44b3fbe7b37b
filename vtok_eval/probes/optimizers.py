"""The optimizers of a probe: Muon, its iterations on stacked matrices of equal shape, and AdamW."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vtok_eval.probes.attentive import TokenReader
from vtok_eval.probes.options.recipe import Recipe

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
_SMALLEST_NORM = 1e-7
_ADAMW_BETAS = (0.9, 0.98)
_ADAMW_SHARE = 0.25
"""AdamW's learning rate as a share of Muon's."""


class StackedMuon(torch.optim.Optimizer):
    """Muon for parameter groups of matrices, the update of `torch.optim.Muon` in fewer, larger products.

    Each step moves a matrix `(outputs, inputs)` along its orthogonalised momentum by
    `lr * sqrt(max(1, outputs / inputs))`, after a decay by `lr * weight_decay`. A probe has some twenty small
    matrices of few shapes: stacked by shape, their Newton-Schulz iterations take a fraction of the time.

    Source: Muon, https://kellerjordan.github.io/posts/muon/ (Nesterov momentum, quintic iteration in
    bfloat16).

    Example:
        >>> weight = torch.nn.Parameter(torch.zeros(4, 4))
        >>> weight.grad = torch.eye(4)
        >>> StackedMuon([weight], lr=0.1).step()
        >>> bool((weight.detach().diagonal() < -0.05).all())
        True
    """

    def __init__(
        self,
        params: Iterable[Any],  # Any: torch's own type of parameters or groups of them
        *,
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
    ) -> None:
        """Check the parameters.

        Raises:
            ValueError: one is not a matrix.
        """
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})
        shapes = [tuple(matrix.shape) for group in self.param_groups for matrix in group["params"]]
        wrong = [shape for shape in shapes if len(shape) != 2]
        if wrong:
            raise ValueError(f"Muon moves matrices only, not a parameter of shape {wrong[0]}")

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every matrix that has a gradient.

        Raises:
            ValueError: a closure is given; this optimizer evaluates the loss once per step.
        """
        if closure is not None:
            raise ValueError("StackedMuon takes no closure")
        stacks: dict[tuple[int, int], list[tuple[Tensor, Tensor, float]]] = defaultdict(list)
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                matrix.mul_(1 - group["lr"] * group["weight_decay"])
                outputs, inputs = matrix.shape
                scale = group["lr"] * max(1.0, outputs / max(1, inputs)) ** 0.5
                update = self._momentum(matrix, group["momentum"])
                # A matrix and its transpose have the same polar factor, transposed: both share a stack.
                shape = (min(outputs, inputs), max(outputs, inputs))
                stacks[shape].append((matrix, update, scale))
        for stack in stacks.values():
            _move(stack)

    def _momentum(self, matrix: Tensor, momentum: float) -> Tensor:
        """Nesterov's look-ahead of the running mean of gradients."""
        gradient = matrix.grad
        assert gradient is not None
        state = self.state[matrix]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(matrix)
        running: Tensor = state["momentum"]
        running.lerp_(gradient, 1 - momentum)
        return gradient.lerp(running, momentum)


def orthogonalised(matrices: Tensor) -> Tensor:
    """Matrices `(N, rows, columns)`, rows <= columns, with singular values moved close to 1; bfloat16.

    Source: the quintic Newton-Schulz iteration of Muon, whose coefficients are chosen for speed: singular
    values end between about .7 and 1.2.

    Example:
        >>> found = orthogonalised(torch.eye(3)[None])
        >>> bool((found[0].diagonal() > 0.5).all())
        True
    """
    a, b, c = _COEFFICIENTS
    found = matrices.to(torch.bfloat16)
    found = found / found.norm(dim=(1, 2), keepdim=True).clamp_min(_SMALLEST_NORM)
    for _ in range(_ITERATIONS):
        gram = found @ found.mT
        found = torch.baddbmm(found, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), found, beta=a)
    return found


def _move(stack: Sequence[tuple[Tensor, Tensor, float]]) -> None:
    """Move matrices that have one shape, but for being transposed, along their orthogonalised updates."""
    upright = [update.shape[0] <= update.shape[1] for _, update, _ in stack]
    updates = [update if lying else update.T for (_, update, _), lying in zip(stack, upright, strict=True)]
    directions = orthogonalised(torch.stack(updates))
    for (matrix, _, scale), direction, lying in zip(stack, directions, upright, strict=True):
        matrix.add_(direction if lying else direction.T, alpha=-scale)


def make_optimizers(
    reader: TokenReader, *, recipe: Recipe, learning_rate: float
) -> list[torch.optim.Optimizer]:
    """The recipe's optimizers over all parameters of a reader.

    With Muon, the learning rate and the weight decay are those of the matrices between the probe's tables and
    its classifiers; the rest is AdamW's, at a quarter of the rate. Tables, classifiers, biases and gains are
    never decayed.

    Example:
        >>> from vtok_eval.probes.attentive import AttentionShape, AttentiveProbe, JoinGroups
        >>> from vtok_eval.probes.options.training import TrainingOptions
        >>> shape = AttentionShape(token_width=6, n_slots=4, n_frames=8, width=16, heads=4)
        >>> reader = TokenReader(JoinGroups(), AttentiveProbe(shape, n_classes={"colour": 10}))
        >>> recipe = TrainingOptions().recipe(n_frames=8)
        >>> [type(each).__name__ for each in make_optimizers(reader, recipe=recipe, learning_rate=0.1)]
        ['StackedMuon', 'AdamW']
    """
    tables = {id(table) for table in reader.probe.tables()}
    parameters = [value for value in reader.parameters() if value.requires_grad]
    matrices = [value for value in parameters if value.ndim == 2 and id(value) not in tables]
    chosen = {id(value) for value in matrices}
    others = [value for value in parameters if id(value) not in chosen]
    if recipe.optimizer == "adamw":
        groups = [
            {"params": matrices, "weight_decay": recipe.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        return [torch.optim.AdamW(groups, lr=learning_rate, betas=_ADAMW_BETAS)]
    by_muon = [_muon_group(value, recipe, learning_rate) for value in matrices]
    return [
        StackedMuon(by_muon, lr=learning_rate),
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
