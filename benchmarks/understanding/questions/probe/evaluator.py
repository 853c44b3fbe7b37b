"""Asks trained probes a benchmark's questions about a tokenizer's tokens; grades as it grades answerers."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.understanding.questions.answering.evaluator import turned_question
from benchmarks.understanding.questions.answering.grading import Grade, graded_choice, graded_text
from benchmarks.understanding.questions.metrics import MetricSet, Values, turns
from benchmarks.understanding.questions.probe.network import ChoiceReader, as_rows, best
from benchmarks.understanding.questions.probe.reading import Sentences, Vocabulary, option_texts
from benchmarks.understanding.questions.question import VideoQuestion
from vtok_eval.benchmark import Outcome, Sample
from vtok_eval.data import Clips
from vtok_eval.errors import VideoError
from vtok_eval.probes.bits import clip_bits, projected_bits_per_token
from vtok_eval.probes.features import (
    ClipFeatures,
    FeatureTable,
    build_table,
    extract_features,
)
from vtok_eval.probes.training import TrainedReader
from vtok_eval.systems import Tokenizer
from vtok_eval.token_costs import summed_costs, token_costs

if TYPE_CHECKING:
    from vtok_eval.benchmark import ClipRunner, ClipSource

_CLIPS_KEPT = 64
"""How many clips' features are kept for their next questions; the questions of one clip are consecutive."""


@dataclass(frozen=True)
class ProbeEvaluator:
    """A tokenizer's trained probes on a benchmark's questions.

    A clip is encoded once, however many questions are asked about it, and every question is read alone, so
    that the others change nothing. A probe always chooses: none of its answers is unparsed.

    questions: by sample id; those of a pair are one sample. sources: their clips, by question id.
    """

    tokenizer: Tokenizer
    readers: tuple[TrainedReader, ...]
    sentences: Sentences
    vocabulary: Vocabulary
    metric_set: MetricSet
    runner: ClipRunner
    questions: Mapping[str, Sequence[VideoQuestion]]
    sources: Mapping[str, ClipSource]
    device: torch.device
    _kept: OrderedDict[str, tuple[ClipFeatures, Mapping[str, float]]] = field(
        default_factory=OrderedDict, repr=False
    )

    def evaluate(self, samples: Sequence[Sample], clips: Clips | None) -> list[Outcome]:
        """One outcome per sample.

        Raises:
            TokenizerError: the tokens break the protocol or are of another width than in training.
        """
        if self.metric_set.description.is_paired:
            return [self._pair(self.questions[sample.id]) for sample in samples]
        if clips is None:
            raise ValueError("a tokenizer needs clips")
        keys = [sample.clip.key if sample.clip is not None else sample.id for sample in samples]
        self._encode(keys, clips)
        tables = [self._tables(key) for key in keys]
        self._forget()
        return [
            self._outcome(self.questions[sample.id][0], table)
            for sample, table in zip(samples, tables, strict=True)
        ]

    def _encode(self, keys: Sequence[str], clips: Clips) -> None:
        """Features of the clips that are not kept yet."""
        new = {key: row for row, key in reversed(list(enumerate(keys))) if key not in self._kept}
        if not new:
            return
        rows = sorted(new.values())
        index = torch.tensor(rows, device=clips.frames.device)
        chosen = Clips(frames=clips.frames[index], fps=clips.fps[index.to(clips.fps.device)])
        features = extract_features(self.tokenizer, chosen)
        self.readers[0].preprocessing.require_same_form(features, [keys[row] for row in rows])
        for row, found in zip(rows, features, strict=True):
            costs = token_costs(
                clips.frames.shape, tokens=found.n_tokens, bits=clip_bits(found, self._projected_bits)
            )
            self._kept[keys[row]] = found, costs

    def _forget(self) -> None:
        while len(self._kept) > _CLIPS_KEPT:
            self._kept.popitem(last=False)

    def _tables(self, key: str) -> tuple[Mapping[str, float], list[FeatureTable]]:
        """What the clip's tokens cost, and its features as each reader has them standardised."""
        self._kept.move_to_end(key)
        features, costs = self._kept[key]
        table = build_table([features], [key])
        return costs, [reader.preprocessing.apply(table) for reader in self.readers]

    @cached_property
    def _projected_bits(self) -> float | None:
        return projected_bits_per_token(self.tokenizer, self.readers[0].preprocessing.input_widths)

    def _outcome(
        self, question: VideoQuestion, clip: tuple[Mapping[str, float], list[FeatureTable]]
    ) -> Outcome:
        costs, tables = clip
        n_turns = turns(question) if self.metric_set.circular else 1
        grades = [
            [self._grade(reader, table, turned_question(question, turn)) for turn in range(n_turns)]
            for reader, table in zip(self.readers, tables, strict=True)
        ]
        outputs: dict[str, Any] = {"read": grades[0][0].read, "expected": _expected(question)}
        if len(grades) > 1:
            outputs["probes"] = [each[0].read for each in grades]
        if n_turns > 1:
            outputs["rotations"] = [found.read for found in grades[0][1:]]
        values = [self.metric_set.values(question, each) for each in grades]
        return Outcome(
            values=_joined(values),
            outputs=outputs,
            cost=costs,
            training_seeds=len(self.readers),
        )

    def _pair(self, members: Sequence[VideoQuestion]) -> Outcome:
        try:
            loaded = [
                (self.sources[each.id].key, self.runner.load(self.sources[each.id])) for each in members
            ]
        except VideoError as error:
            return Outcome(error=str(error))
        clips = []
        for key, clip in loaded:
            batch = Clips.stack([clip])
            self._encode([key], Clips(frames=batch.frames.to(self.device), fps=batch.fps))
            clips.append(self._tables(key))
        self._forget()
        grades = [
            [
                self._grade(reader, tables[number], member)
                for member, (_, tables) in zip(members, clips, strict=True)
            ]
            for number, reader in enumerate(self.readers)
        ]
        answers = [
            {"id": member.id, "read": found.read, "expected": _expected(member)}
            for member, found in zip(members, grades[0], strict=True)
        ]
        # A clip that several of the questions show is paid for once.
        costs = {key: costs for (key, _), (costs, _) in zip(loaded, clips, strict=True)}
        return Outcome(
            values=_joined([self.metric_set.pair_values(members, each) for each in grades]),
            outputs={"answers": answers},
            cost=summed_costs(list(costs.values())),
            training_seeds=len(self.readers),
        )

    def _grade(self, trained: TrainedReader, table: FeatureTable, question: VideoQuestion) -> Grade:
        groups, slot = table.select(torch.zeros(1, dtype=torch.int64, device="cpu"), device=self.device)
        asked = as_rows(self.sentences.vectors, self.sentences.index([question.text]))
        reader = trained.reader
        assert isinstance(reader, ChoiceReader)  # as `QuestionReading.build` makes them
        if question.labels:
            options = as_rows(self.sentences.vectors, self.sentences.index(option_texts(question)))[None]
            listed = torch.ones(options.shape[:2], dtype=torch.bool, device=self.device)
            return graded_choice(question, best(reader.choose(groups, slot, asked, options, listed))[0])
        named = as_rows(self.sentences.vectors, self.sentences.index(self.vocabulary.answers))
        position = best(reader.name(groups, slot, asked, named))[0]
        return graded_text(question, self.vocabulary.answers[position])


def _joined(values: Sequence[Values]) -> dict[str, tuple[float, ...]]:
    """One value per probe and metric."""
    joined: dict[str, tuple[float, ...]] = defaultdict(tuple)
    for each in values:
        for name, value in each.items():
            joined[name] += value
    return dict(joined)


def _expected(question: VideoQuestion) -> str | None:
    return question.labels[question.answer] if question.answer is not None else question.free_answer
