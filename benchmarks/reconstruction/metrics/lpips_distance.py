"""LPIPS by the package lpips, where the weights of its network are on this machine."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from benchmarks.reconstruction.metrics.measure import Measurement
from vtok_eval.errors import MissingDependencyError, UnknownNameError
from vtok_eval.files.hashing import sha256_file
from vtok_eval.files.torch_hub import checkpoints_folder

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from vtok_eval.data import ClipForm

LpipsNetwork = Literal["alex", "vgg", "squeeze"]
LEAST_SIDE = 64
"""Pixels; AlexNet's and SqueezeNet's poolings leave nothing of frames much smaller."""


@dataclass(frozen=True)
class Trunk:
    """A network's ImageNet weights as torchvision publishes them; the name ends in the SHA-256's start.

    size: in bytes.
    """

    title: str
    file: str
    size: int

    @property
    def url(self) -> str:
        """Where torchvision fetches it from."""
        return f"https://download.pytorch.org/models/{self.file}"

    @property
    def sha256_start(self) -> str:
        """The first digits of its SHA-256."""
        return self.file.rpartition("-")[2].partition(".")[0]


TRUNKS: dict[str, Trunk] = {
    "alex": Trunk("AlexNet", "alexnet-owt-7be5be79.pth", 244_408_911),
    "vgg": Trunk("VGG-16", "vgg16-397923af.pth", 553_433_881),
    "squeeze": Trunk("SqueezeNet 1.1", "squeezenet1_1-b8a52dc0.pth", 4_966_400),
}


def trunk_place(network: str) -> Path:
    """Where the file of a network's weights is looked for: torch's folder of checkpoints (`TORCH_HOME`).

    Raises:
        UnknownNameError: there is no such network.
    """
    if network not in TRUNKS:
        raise UnknownNameError(what="LPIPS network", name=network, known=TRUNKS)
    return checkpoints_folder() / TRUNKS[network].file


def why_no_lpips(network: str) -> str | None:
    """Why LPIPS with this network cannot be computed here, or None where its file is there."""
    place, trunk = trunk_place(network), TRUNKS[network]
    if place.is_file():
        return None
    return (
        f"LPIPS ({trunk.title}) needs {place} ({trunk.size / 1e6:.0f} MB, its SHA-256 begins "
        f"{trunk.sha256_start}; from {trunk.url})"
    )


class Lpips:
    """LPIPS 0.1 of each frame, values scaled to [-1, 1], mean over frames; smaller is closer.

    The networks' distances differ by a factor of several: numbers compare only within one network.

    Raises:
        MissingDependencyError: the weights are missing, damaged or another network's.

    Source: arXiv 1801.03924; the package lpips, whose linear heads it ships.
    """

    def __init__(self, network: LpipsNetwork, *, device: torch.device) -> None:
        if (missing := why_no_lpips(network)) is not None:
            raise MissingDependencyError(missing)
        self._device = device
        self._model = _load(network).to(device)

    def why_not(self, form: ClipForm) -> str | None:
        """Frames must have some size."""
        side = min(form.height, form.width)
        return None if side >= LEAST_SIDE else f"needs frames of at least {LEAST_SIDE} px, these have {side}"

    def begin(self, form: ClipForm) -> LpipsPass:
        """Begin a clip."""
        return LpipsPass(self._model, self._device)


class LpipsPass:
    """One clip's LPIPS; frames go through the network one by one, as in the peers' scripts."""

    def __init__(self, model: torch.nn.Module, device: torch.device) -> None:
        self._model, self._device = model, device
        self._frames: list[float] = []

    def add(self, original: Tensor, decoded: Tensor) -> None:
        """Take the next frames, uint8 `(n, 3, H, W)` each."""
        for first, second in zip(original, decoded, strict=True):
            pair = [frame[None].to(self._device).float() / 127.5 - 1 for frame in (first, second)]
            self._frames.append(float(self._model(*pair)))

    def finish(self) -> Measurement:
        """The mean over frames."""
        return Measurement({"lpips": math.fsum(self._frames) / len(self._frames)})

    def close(self) -> None:
        """Nothing is held."""


def _load(network: LpipsNetwork) -> torch.nn.Module:
    """The network with its weights from the disk; nothing is drawn from the global generators.

    Raises:
        MissingDependencyError: the file is damaged, or of another network.
    """
    import lpips
    import torch

    place, trunk = trunk_place(network), TRUNKS[network]
    if not sha256_file(place).startswith(trunk.sha256_start):
        raise MissingDependencyError(
            f"{place}: damaged or another network's: its SHA-256 does not begin {trunk.sha256_start}; "
            f"fetch it again from {trunk.url}"
        )
    try:
        state = torch.load(place, map_location="cpu", weights_only=True)
    except Exception as error:
        raise MissingDependencyError(
            f"{place}: cannot be read as weights ({type(error).__name__}); fetch it again from {trunk.url}"
        ) from error
    convolutions = {key: value for key, value in state.items() if key.startswith("features.")}
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="torchvision")
        model: torch.nn.Module = lpips.LPIPS(net=network, pnet_rand=True, verbose=False)
    try:
        for name, parameter in model.get_submodule("net").named_parameters():
            # lpips keeps torchvision's layers under their numbers: "slice2.5.weight" is "features.5.weight".
            parameter.data.copy_(convolutions[f"features.{name.partition('.')[2]}"])
    except (KeyError, RuntimeError) as error:
        raise MissingDependencyError(
            f"{place}: holds weights of another network than {trunk.title}"
        ) from error
    return model.eval().requires_grad_(False)
