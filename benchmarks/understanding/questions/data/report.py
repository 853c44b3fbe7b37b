"""Whether a benchmark's data are there: what to fetch, which videos are missing or broken."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.understanding.questions.catalogue import find_description, shipped_names
from benchmarks.understanding.questions.data.folder import data_folder
from benchmarks.understanding.questions.data.tables import matching_files
from benchmarks.understanding.questions.data.video_library import MissingVideo, Sampling, VideoLibrary
from benchmarks.understanding.questions.description import BenchmarkDescription
from benchmarks.understanding.questions.probe.training_data import TrainingSource
from benchmarks.understanding.questions.question import load_questions
from vtok_eval.errors import DataError, MissingDependencyError, VideoError
from vtok_eval.files.cache_folder import cache_path

if TYPE_CHECKING:
    from vtok_eval.benchmark import ClipSource


@dataclass(frozen=True)
class DataReport:
    """What a folder holds of a benchmark's data.

    problem: why no question could be read, or None. n_questions and n_videos: of the chosen subsets.
    missing, broken: video -> why. checked: how many videos were decoded to see whether they are whole.
    no_training: why tokenizers cannot be tested without a training file, or None.
    """

    name: str
    folder: Path
    fetch: str
    problem: str | None = None
    n_questions: int = 0
    expected_questions: int | None = None
    n_videos: int = 0
    missing: Mapping[str, str] | None = None
    broken: Mapping[str, str] | None = None
    checked: int = 0
    no_training: str | None = None

    @property
    def is_complete(self) -> bool:
        """Whether questions were read, as many as are expected, and no video is missing or broken."""
        as_expected = self.expected_questions in (None, self.n_questions)
        return self.problem is None and as_expected and not self.missing and not self.broken

    def render(self, *, shown: int = 10) -> str:
        """The report as text, the first few videos of each kind by name."""
        lines = [f"{self.name}: {self.folder}"]
        if self.problem is not None:
            return "\n".join([*lines, f"  {self.problem}", f"  to do: {self.fetch}"])
        expected = "" if self.expected_questions is None else f" (expected: {self.expected_questions:,})"
        lines.append(f"  {self.n_questions:,} questions{expected} on {self.n_videos:,} videos")
        for what, found in (("missing", self.missing or {}), ("broken", self.broken or {})):
            if found:
                lines.append(f"  {len(found):,} videos {what}:")
                lines += [f"    {reason}" for reason in list(found.values())[:shown]]
                lines += [f"    ... and {len(found) - shown:,} more"] if len(found) > shown else []
        if not self.missing and not self.broken:
            decoded = f", {self.checked:,} of them decoded" if self.checked else ""
            lines.append(f"  all videos are there{decoded}")
        if self.missing:
            lines.append(f"  to do: {self.fetch}")
        lines.append(f"  for tokenizers: {self.no_training or 'the training split is there'}")
        return "\n".join(lines)


def check_data(
    name: str, folder: str | Path | None = None, *, subsets: Sequence[str] = (), decode: bool = True
) -> DataReport:
    """Check a folder against a benchmark's description.

    name: of the catalogue, or a YAML file. folder: as the benchmark's option `data`. decode: decode every
    video to its last frame, to find broken ones; archives are unpacked for it.

    Raises:
        UnknownNameError: no such benchmark or subset.
        DescriptionError: the YAML file breaks the schema.
    """
    description = find_description(name)
    place = data_folder(description, None if folder is None else str(folder))
    source = description.source
    start = DataReport(
        description.name, place, f"{source.fetch} (from {source.repository}, split {source.split})"
    )
    try:
        questions = load_questions(description, place, subsets=subsets)
        library = VideoLibrary(place, description.videos, cache=cache_path())
        sampling = Sampling(frames=2, rule="linspace", short_side=None)
        clips = {
            "/".join((*folders[:1], video)): library.source(video, folders=folders, sampling=sampling)
            for video, folders in dict.fromkeys((each.video, each.video_folders) for each in questions)
        }
    except (MissingDependencyError, DataError) as error:
        return DataReport(start.name, place, start.fetch, problem=str(error))
    present = {video: clip for video, clip in clips.items() if not isinstance(clip, MissingVideo)}
    return DataReport(
        name=start.name,
        folder=place,
        fetch=start.fetch,
        n_questions=len(questions),
        expected_questions=None if subsets or not description.size else description.size.questions,
        n_videos=len(clips),
        missing={video: clip.reason for video, clip in clips.items() if isinstance(clip, MissingVideo)},
        broken=_broken(present, library) if decode else {},
        checked=len(present) if decode else 0,
        no_training=TrainingSource(description, place).why_not(),
    )


@dataclass(frozen=True)
class CatalogueLine:
    """What `vtok-eval list benchmarks` shows about one benchmark.

    size: questions, as the authors state it, or counted where the data are there; None where it is not known.
    train: whether the authors publish a training split, for a tokenizer's probe. data: where they are, or
    None.
    """

    name: str
    title: str
    citation: str
    licence: str
    size: int | None
    headline: str
    train: bool
    data: Path | None

    def render(self) -> list[str]:
        """The lines as text."""
        size = "size not recorded" if self.size is None else f"{self.size:,} questions"
        train = "training split" if self.train else "no training split (tokenizers: --set train=FILE)"
        where = "not there" if self.data is None else str(self.data)
        return [
            f"{size}; headline: {self.headline}; {train}",
            f"licence: {self.licence}",
            f"{self.citation}",
            f"data: {where}",
        ]


def listing_details(data: str | None = None) -> dict[str, list[str]]:
    """The lines of every benchmark of the catalogue, by name; `data` as the benchmarks' option."""
    return {line.name: line.render() for line in catalogue_lines(data)}


def catalogue_lines(data: str | None = None) -> list[CatalogueLine]:
    """One line for each benchmark of the catalogue; tables are read only of data that are there.

    data: as the benchmarks' option; the data count as there where every table of the default subsets is.
    """
    return [_line(find_description(name), data) for name in shipped_names()]


def _line(description: BenchmarkDescription, data: str | None) -> CatalogueLine:
    folder = data_folder(description, data)
    chosen = description.default_subsets
    tables = [table for table in description.tables if not chosen or table.subset in chosen]
    there = all(matching_files(folder, table.files) for table in tables)
    return CatalogueLine(
        name=description.name,
        title=description.title,
        citation=description.citation,
        licence=description.licence or "not recorded here; see the source",
        size=_size(description, folder if there else None),
        headline=_headline(description),
        train=description.train is not None,
        data=folder if there else None,
    )


def _headline(description: BenchmarkDescription) -> str:
    titles = {f"mean:{each.field}": f"mean over {each.title.lower()}" for each in description.groupings}
    titles |= {name: f"{name} score" for name in ("text", "video", "group")}
    return ", ".join(titles.get(name, name) for name in description.headline)


def _size(description: BenchmarkDescription, folder: Path | None) -> int | None:
    """As the authors state it, else counted."""
    if description.size is not None or folder is None:
        return description.size.questions if description.size else None
    try:
        return len(load_questions(description, folder))
    except (MissingDependencyError, DataError):
        return None  # `vtok-eval data NAME` says what is wrong


def _broken(clips: Mapping[str, ClipSource], library: VideoLibrary) -> dict[str, str]:
    from tqdm import tqdm

    broken = {}
    with contextlib.suppress(VideoError):  # clips that could not be extracted are reported one by one below
        library.unpack(clips.values())
    for video, clip in tqdm(clips.items(), desc="videos", unit="video", leave=False):
        try:
            clip.load()
        except VideoError as error:
            broken[video] = str(error)
    return broken
