"""Dynamic degree: whether enough pairs of frames move, by RAFT's optical flow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.vbench.frames.kept_frames import KeptFrames
from benchmarks.vbench.networks.flow_lengths import FlowLengths, most_different_first
from benchmarks.vbench.networks.raft import RaftFlow
from benchmarks.vbench.scorers.scorer import Request, VideoResult, need_size

if TYPE_CHECKING:
    from benchmarks.vbench.frames.decoded_frames import Piece
    from benchmarks.vbench.frames.decoders import VideoHeader
    from benchmarks.vbench.networks.metric_models import Networks

LARGEST_SHARE = 0.05


@dataclass
class Vote:
    """Whether at least `needed` of `pairs` pairs move, decided as early as possible.

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
        """The minimum number of further pairs that can decide it; 0 once it is decided."""
        if self.outcome is not None:
            return 0
        to_true = self.needed - self.moving
        to_false = self.pairs - self.seen - to_true + 1
        return min(to_true, to_false)

    def count(self, moves: Sequence[bool]) -> None:
        """Enter the results of the next pairs."""
        self.seen += len(moves)
        self.moving += sum(moves)


class DynamicDegree:
    """VBench's dynamic degree.

    Every frame goes through RAFT's encoder once, and pairs that cannot change the vote are skipped. The
    most different pairs come first.
    """

    def __init__(self, networks: Networks) -> None:
        self._raft = RaftFlow(networks.raft(), room=networks.flow_room)
        self._networks = networks

    def pick(self, n_frames: int) -> Sequence[int] | None:
        """Every frame is read; which are compared depends on the frame rate."""
        return None

    def begin(self, video: VideoHeader, request: Request) -> DynamicPass:
        """Start a video."""
        return DynamicPass(video, self)

    def kept(self) -> KeptFrames:
        """For the frames of a video that are compared."""
        return KeptFrames(self._networks.device)

    def moves(self, frames: KeptFrames) -> bool:
        """The vote on the frames that are compared."""
        vote = Vote.of(len(frames))
        order = most_different_first(frames.every_eighth_pixel())
        flow = FlowLengths(self._raft, frames)
        height, width = frames.shape[-2:]
        threshold = 6.0 * (min(height, width) / 256.0)
        at_once = self._networks.pairs_at_once(height=height, width=width, volumes=1)
        while vote.outcome is None:
            chosen = order[vote.seen : vote.seen + min(at_once, vote.undecided_for)]
            lengths = flow.largest([(first, first + 1) for first in chosen], share=LARGEST_SHARE)
            vote.count([length > threshold for length in lengths])
        return bool(vote.outcome)


class DynamicPass:
    """One video: keeps the frames that are compared."""

    def __init__(self, video: VideoHeader, scorer: DynamicDegree) -> None:
        self._video = video
        self._scorer = scorer
        self._interval = max(1, round(video.fps / 8))
        self._kept = scorer.kept()

    def add(self, piece: Piece) -> None:
        """Take the next frames."""
        places = [place for place, number in enumerate(piece.numbers) if number % self._interval == 0]
        self._kept.add(piece.array[places])

    def finish(self) -> VideoResult:
        """1 where the video moves, else 0; every video weighs the same."""
        need_size(self._video, *self._kept.shape[-2:], multiple=8, dimension="dynamic degree")
        return VideoResult(float(self._scorer.moves(self._kept)))
