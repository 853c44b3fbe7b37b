"""The dimensions that ask GRiT what it sees: object class, multiple objects, colour, spatial relationship.

GRiT's code needs detectron2, which PyPI does not have. What these classes add to it (frames, sizes, counting)
is tested with another detector in its place; GRiT itself has been run by hand with random weights
(docs/vbench.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from benchmarks.vbench.frames.picked_frames import PickedFrames, length_of
from benchmarks.vbench.package import vbench_module
from benchmarks.vbench.prompts import asked_for
from benchmarks.vbench.scorers.scorer import Request, VideoResult, middle_frames
from vtok_eval.errors import SpecError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmarks.vbench.frames.decoded_frames import Piece
    from benchmarks.vbench.frames.decoders import VideoHeader
    from benchmarks.vbench.networks.metric_models import Networks

N_FRAMES = 16
LARGE, REDUCED_TO = 768, 720
"""A shorter side above the one is brought to the other."""

Score = Callable[["NDArray[np.uint8]"], "VideoResult | None"]


class _Detections:
    """16 frames a video, at native size."""

    def pick(self, n_frames: int) -> Sequence[int] | None:
        """The middles of 16 equal intervals."""
        return middle_frames(n_frames, N_FRAMES)

    def begin(self, video: VideoHeader, request: Request) -> DetectionPass:
        """Start a video.

        Raises:
            SpecError: the prompt's information lacks what the dimension asks about.
        """
        picked = PickedFrames(middle_frames(length_of(video), N_FRAMES))
        return DetectionPass(picked, self.score_of(request))

    def score_of(self, request: Request) -> Score:
        """The function that scores uint8 frames `(16, H, W, 3)` for what the prompt asks."""
        raise NotImplementedError


class ObjectClass(_Detections):
    """The share of frames in which GRiT detects the object."""

    def __init__(self, networks: Networks) -> None:
        self._grit = networks.grit("ObjectDet")
        # Of the package's two functions, this one does not treat every error as "nothing seen".
        self._look = vbench_module("multiple_objects").get_dect_from_grit
        self._count = vbench_module("object_class").check_generate

    def score_of(self, request: Request) -> Score:
        """See `_Detections`."""
        wanted = asked_for(request.information, "object_class", "object", prompt=request.prompt)
        return lambda frames: _share(self._count(wanted, self._look(self._grit, _floats(frames))), frames)


class MultipleObjects(_Detections):
    """The share of frames in which GRiT detects both objects."""

    def __init__(self, networks: Networks) -> None:
        self._grit = networks.grit("ObjectDet")
        self._package = vbench_module("multiple_objects")

    def score_of(self, request: Request) -> Score:
        """See `_Detections`.

        Raises:
            SpecError: the objects are not named as "A and B".
        """
        wanted = str(asked_for(request.information, "multiple_objects", "object", prompt=request.prompt))
        if wanted.count(" and ") != 1:
            raise SpecError(f"multiple_objects needs 'A and B' for {request.prompt!r}, not {wanted!r}")

        def score(frames: NDArray[np.uint8]) -> VideoResult:
            seen = self._package.get_dect_from_grit(self._grit, _floats(frames))
            return _share(self._package.check_generate(wanted, seen), frames)

        return score


class Color(_Detections):
    """Of the frames that show the object in any colour, the share that shows the asked one."""

    def __init__(self, networks: Networks) -> None:
        self._grit = networks.grit("DenseCap")
        self._package = vbench_module("color")

    def score_of(self, request: Request) -> Score:
        """See `_Detections`; the object is what is left of the prompt without its colour and articles."""
        color = str(asked_for(request.information, "color", "color", prompt=request.prompt))
        wanted = request.prompt.replace("a ", "").replace("an ", "").replace(color, "").strip()

        def score(frames: NDArray[np.uint8]) -> VideoResult | None:
            seen = self._package.get_dect_from_grit(self._grit, _bytes(frames))
            shown, coloured = self._package.check_generate(color, wanted, seen)
            return VideoResult(coloured / shown) if shown else None

        return score


class SpatialRelationship(_Detections):
    """The mean over frames of how well the best pair of boxes has the requested relation."""

    def __init__(self, networks: Networks) -> None:
        self._grit = networks.grit("ObjectDet")
        self._package = vbench_module("spatial_relationship")

    def score_of(self, request: Request) -> Score:
        """See `_Detections`."""
        wanted = asked_for(request.information, "spatial_relationship", prompt=request.prompt)

        def score(frames: NDArray[np.uint8]) -> VideoResult:
            import numpy as np

            seen = self._package.get_dect_from_grit(self._grit, _floats(frames))
            return VideoResult(float(np.mean(self._package.check_generate(wanted, seen))))

        return score


class DetectionPass:
    """One video."""

    def __init__(self, picked: PickedFrames, score: Score) -> None:
        self._picked = picked
        self._score = score

    def add(self, piece: Piece) -> None:
        """Take the next frames."""
        self._picked.add(piece)

    def finish(self) -> VideoResult | None:
        """The score; None for a colour whose object is not seen."""
        return self._score(self._picked.array())


def _share(count: int, frames: NDArray[np.uint8]) -> VideoResult:
    return VideoResult(count / len(frames))


def _reduced(frames: NDArray[np.uint8]) -> tuple[int, int] | None:
    """The size to which large frames are brought."""
    height, width = frames.shape[1:3]
    if min(height, width) <= LARGE:
        return None
    scale = REDUCED_TO / min(height, width)
    return int(scale * height), int(scale * width)


def _floats(frames: NDArray[np.uint8]) -> object:
    """Float32 `(16, H, W, 3)` on the CPU, large ones reduced by torchvision with its own defaults."""
    import torch
    from torchvision.transforms import Resize

    pixels = torch.from_numpy(frames).float().permute(0, 3, 1, 2)
    size = _reduced(frames)
    return (pixels if size is None else Resize(size=size)(pixels)).permute(0, 2, 3, 1)


def _bytes(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Uint8 `(16, H, W, 3)`, large ones reduced bilinearly by OpenCV."""
    import cv2
    import numpy as np

    size = _reduced(frames)
    if size is None:
        return frames
    height, width = size
    return np.stack([cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR) for frame in frames])
