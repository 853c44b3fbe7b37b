"""Makes a system's miniature readers ready: trained on rendered scenes, or taken from disk."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.understanding.reader.evaluator import MiniatureEvaluator, ask, scores_by_attribute
from benchmarks.understanding.reader.miniature import MiniatureReader
from benchmarks.understanding.reader.options import MiniatureOptions
from benchmarks.understanding.reader.training import MiniatureSplits, train_miniature
from benchmarks.understanding.reader.visual import RowLayout
from benchmarks.understanding.scenes.targets import above_chance
from benchmarks.understanding.scenes.training import AttributeReading
from vtok_eval.files.atomic import write_bytes
from vtok_eval.probes.artifact import fingerprint_of, load_reader, save_reader
from vtok_eval.probes.options.recipe import ReaderShape
from vtok_eval.probes.preparation import probe_seed
from vtok_eval.probes.training_clips.splits import Collected
from vtok_eval.probes.training_facts import TrainingFacts, write_facts
from vtok_eval.scenes.vocabulary import ATTRIBUTES

if TYPE_CHECKING:
    from vtok_eval.benchmark import Context, Sample
    from vtok_eval.probes.training_clips.splits import Split
    from vtok_eval.systems import System

CURVES_FILE = "learning_curves.json"


@dataclass(frozen=True)
class MiniatureTraining:
    """Trains the readers of one system on one data set.

    facts: all else that the training depends on (version, data fingerprints), as JSON can hold it.
    """

    options: MiniatureOptions
    training: Sequence[Sample]
    validation: Sequence[Sample]
    facts: Mapping[str, object]

    def prepare(self, system: System, context: Context) -> MiniatureEvaluator:
        """An evaluator with a reader per seed; those that an earlier process finished are taken from disk.

        Leaves `reader-N.safetensors` for each, `training.json` and `learning_curves.json` in the job's
        artifacts.

        Raises:
            TokenizerError: the tokenizer fails on every clip, or breaks the protocol as a whole.
            RunFolderError: the artifacts cannot be written.
        """
        numbers = range(self.options.reader_seeds)
        readers = [self._finished(system, context, number) for number in numbers]
        if any(reader is None for reader in readers):
            readers = self._train_missing(readers, system, context)
        return MiniatureEvaluator(system.subject, tuple(each for each in readers if each is not None))

    def _finished(self, system: System, context: Context, number: int) -> MiniatureReader | None:
        fingerprint = self._fingerprint(system, context, number)
        kept = load_reader(self._path(context, number), fingerprint=fingerprint)
        if kept is None:
            return None
        layout = RowLayout(
            channels=max(kept.shape.group_widths, default=0),
            n_frames=self.options.n_frames,
            n_slots=kept.shape.n_slots,
        )
        return MiniatureReader.built(
            self.options,
            kept.weights,
            layout=layout,
            preprocessing=kept.preprocessing,
            history=kept.history,
            device=context.device,
        )

    def _train_missing(
        self, readers: Sequence[MiniatureReader | None], system: System, context: Context
    ) -> list[MiniatureReader | None]:
        collected = Collected.of(
            system,
            context,
            training=self.training,
            validation=self.validation,
            max_channels=self.options.max_channels,
        )
        splits = MiniatureSplits(*collected.splits, collected.preprocessing)
        complete = [
            reader or self._train(splits, system, context, number) for number, reader in enumerate(readers)
        ]
        self._write_facts(complete, collected, system, context)
        return list(complete)

    def _train(
        self, splits: MiniatureSplits, system: System, context: Context, number: int
    ) -> MiniatureReader:
        seed = probe_seed(context.seed, number)
        trained = train_miniature(splits, self.options, seed=seed, device=context.device)
        scores = validation_scores(trained, splits.validation.first(self.options.validated_clips))
        trained.history["validation"] = scores  # type: ignore[index]  # a plain dict of ours
        layout = trained.layout
        save_reader(
            self._path(context, number),
            weights=trained.weights(),
            preprocessing=trained.preprocessing,
            shape=ReaderShape(layout.width, layout.n_slots, trained.preprocessing.widths),
            history=trained.history,
            fingerprint=self._fingerprint(system, context, number),
            training="",  # weights are not shared between systems
        )
        return trained

    def _write_facts(
        self, readers: Sequence[MiniatureReader], collected: Collected, system: System, context: Context
    ) -> None:
        histories = [reader.history for reader in readers]
        ridge = AttributeReading(ATTRIBUTES).ridge_score(*collected.splits)
        write_facts(context.artifacts, _training_facts(system, self.options, collected, histories, ridge))
        curves = [{"seed": each["seed"], "points": each["curve"]} for each in histories]
        content = {"system": system.name, "curves": curves}
        write_bytes(context.artifacts / CURVES_FILE, json.dumps(content, indent=1).encode())

    def _path(self, context: Context, number: int) -> Path:
        return context.artifacts / f"reader-{number}.safetensors"

    def _fingerprint(self, system: System, context: Context, number: int) -> str:
        return fingerprint_of(
            {
                "system": [system.spec, system.description.identity()],
                "seed": [context.seed, number],
                "options": self.options.model_dump(mode="json"),
                "benchmark": dict(self.facts),
            }
        )


def validation_scores(reader: MiniatureReader, split: Split) -> dict[str, float]:
    """Each attribute's mean score over the clips of a split that it applies to, as the test has it."""
    found: dict[str, list[float]] = {}
    for rows, truth in zip(reader.layout.rows(split.table), split.labels, strict=True):
        for name, score in scores_by_attribute(ask(reader, rows, truth), truth).items():
            found.setdefault(name, []).append(score)
    return {name: sum(scores) / len(scores) for name, scores in found.items()}


def _training_facts(
    system: System,
    options: MiniatureOptions,
    collected: Collected,
    histories: Sequence[Mapping[str, Any]],
    ridge: float,
) -> TrainingFacts:
    training, validation = collected.training, collected.validation
    return TrainingFacts(
        system=system.name,
        reader="the miniature language model",
        tokens=collected.tokens,
        recipe=options.model_dump(mode="json"),
        input_widths=list(collected.preprocessing.input_widths),
        widths=list(collected.preprocessing.widths),
        training_clips=len(training.table),
        validation_clips=len(validation.table),
        failed_training_clips=dict(training.failures),
        failed_validation_clips=dict(validation.failures),
        steps=options.steps,
        seeds=[history["seed"] for history in histories],
        training_loss=[last_loss(history["curve"], "training_loss") for history in histories],
        validation_loss=[last_loss(history["curve"], "validation_loss") for history in histories],
        validation_score=[above_chance(history["validation"], ATTRIBUTES) for history in histories],
        ridge_validation_score=ridge,
        taken_from=[None for _ in histories],
        probes=[dict(history) for history in histories],
    )


def last_loss(curve: Sequence[Mapping[str, Any]], name: str) -> float:
    """The last value that a learning curve has of a loss.

    Example:
        >>> last_loss([{"step": 1, "loss": 2.0}, {"step": 2, "loss": None}], "loss")
        2.0
    """
    return [float(point[name]) for point in curve if point.get(name) is not None][-1]
