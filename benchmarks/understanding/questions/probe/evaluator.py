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
from benchmarks.understanding.questions.probe.network import ChoiceReader, as_rows, begin_best
from benchmarks.understanding.questions.probe.reading import Sentences, Vocabulary, option_texts
from benchmarks.understanding.questions.question import VideoQuestion
from vtok_eval.benchmark import Outcome, Sample, Unread
from vtok_eval.data import Clips
from vtok_eval.devices.deferred import Deferred, together
from vtok_eval.errors import VideoError
from vtok_eval.probes.bits import clip_bits, projected_bits_per_token
from vtok_eval.probes.features import ClipFeatures, FeatureTable, begin_features, build_table
from vtok_eval.probes.training import TrainedReader
from vtok_eval.systems import Tokenizer
from vtok_eval.token_costs import summed_costs, token_costs
from vtok_eval.tokenizers.stored_clips import stored_clips

if TYPE_CHECKING:
    from vtok_eval.benchmark import ClipRunner, ClipSource

_CLIPS_KEPT = 64
"""How many clips' features are kept for their next questions; the questions of one clip are consecutive."""


@dataclass(frozen=True)
class _Encoded:
    """A clip's features, and what its tokens cost."""

    features: ClipFeatures
    costs: Mapping[str, float]


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
    _kept: OrderedDict[str, Deferred[_Encoded]] = field(default_factory=OrderedDict, repr=False)

    @property
    def unread(self) -> Unread:
        """Of which clips the pixels are not needed: see `Runner.map`."""
        return stored_clips(self.tokenizer)

    def evaluate(self, samples: Sequence[Sample], clips: Clips | None) -> list[Outcome]:
        """One outcome per sample.

        Raises:
            TokenizerError: the tokens break the protocol or are of another width than in training.
        """
        return self.begin(samples, clips).get()

    def begin(self, samples: Sequence[Sample], clips: Clips | None) -> Deferred[list[Outcome]]:
        """As `evaluate`; questions are asked once the clips' features have arrived from the device."""
        if self.metric_set.description.is_paired:
            return Deferred(lambda: [self._pair(self.questions[sample.id]) for sample in samples])
        if clips is None:
            raise ValueError("a tokenizer needs clips")
        keys = [sample.clip.key if sample.clip is not None else sample.id for sample in samples]
        encoded = together(self._encoded(keys, clips))
        asked = [self.questions[sample.id][0] for sample in samples]
        return encoded.then(lambda found: self._outcomes(asked, keys, found))

    def _encoded(self, keys: Sequence[str], clips: Clips) -> list[Deferred[_Encoded]]:
        """What is known of the clips, in order; the features of those that are not kept yet are begun."""
        new = {key: row for row, key in reversed(list(enumerate(keys))) if key not in self._kept}
        rows = sorted(new.values())
        if rows:
            chosen = clips if len(rows) == len(clips) else clips.rows(rows)
            self._keep([keys[row] for row in rows], chosen)
        for key in keys:
            self._kept.move_to_end(key)
        found = [self._kept[key] for key in keys]
        while len(self._kept) > _CLIPS_KEPT:
            self._kept.popitem(last=False)
        return found

    def _keep(self, names: Sequence[str], clips: Clips) -> None:
        """Begin the clips' features; where they fail, each clip is tried anew when it is asked for again."""
        shape = (len(clips), clips.n_frames, 3, *clips.size)
        begun = begin_features(self.tokenizer, clips)

        def finish() -> list[_Encoded]:
            try:
                return self._with_costs(begun.get(), names, shape)
            except Exception:
                for name in names:
                    self._kept.pop(name, None)
                raise

        batch = Deferred(finish, ready=lambda: begun.ready).once()
        for place, name in enumerate(names):
            self._kept[name] = _at(batch, place)

    def _with_costs(
        self, features: Sequence[ClipFeatures], names: Sequence[str], shape: Sequence[int]
    ) -> list[_Encoded]:
        self.readers[0].preprocessing.require_same_form(features, names)
        found = []
        for each in features:
            bits = clip_bits(each, self._projected_bits)
            found.append(_Encoded(each, token_costs(shape, tokens=each.n_tokens, bits=bits)))
        return found

    def _tables(self, name: str, encoded: _Encoded) -> list[FeatureTable]:
        """The clip's features as each reader has them standardised."""
        table = build_table([encoded.features], [name])
        return [reader.preprocessing.apply(table) for reader in self.readers]

    @cached_property
    def _projected_bits(self) -> float | None:
        return projected_bits_per_token(self.tokenizer, self.readers[0].preprocessing.input_widths)

    def _outcomes(
        self, asked: Sequence[VideoQuestion], keys: Sequence[str], encoded: Sequence[_Encoded]
    ) -> list[Outcome]:
        """Every question is put to the device before the first answer is waited for."""
        begun = [
            self._begin_outcome(question, clip, self._tables(key, clip))
            for question, key, clip in zip(asked, keys, encoded, strict=True)
        ]
        return together(begun).get()

    def _begin_outcome(
        self, question: VideoQuestion, clip: _Encoded, tables: Sequence[FeatureTable]
    ) -> Deferred[Outcome]:
        n_turns = turns(question) if self.metric_set.circular else 1
        grades = together(
            [
                self._begin_grade(reader, table, turned_question(question, turn))
                for reader, table in zip(self.readers, tables, strict=True)
                for turn in range(n_turns)
            ]
        )

        def graded(found: Sequence[Grade]) -> Outcome:
            by_reader = [found[start : start + n_turns] for start in range(0, len(found), n_turns)]
            return self._outcome(question, clip, by_reader)

        return grades.then(graded)

    def _outcome(self, question: VideoQuestion, clip: _Encoded, grades: Sequence[Sequence[Grade]]) -> Outcome:
        outputs: dict[str, Any] = {"read": grades[0][0].read, "expected": _expected(question)}
        if len(grades) > 1:
            outputs["probes"] = [each[0].read for each in grades]
        if len(grades[0]) > 1:
            outputs["rotations"] = [found.read for found in grades[0][1:]]
        return Outcome(
            values=_joined([self.metric_set.values(question, each) for each in grades]),
            outputs=outputs,
            cost=clip.costs,
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
            batch = Clips.stack([clip]).to(self.device)
            clips.append(self._encoded([key], batch)[0].get())
        tables = [self._tables(key, each) for (key, _), each in zip(loaded, clips, strict=True)]
        grades = together(
            [
                self._begin_grade(reader, tables[place][number], member)
                for number, reader in enumerate(self.readers)
                for place, member in enumerate(members)
            ]
        ).get()
        by_reader = [grades[start : start + len(members)] for start in range(0, len(grades), len(members))]
        answers = [
            {"id": member.id, "read": found.read, "expected": _expected(member)}
            for member, found in zip(members, by_reader[0], strict=True)
        ]
        # A clip that several of the questions show is paid for once.
        costs = {key: each.costs for (key, _), each in zip(loaded, clips, strict=True)}
        return Outcome(
            values=_joined([self.metric_set.pair_values(members, each) for each in by_reader]),
            outputs={"answers": answers},
            cost=summed_costs(list(costs.values())),
            training_seeds=len(self.readers),
        )

    def _begin_grade(
        self, trained: TrainedReader, table: FeatureTable, question: VideoQuestion
    ) -> Deferred[Grade]:
        groups, slot = table.select(torch.zeros(1, dtype=torch.int64, device="cpu"), device=self.device)
        asked = as_rows(self.sentences.vectors, self.sentences.index([question.text]))
        reader = trained.reader
        assert isinstance(reader, ChoiceReader)  # as `QuestionReading.build` makes them
        if question.labels:
            options = as_rows(self.sentences.vectors, self.sentences.index(option_texts(question)))[None]
            listed = torch.ones(options.shape[:2], dtype=torch.bool, device=self.device)
            chosen = begin_best(reader.choose(groups, slot, asked, options, listed))
            return chosen.then(lambda found: graded_choice(question, found[0]))
        named = as_rows(self.sentences.vectors, self.sentences.index(self.vocabulary.answers))
        given = begin_best(reader.name(groups, slot, asked, named))
        return given.then(lambda found: graded_text(question, self.vocabulary.answers[found[0]]))


def _at(several: Deferred[list[_Encoded]], place: int) -> Deferred[_Encoded]:
    return several.then(lambda found: found[place])


def _joined(values: Sequence[Values]) -> dict[str, tuple[float, ...]]:
    """One value per probe and metric."""
    joined: dict[str, tuple[float, ...]] = defaultdict(tuple)
    for each in values:
        for name, value in each.items():
            joined[name] += value
    return dict(joined)


def _expected(question: VideoQuestion) -> str | None:
    return question.labels[question.answer] if question.answer is not None else question.free_answer
