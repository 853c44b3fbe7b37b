"""What training readers needs of benchmarks: their training splits as conversations, and what they test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.understanding.questions.answering.prompts import render_prompt
from benchmarks.understanding.questions.catalogue import find_description
from benchmarks.understanding.questions.data.folder import data_folder
from benchmarks.understanding.questions.data.video_library import MissingVideo, Sampling, VideoLibrary
from benchmarks.understanding.questions.probe.training_data import TrainingSource
from benchmarks.understanding.questions.question import load_questions
from vtok_eval.answerers.training.conversations import Conversation
from vtok_eval.answerers.training.data.records import Problem
from vtok_eval.errors import MissingDependencyError
from vtok_eval.files.cache_folder import cache_path

if TYPE_CHECKING:
    from benchmarks.understanding.questions.description import BenchmarkDescription
    from benchmarks.understanding.questions.question import VideoQuestion
    from vtok_eval.benchmark import ClipSource


@dataclass(frozen=True)
class TrainingSplit:
    """A benchmark's training questions as conversations.

    sources: of their clips, by name. prepare: takes clips out of archives, in one pass over each.
    """

    conversations: list[Conversation]
    sources: dict[str, ClipSource]
    problems: list[Problem]
    prepare: Callable[[], None]


def training_split(
    name: str, *, data: str | None, frames: int | None, rule: str, short_side: int | None
) -> TrainingSplit:
    """The training split of a benchmark of the catalogue, asked as the benchmark asks.

    Every question is a conversation of its own; the answer is the right option's label where the prompt lists
    labelled options, its text where it does not, or the free text.

    Raises:
        UnknownNameError: no such benchmark.
        MissingDependencyError: it has no training split, or that is not in the folder; says what to fetch.
        DataError: a row is not what the description says.
    """
    description = find_description(name)
    source = TrainingSource(description, data_folder(description, data))
    reason = source.why_not() if description.train else f"{name} publishes no training split"
    if reason is not None:
        raise MissingDependencyError(reason)
    loaded = source.load(Sampling(frames=frames, rule=rule, short_side=short_side))
    split = TrainingSplit([], {}, [], prepare=loaded.unpack)
    for clip, members in loaded.questions.items():
        found = loaded.sources[clip]
        for question in members:
            problem = _problem(question, found)
            where = f"{name}, training question {question.id}"
            if problem is not None:
                split.problems.append(Problem(where, problem))
                continue
            asked = render_prompt(description.tasks[question.task], question, n_frames=frames or 0)
            pair = asked, _answer(description, question)
            split.conversations.append(Conversation.asked(where, clip=f"{name}/{clip}", pairs=[pair]))
            split.sources[f"{name}/{clip}"] = found
    return split


def tested_clips(name: str, *, data: str | None) -> Mapping[str, ClipSource]:
    """The clips that a benchmark of the catalogue asks about, all subsets included, by name.

    Raises:
        UnknownNameError: no such benchmark.
        MissingDependencyError: its tables are missing; says what to fetch.
        DataError: a row is not what the description says.
    """
    description = find_description(name)
    folder = data_folder(description, data)
    try:
        questions = load_questions(description, folder, subsets=description.subsets)
    except MissingDependencyError as error:
        raise MissingDependencyError(
            f"{name}: {error}; {description.source.fetch} (from {description.source.repository}), so that "
            "its clips can be kept out of the training"
        ) from error
    library = VideoLibrary(folder, description.videos, cache=cache_path())
    sampling = Sampling(frames=None, rule="linspace", short_side=None)
    return {
        question.video: library.source(question.video, folders=question.video_folders, sampling=sampling)
        for question in questions
    }


def _problem(question: VideoQuestion, source: ClipSource) -> str | None:
    if isinstance(source, MissingVideo):
        return f"its video is missing: {source.reason}"
    if not question.is_answered:
        return "has no answer"
    return None


def _answer(description: BenchmarkDescription, question: VideoQuestion) -> str:
    if question.answer is None:
        return question.free_answer or ""
    if description.tasks[question.task].shows_options:
        return question.labels[question.answer]
    return question.options[question.answer]
