"""Muon with its Newton-Schulz iterations on matrices of equal shape stacked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
_SMALLEST_NORM = 1e-7


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
