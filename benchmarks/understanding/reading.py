"""Makes a tokenizer ready for a reading benchmark: its probes trained or taken from disk, then asked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.understanding.artifact import fingerprint_of, load_reader, save_reader, write_atomically
from benchmarks.understanding.collection import collect
from benchmarks.understanding.features import (
    ClipFeatures,
    Statistics,
    build_table,
    extract_features,
    require_widths,
)
from benchmarks.understanding.targets import scores_of
from benchmarks.understanding.training import (
    Recipe,
    Split,
    TrainedReader,
    answer_all,
    build_reader,
    train_reader,
)
from vtok_eval.benchmark import Context, Outcome, Sample, System
from vtok_eval.scenes.vocabulary import Attribute
from vtok_eval.systems import Clips


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
    facts: Mapping[str, Any]

    def prepare(self, system: System, context: Context) -> ReadingEvaluator:
        """One trained reader per probe seed; those that an earlier process finished are taken from disk.

        Leaves `probe-N.safetensors` for each and `training.json` (losses, validation scores, clips that
        failed) in the job's artifacts.

        Raises:
            TokenizerError: the tokenizer fails on every clip, or breaks the protocol as a whole.
            RunFolderError: the artifacts cannot be written.
        """
        readers = [self._finished(system, context, number) for number in range(self.n_probes)]
        if any(reader is None for reader in readers):
            readers = self._train_missing(readers, system, context)
        done = tuple(reader for reader in readers if reader is not None)
        return ReadingEvaluator(system.subject, done, self.attributes, context.device)

    def _finished(self, system: System, context: Context, number: int) -> TrainedReader | None:
        kept = load_reader(
            self._path(context, number), fingerprint=self._fingerprint(system, context, number)
        )
        if kept is None:
            return None
        weights, statistics, shape, history = kept
        reader = build_reader(
            system.subject,
            shape,
            attributes=self.attributes,
            recipe=self.recipe,
            seed=probe_seed(context.seed, number),
            device=context.device,
        )
        reader.load_state_dict(weights)
        return TrainedReader(reader.eval(), statistics, shape, history)

    def _train_missing(
        self, readers: Sequence[TrainedReader | None], system: System, context: Context
    ) -> list[TrainedReader | None]:
        training = collect(
            system.subject, self.training, context.runner, description=f"{system.name}: training clips"
        )
        validation = collect(
            system.subject, self.validation, context.runner, description=f"{system.name}: validation clips"
        )
        statistics = Statistics.of(training.table)
        splits = [Split(statistics.standardise(part.table), part.labels) for part in (training, validation)]
        complete = [
            reader or self._train(system, context, number, splits=splits, statistics=statistics)
            for number, reader in enumerate(readers)
        ]
        account = {
            "system": system.name,
            "recipe": asdict(self.recipe),
            "training_clips": len(training.table),
            "validation_clips": len(validation.table),
            "failed_training_clips": training.failures,
            "failed_validation_clips": validation.failures,
            "probes": [reader.history for reader in complete],
        }
        write_atomically(context.artifacts / "training.json", json.dumps(account, indent=1).encode())
        return list(complete)

    def _train(
        self,
        system: System,
        context: Context,
        number: int,
        *,
        splits: Sequence[Split],
        statistics: Statistics,
    ) -> TrainedReader:
        training, validation = splits
        trained = train_reader(
            system.subject,
            training=training,
            validation=validation,
            statistics=statistics,
            attributes=self.attributes,
            recipe=self.recipe,
            seed=probe_seed(context.seed, number),
            device=context.device,
            description=f"{system.name}: probe {number + 1} of {self.n_probes}",
        )
        save_reader(
            self._path(context, number),
            weights=trained.reader.state_dict(),
            statistics=statistics,
            shape=trained.shape,
            history=trained.history,
            fingerprint=self._fingerprint(system, context, number),
        )
        return trained

    def _path(self, context: Context, number: int) -> Path:
        return context.artifacts / f"probe-{number}.safetensors"

    def _fingerprint(self, system: System, context: Context, number: int) -> str:
        facts = {
            "system": [system.spec, dict(system.description)],
            "seed": [context.seed, number],
            "recipe": asdict(self.recipe),
            "benchmark": dict(self.facts),
        }
        return fingerprint_of(facts)


@dataclass(frozen=True)
class ReadingEvaluator:
    """Asks every trained reader about clips. Each clip is read alone, so its company changes nothing."""

    tokenizer: Any
    readers: tuple[TrainedReader, ...]
    attributes: tuple[Attribute, ...]
    device: torch.device

    def evaluate(self, samples: Sequence[Sample], clips: Clips | None) -> list[Outcome]:
        """One outcome per sample: for each attribute that applies, one score per probe.

        Raises:
            TokenizerError: the tokens break the protocol or are of another width than in training.
        """
        if clips is None:
            raise ValueError("understanding needs clips")
        features = extract_features(self.tokenizer, clips)
        widths = tuple(int(mean.shape[1]) for mean in self.readers[0].statistics.means)
        names = [sample.id for sample in samples]
        require_widths(features, names, expected=widths, like="in training")
        return [self._outcome(sample, clip) for sample, clip in zip(samples, features, strict=True)]

    def _outcome(self, sample: Sample, features: ClipFeatures) -> Outcome:
        table = build_table([features], [sample.id])
        answers = [
            answer_all(
                trained.reader, trained.statistics.standardise(table), self.attributes, device=self.device
            )[0]
            for trained in self.readers
        ]
        scores = [scores_of(answer, sample.target, self.attributes) for answer in answers]
        return Outcome(
            values={name: tuple(score[name] for score in scores) for name in scores[0]},
            outputs={name: [_as_json(answer[name]) for answer in answers] for name in answers[0]},
            cost={"tokens": float(features.n_tokens)},
        )


def probe_seed(run_seed: int, number: int) -> int:
    """The seed of a run's probe `number`, unrelated to that of any other probe or run."""
    return int(np.random.SeedSequence([run_seed, number]).generate_state(1, np.uint32)[0])


def _as_json(answer: str | tuple[str, ...]) -> str | list[str]:
    return answer if isinstance(answer, str) else list(answer)
