"""Which device a run uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vtok_eval.errors import SpecError

if TYPE_CHECKING:
    import torch


def choose_device(name: str = "auto") -> torch.device:
    """The device called `name`; "auto" is CUDA if available, else the CPU.

    Raises:
        SpecError: torch does not know the device, or this machine does not have it.

    Example:
        >>> choose_device("cpu")
        device(type='cpu')
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise SpecError(
            f"device {name!r} cannot be used here: {str(error).splitlines()[0]}; 'cpu' always can"
        ) from error
    return device


def device_model(device: torch.device) -> str:
    """The model of a device: a GPU's name as its driver gives it, else the device's kind ("cpu").

    Example:
        >>> import torch
        >>> device_model(torch.device("cpu"))
        'cpu'
    """
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
