"""What one `encode` costs: seconds, floating-point operations and peak memory.

Loaded only when a measurement is made: it imports torch.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from vtok_eval.data import Clips, Tokens, check_tokens
from vtok_eval.environments.watch import watch_calls
from vtok_eval.systems import Tokenizer

# Any: torch's own signatures of dispatch modes.

MIB = 2**20


@dataclass(frozen=True)
class Timed:
    """Seconds of each of several encodes of the same clips, in order, and the tokens of the last one."""

    seconds: tuple[float, ...]
    tokens: Tokens


def time_encode(tokenizer: Tokenizer, clips: Clips, *, passes: int, device: torch.device) -> Timed:
    """Encode the clips `passes` times, the device idle before and after each.

    The time is wall clock from the call until the device has finished, so on an accelerator it holds the
    launching of kernels too, which is what a caller waits for. A tokenizer in another environment is timed in
    its own process: what moves clips there and tokens back is left out.

    Raises:
        TokenizerError: the tokens break the protocol.
        Exception: whatever the tokenizer raises.
    """
    seconds = []
    tokens: Tokens | None = None
    for _ in range(passes):
        tokens = None  # release the last pass's tokens first: they must not occupy memory now
        _finish(device)
        with watch_calls() as elsewhere:
            start = time.perf_counter()
            tokens = tokenizer.encode(clips)
            _finish(device)
            seconds.append(time.perf_counter() - start - elsewhere.moving_s)
    if tokens is None:
        raise ValueError(f"passes must be at least 1, not {passes}")
    check_tokens(tokens, n_clips=len(clips))
    return Timed(tuple(seconds), tokens)


def count_flops(encode: Callable[[], object]) -> int | None:
    """Floating-point operations of a call, a multiplication and an addition counting as two.

    Counted by torch's `FlopCounterMode`: matrix products, convolutions and attention; what is elementwise is
    not counted, nor what runs outside torch. Fused attention layers, which the counter does not know and
    would take for nothing, are switched off while it counts. What runs in another environment is counted
    there; None where that has no such counter.
    """
    with (
        watch_calls("flop") as elsewhere,
        _without_fused_attention_layers(),
        FlopCounterMode(display=False) as counter,
    ):
        encode()
    counted = [call.flop for call in elsewhere.calls]
    if None in counted:
        return None
    return int(counter.get_total_flops()) + sum(flop for flop in counted if flop is not None)


def peak_memory(encode: Callable[[], object], *, device: torch.device) -> int | None:
    """Bytes that a call needs at its peak beyond what was in use before it: no weights, no input clips.

    CUDA: torch's allocator (`max_memory_allocated`). CPU: see `PeakTensorMemory`. Other devices: None, for
    torch offers no peak there, nor of what runs in another environment on a CPU.
    """
    with watch_calls("peak_bytes") as elsewhere:
        here = _peak_memory_here(encode, device=device)
    peaks = [call.peak_bytes for call in elsewhere.calls]
    if None in peaks:
        return None
    return max((peak for peak in peaks if peak is not None), default=here)


def _peak_memory_here(encode: Callable[[], Any], *, device: torch.device) -> int | None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        encode()
        torch.cuda.synchronize(device)
        return int(torch.cuda.max_memory_allocated(device) - before)
    if device.type != "cpu":
        return None
    memory = PeakTensorMemory()
    with memory:
        encode()
    return memory.peak


class PeakTensorMemory(TorchDispatchMode):
    """Follows the tensors that torch's operations return, and how many of their bytes are alive at once.

    A process's resident size does not show this: the C library's allocator keeps and reuses freed memory, so
    a second encode seems to need nothing. This count is the same in every run. It leaves out the scratch
    memory inside one operation and arrays made outside torch.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's own
        self.live = 0
        self.peak = 0
        self._storages: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        # A storage first seen as an argument was there before: a weight, or a clip.
        for tensor in _tensors((args, kwargs)):
            self._follow(tensor.untyped_storage(), n_bytes=0)
        result = func(*args, **(kwargs or {}))
        for tensor in _tensors(result):
            storage = tensor.untyped_storage()
            self._follow(storage, n_bytes=storage.nbytes())
        return result

    def _follow(self, storage: torch.UntypedStorage, *, n_bytes: int) -> None:
        key = storage._cdata
        if key in self._storages:
            return

        def freed(_: object) -> None:
            self.live -= n_bytes
            del self._storages[key]

        self._storages[key] = weakref.ref(storage, freed)
        self.live += n_bytes
        self.peak = max(self.peak, self.live)


def _tensors(tree: object) -> Iterator[torch.Tensor]:
    for leaf in tree_leaves(tree):
        if isinstance(leaf, torch.Tensor) and leaf.layout == torch.strided:
            yield leaf


@contextmanager
def _without_fused_attention_layers() -> Iterator[None]:
    """In inference mode nn.MultiheadAttention may run as one operation that FlopCounterMode counts as 0."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def _finish(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
