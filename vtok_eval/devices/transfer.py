"""Copying frames to a device and results back, without waiting where the device allows it.

`passes` holds the order of things, which is the same on every device; a `Transfer` does the copying.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

_BUFFERS_KEPT = 4
"""Of a `DirectTransfer`: two of them serve one caller at a time."""


class Upload(Protocol):
    """Frames on their way to a device."""

    def arrived(self) -> Tensor:
        """The frames on the device; what is computed there from now on waits for them, the host need not."""
        ...

    def release(self) -> None:
        """The frames are not used by anything that is begun from now on."""
        ...


class Download(Protocol):
    """A tensor on its way to the host."""

    @property
    def done(self) -> bool:
        """Whether it has arrived."""
        ...

    def wait(self) -> Tensor:
        """The tensor on the CPU."""
        ...


class Transfer(Protocol):
    """Copies between the host and one device. Any number of threads may use it."""

    device: torch.device

    def upload(self, pictures: Sequence[Tensor], size: int) -> Upload:
        """Begin to bring `size` pictures of one shape to the device as one batch; the last is repeated.

        The pictures may change once this returns.
        """
        ...

    def bring(self, pictures: Sequence[Tensor]) -> Tensor:
        """The pictures as one batch on the device; a tensor of its own."""
        ...

    def send(self, tensor: Tensor) -> Tensor:
        """A tensor in the host's memory, on the device; itself where that is the same."""
        ...

    def download(self, tensor: Tensor) -> Download:
        """Begin to bring a tensor to the host. The tensor must not change before it has arrived."""
        ...


def passes(
    pictures: Sequence[Tensor], size: int, transfer: Transfer, *, fill: bool = True
) -> Iterator[Tensor]:
    """Batches of `size` pictures on the device, in order; the next one is copied while one is computed with.

    pictures: `(3, H, W)` uint8 each, of one shape. fill: repeat the last picture to fill the last batch.
    A batch may be used until the next one is asked for.
    """
    begun: Upload | None = None
    for start in range(0, len(pictures), size):
        chunk = pictures[start : start + size]
        upcoming = transfer.upload(chunk, size if fill else len(chunk))
        if begun is not None:
            yield begun.arrived()
            begun.release()
        begun = upcoming
    if begun is not None:
        yield begun.arrived()
        begun.release()


_TRANSFERS: dict[torch.device, Transfer] = {}
"""This process's, by device; each is made once."""


def transfer_to(device: torch.device) -> Transfer:
    """How this process copies to and from a device.

    Example:
        >>> transfer = transfer_to(torch.device("cpu"))
        >>> pictures = torch.zeros(3, 3, 2, 2, dtype=torch.uint8)
        >>> [tuple(batch.shape) for batch in passes(list(pictures), 2, transfer)]
        [(2, 3, 2, 2), (2, 3, 2, 2)]
    """
    if device not in _TRANSFERS:
        _TRANSFERS[device] = CudaTransfer(device) if device.type == "cuda" else DirectTransfer(device)
    return _TRANSFERS[device]


class _Arrived:
    """A tensor that needs no copy, or whose copy was waited for."""

    done = True

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor

    def wait(self) -> Tensor:
        """The tensor."""
        return self._tensor


class DirectTransfer:
    """Copies that are waited for: of the CPU, where the copy into the batch is all there is."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._free: deque[Tensor] = deque(maxlen=_BUFFERS_KEPT)

    def upload(self, pictures: Sequence[Tensor], size: int) -> Upload:
        """The batch, in a buffer that is used again once it is released."""
        buffer = self._buffer((size, *pictures[0].shape), pictures[0].dtype)
        fill_batch(buffer, pictures)
        return _DirectUpload(self, buffer)

    def bring(self, pictures: Sequence[Tensor]) -> Tensor:
        """The pictures, stacked and copied."""
        return torch.stack(list(pictures)).to(self.device)

    def send(self, tensor: Tensor) -> Tensor:
        """The tensor, copied where the device is another."""
        return tensor.to(self.device)

    def download(self, tensor: Tensor) -> Download:
        """The tensor on the CPU."""
        return _Arrived(tensor.cpu())

    def _buffer(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        # Buffers of other shapes are let go.
        while self._free:
            try:
                buffer = self._free.pop()
            except IndexError:  # another thread took it
                break
            if tuple(buffer.shape) == shape and buffer.dtype == dtype:
                return buffer
        return _ordinary(shape, dtype)


class _DirectUpload:
    def __init__(self, transfer: DirectTransfer, buffer: Tensor) -> None:
        self._transfer, self._buffer = transfer, buffer

    def arrived(self) -> Tensor:
        return self._buffer.to(self._transfer.device)

    def release(self) -> None:
        self._transfer._free.append(self._buffer)


class CudaTransfer:
    """Copies through pinned memory on a stream of their own; the host waits for none of them.

    Not tried on a GPU yet; `tools/speed/feature_path.py --device cuda` shows what it gains.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._copies = torch.cuda.Stream(device)

    def upload(self, pictures: Sequence[Tensor], size: int) -> Upload:
        """The batch, filled into pinned memory and copied on the side stream."""
        if pictures[0].device.type != "cpu":
            there = [picture.to(self.device) for picture in pictures]
            return _CudaUpload(torch.stack(there + there[-1:] * (size - len(there))), None, self.device)
        host = _pinned((size, *pictures[0].shape), pictures[0].dtype)
        fill_batch(host, pictures)
        with torch.cuda.stream(self._copies):
            frames = host.to(self.device, non_blocking=True)
            copied = torch.cuda.Event()
            copied.record(self._copies)
        return _CudaUpload(frames, copied, self.device)

    def bring(self, pictures: Sequence[Tensor]) -> Tensor:
        """As `upload`; each upload has memory of its own on the device."""
        return self.upload(pictures, len(pictures)).arrived()

    def send(self, tensor: Tensor) -> Tensor:
        """As `upload`, of one tensor."""
        return self.upload([tensor], 1).arrived().squeeze(0)

    def download(self, tensor: Tensor) -> Download:
        """Copied to pinned memory after what is computed now, in the order of the stream that computes it."""
        if tensor.device.type == "cpu":
            return _Arrived(tensor)
        host = _pinned(tuple(tensor.shape), tensor.dtype)
        host.copy_(tensor, non_blocking=True)
        copied = torch.cuda.Event()
        copied.record(torch.cuda.current_stream(tensor.device))
        return _CudaDownload(host, copied)


class _CudaUpload:
    def __init__(self, frames: Tensor, copied: torch.cuda.Event | None, device: torch.device) -> None:
        self._frames, self._copied, self._device = frames, copied, device

    def arrived(self) -> Tensor:
        if self._copied is not None:
            computing = torch.cuda.current_stream(self._device)
            computing.wait_event(self._copied)
            _used_on(computing, self._frames)
        return self._frames

    def release(self) -> None:
        """The allocator sees to it, by `record_stream`."""


class _CudaDownload:
    def __init__(self, host: Tensor, copied: torch.cuda.Event) -> None:
        self._host, self._copied = host, copied

    @property
    def done(self) -> bool:
        return bool(self._copied.query())

    def wait(self) -> Tensor:
        self._copied.synchronize()
        return self._host


def fill_batch(batch: Tensor, pictures: Sequence[Tensor]) -> None:
    """Copy pictures into the first places of a batch, and the last of them into those that are left."""
    for place, picture in zip(batch, pictures, strict=False):
        place.copy_(picture)
    if len(pictures) < len(batch):
        batch[len(pictures) :] = pictures[-1]


def _pinned(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    # torch gives pinned memory out again only when no copy reads or writes it any more.
    return torch.empty(shape, dtype=dtype, device="cpu", pin_memory=True)


def _used_on(stream: torch.cuda.Stream, tensor: Tensor) -> None:
    # The allocator must not give this memory to the next copy while it is computed with.
    tensor.record_stream(stream)


def _ordinary(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    # Not an inference tensor: it may be filled again outside of inference mode.
    with torch.inference_mode(False):
        return torch.empty(shape, dtype=dtype, device="cpu")
