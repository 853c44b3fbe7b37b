"""Finds a benchmark's clips in its data folder: files, files in archives, folders of pictures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from benchmarks.understanding.questions.data.archives import Archive, joined_parts
from benchmarks.understanding.questions.data.frame_folder import PICTURE_SUFFIXES, FrameFolder, in_order
from benchmarks.understanding.questions.description import Videos
from vtok_eval.errors import VideoError
from vtok_eval.video.sources import VideoFile

if TYPE_CHECKING:
    from vtok_eval.benchmark import ClipSource
    from vtok_eval.data import Clip


@dataclass(frozen=True)
class Sampling:
    """What is taken of a clip: at most `frames` frames by `rule`, resized to `short_side` pixels."""

    frames: int | None
    rule: str
    short_side: int | None


@dataclass(frozen=True)
class MissingVideo:
    """A clip that was not found; a `ClipSource` whose loading says where it was looked for."""

    name: str
    reason: str

    @property
    def key(self) -> str:
        """Names the clip.

        Raises:
            VideoError: always.
        """
        raise VideoError(self.reason)

    def load(self) -> Clip:
        """There is nothing to load.

        Raises:
            VideoError: always.
        """
        raise VideoError(self.reason)


@dataclass(frozen=True)
class ArchivedVideo:
    """A clip in an archive; a `ClipSource` that takes it out into the cache folder when it is first used."""

    archive: Archive
    members: tuple[str, ...]
    sampling: Sampling
    frame_rate: float | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """What it is read from."""
        return (self.archive.path,)

    @property
    def key(self) -> str:
        """As that of the file, or the pictures, taken out.

        Raises:
            VideoError: it cannot be taken out.
        """
        return self._source().key

    def load(self) -> Clip:
        """Decode it.

        Raises:
            VideoError: it cannot be taken out or decoded.
        """
        try:
            return self._source().load()
        except VideoError as error:
            # The file in the cache has a name that says nothing.
            raise VideoError(f"{self.archive.path}: {self.members[0]}: {error}") from error

    def _source(self) -> ClipSource:
        self.archive.extract(self.members)
        paths = tuple(self.archive.extracted(member) for member in self.members)
        if self.frame_rate is None:
            return _file(paths[0], self.sampling)
        return _pictures(self.members[0], paths, self.frame_rate, self.sampling)


class VideoLibrary:
    """The clips of one data folder. cache: where members of archives are put."""

    def __init__(self, folder: Path, videos: Videos, *, cache: Path) -> None:
        self._folder = folder
        self._videos = videos
        self._cache = cache

    def source(self, name: str, *, folders: Sequence[str], sampling: Sampling) -> ClipSource:
        """The clip called `name` in a table; folders: of the table itself, looked through first.

        A file or folder on disk comes before what an archive holds. A name that leads out of the data's
        folder is a missing clip.
        """
        candidates = list(self._candidates(name, (*folders, *self._videos.folders)))
        for relative in candidates:
            path = self._folder / relative
            if path.is_file():
                return _file(path, sampling)
            if path.is_dir() and (pictures := self._pictures_in(path)):
                return _pictures(name, pictures, self._videos.frame_rate or 1.0, sampling)
        return self._from_archive(name, candidates, sampling) or MissingVideo(
            name, f"{self._folder}: no video {candidates[0] if candidates else name!r}, nor in its archives"
        )

    def unpack(self, sources: Iterable[ClipSource]) -> None:
        """Extract the clips that are in archives, in one pass over each archive.

        Raises:
            VideoError: an archive cannot be unpacked.
        """
        for archive, members in _by_archive(sources).items():
            archive.extract(sorted(members))

    def bytes_in_archives(self, sources: Iterable[ClipSource]) -> int:
        """What `unpack` writes into the cache folder, or has written there."""
        return sum(
            archive.members[member] for archive, members in _by_archive(sources).items() for member in members
        )

    def _candidates(self, name: str, folders: Sequence[str]) -> Iterable[str]:
        named = PurePosixPath(name.replace("\\", "/"))
        if named.is_absolute() or ".." in named.parts or not name:
            return
        prefixed = named.with_name(self._videos.prefix + named.name)
        known = {suffix.lower() for suffix in self._videos.suffixes}
        suffixes = (
            ("", *self._videos.suffixes) if named.suffix.lower() in known else (*self._videos.suffixes, "")
        )
        for folder in folders:
            for suffix in suffixes:
                yield str(PurePosixPath(folder) / f"{prefixed}{suffix}")

    def _pictures_in(self, folder: Path) -> tuple[Path, ...]:
        names = [path.name for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES]
        return tuple(folder / name for name in in_order(names))

    @cached_property
    def archives(self) -> tuple[Archive, ...]:
        """Every archive that the description's patterns find."""
        found = {path for pattern in self._videos.archives for path in self._folder.glob(pattern)}
        return tuple(joined_parts((path for path in found if path.is_file()), self._cache))

    @cached_property
    def _by_name(self) -> Mapping[str, list[tuple[Archive, str]]]:
        """Members of all archives, by the last part of their names."""
        found: dict[str, list[tuple[Archive, str]]] = defaultdict(list)
        for archive in self.archives:
            for member in archive.members:
                found[PurePosixPath(member).name].append((archive, member))
        return found

    @cached_property
    def _by_folder(self) -> Mapping[str, list[tuple[Archive, str]]]:
        """Pictures of all archives, by the last part of their folders' names."""
        found: dict[str, list[tuple[Archive, str]]] = defaultdict(list)
        for archive in self.archives:
            for member in archive.members:
                path = PurePosixPath(member)
                if path.suffix.lower() in PICTURE_SUFFIXES:
                    found[path.parent.name].append((archive, member))
        return found

    def _from_archive(self, name: str, candidates: Sequence[str], sampling: Sampling) -> ClipSource | None:
        for relative in candidates:
            held = self._by_name.get(PurePosixPath(relative).name, ())
            if best := _best(held, relative):
                return _ambiguous(name, best) or ArchivedVideo(best[0][0], (best[0][1],), sampling)
        for relative in candidates:
            held = self._by_folder.get(PurePosixPath(relative).name, ())
            parents = sorted({(archive, str(PurePosixPath(m).parent)) for archive, m in held}, key=str)
            if best := _best(parents, relative):
                archive, parent = best[0]
                inside = [m for a, m in held if a == archive and str(PurePosixPath(m).parent) == parent]
                rate = self._videos.frame_rate or 1.0
                return _ambiguous(name, best) or ArchivedVideo(
                    archive, tuple(in_order(inside)), sampling, rate
                )
        return None


def _by_archive(sources: Iterable[ClipSource]) -> Mapping[Archive, set[str]]:
    wanted: dict[Archive, set[str]] = defaultdict(set)
    for source in sources:
        if isinstance(source, ArchivedVideo):
            wanted[source.archive].update(source.members)
    return wanted


def _best(held: Sequence[tuple[Archive, str]], relative: str) -> list[tuple[Archive, str]]:
    """Members that may be the file at `relative`: those that share the longest end of its path.

    One path must be the end of the other. The archive's own name may replace the member's first folder: in
    star.zip, `x.mp4` may be `star/x.mp4`.
    """
    wanted = PurePosixPath(relative).parts
    ranked = [(_shared(entry, wanted), entry) for entry in held]
    longest = max((shared for shared, _ in ranked), default=0)
    return [entry for shared, entry in ranked if shared == longest] if longest else []


def _shared(entry: tuple[Archive, str], wanted: Sequence[str]) -> int:
    """How many parts the paths share from the end; 0 where neither is the end of the other."""
    archive, member = entry
    parts = PurePosixPath(member).parts
    with_archive = (archive.path.name.partition(".")[0], *parts)
    return max(_common_end(parts, wanted), _common_end(with_archive, wanted))


def _common_end(a: Sequence[str], b: Sequence[str]) -> int:
    length = min(len(a), len(b))
    return length if list(a[-length:]) == list(b[-length:]) else 0


def _ambiguous(name: str, found: Sequence[tuple[Archive, str]]) -> MissingVideo | None:
    if len(found) == 1:
        return None
    places = " and ".join(f"{archive.path.name}:{member}" for archive, member in found[:2])
    return MissingVideo(name, f"{name}: found more than once ({places}); it cannot be told which is meant")


def _file(path: Path, sampling: Sampling) -> VideoFile:
    return VideoFile(path, max_frames=sampling.frames, rule=sampling.rule, short_side=sampling.short_side)


def _pictures(name: str, paths: tuple[Path, ...], frame_rate: float, sampling: Sampling) -> FrameFolder:
    return FrameFolder(
        name,
        paths,
        frame_rate,
        max_frames=sampling.frames,
        rule=sampling.rule,
        short_side=sampling.short_side,
    )
