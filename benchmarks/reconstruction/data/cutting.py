"""Which parts of a video are clips, by each protocol's rule."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from benchmarks.reconstruction.data.listing import FoundVideo
from benchmarks.reconstruction.data.video_part import VideoPart
from vtok_eval.errors import VideoError
from vtok_eval.video.decoding.decode import count_frames_to_sample, probe

if TYPE_CHECKING:
    from vtok_eval.data import ClipForm


@dataclass(frozen=True)
class NamedPart:
    """A clip of a video. name: what it is called within its video. whole: it is read in pieces."""

    name: str
    part: VideoPart
    whole: bool = False


class Cutting(Protocol):
    """Cuts videos into clips."""

    def parts(self, video: FoundVideo) -> Iterator[NamedPart]:
        """The clips of a video; one that cannot be opened is a part whose `load` says why."""
        ...

    def text(self) -> str:
        """The rule in words."""
        ...


@dataclass(frozen=True)
class Windows:
    """Windows spread evenly over a video, each at several sizes, square from the centre.

    A size above the video's shorter side is left out, so nothing is enlarged; where all are, the video has
    one part, which fails with the reason. Half as many windows are cut at each size after the first.
    """

    n_frames: int
    windows: int
    sizes: tuple[int, ...]

    def parts(self, video: FoundVideo) -> Iterator[NamedPart]:
        """As `Cutting`."""
        try:
            form = VideoPart(video.path).form()
        except VideoError:
            yield _unopened(video)
            return
        side = min(form.height, form.width)
        if (problem := self._problem(video, form)) is not None:
            yield NamedPart("whole", VideoPart(video.path, problem=problem))
            return
        for place, size in enumerate(self.sizes):
            if size <= side:
                for start in _spread(form.n_frames - self.n_frames, max(1, self.windows // 2**place)):
                    named = _square(video, range(start, start + self.n_frames), side=size)
                    yield replace(named, name=f"{named.name}, {size} px")

    def _problem(self, video: FoundVideo, form: ClipForm) -> str | None:
        side = min(form.height, form.width)
        if form.n_frames < self.n_frames:
            return (
                f"{video.path}: has {form.n_frames} frames, fewer than a window's {self.n_frames} "
                f"(--set n_frames={form.n_frames})"
            )
        if side < min(self.sizes):
            return (
                f"{video.path}: frames of {form.width} x {form.height} px are smaller than every size "
                f"({', '.join(map(str, self.sizes))}), and nothing is enlarged (--set sizes=[{side}])"
            )
        return None

    def text(self) -> str:
        """As `Cutting`."""
        sizes = " and ".join(map(str, self.sizes))
        return (
            f"windows of {self.n_frames} frames at the stored rate, spread evenly over each video; shorter "
            f"side resized to {sizes} px (antialiased, never enlarged) and the centre cut out square"
        )


def _square(video: FoundVideo, frames: Sequence[int], *, side: int) -> NamedPart:
    """These frames, resized to a shorter side and cut out square from the centre."""
    part = VideoPart(video.path, tuple(frames), short_side=side, square=True)
    return NamedPart(f"frames {frames[0]}-{frames[-1]}", part)


def _unopened(video: FoundVideo) -> NamedPart:
    """Of a video that cannot be opened: a part whose `load` says why."""
    return NamedPart("whole", VideoPart(video.path))


@dataclass(frozen=True)
class Consecutive:
    """VidTok: every round(fps / 30)-th frame, in consecutive clips; the last one is filled up."""

    n_frames: int
    side: int = 256
    rate: float = 30.0

    def parts(self, video: FoundVideo) -> Iterator[NamedPart]:
        """As `Cutting`."""
        try:
            count, fps = _count(video), _rate(video)
        except VideoError:
            yield _unopened(video)
            return
        kept = list(range(0, count, max(1, round(fps / self.rate))))
        for start in range(0, len(kept), self.n_frames):
            frames = kept[start : start + self.n_frames]
            frames += [frames[-1]] * (self.n_frames - len(frames))
            yield _square(video, frames, side=self.side)

    def text(self) -> str:
        """As `Cutting`."""
        return (
            f"every round(fps / {self.rate:g})-th frame, consecutive clips of {self.n_frames} frames (the "
            f"last frame of a video repeated), shorter side {self.side} px, centre {self.side} x {self.side}"
        )


@dataclass(frozen=True)
class Middle:
    """LARP: one clip of a video. LARP draws where it begins at random; here it is the middle."""

    n_frames: int = 16
    side: int = 128

    def parts(self, video: FoundVideo) -> Iterator[NamedPart]:
        """As `Cutting`."""
        try:
            count = _count(video)
        except VideoError:
            yield _unopened(video)
            return
        start = max(0, (count - self.n_frames) // 2)
        frames = [min(start + step, count - 1) for step in range(self.n_frames)]
        yield _square(video, frames, side=self.side)

    def text(self) -> str:
        """As `Cutting`."""
        return (
            f"the middle {self.n_frames} frames at the stored rate (LARP draws the start at random), shorter "
            f"side {self.side} px, centre {self.side} x {self.side}"
        )


@dataclass(frozen=True)
class FirstSeconds:
    """TokenBench: the first max(ceil(10 fps), 300) frames, resized to 1080 px where they are larger."""

    seconds: float = 10.0
    least: int = 300
    side: int = 1080

    def parts(self, video: FoundVideo) -> Iterator[NamedPart]:
        """As `Cutting`."""
        try:
            most = max(math.ceil(self.seconds * _rate(video)), self.least)
        except VideoError:
            most = self.least
        part = VideoPart(video.path, most=most, short_side=self.side, only_smaller=True)
        yield NamedPart(f"first {most} frames", part, whole=True)

    def text(self) -> str:
        """As `Cutting`."""
        return (
            f"the first max(ceil({self.seconds:g} fps), {self.least}) frames at the stored rate; shorter "
            f"side resized to {self.side} px only where it is larger"
        )


@dataclass(frozen=True)
class Whole:
    """Every frame of a video, as stored."""

    def parts(self, video: FoundVideo) -> Iterator[NamedPart]:
        """As `Cutting`."""
        yield NamedPart("whole", VideoPart(video.path), whole=True)

    def text(self) -> str:
        """As `Cutting`."""
        return "whole videos as stored"


def cut(videos: Sequence[FoundVideo], cutting: Cutting) -> list[tuple[FoundVideo, NamedPart]]:
    """Every clip of the videos, in order."""
    return [(video, part) for video in videos for part in cutting.parts(video)]


def _spread(room: int, count: int) -> list[int]:
    """First frames of `count` windows, spread evenly from the first place to the last, each once."""
    if room < 0 or count == 1:
        return [max(0, room // 2)]
    return sorted({round(place * room / (count - 1)) for place in range(count)})


def _count(video: FoundVideo) -> int:
    return (
        VideoPart(video.path).form().n_frames if video.path.is_dir() else count_frames_to_sample(video.path)
    )


def _rate(video: FoundVideo) -> float:
    if video.path.is_dir():
        return VideoPart(video.path).frame_rate
    fps = probe(video.path).fps
    if fps is None:
        raise VideoError(f"{video.path}: states no frame rate")
    return fps
