"""Recognises that memory ran out, on the device or the host, and releases cached memory."""

from __future__ import annotations

import gc


def is_out_of_memory(error: Exception) -> bool:
    """Whether the error says that memory ran out: Python's, torch's, or torch's CPU allocator's.

    Example:
        >>> is_out_of_memory(MemoryError()), is_out_of_memory(ValueError())
        (True, False)
    """
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)


def release_memory(error: Exception) -> None:
    """Drop the tensors that the error's frames hold, and the device's cached blocks."""
    error.__traceback__ = None
    release_unused()


def release_unused() -> None:
    """Collect what nothing refers to any more, and return the device's cached blocks."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
