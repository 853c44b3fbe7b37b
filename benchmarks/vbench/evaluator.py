"""Scores videos: decodes each once per decoder, and lets every dimension take what it needs of the frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.vbench.dimensions import dimension
from benchmarks.vbench.flickering import TemporalFlickering, package_score
from benchmarks.vbench.frames import DecodedAhead, Decoder, Task
from benchmarks.vbench.scorer import Request, Scorer, VideoResult
from vtok_eval.benchmark import Outcome, Sample
from vtok_eval.errors import VideoError, VtokEvalError
from vtok_eval.video.folder import VideoEntry
from vtok_eval.video.made import how_made

if TYPE_CHECKING:
    import torch

    from vtok_eval.systems import Clips
    from vtok_eval.video.made import MadeVideos

_DECODERS: tuple[Decoder, ...] = ("decord", "cv2", "decord384")


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
    made: the system whose videos are made for the run, each before it is opened. folder_fps: frames a second
    of videos that are folders of frames.
    """

    scorers: Mapping[str, Scorer]
    device: torch.device
    frames_per_piece: int = 16
    depth: int = 2
    made: MadeVideos | None = None
    folder_fps: float = 0.0
    _sole: bool = field(init=False)

    def __post_init__(self) -> None:
        # Alone, temporal flickering has no frames to share and is the package's own number.
        alone = tuple(self.scorers) == ("temporal_flickering",)
        plain = alone and isinstance(self.scorers["temporal_flickering"], TemporalFlickering)
        object.__setattr__(self, "_sole", plain)

    def evaluate(self, samples: Sequence[Sample], clips: Clips | None) -> Sequence[Outcome]:
        """One outcome per video; `clips` is not used, the metrics open the files themselves."""
        videos = [self._video(sample) for sample in samples]
        reasons = [self._make(sample) for sample in samples]
        ready = [video for video, reason in zip(videos, reasons, strict=True) if reason is None]
        results = iter(self.score(ready))
        return [
            _outcome(next(results), self._cost(video.path)) if reason is None else Outcome(error=reason)
            for video, reason in zip(videos, reasons, strict=True)
        ]

    def _cost(self, path: Path) -> dict[str, float]:
        """The tokens that a reconstruction was decoded from."""
        note = {} if self.made is None else how_made(path)
        return {"tokens": float(note["tokens"])} if "tokens" in note else {}

    def _video(self, sample: Sample) -> Video:
        target = sample.target
        return Video(
            path=Path(target["path"]),
            dimensions=tuple(name for name in target["dimensions"] if name in self.scorers),
            request=Request(
                prompt=target["prompt"],
                information=target.get("information", {}),
                earlier=tuple(Path(path) for path in target.get("earlier", ())),
            ),
        )

    def _make(self, sample: Sample) -> str | None:
        """Have the sample's video made, where it is to be; returns why it could not be."""
        target = sample.target
        if self.made is None or not target["known"]:
            return None
        try:
            self.made.ensure(VideoEntry(Path(target["path"]), target["prompt"], target["index"]))
        except VtokEvalError as error:
            return str(error)
        return None

    def score(self, videos: Sequence[Video]) -> list[Mapping[str, VideoResult] | VideoError]:
        """Each video's results by dimension, or why it has none."""
        if self._sole:
            return [self._package_result(video) for video in videos]
        return self._score_streamed(videos)

    def _score_streamed(self, videos: Sequence[Video]) -> list[Mapping[str, VideoResult] | VideoError]:
        import torch

        with torch.inference_mode(), ExitStack() as stack:
            streams = {decoder: stack.enter_context(self._stream(videos, decoder)) for decoder in _DECODERS}
            return [self._score_one(video, streams) for video in videos]

    def _stream(self, videos: Sequence[Video], decoder: Decoder) -> DecodedAhead:
        tasks = [
            Task(path=video.path, decoder=decoder, pick=self._pick(names), fps=self.folder_fps)
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
        return failure or {name: results[name] for name in video.dimensions if name in results}

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
        found = {name: results[id(self.scorers[name])] for name in names}
        return {name: result for name, result in found.items() if result is not None}

    def _package_result(self, video: Video) -> Mapping[str, VideoResult] | VideoError:
        if video.path.is_dir():  # the package's function opens files alone
            return self._score_streamed([video])[0]
        try:
            return {name: VideoResult(package_score(video.path)) for name in video.dimensions}
        except VideoError as error:
            return error


def _read_by(decoder: Decoder, names: Sequence[str]) -> list[str]:
    return [name for name in names if dimension(name).decoder == decoder]


def _drain(pieces: Iterator[object]) -> None:
    for _ in pieces:
        pass


def _outcome(result: Mapping[str, VideoResult] | VideoError, cost: Mapping[str, float]) -> Outcome:
    if isinstance(result, VideoError):
        return Outcome(error=str(result))
    return Outcome(
        values={name: (found.value,) for name, found in result.items()},
        outputs={"weights": {name: found.weight for name, found in result.items()}},
        cost=cost,
    )
