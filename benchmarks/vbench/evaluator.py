"""Scores videos: decodes each once per decoder, and lets every dimension take what it needs of the frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.vbench.dimensions import dimension
from benchmarks.vbench.flickering import package_score
from benchmarks.vbench.frames import DecodedAhead, Decoder, Task
from benchmarks.vbench.scorer import Request, Scorer, VideoResult
from vtok_eval.benchmark import Outcome, Sample
from vtok_eval.errors import VideoError

if TYPE_CHECKING:
    import torch

    from vtok_eval.systems import Clips

_DECODERS: tuple[Decoder, ...] = ("decord", "cv2")


@dataclass(frozen=True)
class Video:
    """A video to be scored, on which dimensions, and what it was made for."""

    path: Path
    dimensions: tuple[str, ...]
    request: Request


@dataclass(frozen=True)
class VBenchEvaluator:
    """The chosen dimensions with their models loaded.

    frames_per_piece: frames that are decoded, and go through a model, at once. depth: pieces decoded ahead.
    """

    scorers: Mapping[str, Scorer]
    device: torch.device
    frames_per_piece: int = 16
    depth: int = 2
    _sole: bool = field(init=False)

    def __post_init__(self) -> None:
        # Alone, temporal flickering has no frames to share and is the package's own number.
        object.__setattr__(self, "_sole", tuple(self.scorers) == ("temporal_flickering",))

    def evaluate(self, samples: Sequence[Sample], clips: Clips | None) -> Sequence[Outcome]:
        """One outcome per video; `clips` is not used, the metrics open the files themselves."""
        videos = [
            Video(
                path=Path(sample.target["path"]),
                dimensions=tuple(name for name in sample.target["dimensions"] if name in self.scorers),
                request=Request(sample.target["prompt"], sample.target.get("information", {})),
            )
            for sample in samples
        ]
        return [_outcome(result) for result in self.score(videos)]

    def score(self, videos: Sequence[Video]) -> list[Mapping[str, VideoResult] | VideoError]:
        """Each video's results by dimension, or why it has none."""
        import torch

        if self._sole:
            return [_package_result(video) for video in videos]
        with torch.inference_mode(), ExitStack() as stack:
            streams = {decoder: stack.enter_context(self._stream(videos, decoder)) for decoder in _DECODERS}
            return [self._score_one(video, streams) for video in videos]

    def _stream(self, videos: Sequence[Video], decoder: Decoder) -> DecodedAhead:
        tasks = [
            Task(path=video.path, decoder=decoder, pick=self._pick(names))
            for video in videos
            if (names := _read_by(decoder, video.dimensions))
        ]
        return DecodedAhead(
            tasks, device=self.device, frames_per_piece=self.frames_per_piece, depth=self.depth
        )

    def _pick(self, names: Sequence[str]) -> Callable[[int], Sequence[int]] | None:
        """The function that says which frames the dimensions need together, or None where one needs all."""
        scorers = [self.scorers[name] for name in names]
        if any(scorer.pick(1) is None for scorer in scorers):
            return None

        def numbers(n_frames: int) -> list[int]:
            return sorted({number for scorer in scorers for number in scorer.pick(n_frames) or ()})

        return numbers

    def _score_one(
        self, video: Video, streams: Mapping[Decoder, DecodedAhead]
    ) -> Mapping[str, VideoResult] | VideoError:
        results: dict[str, VideoResult] = {}
        failure: VideoError | None = None
        for decoder in _DECODERS:
            names = _read_by(decoder, video.dimensions)
            if not names:
                continue
            try:
                results |= self._read(video, names, streams[decoder], skip=failure is not None)
            except VideoError as error:
                failure = failure or error
        return failure or {name: results[name] for name in video.dimensions}

    def _read(
        self, video: Video, names: Sequence[str], stream: DecodedAhead, *, skip: bool
    ) -> dict[str, VideoResult]:
        info, pieces = stream.next_video()
        if skip:  # it has failed already, but what was decoded of it stands in the way of the next
            _drain(pieces)
            return {}
        # Dimensions that share a scorer are one and the same score.
        scorers = {id(self.scorers[name]): self.scorers[name] for name in names}
        passes = {key: scorer.begin(info, video.request) for key, scorer in scorers.items()}
        for piece in pieces:
            for each in passes.values():
                each.add(piece)
        results = {key: each.finish() for key, each in passes.items()}
        return {name: results[id(self.scorers[name])] for name in names}


def _read_by(decoder: Decoder, names: Sequence[str]) -> list[str]:
    return [name for name in names if dimension(name).decoder == decoder]


def _drain(pieces: Iterator[object]) -> None:
    for _ in pieces:
        pass


def _package_result(video: Video) -> Mapping[str, VideoResult] | VideoError:
    try:
        return {"temporal_flickering": VideoResult(package_score(video.path))}
    except VideoError as error:
        return error


def _outcome(result: Mapping[str, VideoResult] | VideoError) -> Outcome:
    if isinstance(result, VideoError):
        return Outcome(error=str(result))
    return Outcome(
        values={name: (found.value,) for name, found in result.items()},
        outputs={"weights": {name: found.weight for name, found in result.items()}},
    )
