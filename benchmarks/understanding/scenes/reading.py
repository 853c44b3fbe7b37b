"""Reading attributes: a system's probes made ready, then asked about clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from benchmarks.understanding.scenes.ridge import RidgeReader
from benchmarks.understanding.scenes.targets import Answer, scores_of
from benchmarks.understanding.scenes.training import AttributeReading, begin_answers
from vtok_eval.benchmark import Context, Outcome, Sample
from vtok_eval.devices.deferred import Deferred, together
from vtok_eval.probes.clip_reading import ClipReading
from vtok_eval.probes.features import ClipFeatures, build_table
from vtok_eval.probes.options.recipe import Recipe
from vtok_eval.probes.preparation import ReaderTraining
from vtok_eval.probes.preprocessing import Preprocessing
from vtok_eval.probes.ridge.preparation import fit_ridge
from vtok_eval.probes.training import TrainedReader
from vtok_eval.scenes.vocabulary import Attribute
from vtok_eval.systems import System, Tokenizer


@dataclass(frozen=True)
class ProbeTraining:
    """Trains the probes of one system on one data set.

    facts: all else that the training depends on (options, data fingerprints), as JSON can hold it.
    """

    attributes: tuple[Attribute, ...]
    recipe: Recipe
    n_probes: int
    training: Sequence[Sample]
    validation: Sequence[Sample]
    facts: Mapping[str, object]

    def prepare(self, system: System, context: Context) -> ReadingEvaluator:
        """An evaluator with the readers that `ReaderTraining.prepare` trains or finds on disk.

        Raises:
            TokenizerError: the tokenizer fails on every clip, or breaks the protocol as a whole.
            RunFolderError: the artifacts cannot be written.
        """
        readers = ReaderTraining(
            task=AttributeReading(self.attributes),
            recipe=self.recipe,
            n_probes=self.n_probes,
            training=self.training,
            validation=self.validation,
            facts=self.facts,
        ).prepare(system, context)
        return ReadingEvaluator(system.subject, readers, self.attributes, context.device)


@dataclass(frozen=True)
class ReadingEvaluator(ClipReading):
    """Asks every trained reader about clips, one at a time."""

    tokenizer: Tokenizer
    readers: tuple[TrainedReader, ...]
    attributes: tuple[Attribute, ...]
    device: torch.device

    @property
    def fitted(self) -> Preprocessing:
        """Of the first reader; all were fitted to the same training clips."""
        return self.readers[0].preprocessing

    def outcome(self, sample: Sample, features: ClipFeatures) -> Outcome:
        """For each attribute that applies, one score per probe."""
        return self.begin_outcome(sample, features).get()

    def begin_outcome(self, sample: Sample, features: ClipFeatures) -> Deferred[Outcome]:
        """As `outcome`, but the device is waited for only by `get`."""
        table = build_table([features], [sample.id])
        begun = [
            begin_answers(
                trained.reader, trained.preprocessing.apply(table), self.attributes, device=self.device
            )
            for trained in self.readers
        ]
        return together(begun).then(lambda found: self._scored(sample, [answers[0] for answers in found]))

    def _scored(self, sample: Sample, answers: Sequence[Mapping[str, Answer]]) -> Outcome:
        scores = [scores_of(answer, sample.target, self.attributes) for answer in answers]
        return Outcome(
            values={name: tuple(score[name] for score in scores) for name in scores[0]},
            outputs={name: [_as_json(answer[name]) for answer in answers] for name in answers[0]},
            training_seeds=len(self.readers),
        )


@dataclass(frozen=True)
class RidgeTraining:
    """Fits kernel ridge to one system's clips: anew in every process, since that takes seconds."""

    attributes: tuple[Attribute, ...]
    max_channels: int | None
    training: Sequence[Sample]
    validation: Sequence[Sample]

    def prepare(self, system: System, context: Context) -> RidgeEvaluator:
        """An evaluator; leaves `training.json` in the job's artifacts.

        Raises:
            TokenizerError: the tokenizer fails on every clip, or breaks the protocol as a whole.
            RunFolderError: the artifacts cannot be written.
        """
        reader, preprocessing = fit_ridge(
            lambda *splits: RidgeReader.fit(self.attributes, *splits),
            system,
            context,
            training=self.training,
            validation=self.validation,
            max_channels=self.max_channels,
        )
        return RidgeEvaluator(system.subject, reader, preprocessing)


@dataclass(frozen=True)
class RidgeEvaluator(ClipReading):
    """Asks a fitted kernel ridge about clips, one at a time."""

    tokenizer: Tokenizer
    reader: RidgeReader
    preprocessing: Preprocessing

    @property
    def fitted(self) -> Preprocessing:
        """The preprocessing that was fitted to the training clips."""
        return self.preprocessing

    def outcome(self, sample: Sample, features: ClipFeatures) -> Outcome:
        """For each attribute that applies, one score."""
        table = self.preprocessing.apply(build_table([features], [sample.id]))
        answer = self.reader.answer(table)[0]
        scores = scores_of(answer, sample.target, self.reader.attributes)
        return Outcome(
            values={name: (score,) for name, score in scores.items()},
            outputs={name: [_as_json(each)] for name, each in answer.items()},
        )


def _as_json(answer: str | tuple[str, ...]) -> str | list[str]:
    return answer if isinstance(answer, str) else list(answer)
