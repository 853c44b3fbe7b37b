"""Scores videos: decodes each once per decoder, and lets every dimension take what it needs of the frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.vbench.dimensions import dimension
from benchmarks.vbench.frames.decoded_frames import DecodedAhead, Piece
from benchmarks.vbench.frames.decoders import Decoder, DecodingTask, UnsupportedVideoError, VideoHeader
from benchmarks.vbench.scorers.scorer import Pass, Request, Scorer, VideoResult
from vtok_eval.benchmark import Outcome, Sample
from vtok_eval.errors import SpecError, VideoError, VtokEvalError
from vtok_eval.results.shape_change import OUTPUT as DECODED
from vtok_eval.token_costs import noted_costs
from vtok_eval.video.folder import VideoEntry
from vtok_eval.video.made import how_made

if TYPE_CHECKING:
    import torch

    from vtok_eval.data import Clips
    from vtok_eval.video.made import MadeVideos

_DECODERS: tuple[Decoder, ...] = ("decord", "cv2", "decord384")


@dataclass(frozen=True)
class Video:
    """A video to be scored, on which dimensions, and what it was made for.

    original: the video that it is a reconstruction of, as whose it is sampled.
    """

    path: Path
    dimensions: tuple[str, ...]
    request: Request
    original: Path | None = None


@dataclass
class VideoScores:
    """One video's result, by dimension; a dimension that does not apply to it is in neither field.

    results: its scores. failures: why it has none.
    """

    results: dict[str, VideoResult] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


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

    def evaluate(self, samples: Sequence[Sample], clips: Clips | None) -> Sequence[Outcome]:
        """One outcome per video; `clips` is not used, the metrics open the files themselves."""
        videos = [self._video(sample) for sample in samples]
        reasons = [self._make(sample) for sample in samples]
        ready = [video for video, reason in zip(videos, reasons, strict=True) if reason is None]
        found = iter(self.score(ready))
        return [
            _outcome(video, next(found) if reason is None else _failed(video, reason), self._note(video.path))
            for video, reason in zip(videos, reasons, strict=True)
        ]

    def _note(self, path: Path) -> Mapping[str, Any]:
        """What is noted of a video that was made for the run: a reconstruction's tokens and changes."""
        return {} if self.made is None else how_made(path)

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
            original=None if target.get("original") is None else Path(target["original"]),
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

    def score(self, videos: Sequence[Video]) -> list[VideoScores]:
        """What comes of each video: a dimension that cannot score it leaves the others alone."""
        import torch

        with torch.inference_mode(), ExitStack() as stack:
            streams = {
                decoder: stack.enter_context(stream)
                for decoder in _DECODERS
                if (stream := self._stream(videos, decoder)).tasks
            }
            return [self._score_one(video, streams) for video in videos]

    def _stream(self, videos: Sequence[Video], decoder: Decoder) -> DecodedAhead:
        tasks = [
            DecodingTask(
                path=video.path,
                decoder=decoder,
                pick=self._pick(names),
                fps=self.folder_fps,
                dimensions=tuple(names),
                rate_of=video.original,
            )
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

    def _score_one(self, video: Video, streams: Mapping[Decoder, DecodedAhead]) -> VideoScores:
        """A damaged video has no score: what another decoder made of it is uncertain.

        An intact video that one decoder does not support has the scores of the other decoders.
        """
        scores = VideoScores()
        damage: str | None = None
        for decoder in _DECODERS:
            names = _read_by(decoder, video.dimensions)
            if not names:
                continue
            try:
                self._read(video, names, streams[decoder], scores)
            except UnsupportedVideoError as error:
                scores.failures |= dict.fromkeys(names, str(error))
            except VideoError as error:
                damage = damage or str(error)
        return scores if damage is None else _failed(video, damage)

    def _read(self, video: Video, names: Sequence[str], stream: DecodedAhead, scores: VideoScores) -> None:
        info, pieces = stream.next_video()
        # Dimensions that share a scorer are one and the same score.
        attempts = {id(self.scorers[name]): _Attempt(self.scorers[name], info, video) for name in names}
        for piece in pieces:
            for each in attempts.values():
                each.add(piece)
        for each in attempts.values():
            each.finish()
        for name in names:
            ended = attempts[id(self.scorers[name])]
            if ended.failure is not None:
                scores.failures[name] = ended.failure
            elif ended.result is not None:
                scores.results[name] = ended.result


class _Attempt:
    """One dimension's way through one video, until it fails. failure: why, or None. result: see `Pass`."""

    def __init__(self, scorer: Scorer, info: VideoHeader, video: Video) -> None:
        self.failure: str | None = None
        self.result: VideoResult | None = None
        self._pass: Pass | None = None
        with self._failing():
            self._pass = scorer.begin(info, video.request)

    def add(self, piece: Piece) -> None:
        """Take the next frames."""
        if self._pass is not None:
            with self._failing():
                self._pass.add(piece)

    def finish(self) -> None:
        """Have the result computed."""
        if self._pass is not None:
            with self._failing():
                self.result = self._pass.finish()

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """What goes wrong within is a failure of this dimension alone."""
        try:
            yield
        except (VideoError, SpecError) as error:
            self.failure, self._pass = str(error), None


def _read_by(decoder: Decoder, names: Sequence[str]) -> list[str]:
    return [name for name in names if dimension(name).decoder == decoder]


def _failed(video: Video, reason: str) -> VideoScores:
    return VideoScores(failures=dict.fromkeys(video.dimensions, reason))


def _outcome(video: Video, scores: VideoScores, note: Mapping[str, Any]) -> Outcome:
    changed = {DECODED: note[DECODED]} if DECODED in note else {}
    return Outcome(
        values={name: (found.value,) for name, found in scores.results.items()},
        outputs={"weights": {name: found.weight for name, found in scores.results.items()}, **changed},
        cost=noted_costs(note),
        error=_reason(video, scores),
        failed_at=tuple(scores.failures),
    )


def _reason(video: Video, scores: VideoScores) -> str | None:
    """All reasons in one line; the file that each of them begins with is named once."""
    file = f"{video.path}: "
    reasons = list(dict.fromkeys(scores.failures.values()))
    if not reasons:
        return None
    first, *others = reasons
    return "; ".join([first, *(reason.removeprefix(file) for reason in others)])
