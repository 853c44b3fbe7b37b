"""The in-process runner: loads clips in the background, batches them, isolates failures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from vtok_eval.benchmark import Sample

if TYPE_CHECKING:
    import torch

    from vtok_eval.systems import Clips

Result = TypeVar("Result")


@dataclass(frozen=True)
class Failure:
    """Why a sample has no result: one line."""

    reason: str


@dataclass(frozen=True)
class Runner:
    """Runs functions over samples, on one device, batch by batch."""

    device: torch.device
    batch_size: int = 16
    loader_threads: int = 2

    def map(
        self,
        samples: Sequence[Sample],
        function: Callable[[Sequence[Sample], Clips | None], Sequence[Result]],
        *,
        description: str,
    ) -> Iterator[tuple[Sample, Result | Failure]]:
        """Yield each sample once, with the function's result for it or the reason why there is none."""
        raise NotImplementedError
