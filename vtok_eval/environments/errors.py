"""What can go wrong with a system in another Python environment."""

from __future__ import annotations

from vtok_eval.errors import VtokEvalError


class WorkerError(VtokEvalError):
    """The class raised, or its worker died or was silent for too long; has the worker's last words."""


class WorkerMemoryError(WorkerError, MemoryError):
    """Memory ran out in the worker: the harness halves the batch."""
