"""Scene: whether Tag2Text's captions of a video's frames name the scene that was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.vbench.frames.picked_frames import PickedFrames, length_of
from benchmarks.vbench.package import vbench_module
from benchmarks.vbench.prompts import asked_for
from benchmarks.vbench.scorers.scorer import Request, VideoResult, middle_frames

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmarks.vbench.frames.decoded_frames import Piece
    from benchmarks.vbench.frames.decoders import VideoHeader
    from benchmarks.vbench.networks.metric_models import Networks

# Any: networks of the vbench package, which have no types.

N_FRAMES = 16
SIDE = 384


class SceneCaptions:
    """VBench's scene: the share of 16 frames whose caption holds every word of the scene."""

    def __init__(self, networks: Networks) -> None:
        self._model: Any = networks.tag2text()
        self._device = networks.device
        self._transform = vbench_module("utils").tag2text_transform(SIDE)
        self._count = vbench_module("scene").check_generate

    def pick(self, n_frames: int) -> Sequence[int] | None:
        """The middles of 16 equal intervals."""
        return middle_frames(n_frames, N_FRAMES)

    def begin(self, video: VideoHeader, request: Request) -> ScenePass:
        """Start a video.

        Raises:
            SpecError: the prompt's information does not name a scene.
        """
        words = str(asked_for(request.information, "scene", "scene", prompt=request.prompt))
        return ScenePass(self, PickedFrames(middle_frames(length_of(video), N_FRAMES)), words)

    def share(self, frames: NDArray[np.uint8], words: str) -> float:
        """Of uint8 frames `(16, H, W, 3)`, how many show the scene."""
        return float(self._count({"scene": words}, self.captions(frames)) / len(frames))

    def captions(self, frames: NDArray[np.uint8]) -> list[str]:
        """Tag2Text's caption of each frame, by beam search.

        A video's frames always go through it together: where two words are about as likely, a batch of
        another size may round to the other.
        """
        import torch

        pixels = torch.stack([self._transform(frame) for frame in frames]).to(self._device)
        said: list[str] = self._model.generate(pixels, tag_input=None, return_tag_predict=True)[0]
        return said


class ScenePass:
    """One video."""

    def __init__(self, scorer: SceneCaptions, picked: PickedFrames, words: str) -> None:
        self._scorer = scorer
        self._picked = picked
        self._words = words

    def add(self, piece: Piece) -> None:
        """Take the next frames."""
        self._picked.add(piece)

    def finish(self) -> VideoResult:
        """The share; all videos have the same number of frames and weigh the same."""
        return VideoResult(self._scorer.share(self._picked.array(), self._words))
