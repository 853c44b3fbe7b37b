"""Which devices a run's lanes use: the list from the command line, checked before anything starts."""

from __future__ import annotations

from collections.abc import Sequence

from vtok_eval.errors import SpecError
from vtok_eval.run.runners.cores import cores_at_hand

_MOST_CPU_LANES = 8
_BYTES_A_CPU_LANE = 3 * 2**30
"""Memory that a lane may need: an interpreter with torch, networks, decoded clips."""


def parse_devices(text: str, *, on_ray: bool = False) -> tuple[str, ...]:
    """The devices of `auto`, or of a list such as `cuda:0,cuda:1` or `cpu*4`; one lane for each.

    on_ray: `auto` is then left to the cluster: no device is named.

    Raises:
        SpecError: an entry is empty, or a count is not a whole number of at least 1.

    Example:
        >>> parse_devices("cuda:0,cpu*2")
        ('cuda:0', 'cpu', 'cpu')
    """
    if text.strip() == "auto":
        return () if on_ray else automatic_devices()
    devices: list[str] = []
    for entry in text.split(","):
        name, star, count = (part.strip() for part in entry.partition("*"))
        if not name or (star and not (count.isdecimal() and int(count) > 0)):
            raise SpecError(
                f"--devices {text!r}: {entry.strip()!r} is not a device; write auto, or devices with commas "
                "between, such as cuda:0,cuda:1 or cpu*4"
            )
        devices += [name] * (int(count) if star else 1)
    return tuple(devices)


def automatic_devices() -> tuple[str, ...]:
    """Every GPU; without one the CPU, once for each core that memory allows, at most eight times."""
    import psutil
    import torch

    if torch.cuda.is_available():
        return tuple(f"cuda:{index}" for index in range(torch.cuda.device_count()))
    by_memory = psutil.virtual_memory().available // _BYTES_A_CPU_LANE
    result: tuple[str, ...] = ("cpu",) * max(1, min(cores_at_hand(), by_memory, _MOST_CPU_LANES))
    return result


def check_devices(devices: Sequence[str], *, mixed_models: Sequence[str] = ()) -> None:
    """Refuse devices that this machine does not have, one GPU twice, and models that are not to be mixed.

    Kernels of different models round differently, so that a score would depend on which lane had the sample.

    Raises:
        SpecError: names the device, and what to write instead.
    """
    from vtok_eval.run.runners.device import choose_device, device_model

    chosen = [choose_device(name) for name in dict.fromkeys(devices)]
    names = [_place(name) for name in devices]
    for name in names:
        if not name.startswith("cpu") and names.count(name) > 1:
            raise SpecError(f"--devices names {name} twice; a GPU takes one lane")
    check_models([device_model(device) for device in chosen], mixed_models=mixed_models)


def check_ray_devices(devices: Sequence[str]) -> None:
    """Refuse devices that a Ray cluster cannot be asked for: it chooses which GPU a lane gets.

    Raises:
        SpecError: an entry that is neither "cpu" nor "cuda".
    """
    for name in devices:
        if name not in {"cpu", "cuda"}:
            raise SpecError(
                f"--devices {name}: with --ray an entry is cpu, or cuda for a GPU, which Ray chooses"
            )


def check_models(models: Sequence[str], *, mixed_models: Sequence[str]) -> None:
    """Refuse devices of different models unless each is named in `mixed_models`.

    Raises:
        SpecError: names the models.
    """
    found = sorted(set(models))
    unnamed = [model for model in found if model not in mixed_models]
    if len(found) > 1 and unnamed:
        options = " ".join(f"--mix-model {model!r}" for model in found)
        raise SpecError(
            f"the lanes' devices are of different models ({', '.join(found)}), which round differently: "
            f"scores would depend on which lane had which sample; to allow it: {options}"
        )


def _place(name: str) -> str:
    """The device with its index: "cuda" is the first GPU."""
    return f"{name}:0" if name in {"cuda", "mps", "xpu"} else name
