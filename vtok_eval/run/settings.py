"""How a suite is run: devices, batches, caches, seed and limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vtok_eval.devices.precision import AUTO
from vtok_eval.run.runners.cores import cores_at_hand

if TYPE_CHECKING:
    from vtok_eval.run.suite import Suite


@dataclass(frozen=True)
class RunSettings:
    """How a suite is run. Only `limit`, `seed`, `threads` and `precision` may change a number.

    device: of a run in this process. devices: one lane (worker process) for each, in place of `device`.
    ray: a Ray cluster's address, or "local" to start one here; the lanes are then actors of it.
    mixed_models: devices of different models are refused unless all are named here.
    seed: None for the suite's. limit: for a smoke test, how many samples of each benchmark are
        taken or, below 1, which share of them; training clips are scaled in the same way. None for all.
    threads: of torch on the CPU, in each lane. Sums round differently on another number of threads, so this
        does not follow the machine: several lanes use several cores.
    precision: of the tokenizers' backbones: fp32, fp16 or bf16; auto is fp16 on CUDA, else fp32.
    loader_threads: that decode or render ahead, in each lane; None for as many as there are available cores,
        divided among the lanes.
    retry_failed: do the samples again that failed before. command: the command line, for provenance.

    Example:
        >>> RunSettings(devices=("cpu", "cpu")).in_lanes
        True
        >>> RunSettings(device="cpu").in_lanes
        False
    """

    device: str = "auto"
    devices: Sequence[str] = ()
    ray: str | None = None
    mixed_models: Sequence[str] = ()
    batch_size: int = 16
    loader_threads: int | None = None
    threads: int = 1
    precision: str = AUTO
    seed: int | None = None
    limit: int | float | None = None
    retry_failed: bool = False
    clip_memory_bytes: int = 1_200 * 2**20
    feature_cache_bytes: int = 20 * 2**30
    command: Sequence[str] = ()

    @property
    def in_lanes(self) -> bool:
        """Whether processes other than the one that keeps the journal evaluate samples."""
        return self.ray is not None or bool(self.devices)

    @property
    def n_loader_threads(self) -> int:
        """Threads that load clips in each process of this machine."""
        if self.loader_threads is not None:
            return self.loader_threads
        return max(1, cores_at_hand() // max(1, len(self.devices)))

    def seed_of(self, suite: Suite) -> int:
        """The seed from which every generator of a run of `suite` is derived."""
        return suite.seed if self.seed is None else self.seed
