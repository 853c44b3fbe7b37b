"""What a job keeps of its probes' training, in `training.json`: for convergence checks and for readers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from vtok_eval.files.atomic import write_bytes
from vtok_eval.probes.options.recipe import Recipe, TrainingHistory
from vtok_eval.probes.training_clips.splits import Collected

TRAINING_FILE = "training.json"


class TrainingFacts(TypedDict):
    """The content of `training.json`.

    system: the name of the job's system. reader: what was trained, where it is not a probe. tokens: SHA-256
    of its features of the training and validation clips; systems whose tokens are the same have the same, and
    share one training. input_widths, widths: channels of each group of features as the tokenizer gives them
    and as the probe reads them.

    With one entry per seed, in the order of the records' replicates: seeds (each fixes a probe's weights and
    the order of its data), training_loss (mean over the last epoch), validation_loss (after the last epoch),
    validation_score (of the epoch that was kept), taken_from (the job's folder of the equal system that it
    was trained for, None where it was trained here) and probes (all there is: losses after every epoch,
    scores of each attribute or category, learning rates tried).

    steps: of the optimizer, per probe and learning rate. ridge_validation_score: of kernel ridge on the same
    clips, by the same measure as validation_score; None where the benchmark has no such reader.

    Example:
        >>> TrainingFacts.__required_keys__ >= {"system", "steps", "seeds", "validation_score"}
        True
    """

    system: str
    reader: NotRequired[str]
    tokens: str
    recipe: dict[str, Any] | None  # a `Recipe` or a reader's options, as JSON; None for kernel ridge
    input_widths: list[int]
    widths: list[int]
    training_clips: int
    validation_clips: int
    failed_training_clips: dict[str, str]
    failed_validation_clips: dict[str, str]
    steps: int
    seeds: list[int]
    training_loss: list[float]
    validation_loss: list[float]
    validation_score: list[float]
    ridge_validation_score: float | None
    taken_from: list[str | None]
    probes: Sequence[Mapping[str, object]]


def training_facts(
    system: str,
    *,
    recipe: Recipe | None,
    collected: Collected,
    histories: Sequence[TrainingHistory],
    ridge_validation_score: float | None,
) -> TrainingFacts:
    """The facts of one system's probes, from their histories as `train_reader` leaves them.

    recipe, histories: None and empty for a reader that is not trained in steps.

    Example:
        >>> import torch
        >>> from vtok_eval.data import Tokens
        >>> from vtok_eval.probes.features import FeatureTable
        >>> from vtok_eval.probes.preprocessing import Preprocessing
        >>> from vtok_eval.probes.training_clips.collection import Collection
        >>> table = FeatureTable((Tokens.of(torch.zeros(2, 3, 4).half()),), slot=torch.zeros(2, 3).long())
        >>> part = Collection(table, labels=[{"colour": 3}, {"colour": 1}], failures={})
        >>> collected = Collected(part, part, Preprocessing.of(table))
        >>> facts = training_facts(
        ...     "vtok", recipe=None, collected=collected, histories=(), ridge_validation_score=0.5)
        >>> facts["training_clips"], facts["input_widths"]
        (2, [4])
    """
    training, validation = collected.training, collected.validation
    chosen = [history["chosen"] for history in histories]
    return TrainingFacts(
        system=system,
        tokens=collected.tokens,
        recipe=None if recipe is None else asdict(recipe),
        input_widths=list(collected.preprocessing.input_widths),
        widths=list(collected.preprocessing.widths),
        training_clips=len(training.table),
        validation_clips=len(validation.table),
        failed_training_clips=dict(training.failures),
        failed_validation_clips=dict(validation.failures),
        steps=histories[0]["steps"] if histories else 0,
        seeds=[history["seed"] for history in histories],
        training_loss=[run["training_losses"][-1] for run in chosen],
        validation_loss=[run["validation_losses"][-1] for run in chosen],
        validation_score=[run["validation_score"] for run in chosen],
        ridge_validation_score=ridge_validation_score,
        taken_from=[history.get("taken_from") for history in histories],
        probes=list(histories),
    )


def write_facts(artifacts: Path, facts: TrainingFacts) -> None:
    """Write `training.json` into a job's artifacts, atomically.

    Raises:
        RunFolderError: the folder cannot be written or the disk is full.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> facts: TrainingFacts = {"system": "vtok", "steps": 256}
        >>> write_facts(folder, facts)
        >>> json.loads((folder / TRAINING_FILE).read_text())["steps"]
        256
    """
    write_bytes(artifacts / TRAINING_FILE, json.dumps(facts, indent=1).encode())
