"""Makes a system's readers ready: its probes trained on a data set, or taken from disk."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from vtok_eval.benchmark import Context, Sample, System
from vtok_eval.probes.artifact import fingerprint_of, load_reader, save_reader, write_atomically
from vtok_eval.probes.attentive import TokenReader
from vtok_eval.probes.collection import collect
from vtok_eval.probes.features import FeatureTable, Statistics
from vtok_eval.probes.training import (
    Objective,
    ReaderShape,
    Recipe,
    TrainedReader,
    measure_shape,
    train_reader,
)


@dataclass(frozen=True)
class Split:
    """Clips with standardised features and truth; `labels` as the samples' targets give them."""

    table: FeatureTable
    labels: Sequence[Mapping[str, Any]]


class ReadingTask(Protocol):
    """What is read from tokens, and by which probe."""

    def build(
        self, tokenizer: Any, shape: ReaderShape, *, recipe: Recipe, seed: int, device: torch.device
    ) -> TokenReader:
        """An untrained reader for a tokenizer; the probe's weights come from torch's default generator."""
        ...

    def objective(self, *, training: Split, validation: Split, device: torch.device) -> Objective:
        """What a reader is trained for."""
        ...


@dataclass(frozen=True)
class ReaderTraining:
    """Trains the readers of one system on one data set.

    facts: all else that the training depends on (options, data fingerprints), as JSON can hold it.
    """

    task: ReadingTask
    recipe: Recipe
    n_probes: int
    training: Sequence[Sample]
    validation: Sequence[Sample]
    facts: Mapping[str, Any]

    def prepare(self, system: System, context: Context) -> tuple[TrainedReader, ...]:
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
        return tuple(reader for reader in readers if reader is not None)

    def _finished(self, system: System, context: Context, number: int) -> TrainedReader | None:
        kept = load_reader(
            self._path(context, number), fingerprint=self._fingerprint(system, context, number)
        )
        if kept is None:
            return None
        weights, statistics, shape, history = kept
        seed = probe_seed(context.seed, number)
        reader = self.task.build(system.subject, shape, recipe=self.recipe, seed=seed, device=context.device)
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
        seed = probe_seed(context.seed, number)
        shape = measure_shape(system.subject, training.table, seed=seed, device=context.device)
        trained = train_reader(
            lambda: self.task.build(
                system.subject, shape, recipe=self.recipe, seed=seed, device=context.device
            ),
            self.task.objective(training=training, validation=validation, device=context.device),
            statistics=statistics,
            shape=shape,
            recipe=self.recipe,
            seed=seed,
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
            "system": [system.spec, system.description.identity()],
            "seed": [context.seed, number],
            "recipe": asdict(self.recipe),
            "benchmark": dict(self.facts),
        }
        return fingerprint_of(facts)


def probe_seed(run_seed: int, number: int) -> int:
    """The seed of a run's probe `number`, unrelated to that of any other probe or run."""
    return int(np.random.SeedSequence([run_seed, number]).generate_state(1, np.uint32)[0])
