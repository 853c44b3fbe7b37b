"""Features of clips by the I3D that FVD is published with, where its file is on this machine."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from benchmarks.reconstruction.frechet.kept_features import ORIGINALS
from benchmarks.reconstruction.metrics.measure import Measurement
from vtok_eval.errors import MissingDependencyError
from vtok_eval.files.cache_folder import cache_path
from vtok_eval.files.hashing import sha256_file

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from vtok_eval.data import ClipForm

NAME = "i3d"
FILE = "i3d_torchscript.pt"
URL = "https://www.dropbox.com/s/ge9e5ujwgetktms/i3d_torchscript.pt?dl=1"
WIDTH_OF_FEATURES = 400
SIDE = 224
"""Pixels of the frames that the network takes."""
LEAST_FRAMES = 10
"""Fewer frames leave nothing after the network's poolings in time."""
MOST_FRAMES = 300

Resizing = Literal["squash", "crop"]
"""squash: to 224 x 224, whatever the shape (the network's own `resize=True`). crop: the shorter side to
224, then the centre. Both bilinear without antialiasing."""


def i3d_place() -> Path:
    """Where the file is looked for: `i3d/` of the cache folder."""
    return cache_path() / NAME / FILE


def why_no_i3d() -> str | None:
    """Why rFVD cannot be computed here, or None where the file is there."""
    if i3d_place().is_file():
        return None
    return (
        "rFVD needs StyleGAN-V's I3D (Kinetics-400, TorchScript, about 50 MB; no hash of it is published) "
        f"at {i3d_place()}, from {URL}"
    )


class I3DFeatures:
    """400 features of a clip, one vector for up to 300 frames: the I3D's class scores before the softmax.

    Raises:
        MissingDependencyError: the file is missing, damaged or another network's.

    Source: TokenBench's fvd.py and StyleGAN-V's frechet_video_distance.py, which call the same file.
    """

    def __init__(self, *, device: torch.device, resizing: Resizing = "squash") -> None:
        if (missing := why_no_i3d()) is not None:
            raise MissingDependencyError(missing)
        self._device = device
        self._resizing: Resizing = resizing
        self._network = _load(i3d_place(), device)
        self.sha256 = sha256_file(i3d_place())

    def why_not(self, form: ClipForm) -> str | None:
        """Clips must have some frames."""
        if form.n_frames >= LEAST_FRAMES:
            return None
        return f"needs {LEAST_FRAMES} frames, this clip has {form.n_frames}"

    def begin(self, form: ClipForm) -> I3DPass:
        """Begin a clip."""
        return I3DPass(self)

    def of(self, frames: Tensor) -> Tensor:
        """Features float32 `(400,)`, on the CPU, of frames float `(T, 3, 224, 224)` in [-1, 1]."""
        return _features(self._network, frames.to(self._device).transpose(0, 1)[None])[0].float().cpu()

    def fitted(self, frames: Tensor) -> Tensor:
        """Frames uint8 `(n, 3, H, W)` as the network takes them, float `(n, 3, 224, 224)` in [-1, 1]."""
        from torch.nn.functional import interpolate

        height, width = frames.shape[-2:]
        size = (SIDE, SIDE)
        if self._resizing == "crop":
            scale = SIDE / min(height, width)
            size = (SIDE, math.ceil(width * scale)) if height < width else (math.ceil(height * scale), SIDE)
        resized = interpolate(frames.float(), size=size, mode="bilinear", align_corners=False)
        top, left = (size[0] - SIDE) // 2, (size[1] - SIDE) // 2
        return resized[..., top : top + SIDE, left : left + SIDE] / 127.5 - 1


class I3DPass:
    """One clip's resized frames, and those of its reconstruction."""

    def __init__(self, network: I3DFeatures) -> None:
        self._network = network
        self._originals: list[Tensor] = []
        self._decoded: list[Tensor] = []
        self._count = 0

    def add(self, original: Tensor, decoded: Tensor) -> None:
        """Take the next frames, uint8 `(n, 3, H, W)` each; those after the first 300 are not used."""
        room = MOST_FRAMES - self._count
        self._count += len(original)
        if room > 0:
            self._originals.append(self._network.fitted(original[:room]))
            self._decoded.append(self._network.fitted(decoded[:room]))

    def finish(self) -> Measurement:
        """The features of both; the original's from earlier, if another system was shown the same clip."""
        import torch

        network = self._network
        original = ORIGINALS.of(torch.cat(self._originals), network.of, network=network.sha256)
        return Measurement(features={NAME: (original, network.of(torch.cat(self._decoded)))})

    def close(self) -> None:
        """Release the frames."""
        self._originals, self._decoded = [], []


def _load(file: Path, device: torch.device) -> torch.jit.ScriptModule:
    """The network, tried on an empty clip.

    Raises:
        MissingDependencyError: the file is damaged, or of another network.
    """
    import torch

    try:
        network: torch.jit.ScriptModule = torch.jit.load(str(file), map_location=device).eval()
        with torch.inference_mode():
            found = _features(network, torch.zeros(1, 3, LEAST_FRAMES, SIDE, SIDE, device=device))
    except Exception as error:
        reason = str(error).strip().splitlines()[:1]
        raise MissingDependencyError(
            f"{file}: not StyleGAN-V's I3D: it cannot be loaded and called ({type(error).__name__}: "
            f"{reason[0] if reason else 'no message'}); fetch it from {URL}"
        ) from error
    if tuple(found.shape) != (1, WIDTH_OF_FEATURES):
        raise MissingDependencyError(
            f"{file}: another network than StyleGAN-V's I3D: a clip has features {tuple(found.shape)}, "
            f"expected (1, {WIDTH_OF_FEATURES}); fetch it from {URL}"
        )
    return network


def _features(network: torch.jit.ScriptModule, clips: Tensor) -> Tensor:
    found: Tensor = network(clips, rescale=False, resize=False, return_features=True)
    return found
