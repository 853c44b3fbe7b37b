"""Reads what a data file names: conversations, where their clips are, and what cannot be used."""

from __future__ import annotations

import glob
import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from vtok_eval.answerers.training.conversations import Conversation, Turn
from vtok_eval.answerers.training.data.data_file import DatasetEntry, ReaderDataFile
from vtok_eval.answerers.training.data.records import (
    OPTION_COLUMNS,
    Problem,
    RecordError,
    llava_record,
    table_record,
)
from vtok_eval.answerers.training.data.scenes import scene_conversations
from vtok_eval.answerers.training.train import ReaderData
from vtok_eval.benchmark import Sample
from vtok_eval.errors import DataError, SuiteError
from vtok_eval.files.tables import read_table
from vtok_eval.registry import READER_DATA
from vtok_eval.video.sources import VideoFile

if TYPE_CHECKING:
    from vtok_eval.benchmark import ClipSource

# Any: rows of tables of any format.

SUFFIXES = ("", ".mp4", ".mkv", ".webm", ".avi", ".mov", ".MP4")
"""Tried after a video's name."""


@dataclass(frozen=True)
class LoadedReaderData:
    """Conversations, and their clips.

    sources: clip's name -> where it is. problems: records that are not used, each with its reason.
    n_leaked: clips left out because they are under test. tested: benchmarks that were compared with.
    preparations: what is done before clips are loaded; see `prepare`.

    Example:
        >>> LoadedReaderData(ReaderData(()), sources={}).lines()[-1]
        'no benchmark is named with `tested`: clips under test may be among these'
    """

    data: ReaderData
    sources: Mapping[str, ClipSource]
    problems: Sequence[Problem] = ()
    n_leaked: int = 0
    tested: tuple[str, ...] = ()
    preparations: tuple[Callable[[], None], ...] = ()

    def prepare(self) -> None:
        """Take clips out of archives, in one pass over each.

        Raises:
            VideoError: an archive cannot be unpacked.
        """
        for each in self.preparations:
            each()

    def samples(self) -> list[Sample]:
        """One for each clip, validation included, in the order of the clips' first conversations."""
        return [Sample(name, cluster=name, clip=source) for name, source in self.sources.items()]

    def lines(self) -> list[str]:
        """What is trained on and what is left out, for people, one line each."""
        training, validation = self.data.training, self.data.validation
        lines = [
            f"{len(training):,} conversations about {_n_clips(training):,} clips, and {len(validation):,} "
            f"about {_n_clips(validation):,} for validation"
        ]
        if self.problems:
            lines.append(f"{len(self.problems):,} records are not used:")
            kinds = Counter(_kind(problem.reason) for problem in self.problems)
            firsts = {_kind(problem.reason): problem for problem in reversed(self.problems)}
            lines += [
                f"  {count:,} x {kind}, the first in {firsts[kind].where}" for kind, count in kinds.items()
            ]
        if not self.tested:
            lines.append("no benchmark is named with `tested`: clips under test may be among these")
        else:
            lines.append(
                f"compared with the clips of {', '.join(self.tested)}: {self.n_leaked:,} are left out"
            )
        return lines

    def without(self, clips: Mapping[str, str]) -> LoadedReaderData:
        """The same without some clips. clips: name -> the reason."""
        kept = [
            [each for each in part if each.clip not in clips]
            for part in (self.data.training, self.data.validation)
        ]
        return replace(
            self,
            data=ReaderData(tuple(kept[0]), tuple(kept[1])),
            sources={name: source for name, source in self.sources.items() if name not in clips},
            problems=[*self.problems, *(Problem(name, reason) for name, reason in clips.items())],
        )


@dataclass
class _Collected:
    """conversations, sources, problems, preparations: as they are read, over all entries."""

    conversations: list[Conversation] = field(default_factory=list)
    sources: dict[str, ClipSource] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    preparations: list[Callable[[], None]] = field(default_factory=list)


def load_reader_data(file: ReaderDataFile, *, folder: Path) -> LoadedReaderData:
    """Read all entries of a data file, keep clips under test out, and set clips apart for validation.

    folder: which paths of the file are relative to. No video is opened.

    Raises:
        DataError: a file cannot be read, or no conversation is left.
        SuiteError: clips under test are among those to be trained on, and leakage is "refuse".
        MissingDependencyError: the tables of a benchmark are missing; says what to fetch.

    Example:
        >>> file = ReaderDataFile.model_validate({"datasets": [{"scenes": 3}], "validation": 0.3})
        >>> loaded = load_reader_data(file, folder=Path())
        >>> len(loaded.sources), len({each.clip for each in loaded.data.validation})
        (3, 1)
    """
    found = _Collected()
    for number, entry in enumerate(file.datasets):
        before = len(found.conversations)
        _read_entry(entry, file, folder, found)
        taken = _sampled(found.conversations[before:], entry.sampling, seed=number)
        found.conversations[before:] = taken
    leaked = _leaked(file, folder, found)
    kept = [each for each in found.conversations if each.clip not in leaked]
    if not kept:
        first = next(iter(found.problems), "the files hold no record")
        raise DataError(f"no conversation can be trained on; {first}")
    apart = _validation_clips(kept, share=file.validation, most=file.most_validation)
    clips = dict.fromkeys(each.clip for each in kept)
    return LoadedReaderData(
        data=ReaderData(
            training=tuple(each for each in kept if each.clip not in apart),
            validation=tuple(each for each in kept if each.clip in apart),
        ),
        sources={name: found.sources[name] for name in clips},
        problems=found.problems,
        n_leaked=len(leaked),
        tested=tuple(file.tested),
        preparations=tuple(found.preparations),
    )


def _read_entry(entry: DatasetEntry, file: ReaderDataFile, folder: Path, found: _Collected) -> None:
    if entry.scenes is not None:
        conversations, sources = scene_conversations(entry.scenes)
        found.conversations += conversations
        found.sources |= sources
    elif entry.benchmark is not None:
        data = None if entry.data is None else str(folder / entry.data)
        read = READER_DATA.resolve("training-split")(
            entry.benchmark, data=data, frames=file.frames, rule=file.rule, short_side=file.short_side
        )
        found.conversations += read.conversations
        found.sources |= read.sources
        found.problems += read.problems
        found.preparations.append(read.prepare)
    else:
        videos = folder / (entry.videos or file.videos or ".")
        for path in _files(folder, entry.conversations or entry.table or ""):
            _read_file(path, entry, file, videos, found)


def _files(folder: Path, pattern: str) -> list[Path]:
    path = folder / pattern
    if path.is_file():
        return [path]
    matching = sorted(Path(name) for name in glob.glob(str(path)))
    if not matching:
        raise DataError(f"{path}: no such file, nor any that this matches as a pattern")
    return matching


def _read_file(
    path: Path, entry: DatasetEntry, file: ReaderDataFile, videos: Path, found: _Collected
) -> None:
    read: Callable[[Mapping[str, Any]], tuple[str, tuple[Turn, ...]]] = table_record
    names: tuple[str, ...] = ("video", "question", "answer", "options", *OPTION_COLUMNS)
    if entry.conversations is not None:
        read, names = llava_record, ("id", "video", "image", "conversations")
    for row in read_table(path, names=names).rows:
        try:
            video, turns = read(row.columns)
            where = _find(video, videos)
        except RecordError as error:
            found.problems.append(Problem(row.where, str(error)))
            continue
        name = str(where)
        if name not in found.sources:
            found.sources[name] = VideoFile(
                where, max_frames=file.frames, rule=file.rule, short_side=file.short_side
            )
        found.conversations.append(Conversation(f"{path.name}#{row.number}", name, turns))


def _find(video: str, folder: Path) -> Path:
    named = PurePosixPath(video.replace("\\", "/"))
    if ".." in named.parts:
        raise RecordError(f"names a video outside of {folder}: {video!r}")
    for suffix in SUFFIXES:
        path = folder / f"{named}{suffix}"
        if path.is_file():
            return path
    raise RecordError(f"its video is missing: {folder / str(named)}")


def _sampled(records: Sequence[Conversation], sampling: str, *, seed: int) -> list[Conversation]:
    if sampling == "all":
        return list(records)
    way, _, number = sampling.partition(":")
    share = number.endswith("%")
    count = round(len(records) * int(number[:-1]) / 100) if share else int(number)
    if way == "first":
        return list(records[:count])
    if way == "end":
        return list(records[max(0, len(records) - count) :])
    chosen = random.Random(seed).sample(range(len(records)), k=min(count, len(records)))
    return [records[place] for place in sorted(chosen)]


def _leaked(file: ReaderDataFile, folder: Path, found: _Collected) -> frozenset[str]:
    """Names of clips to be trained on that are also under test.

    Raises:
        SuiteError: there are some, and leakage is "refuse".
    """
    leaked: set[str] = set()
    shared = READER_DATA.resolve("shared-clips")
    used = {each.clip for each in found.conversations}
    ours = {name: source for name, source in found.sources.items() if name in used}
    for name, data in file.tested.items():
        theirs = READER_DATA.resolve("tested-clips")(name, data=None if data is None else str(folder / data))
        both = shared(ours, theirs)
        if both and file.leakage == "refuse":
            raise SuiteError(
                f"{len(both):,} of {len(ours):,} clips to be trained on are also under test in {name} (the "
                f"first: {min(both)}); take them out, or leave their conversations out with leakage: drop"
            )
        leaked |= both
    return frozenset(leaked)


def _validation_clips(conversations: Iterable[Conversation], *, share: float, most: int) -> frozenset[str]:
    """A share of the clips by the hash of their names: the same ones whatever else is trained on."""
    clips = dict.fromkeys(each.clip for each in conversations)
    ranked = sorted(clips, key=lambda clip: hashlib.sha256(clip.encode()).digest())
    count = min(most, len(ranked) - 1, round(share * len(ranked)) or (1 if share else 0))
    return frozenset(ranked[: max(0, count)])


def _n_clips(conversations: Sequence[Conversation]) -> int:
    return len({each.clip for each in conversations})


def _kind(reason: str) -> str:
    """A reason without what is particular to one record, so that equal ones can be counted."""
    return reason.split(":")[0].split(", '")[0]


def problem_lines(problems: Sequence[Problem]) -> Iterator[str]:
    """Every problem as a line of its own.

    Example:
        >>> list(problem_lines([Problem("a.json, row 3", "names no video")]))
        ['a.json, row 3: names no video']
    """
    yield from map(str, problems)
