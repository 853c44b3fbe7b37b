"""The questions that a probe learns from: a benchmark's own training split, or a user's training file."""

from __future__ import annotations

import glob
import hashlib
import logging
import math
import string
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from benchmarks.understanding.questions.data.leakage import shared_clips
from benchmarks.understanding.questions.data.listed_options import given_options
from benchmarks.understanding.questions.data.tables import (
    DataRow,
    fingerprint,
    matching_files,
    read_rows,
    table_files,
)
from benchmarks.understanding.questions.data.video_library import MissingVideo, Sampling, VideoLibrary
from benchmarks.understanding.questions.description import BenchmarkDescription, Table, Videos
from benchmarks.understanding.questions.question import VideoQuestion, read_questions
from vtok_eval.benchmark import Sample
from vtok_eval.errors import DataError, SuiteError
from vtok_eval.files.cache_folder import cache_path

if TYPE_CHECKING:
    from vtok_eval.benchmark import ClipSource

Leakage = Literal["refuse", "drop"]
_OPTION_COLUMNS = tuple(f"option{number}" for number in range(len(string.ascii_uppercase)))
LEAST_CLIPS = 32
"""Training clips that a smoke test keeps."""

_VALIDATED = 10
"""One clip in this many is kept apart to choose the epoch by."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingSource:
    """Where training questions come from: `file`, a user's, or else the tables of the benchmark's split.

    share: of their clips, the first ones in the order of the tables; below 1 in a smoke test.
    """

    description: BenchmarkDescription
    folder: Path
    file: Path | None = None
    share: float = 1.0

    def why_not(self) -> str | None:
        """Why a probe cannot be trained, in one line; None where it can."""
        if self.file is not None:
            return None if self.file.is_file() else f"train={self.file}: no such file"
        train = self.description.train
        if train is None:
            return (
                f"{self.description.name} publishes no training split; a tokenizer's probe needs one of your "
                "own: train=FILE (--set train=FILE; docs/benchmarks.md says what is in it)"
            )
        for table in train.tables:
            if not matching_files(self.folder, table.files):
                return (
                    f"its training split is not there ({self.folder}: no {' or '.join(table.files)}); "
                    f"{train.fetch}, or name a file of your own: --set train=FILE"
                )
        return None

    def name(self) -> str:
        """What the report calls it."""
        return f"file {self.file.name}" if self.file is not None else "the benchmark's own training split"

    def tables_sha256(self) -> str:
        """Hash of all files that the questions are read from."""
        if self.file is not None:
            return fingerprint([self.file])
        return fingerprint([path for table in self._tables() for path in table_files(self.folder, table)])

    def load(self, sampling: Sampling) -> Loaded:
        """The questions and their clips.

        Raises:
            DataError: a row is not what it must be; names the place.
            MissingDependencyError: a table is missing.
        """
        if self.file is None:
            questions = read_questions(self.description, self.folder, self._tables())
            libraries = [VideoLibrary(self.folder, self.description.videos, cache=cache_path())]
        else:
            questions = read_training_file(self.file)
            libraries = [
                VideoLibrary(self.file.parent, Videos(), cache=cache_path()),
                VideoLibrary(self.folder, self.description.videos, cache=cache_path()),
            ]
        return Loaded(_by_clip(questions), libraries, sampling)

    def _tables(self) -> Sequence[Table]:
        return self.description.train.tables if self.description.train else ()


class Loaded:
    """Training questions by clip. libraries: looked through in turn for the clips."""

    def __init__(
        self,
        questions: Mapping[str, Sequence[VideoQuestion]],
        libraries: Sequence[VideoLibrary],
        sampling: Sampling,
    ) -> None:
        self.questions = questions
        self._libraries = libraries
        self.sources: dict[str, ClipSource] = {
            name: self._source(members[0], sampling) for name, members in questions.items()
        }

    def unpack(self) -> None:
        """Take clips out of archives, one pass for each.

        Raises:
            VideoError: an archive cannot be unpacked.
        """
        for library in self._libraries:
            library.unpack(self.sources.values())

    def _source(self, question: VideoQuestion, sampling: Sampling) -> ClipSource:
        found: ClipSource
        for library in self._libraries:
            found = library.source(question.video, folders=question.video_folders, sampling=sampling)
            if not isinstance(found, MissingVideo):
                break
        return found


@dataclass(frozen=True)
class TrainingData:
    """What a probe learns from.

    questions: by clip. training, validation: a sample for each clip of the split. n_dropped: clips left out
    because they are under test.
    """

    questions: Mapping[str, Sequence[VideoQuestion]]
    training: Sequence[Sample]
    validation: Sequence[Sample]
    n_dropped: int
    loaded: Loaded

    @property
    def n_questions(self) -> int:
        """Of both splits."""
        return sum(map(len, self.questions.values()))


def make_training_data(
    source: TrainingSource,
    *,
    sampling: Sampling,
    tested: Sequence[VideoQuestion],
    tested_clips: Mapping[str, ClipSource],
    leakage: Leakage,
) -> TrainingData:
    """Read the training questions, keep clips under test out, and set one clip in ten apart for validation.

    tested: the questions under test; tested_clips: their clips, by question id. Only training questions of a
    kind that is tested are kept (with options, or open-ended).
    Which clips validate depends on their names alone, so it is the same for every tokenizer and seed.

    Raises:
        SuiteError: clips under test are among the training clips and leakage is "refuse"; says how many.
        DataError: a row is broken, no question of the kind that is asked is left, or all are of one clip.
    """
    name = source.description.name
    loaded = source.load(sampling)
    leaked = shared_clips(loaded.sources, {each.video: tested_clips[each.id] for each in tested})
    if leaked and leakage == "refuse":
        raise SuiteError(
            f"{name}: {len(leaked)} of {len(loaded.sources)} training videos are also under test (the first: "
            f"{min(leaked)}); take them out, or leave their questions out with --set leakage=drop"
        )
    if leaked:
        log.warning(
            "%s: %d training videos are also under test; their questions are left out", name, len(leaked)
        )
    asks_options = {question.free_answer is None for question in tested}
    kept: dict[str, list[VideoQuestion]] = {}
    for clip, members in loaded.questions.items():
        usable = [each for each in members if _is_usable(each, asks_options)]
        if clip not in leaked and usable:
            kept[clip] = usable
    if len(kept) < 2:
        asked = "questions with options" if True in asks_options else "open-ended questions"
        raise DataError(
            f"{name}: {source.name()} has {asked} about {len(kept)} videos; a probe needs 2 or more"
        )
    kept = _first_clips(kept, share=source.share)
    validation = _validation_clips(list(kept))
    samples = {clip: Sample(clip, clip, loaded.sources[clip], {"clip": clip}) for clip in kept}
    return TrainingData(
        questions=kept,
        training=[sample for clip, sample in samples.items() if clip not in validation],
        validation=[sample for clip, sample in samples.items() if clip in validation],
        n_dropped=len(leaked),
        loaded=loaded,
    )


def _first_clips(
    questions: dict[str, list[VideoQuestion]], *, share: float
) -> dict[str, list[VideoQuestion]]:
    """The questions of this share of the clips, of at least `LEAST_CLIPS` where there are as many."""
    count = max(LEAST_CLIPS, math.ceil(share * len(questions)))
    return dict(list(questions.items())[:count])


def read_training_file(path: Path) -> list[VideoQuestion]:
    """Questions from a user's table: Parquet, JSON, JSON Lines, CSV or TSV.

    Columns: `video`, a file next to the table or a clip of the benchmark's; `question`; `answer`; and, except
    for open-ended questions, `options`, a list, or `option0`, `option1` and so on. The answer is the right
    option's text.

    Raises:
        DataError: a row lacks a column, or its answer is none of its options; names the row.
    """
    names = ("video", "question", "answer", "options", *_OPTION_COLUMNS)
    rows = read_rows(path.parent, Table(files=(glob.escape(path.name),)), names=names)
    return [_question(row) for row in rows]


def _question(row: DataRow) -> VideoQuestion:
    for column in ("video", "question", "answer"):
        if row.columns.get(column) in (None, ""):
            raise DataError(
                f"{row.where}: has no {column}; a training row has video, question, answer, options"
            )
    options = _options(row)
    answer = str(row.columns["answer"]).strip()
    if options and answer not in options:
        raise DataError(f"{row.where}: the answer {answer!r} is none of the options {list(options)}")
    return VideoQuestion(
        id=f"train/{row.number}",
        subset="",
        task="",
        video=str(row.columns["video"]),
        video_folders=(),
        text=str(row.columns["question"]).strip(),
        options=options,
        labels=tuple(string.ascii_uppercase[: len(options)]),
        answer=options.index(answer) if options else None,
        free_answer=None if options else answer,
    )


def _options(row: DataRow) -> tuple[str, ...]:
    value: object = row.columns.get("options")
    if value is None:
        cells = [(name, row.columns.get(name)) for name in _OPTION_COLUMNS]
    elif isinstance(value, list | tuple):
        cells = [(f"options[{place}]", item) for place, item in enumerate(value)]
    else:
        raise DataError(
            f"{row.where}: options must be a list of texts, not {value!r}; in CSV write option0, option1"
        )
    options = tuple(given_options(cells, where=row.where))
    if len(options) == 1 or len(options) > len(_OPTION_COLUMNS):
        raise DataError(
            f"{row.where}: has {len(options)} options; 2 to {len(_OPTION_COLUMNS)}, or none at all"
        )
    return options


def _is_usable(question: VideoQuestion, asks_options: set[bool]) -> bool:
    return question.is_answered and (question.free_answer is None) in asks_options


def _by_clip(questions: Sequence[VideoQuestion]) -> dict[str, list[VideoQuestion]]:
    found: dict[str, list[VideoQuestion]] = defaultdict(list)
    for question in questions:
        found["/".join((*question.video_folders[:1], question.video))].append(question)
    return dict(found)


def _validation_clips(clips: Sequence[str]) -> frozenset[str]:
    """A tenth of the clips, at least one, by the hash of their names."""
    ranked = sorted(clips, key=lambda clip: hashlib.sha256(clip.encode()).digest())
    return frozenset(ranked[: max(1, len(ranked) // _VALIDATED)])
