"""Makes a system's readers ready: its probes trained on a data set, or taken from disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from vtok_eval.benchmark import Context, Sample
from vtok_eval.probes.artifact import (
    KeptReader,
    digest_of,
    fingerprint_of,
    load_equal_reader,
    load_reader,
    save_reader,
)
from vtok_eval.probes.attentive import TokenReader
from vtok_eval.probes.options.recipe import ReaderShape, Recipe, TrainingHistory
from vtok_eval.probes.training import Objective, TrainedReader, measure_shape, new_projection, train_reader
from vtok_eval.probes.training_clips.splits import Collected, Split
from vtok_eval.probes.training_facts import training_facts, write_facts
from vtok_eval.systems import System


class ReadingTask(Protocol):
    """What is read from tokens, and by which probe."""

    def build(
        self, tokenizer: object, shape: ReaderShape, *, recipe: Recipe, seed: int, device: torch.device
    ) -> TokenReader:
        """An untrained reader for a tokenizer; the probe's weights come from torch's default generator."""
        ...

    def objective(self, *, training: Split, validation: Split, device: torch.device) -> Objective:
        """What a reader is trained for."""
        ...

    def ridge_score(self, training: Split, validation: Split) -> float | None:
        """Kernel ridge's validation score, by the measure that probes are chosen by; None without one."""
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
    facts: Mapping[str, object]

    def prepare(self, system: System, context: Context) -> tuple[TrainedReader, ...]:
        """One trained reader per probe seed; those that an earlier process finished are taken from disk.

        Systems of a run with equal tokens and equal settings share one training, whatever they are called.
        Leaves `probe-N.safetensors` for each and `training.json` (`TrainingFacts`) in the job's artifacts.

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
        return None if kept is None else self._rebuilt(kept, system, context, number)

    def _rebuilt(self, kept: KeptReader, system: System, context: Context, number: int) -> TrainedReader:
        seed = probe_seed(context.seed, number)
        reader = self.task.build(
            system.subject, kept.shape, recipe=self.recipe, seed=seed, device=context.device
        )
        reader.load_state_dict(kept.weights)
        return TrainedReader(reader.eval(), kept.preprocessing, kept.shape, kept.history)

    def _train_missing(
        self, readers: Sequence[TrainedReader | None], system: System, context: Context
    ) -> list[TrainedReader | None]:
        collected = Collected.of(
            system,
            context,
            training=self.training,
            validation=self.validation,
            max_channels=self.recipe.max_channels,
        )
        complete = [
            reader
            or self._shared(collected, system, context, number)
            or self._train(collected, system, context, number)
            for number, reader in enumerate(readers)
        ]
        facts = training_facts(
            system.name,
            recipe=self.recipe,
            collected=collected,
            histories=[reader.history for reader in complete],
            ridge_validation_score=self.task.ridge_score(*collected.splits),
        )
        write_facts(context.artifacts, facts)
        return list(complete)

    def _shared(
        self, collected: Collected, system: System, context: Context, number: int
    ) -> TrainedReader | None:
        """The reader that another system of this run, with equal tokens, was given; kept for this one too."""
        paths = sorted(context.artifacts.parent.glob(f"*/{self._path(context, number).name}"))
        training = self._training_key(collected, system, context, number)
        found = load_equal_reader(paths, training=training)
        if found is None:
            return None
        path, kept = found
        history: TrainingHistory = {"taken_from": path.parent.name, **kept.history}
        shared = self._rebuilt(replace(kept, history=history), system, context, number)
        self._save(shared, training, system, context, number)
        return shared

    def _train(self, collected: Collected, system: System, context: Context, number: int) -> TrainedReader:
        training, validation = collected.splits
        seed = probe_seed(context.seed, number)
        shape = measure_shape(system.subject, training.table, seed=seed, device=context.device)
        trained = train_reader(
            lambda: self.task.build(
                system.subject, shape, recipe=self.recipe, seed=seed, device=context.device
            ),
            self.task.objective(training=training, validation=validation, device=context.device),
            held_out=self.task.objective(training=validation, validation=validation, device=context.device),
            preprocessing=collected.preprocessing,
            shape=shape,
            recipe=self.recipe,
            seed=seed,
            device=context.device,
            description=f"{system.name}: probe {number + 1} of {self.n_probes}",
        )
        self._save(trained, self._training_key(collected, system, context, number), system, context, number)
        return trained

    def _save(
        self, trained: TrainedReader, training: str, system: System, context: Context, number: int
    ) -> None:
        save_reader(
            self._path(context, number),
            weights=trained.reader.state_dict(),
            preprocessing=trained.preprocessing,
            shape=trained.shape,
            history=trained.history,
            fingerprint=self._fingerprint(system, context, number),
            training=training,
        )

    def _path(self, context: Context, number: int) -> Path:
        return context.artifacts / f"probe-{number}.safetensors"

    def _fingerprint(self, system: System, context: Context, number: int) -> str:
        facts = {"system": [system.spec, system.description.identity()], **self._settings(context, number)}
        return fingerprint_of(facts)

    def _training_key(self, collected: Collected, system: System, context: Context, number: int) -> str:
        """What the weights depend on: the tokens, not what the system that made them is called."""
        seed = probe_seed(context.seed, number)
        projection = new_projection(system.subject, seed=seed, widths=collected.preprocessing.widths)
        facts = {
            "tokens": collected.tokens,
            "projection": [repr(projection), digest_of(projection.state_dict())],
            **self._settings(context, number),
        }
        return fingerprint_of(facts)

    def _settings(self, context: Context, number: int) -> dict[str, Any]:  # as JSON can hold it
        return {
            "seed": [context.seed, number],
            "recipe": asdict(self.recipe),
            "benchmark": dict(self.facts),
        }


def probe_seed(run_seed: int, number: int) -> int:
    """The seed of a run's probe `number`, unrelated to that of any other probe or run.

    Example:
        >>> probe_seed(0, 0) == probe_seed(0, 1)
        False
    """
    return int(np.random.SeedSequence([run_seed, number]).generate_state(1, np.uint32)[0])
