"""Dimensions that score every frame alone or against its neighbours' features: DINO, CLIP, MUSIQ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from benchmarks.vbench import weight_files as files
from benchmarks.vbench.package import vbench_module
from benchmarks.vbench.scorers.scorer import Request, VideoResult, need_frames

if TYPE_CHECKING:
    from torch import Tensor

    from benchmarks.vbench.frames.decoded_frames import Piece
    from benchmarks.vbench.frames.decoders import VideoHeader
    from benchmarks.vbench.networks.metric_models import Networks

# Any: networks of the vbench package, which have no types.


class _Features(Protocol):
    def __call__(self, piece: Piece) -> Tensor:
        """Features `(n, D)` of the piece's frames."""
        ...


class _AllFrames:
    """A scorer that needs every frame."""

    def pick(self, n_frames: int) -> Sequence[int] | None:
        """Every frame."""
        return None


class SubjectConsistency(_AllFrames):
    """The similarity of DINO's features of neighbouring frames."""

    def __init__(self, networks: Networks) -> None:
        self._dino = networks.dino()
        self._batch = networks.large_batch
        self._transform = vbench_module("utils").dino_transform(224)

    def begin(self, video: VideoHeader, request: Request) -> ConsistencyPass:
        """Start a video."""
        return ConsistencyPass(video, self._features, dimension="subject consistency")

    def _features(self, piece: Piece) -> Tensor:
        return _batched(self._dino, self._transform(piece.frames.float()), self._batch)


class BackgroundConsistency(_AllFrames):
    """The similarity of CLIP B/32's features of neighbouring frames."""

    def __init__(self, networks: Networks) -> None:
        self._encode = networks.clip(files.CLIP_B32).encode_image
        self._batch = networks.batch

    def begin(self, video: VideoHeader, request: Request) -> ConsistencyPass:
        """Start a video."""
        return ConsistencyPass(video, self._features, dimension="background consistency")

    def _features(self, piece: Piece) -> Tensor:
        return _batched(self._encode, piece.clip_pixels, self._batch)


class ConsistencyPass:
    """Mean over frames of (cosine with the frame before + cosine with the first) / 2, negatives as 0."""

    def __init__(self, video: VideoHeader, features: _Features, *, dimension: str) -> None:
        self._video = video
        self._features = features
        self._dimension = dimension
        self._first: Tensor | None = None
        self._before: Tensor | None = None
        self._sums: list[Tensor] = []
        self._n_frames = 0

    def add(self, piece: Piece) -> None:
        """Take the next frames."""
        import torch
        from torch.nn.functional import cosine_similarity, normalize

        found = normalize(self._features(piece), dim=-1, p=2)
        self._n_frames += len(found)
        if self._first is None:
            self._first = found[:1]
        else:
            found = torch.cat([self._before, found]) if self._before is not None else found
        self._before = found[-1:]
        if len(found) < 2:
            return
        previous = cosine_similarity(found[:-1], found[1:]).clamp(min=0).double()
        first = cosine_similarity(self._first, found[1:]).clamp(min=0).double()
        self._sums.append(((previous + first) / 2).sum())

    def finish(self) -> VideoResult:
        """The mean, weighing as many comparisons as it is over."""
        import torch

        need_frames(self._video, self._n_frames, least=2, dimension=self._dimension)
        compared = self._n_frames - 1
        return VideoResult(float(torch.stack(self._sums).sum()) / compared, weight=compared)


class AestheticQuality(_AllFrames):
    """LAION's linear head on CLIP L/14's normalised features, divided by 10."""

    def __init__(self, networks: Networks) -> None:
        self._encode = networks.clip(files.CLIP_L14).encode_image
        self._head = networks.aesthetic_head()
        self._batch = networks.batch

    def begin(self, video: VideoHeader, request: Request) -> MeanPass:
        """Start a video."""
        return MeanPass(self._scores, scale=10.0)

    def _scores(self, piece: Piece) -> Tensor:
        from torch.nn.functional import normalize

        features = _batched(self._encode, piece.clip_pixels, self._batch).float()
        scores: Tensor = self._head(normalize(features, dim=-1, p=2))
        return scores.squeeze(dim=-1)


class ImagingQuality(_AllFrames):
    """MUSIQ's predicted opinion score, divided by 100."""

    def __init__(self, networks: Networks) -> None:
        self._musiq: Any = networks.musiq()
        self._batch = networks.large_batch
        self._shrink = vbench_module("imaging_quality").transform
        from pyiqa.data.multiscale_trans_util import get_multiscale_patches

        self._cut = get_multiscale_patches
        # With this flag, and every module within it in evaluation mode, the model takes patches for images.
        self._musiq.training = True

    def begin(self, video: VideoHeader, request: Request) -> MeanPass:
        """Start a video."""
        return MeanPass(self._scores, scale=100.0)

    def _scores(self, piece: Piece) -> Tensor:
        images = self._shrink(piece.frames.float(), "longer")
        patches = self._cut((images - 0.5) * 2, **self._musiq.data_preprocess_opts)
        # Each scale is padded to a square's number of patches. The padding is masked out of the attention to
        # exactly 0, so it need not be computed. All frames of a video have the same.
        real = patches[0, :, -1] > 0
        return _batched(self._musiq, patches[:, real], self._batch).reshape(len(images))


class MeanPass:
    """The mean of the frames' scores, divided by `scale`."""

    def __init__(self, scores: _Features, *, scale: float) -> None:
        self._scores = scores
        self._scale = scale
        self._sums: list[Tensor] = []
        self._n_frames = 0

    def add(self, piece: Piece) -> None:
        """Take the next frames."""
        scores = self._scores(piece)
        self._sums.append(scores.double().sum())
        self._n_frames += len(scores)

    def finish(self) -> VideoResult:
        """The mean; every video weighs the same."""
        import torch

        return VideoResult(float(torch.stack(self._sums).sum()) / self._n_frames / self._scale)


def _batched(model: object, inputs: Tensor, batch: int) -> Tensor:
    """The model's outputs for `inputs` `(n, ...)`, at most `batch` of them at once."""
    import torch

    if not callable(model):
        raise TypeError(f"{type(model).__name__} cannot be called")
    parts: Iterator[Tensor] = (model(part) for part in inputs.split(batch))
    return torch.cat(list(parts))
