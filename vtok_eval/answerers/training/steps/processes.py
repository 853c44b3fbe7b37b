"""Processes that train together, as `accelerate launch` or torchrun starts them."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

LONGEST_WAIT_S = 7 * 24 * 3600
"""For another process: one may be encoding clips."""


def world_size() -> int:
    """Processes that train together, as they are told by who started them; 1 alone.

    Example:
        >>> world_size()
        1
    """
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """This process's number among those that train together, from 0 on; 0 alone.

    Example:
        >>> rank()
        0
    """
    return int(os.environ.get("RANK", "0"))


def is_main_process() -> bool:
    """Whether this is the process that writes; true where there is one.

    Example:
        >>> is_main_process()
        True
    """
    return rank() == 0


def own_device(device: torch.device) -> torch.device:
    """The device of this process, where each has a GPU of its own.

    Example:
        >>> import torch
        >>> own_device(torch.device("cpu"))
        device(type='cpu')
    """
    import torch

    if device.type != "cuda" or world_size() == 1:
        return device
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


def wait_for_all(device: torch.device) -> None:
    """Wait until every process has come here.

    Example:
        >>> import torch
        >>> wait_for_all(torch.device("cpu"))
    """
    if world_size() == 1:
        return
    from accelerate import PartialState

    cpu = device.type == "cpu"
    PartialState(cpu=cpu, timeout=timedelta(seconds=LONGEST_WAIT_S)).wait_for_everyone()
