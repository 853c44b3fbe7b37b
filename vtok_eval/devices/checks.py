"""Checks of what a device has computed: made at once, or put off until the values have arrived."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from vtok_eval.devices.deferred import Deferred, arriving

if TYPE_CHECKING:
    from torch import Tensor

_PUT_OFF: ContextVar[list[Deferred[None]] | None] = ContextVar("put_off", default=None)
"""Where checks are collected while they are put off."""


@contextmanager
def checks_put_off() -> Iterator[list[Deferred[None]]]:
    """Inside the block nothing is waited for to be checked; each entry of the list makes one check.

    What is checked may be wrong until then: what is computed from it must not fail on a device because of it.

    Example:
        >>> import torch
        >>> def require_no_zero(values):
        ...     if (values[0] == 0).any():
        ...         raise ValueError("there is a 0")
        >>> with checks_put_off() as checks:
        ...     check_on_host([torch.zeros(1)], require_no_zero)
        >>> checks[0].get()
        Traceback (most recent call last):
        ValueError: there is a 0
    """
    checks: list[Deferred[None]] = []
    token = _PUT_OFF.set(checks)
    try:
        yield checks
    finally:
        _PUT_OFF.reset(token)


def check_on_host(values: Sequence[Tensor], check: Callable[[Sequence[Tensor]], None]) -> None:
    """Have `check` look at the values in the host's memory: now, or later inside of `checks_put_off`.

    Raises:
        Exception: whatever `check` raises, unless it is put off.
    """
    from vtok_eval.devices.transfer import transfer_to

    transfer = transfer_to(values[0].device)
    begun = arriving([transfer.download(each) for each in values]).then(check)
    put_off = _PUT_OFF.get()
    if put_off is None:
        begun.get()
    else:
        put_off.append(begun)
