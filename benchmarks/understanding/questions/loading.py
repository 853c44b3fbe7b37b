"""The questions of a benchmark with their clips: read from the data's folder, in the order they are asked."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.understanding.questions.data.tables import table_files
from benchmarks.understanding.questions.data.video_library import MissingVideo, Sampling, VideoLibrary
from benchmarks.understanding.questions.description import BenchmarkDescription
from benchmarks.understanding.questions.metrics import turns
from benchmarks.understanding.questions.question import VideoQuestion, load_questions
from vtok_eval.errors import DataError, MissingDependencyError, VideoError
from vtok_eval.files.cache_folder import cache_path

if TYPE_CHECKING:
    from vtok_eval.benchmark import ClipSource

_PAIR_ORDER = (("text", "pos"), ("text", "neg"), ("video", "pos"), ("video", "neg"))

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadedQuestions:
    """The questions in the order they are asked, those of one clip together, and their clips by id.

    name: the benchmark's. folder: of its data.
    """

    name: str
    folder: Path
    questions: Sequence[VideoQuestion]
    sources: Mapping[str, ClipSource]
    library: VideoLibrary
    sampling: Sampling

    @cached_property
    def pairs(self) -> Mapping[str, Sequence[VideoQuestion]]:
        """The four questions of each pair, in a fixed order, by the pair's name.

        Raises:
            DataError: a pair lacks one of them.
        """
        pairs: dict[str, dict[tuple[str, str], VideoQuestion]] = defaultdict(dict)
        for question in self.questions:
            pairs[question.pair][question.subset, question.side] = question
        for name, members in pairs.items():
            missing = [f"{kind}/{name}_{side}" for kind, side in _PAIR_ORDER if (kind, side) not in members]
            if missing:
                raise DataError(f"{self.folder}: pair {name} lacks the question {missing[0]}")
        return {name: [members[key] for key in _PAIR_ORDER] for name, members in pairs.items()}

    def unpack(self) -> None:
        """Extract the clips from archives where needed; one that cannot be extracted costs a warning."""
        try:
            self.library.unpack(self.sources.values())
        except VideoError as error:
            # Each clip that is still missing is tried again, and fails, individually.
            log.warning("%s: %s", self.name, error)

    def missing_videos(self) -> str | None:
        """How many videos are missing, and the first, in one line; None where all are there."""
        missing = sorted({each.name for each in self.sources.values() if isinstance(each, MissingVideo)})
        if not missing:
            return None
        return f"{len(missing):,} videos are missing from {self.folder}, the first is {missing[0]}"

    def warn_of_missing(self) -> None:
        """Log how many questions have no video."""
        missing = [source for source in self.sources.values() if isinstance(source, MissingVideo)]
        if missing:
            log.warning(
                "%s: the videos of %d of %d questions are missing, the first is %s",
                self.name,
                len(missing),
                len(self.sources),
                missing[0].name,
            )

    def cost(self, *, blind: bool, circular: bool) -> list[str]:
        """What asking all of it takes: answers, clips, memory and space on disk, a line each."""
        calls = sum(turns(question) for question in self.questions) if circular else len(self.questions)
        clips = len(set(map(id, self.sources.values())))
        count = f"{len(self.questions):,} questions"
        asked = f"{calls:,} answers asked for of each answerer"
        if blind:
            return [f"{count} without clips, {asked}"]
        frames, short_side = self.sampling.frames, self.sampling.short_side
        shown = "all their" if frames is None else f"at most {frames}"
        lines = [f"{count} on {clips:,} clips with {shown} frames, {asked}"]
        if frames is not None and short_side is not None:
            wide = 3 * short_side**2 * 16 // 9 * frames
            lines.append(f"about {_amount(wide)} of frames for each clip in memory, if it is 16:9")
        # Not what is left to be taken out: a run that goes on must describe itself as it did before.
        archived = self.library.bytes_in_archives(self.sources.values())
        if archived:
            lines.append(f"{_amount(archived)} of clips are taken out of archives into the cache folder")
        return lines


def load(
    description: BenchmarkDescription, folder: Path, *, subsets: Sequence[str], sampling: Sampling
) -> LoadedQuestions:
    """The questions of the chosen subsets, and a source of frames for each.

    Raises:
        MissingDependencyError: the data are missing; says what to fetch.
        DataError: they are not what the description says, or hold no question.
    """
    try:
        questions = load_questions(description, folder, subsets=subsets)
    except MissingDependencyError as error:
        raise MissingDependencyError(
            f"{description.name}: {error}; {description.source.fetch} "
            f"(from {description.source.repository}), and name the folder with data="
        ) from error
    if not questions:
        raise DataError(f"{folder}: the tables of {description.name} hold no question")
    library = VideoLibrary(folder, description.videos, cache=cache_path())
    sources: dict[str, ClipSource] = {}
    by_clip: dict[tuple[str, tuple[str, ...]], list[VideoQuestion]] = defaultdict(list)
    for question in questions:
        by_clip[question.video, question.video_folders].append(question)
    for (video, folders), members in by_clip.items():
        source = library.source(video, folders=folders, sampling=sampling)
        sources.update({question.id: source for question in members})
    ordered = [question for members in by_clip.values() for question in members]
    return LoadedQuestions(description.name, folder, ordered, sources, library, sampling)


def chosen_files(description: BenchmarkDescription, folder: Path, subsets: Sequence[str]) -> list[Path]:
    """The files of the chosen subsets' tables; of the default subsets where none is chosen."""
    chosen = subsets or description.default_subsets
    tables = [table for table in description.tables if not chosen or table.subset in chosen]
    return [path for table in tables for path in table_files(folder, table)]


def _amount(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:,.1f} GiB" if n_bytes >= 2**30 else f"{n_bytes / 2**20:,.1f} MiB"
