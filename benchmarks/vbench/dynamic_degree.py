"""Dynamic degree: whether enough pairs of frames move, by RAFT's optical flow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.vbench.raft import RaftFlow
from benchmarks.vbench.scorer import Request, VideoResult, need_size

if TYPE_CHECKING:
    from torch import Tensor

    from benchmarks.vbench.frames import Piece, VideoInfo
    from benchmarks.vbench.networks import Networks

LARGEST_SHARE = 0.05
FEATURE_MEMORY_BYTES = 2**30


@dataclass
class Vote:
    """Whether at least `needed` of `pairs` pairs move, decided as early as it can be.

    A video of two frames needs none, by the reference's rounding, and moves; one of one frame has no pair.
    """

    pairs: int
    needed: int
    moving: int = 0
    seen: int = 0

    @classmethod
    def of(cls, n_frames: int) -> Vote:
        """The vote on a video of which `n_frames` frames are compared: `round(4 n / 16)` must move."""
        return cls(pairs=n_frames - 1, needed=round(4 * (n_frames / 16.0)))

    @property
    def outcome(self) -> bool | None:
        """True or false once no other pair can change it, else None."""
        if self.moving >= self.needed and self.pairs > 0:
            return True
        if self.moving + self.pairs - self.seen < max(self.needed, 1):
            return False
        return None

    @property
    def undecided_for(self) -> int:
        """How many more pairs must be looked at, at least, before it is decided; 0 where it is."""
        if self.outcome is not None:
            return 0
        to_true = self.needed - self.moving
        to_false = self.pairs - self.seen - to_true + 1
        return min(to_true, to_false)

    def count(self, moves: Sequence[bool]) -> None:
        """Enter what was found of the next pairs."""
        self.seen += len(moves)
        self.moving += sum(moves)


class DynamicDegree:
    """VBench's dynamic degree.

    Every frame goes through RAFT's encoder once, and pairs that cannot change the vote are not looked at. The
    most different pairs come first.
    """

    def __init__(self, networks: Networks) -> None:
        self._raft = RaftFlow(networks.raft())
        self._networks = networks

    def pick(self, n_frames: int) -> Sequence[int] | None:
        """Every frame is read; which are compared depends on the frame rate."""
        return None

    def begin(self, video: VideoInfo, request: Request) -> DynamicPass:
        """Start a video."""
        return DynamicPass(video, self)

    def moves(self, frames: Tensor) -> bool:
        """The vote on the frames that are compared, uint8 `(n, 3, H, W)`."""
        vote = Vote.of(len(frames))
        order = _most_different_first(frames)
        encoded = _Encoded(self._raft, frames)
        height, width = frames.shape[-2:]
        threshold = 6.0 * (min(height, width) / 256.0)
        at_once = self._networks.pairs_at_once(height=height, width=width, volumes=2)
        while vote.outcome is None:
            chosen = order[vote.seen : vote.seen + min(at_once, vote.undecided_for)]
            lengths = self._largest_flow(encoded, chosen)
            vote.count([length > threshold for length in lengths])
        return bool(vote.outcome)

    def _largest_flow(self, encoded: _Encoded, firsts: Sequence[int]) -> list[float]:
        """Mean length in pixels of the largest 5 % of the flow from frame i to i + 1, for each i given."""
        import torch

        features, context = encoded.of(firsts)
        following, _ = encoded.of([first + 1 for first in firsts])
        flow = self._raft.flow(features, following, context)
        lengths = torch.sqrt(flow[:, 0] ** 2 + flow[:, 1] ** 2).flatten(start_dim=1)
        largest = lengths.topk(int(lengths.shape[1] * LARGEST_SHARE), dim=1, sorted=False).values
        found: list[float] = largest.mean(dim=1).tolist()
        return found


class _Encoded:
    """The frames' features, each computed once; kept while they fit in `FEATURE_MEMORY_BYTES`."""

    def __init__(self, raft: RaftFlow, frames: Tensor) -> None:
        self._raft = raft
        self._frames = frames
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}
        height, width = frames.shape[-2:]
        # Two maps of 256 float32 channels at an eighth of the size.
        self._most = max(2, int(FEATURE_MEMORY_BYTES / (2 * 256 * 4 * height * width / 64)))

    def of(self, numbers: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Features and context of these frames, in their order."""
        import torch

        missing = [number for number in numbers if number not in self._kept]
        found = dict(self._kept)
        if missing:
            features, context = self._raft.encode(self._frames[missing])
            new = dict(zip(missing, zip(features, context, strict=True), strict=True))
            found |= new
            self._kept |= new
            for oldest in list(self._kept)[: max(0, len(self._kept) - self._most)]:
                del self._kept[oldest]
        chosen = [found[number] for number in numbers]
        return torch.stack([each for each, _ in chosen]), torch.stack([each for _, each in chosen])


class DynamicPass:
    """One video: keeps the frames that are compared."""

    def __init__(self, video: VideoInfo, scorer: DynamicDegree) -> None:
        self._video = video
        self._scorer = scorer
        self._interval = max(1, round(video.fps / 8))
        self._kept: list[Tensor] = []

    def add(self, piece: Piece) -> None:
        """Take the next frames."""
        places = [place for place, number in enumerate(piece.numbers) if number % self._interval == 0]
        if places:
            self._kept.append(piece.frames[places])

    def finish(self) -> VideoResult:
        """1 where the video moves, else 0; every video weighs the same."""
        import torch

        frames = torch.cat(self._kept)
        need_size(self._video, *frames.shape[-2:], multiple=8, dimension="dynamic degree")
        return VideoResult(float(self._scorer.moves(frames)))


def _most_different_first(frames: Tensor) -> list[int]:
    """The numbers i of the pairs (i, i + 1), by falling mean absolute difference of every eighth pixel.

    An order to look in, nothing more: the vote does not depend on it.
    """
    small = frames[:, :, ::8, ::8].float()
    differences = (small[1:] - small[:-1]).abs().mean(dim=(1, 2, 3))
    order: list[int] = differences.argsort(descending=True, stable=True).tolist()
    return order
