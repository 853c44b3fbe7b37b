"""What one call costs, measured in the process that computes it."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

# Any: torch, if the worker's environment has it.


class CallMeter:
    """What a call costs inside this process, under `numbers`: `seconds`, and what was asked for besides.

    flop: floating-point operations, counted by torch; peak_bytes: of torch's CUDA allocator. What cannot be
    measured here is not among the numbers.
    """

    def __init__(self, what: Sequence[str], *, uses_torch: bool, device: str) -> None:
        self.numbers: dict[str, float] = {}
        self._torch: Any = sys.modules.get("torch") if uses_torch else None
        self._on_cuda = self._torch is not None and device.startswith("cuda")
        self._device = device
        self._what = what
        self._counter: Any = None
        self._fused = False

    def __enter__(self) -> CallMeter:
        if "flop" in self._what and self._torch is not None:
            with contextlib.suppress(ImportError):  # torch before 2.1: not among the numbers
                from torch.utils.flop_counter import FlopCounterMode

                # Fused attention layers would be counted as nothing.
                self._fused = self._torch.backends.mha.get_fastpath_enabled()
                self._torch.backends.mha.set_fastpath_enabled(False)
                self._counter = FlopCounterMode(display=False)
                self._counter.__enter__()
        self._finish()
        if self._on_cuda and "peak_bytes" in self._what:
            self._torch.cuda.reset_peak_memory_stats(self._device)
            self._before = self._torch.cuda.memory_allocated(self._device)
        self._start = time.perf_counter()
        return self

    def __exit__(self, error: object, *others: object) -> None:
        try:
            if error is None:
                self._take_numbers()
        finally:
            if self._counter is not None:
                self._counter.__exit__(error, *others)
                self._torch.backends.mha.set_fastpath_enabled(self._fused)

    def _take_numbers(self) -> None:
        self._finish()
        self.numbers["seconds"] = time.perf_counter() - self._start
        if self._on_cuda and "peak_bytes" in self._what:
            self.numbers["peak_bytes"] = self._torch.cuda.max_memory_allocated(self._device) - self._before
        if self._counter is not None:
            self.numbers["flop"] = self._counter.get_total_flops()

    def _finish(self) -> None:
        if self._on_cuda:
            self._torch.cuda.synchronize(self._device)
