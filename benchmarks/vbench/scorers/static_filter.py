"""Temporal flickering on still videos alone, as VBench's standard protocol asks: a filter by RAFT's flow.

The rule is that of `vbench.cli.static_filter`, which runs on a GPU only and copies the videos it keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.vbench.frames.kept_frames import KeptFrames
from benchmarks.vbench.networks.flow_lengths import FlowLengths, most_different_first
from benchmarks.vbench.networks.raft import RaftFlow
from benchmarks.vbench.scorers.flickering import TemporalFlickering
from benchmarks.vbench.scorers.scorer import Request, VideoResult, need_size
from vtok_eval.errors import VideoError

if TYPE_CHECKING:
    from benchmarks.vbench.frames.decoded_frames import Piece
    from benchmarks.vbench.frames.decoders import VideoHeader
    from benchmarks.vbench.networks.metric_models import Networks
    from benchmarks.vbench.scorers.scorer import Pass

LARGEST_SHARE = 0.02
KEPT_PER_PROMPT = 5


@dataclass(frozen=True)
class Limits:
    """When a video of `n_frames` frames with the shorter side `side` is still.

    between: pixels that a pair of neighbours may move. exceptions: how many pairs may move further.
    across: pixels that the first and the last frame may be apart, either way.
    """

    between: float
    exceptions: int
    across: float

    @classmethod
    def of(cls, *, n_frames: int, side: int) -> Limits:
        """The reference's numbers."""
        between, exceptions = 3.0 * (side / 256.0), round(2 * (n_frames / 16.0))
        return cls(between=between, exceptions=exceptions, across=between * exceptions * 2)


class StillFlickering:
    """Temporal flickering that scores a video only if it is among its prompt's first five still ones.

    Which come first is decided by file name, as the reference sorts them. A prompt's other videos are looked
    at again where this process has not seen them, so that no score depends on the order of the work.
    """

    def __init__(self, networks: Networks) -> None:
        self._raft = RaftFlow(networks.raft(), room=networks.flow_room)
        self._networks = networks
        self._flickering = TemporalFlickering(networks)
        self._known: dict[Path, bool] = {}

    def pick(self, n_frames: int) -> Sequence[int] | None:
        """Every frame."""
        return None

    def begin(self, video: VideoHeader, request: Request) -> StillPass:
        """Start a video."""
        return StillPass(
            video=video,
            flickering=self._flickering.begin(video, request),
            counts=lambda frames: self._counts(video, frames, request.earlier),
            kept=KeptFrames(self._networks.device),
        )

    def is_still(self, video: VideoHeader, frames: KeptFrames) -> bool:
        """Whether a video's frames hardly move: neither pair by pair nor from end to end.

        Pairs that cannot change the answer are skipped.
        """
        height, width = frames.shape[-2:]
        need_size(video, height, width, multiple=8, dimension="the filter for still videos")
        limits = Limits.of(n_frames=len(frames), side=min(height, width))
        flow = FlowLengths(self._raft, frames)
        last = len(frames) - 1
        ends = [
            length for pair in ((0, last), (last, 0)) for length in flow.largest([pair], share=LARGEST_SHARE)
        ]
        if max(ends) > limits.across:
            return False
        moving, order = 0, most_different_first(frames.every_eighth_pixel())
        at_once = self._networks.pairs_at_once(height=height, width=width, volumes=1)
        for start in range(0, len(order), at_once):
            if moving + len(order) - start <= limits.exceptions:
                return True
            pairs = [(first, first + 1) for first in order[start : start + at_once]]
            found = flow.largest(pairs, share=LARGEST_SHARE)
            moving += sum(length > limits.between for length in found)
            if moving > limits.exceptions:
                return False
        return True

    def _counts(self, video: VideoHeader, frames: KeptFrames, earlier: Sequence[Path]) -> bool:
        self._known[video.path] = self.is_still(video, frames)
        if not self._known[video.path]:
            return False
        still = 0
        for path in earlier:
            still += self._still_file(path)
            if still == KEPT_PER_PROMPT:
                return False
        return True

    def _still_file(self, path: Path) -> bool:
        """Whether another video is still; one that cannot be read is not, and fails where it is scored."""
        if path not in self._known:
            try:
                self._known[path] = self._read_and_look(path)
            except VideoError:
                self._known[path] = False
        return self._known[path]

    def _read_and_look(self, path: Path) -> bool:
        from benchmarks.vbench.frames.decoders import DecodingTask, open_video

        info, batches = open_video(DecodingTask(path, "cv2"))
        frames = KeptFrames(self._networks.device)
        for array, _ in batches(16):
            frames.add(array)
        return self.is_still(info, frames)


@dataclass
class StillPass:
    """One video: keeps its frames, which the filter looks at once all are there."""

    video: VideoHeader
    flickering: Pass
    counts: Callable[[KeptFrames], bool]
    kept: KeptFrames

    def add(self, piece: Piece) -> None:
        """Take the next frames."""
        self.flickering.add(piece)
        self.kept.add(piece.array)

    def finish(self) -> VideoResult | None:
        """Its temporal flickering, or None where it does not count."""
        score = self.flickering.finish()
        return score if self.counts(self.kept) else None
