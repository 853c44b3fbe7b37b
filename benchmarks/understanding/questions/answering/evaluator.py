"""Puts questions to an answerer and grades what comes back; questions of one clip go together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from benchmarks.understanding.questions.answering.grading import Grade, grade
from benchmarks.understanding.questions.answering.prompts import render_prompt, rotated
from benchmarks.understanding.questions.description import BenchmarkDescription
from benchmarks.understanding.questions.metrics import CUT, MetricSet, turns
from benchmarks.understanding.questions.question import VideoQuestion
from vtok_eval.answerers.replay import NamedRequest
from vtok_eval.answerers.request import Answer, BatchAnswerer, ReplicatedAnswerer
from vtok_eval.benchmark import Outcome, Sample
from vtok_eval.data import Clip
from vtok_eval.errors import VideoError
from vtok_eval.systems import Answerer

if TYPE_CHECKING:
    from vtok_eval.benchmark import ClipRunner, ClipSource
    from vtok_eval.data import Clips


@dataclass(frozen=True)
class _Asked:
    """A question as it was put: its options turned by `turn`, and the answer."""

    question: VideoQuestion
    prompt: str
    answer: Answer


@dataclass(frozen=True)
class QuestionEvaluator:
    """An answerer on a benchmark's questions.

    questions: by sample id; those of a pair are one sample. sources: their clips, by question id, for pairs
    only. shows_clips: false for a blind run, and for an answerer that needs none.
    """

    description: BenchmarkDescription
    metric_set: MetricSet
    answerer: Answerer
    runner: ClipRunner
    questions: Mapping[str, Sequence[VideoQuestion]]
    sources: Mapping[str, ClipSource]
    shows_clips: bool
    peer: bool = False
    _last: dict[str, Clip] = field(default_factory=dict, repr=False)

    @property
    def concurrency(self) -> int:
        """How many separate questions the answerer takes at once; 1 for an answerer that takes batches."""
        return getattr(self.answerer, "concurrency", 1)

    def evaluate(self, samples: Sequence[Sample], clips: Clips | None) -> Sequence[Outcome]:
        """One outcome per sample."""
        if self.description.is_paired:
            return [self._evaluate_pair(self.questions[sample.id]) for sample in samples]
        shown = self._clips_of(samples, clips)
        asked = self._ask([(self.questions[sample.id][0], shown[i]) for i, sample in enumerate(samples)])
        return [
            self._joined([self._outcome(self.questions[sample.id][0], each[i]) for each in asked])
            for i, sample in enumerate(samples)
        ]

    def _clips_of(self, samples: Sequence[Sample], clips: Clips | None) -> list[Clip | None]:
        """Each sample's clip; samples of one clip get the same object, so that work can be shared.

        This also holds across two batches, for the last clip of the first.
        """
        if clips is None or not self.shows_clips:
            return [None] * len(samples)
        keys = [sample.clip.key if sample.clip is not None else sample.id for sample in samples]
        made = dict(self._last)
        for i, key in enumerate(keys):
            if key not in made:
                # The last clip outlives its batch, which must not stay in memory for its sake.
                frames = clips.frames[i].clone() if key == keys[-1] else clips.frames[i]
                made[key] = Clip(frames=frames, fps=float(clips.fps[i]))
        self._last.clear()
        self._last[keys[-1]] = made[keys[-1]]
        return [made[key] for key in keys]

    def _ask(self, pairs: Sequence[tuple[VideoQuestion, Clip | None]]) -> list[list[list[_Asked]]]:
        """Every rotation of every question, in one call where the answerer takes several.

        Of each replicate of the answerer, of each question, its rotations.
        """
        requests: list[NamedRequest] = []
        owners: list[tuple[int, VideoQuestion]] = []
        for i, (question, clip) in enumerate(pairs):
            for turn in range(turns(question) if self.metric_set.circular else 1):
                turned = turned_question(question, turn)
                requests.append(self._request(turned, question, clip, turn))
                owners.append((i, turned))
        found = []
        for answers in self._answers(requests):
            asked: dict[int, list[_Asked]] = defaultdict(list)
            for (i, turned), request, answer in zip(owners, requests, answers, strict=True):
                asked[i].append(_Asked(turned, request.question, answer))
            found.append([asked[i] for i in range(len(pairs))])
        return found

    def _request(
        self, turned: VideoQuestion, question: VideoQuestion, clip: Clip | None, turn: int
    ) -> NamedRequest:
        task = self.description.tasks[question.task]
        n_frames = 0 if clip is None else int(clip.frames.shape[0])
        return NamedRequest(
            clip=clip,
            question=render_prompt(task, turned, n_frames=n_frames),
            options=(turned.options or turned.labels) if task.shows_options else (),
            labels=turned.labels if task.shows_options else (),
            benchmark=self.description.name,
            id=question.id,
            peer_task=question.peer_task,
            peer_row=question.peer_row,
            rotation=turn,
            text=question.text,
        )

    def _answers(self, requests: Sequence[NamedRequest]) -> Sequence[Sequence[Answer]]:
        """Of each replicate, the answers in order; of an answerer without, its own alone."""
        if isinstance(self.answerer, ReplicatedAnswerer):
            found = self.answerer.answer_replicates(requests)
        elif isinstance(self.answerer, BatchAnswerer):
            found = [self.answerer.answer_batch(requests)]
        else:
            found = [[_as_answer(self._single(request)) for request in requests]]
        for answers in found:
            if len(answers) != len(requests):
                raise ValueError(f"gave {len(answers)} answers to {len(requests)} questions")
        return found

    def _single(self, request: NamedRequest) -> str | Sequence[float]:
        return self.answerer.answer(request.clip, request.question, request.options)

    def _outcome(self, question: VideoQuestion, asked: Sequence[_Asked]) -> Outcome:
        grades = [self._grade(each) for each in asked]
        outputs: dict[str, object] = {
            "answer": _raw(asked[0].answer),
            "read": grades[0].read,
            "expected": _expected(question),
        }
        if asked[0].answer.is_cut:
            outputs[CUT] = True
        if asked[0].answer.raw:
            # Which version of a model has answered, and what it really wrote.
            outputs["raw"] = dict(asked[0].answer.raw)
        if len(asked) > 1:
            outputs["rotations"] = [
                {"answer": _raw(each.answer), "read": found.read}
                for each, found in zip(asked[1:], grades[1:], strict=True)
            ]
        return Outcome(
            values=self.metric_set.values(question, grades, is_cut=asked[0].answer.is_cut),
            outputs=outputs,
            cost=_total_cost([each.answer for each in asked]),
        )

    def _joined(self, outcomes: Sequence[Outcome]) -> Outcome:
        """One outcome with a value for each replicate; what the others than the first answered is listed.

        What a question costs is the same for all: it is stated once.
        """
        first = outcomes[0]
        if not isinstance(self.answerer, ReplicatedAnswerer) or first.error is not None:
            return first
        values: dict[str, tuple[float, ...]] = defaultdict(tuple)
        for each in outcomes:
            for name, value in each.values.items():
                values[name] += value
        outputs = dict(first.outputs)
        if len(outcomes) > 1:
            outputs["seeds"] = [dict(each.outputs) for each in outcomes[1:]]
        return Outcome(dict(values), outputs, first.cost, training_seeds=len(outcomes))

    def _grade(self, asked: _Asked) -> Grade:
        task = self.description.tasks[asked.question.task]
        return grade(task, asked.question, asked.answer.value(), peer=self.peer)

    def _evaluate_pair(self, members: Sequence[VideoQuestion]) -> Outcome:
        try:
            shown = [
                self.runner.load(self.sources[member.id]) if self.shows_clips else None for member in members
            ]
        except VideoError as error:
            return Outcome(error=str(error))
        replicates = self._ask(list(zip(members, shown, strict=True)))
        return self._joined(
            [self._pair_outcome(members, [each[0] for each in asked]) for asked in replicates]
        )

    def _pair_outcome(self, members: Sequence[VideoQuestion], asked: Sequence[_Asked]) -> Outcome:
        grades = [self._grade(each) for each in asked]
        answers = [
            {"id": m.id, "answer": _raw(each.answer), "read": found.read, "expected": _expected(m)}
            for m, each, found in zip(members, asked, grades, strict=True)
        ]
        return Outcome(
            values=self.metric_set.pair_values(
                members, grades, are_cut=[each.answer.is_cut for each in asked]
            ),
            outputs={"answers": answers},
            cost=_total_cost([each.answer for each in asked]),
        )


def turned_question(question: VideoQuestion, turn: int) -> VideoQuestion:
    """The question with its options turned by `turn` places under labels that stay."""
    if turn == 0:
        return question
    answer = None if question.answer is None else (question.answer - turn) % len(question.options)
    return replace(question, options=rotated(question, turn), answer=answer)


def _as_answer(value: str | Sequence[float]) -> Answer:
    return Answer(text=value) if isinstance(value, str) else Answer(scores=tuple(value))


def _raw(answer: Answer) -> object:
    value = answer.value()
    return value if isinstance(value, str) else list(value)


def _expected(question: VideoQuestion) -> str | None:
    return question.labels[question.answer] if question.answer is not None else question.free_answer


def _total_cost(answers: Sequence[Answer]) -> dict[str, float]:
    total: dict[str, float] = defaultdict(float)
    for answer in answers:
        for name, amount in answer.cost.items():
            total[name] += amount
    return dict(total)
