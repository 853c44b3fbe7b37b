"""Motion smoothness: compares every odd frame with AMT-S's prediction from the even ones next to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from benchmarks.vbench.networks.correlation import LEVELS, Correlation
from benchmarks.vbench.package import vbench_module
from benchmarks.vbench.scorers.scorer import Request, VideoResult, need_frames, need_size

if TYPE_CHECKING:
    from torch import Tensor

    from benchmarks.vbench.frames.decoded_frames import Piece
    from benchmarks.vbench.frames.decoders import VideoHeader
    from benchmarks.vbench.networks.metric_models import Networks

# Any: networks of the vbench package, which have no types.


class MotionSmoothness:
    """VBench's motion smoothness.

    Frames are never scaled down to fit memory, as the reference does where it is given the text "cuda": then
    scores would depend on the machine.
    """

    def __init__(self, networks: Networks) -> None:
        self._predict = _with_bounded_correlation(networks.amt(), room=networks.flow_room)
        self._networks = networks
        self._padder = vbench_module("third_party.amt.utils.utils").InputPadder

    def pick(self, n_frames: int) -> Sequence[int] | None:
        """Every frame."""
        return None

    def begin(self, video: VideoHeader, request: Request) -> SmoothnessPass:
        """Start a video."""
        return SmoothnessPass(video, self)

    def differences(self, triples: Tensor) -> Tensor:
        """Mean absolute difference of prediction and frame, float64 `(n,)`, of triples `(n, 3, 3, H, W)`."""
        import torch

        height, width = triples.shape[-2:]
        at_once = self._networks.pairs_at_once(height=height, width=width, volumes=2)
        return torch.cat([self._differences(part) for part in triples.split(at_once)])

    def _differences(self, triples: Tensor) -> Tensor:
        import torch

        before, between, after = triples.unbind(dim=1)
        padder = self._padder(before.shape, 16)
        first, last = padder.pad(before / 255.0, after / 255.0)
        middle = torch.full((len(triples), 1, 1, 1), 0.5, device=first.device)
        predicted = self._predict(first, last, middle, scale_factor=1.0, eval=True)["imgt_pred"]
        levels: Tensor = (padder.unpad(predicted) * 255.0).clamp(0, 255).to(torch.uint8)
        return (levels.to(torch.int16) - between).abs().double().mean(dim=(1, 2, 3))


class SmoothnessPass:
    """One video: keeps the frames that wait for their right neighbour."""

    def __init__(self, video: VideoHeader, scorer: MotionSmoothness) -> None:
        self._video = video
        self._scorer = scorer
        self._waiting: Tensor | None = None
        self._found: list[Tensor] = []
        self._n_frames = 0

    def add(self, piece: Piece) -> None:
        """Take the next frames."""
        import torch

        need_size(self._video, *piece.array.shape[1:3], multiple=16, dimension="motion smoothness")
        self._n_frames += len(piece.numbers)
        frames = piece.frames if self._waiting is None else torch.cat([self._waiting, piece.frames])
        # The first of `frames` is an even one. Triples (0, 1, 2), (2, 3, 4), ... share their even frames.
        n_triples = max(0, (len(frames) - 1) // 2)
        if n_triples:
            starts = torch.arange(n_triples, device=frames.device) * 2
            triples = torch.stack([frames[starts + place] for place in range(3)], dim=1)
            self._found.append(self._scorer.differences(triples))
        self._waiting = frames[2 * n_triples :].clone()

    def finish(self) -> VideoResult:
        """`(255 - mean difference) / 255`."""
        import torch

        need_frames(self._video, self._n_frames, least=3, dimension="motion smoothness")
        return VideoResult((255.0 - float(torch.cat(self._found).mean())) / 255.0)


def _with_bounded_correlation(amt: Any, *, room: int) -> Callable[..., Any]:
    """The model's own forward pass, with `BothWays` for its correlation; its module stays as it is."""
    forward = type(amt).forward
    names = {**forward.__globals__, "BidirCorrBlock": partial(BothWays, room=room)}
    changed = FunctionType(forward.__code__, names, forward.__name__, forward.__defaults__)
    return MethodType(changed, amt)


class BothWays:
    """AMT's correlation of two maps `(B, C, H, W)`: the first's places with the second, and the reverse."""

    def __init__(self, first: Tensor, second: Tensor, *, radius: int, num_levels: int, room: int) -> None:
        if num_levels != LEVELS:
            raise ValueError(f"correlation has {LEVELS} scales, not {num_levels}")
        self._forward = Correlation(first, second, radius=radius, room=room // 2)
        self._backward = Correlation(second, first, radius=radius, room=room // 2)

    def __call__(self, in_second: Tensor, in_first: Tensor) -> tuple[Tensor, Tensor]:
        """The windows around places in the second and in the first map; see `Correlation`."""
        return self._forward(in_second), self._backward(in_first)
