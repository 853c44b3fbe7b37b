"""Trains one miniature reader on a tokenizer's rows, by the training that every reader shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.understanding.reader.conversations import conversation
from benchmarks.understanding.reader.miniature import MiniatureReader, new_language_model, weights_of
from benchmarks.understanding.reader.visual import RowLayout
from benchmarks.understanding.reader.words import word_tokenizer
from vtok_eval.answerers.training.conversations import Conversation
from vtok_eval.answerers.training.recipe import ReaderRecipe, ReaderStage
from vtok_eval.answerers.training.tokens.source import TokensInMemory
from vtok_eval.answerers.training.train import ReaderData, train_reader
from vtok_eval.data import Tokens
from vtok_eval.errors import TokenizerError

if TYPE_CHECKING:
    from benchmarks.understanding.reader.options import MiniatureOptions
    from vtok_eval.answerers.training.curves import LearningCurve
    from vtok_eval.data import Clips
    from vtok_eval.probes.preprocessing import Preprocessing
    from vtok_eval.probes.training_clips.splits import Split

_EVALUATIONS = 5
"""How often in a training the loss on the validation clips is measured."""
_LOGGED = 20
"""How many values of the training loss a learning curve has."""


@dataclass(frozen=True)
class ReadyRows:
    """A tokenizer in name: rows are made beforehand, and only their width is asked for."""

    width: int

    def encode(self, clips: Clips) -> Tokens:
        """Refused: the rows of a clip are made from features that were fitted to training clips.

        Raises:
            TokenizerError: always.
        """
        raise TokenizerError("a miniature reader reads rows that are made beforehand, not clips")


@dataclass(frozen=True)
class MiniatureSplits:
    """What a system's readers are trained and validated on.

    training, validation: preprocessed features and truth. preprocessing: what was fitted to the training
    clips.
    """

    training: Split
    validation: Split
    preprocessing: Preprocessing


def train_miniature(
    splits: MiniatureSplits, options: MiniatureOptions, *, seed: int, device: torch.device
) -> MiniatureReader:
    """A reader trained from random weights; its start, and the order of its data, come from `seed` alone.

    Each training clip is asked about in as many different conversations as its steps need. Leaves no files: a
    training takes about a minute, and one that was stopped begins again.
    """
    layout = RowLayout.of(splits.training.table, n_frames=options.n_frames)
    text_tokenizer = word_tokenizer()
    rounds = -(-options.steps * options.batch_size // len(splits.training.labels))
    trained = train_reader(
        language_model=new_language_model(options, text_tokenizer, seed=seed),
        text_tokenizer=text_tokenizer,
        tokenizer=ReadyRows(layout.width),
        tokens=_tokens(layout, training=splits.training, validation=splits.validation),
        data=ReaderData(
            training=_conversations(splits.training.labels, "training", options, rounds=rounds),
            validation=_conversations(
                splits.validation.labels[: options.validated_clips], "validation", options, rounds=1
            ),
        ),
        recipe=recipe_of(options),
        seed=seed,
        device=device,
    )
    return MiniatureReader.built(
        options,
        weights_of(trained.language_model, trained.projection),
        layout=layout,
        preprocessing=splits.preprocessing,
        history={"seed": seed, "steps": options.steps, "curve": _curve(trained.curve)},
        device=device,
    )


def recipe_of(options: MiniatureOptions) -> ReaderRecipe:
    """One stage in which everything learns: there is nothing of a pretrained model to be spared."""
    log_every = max(1, options.steps // _LOGGED)
    return ReaderRecipe(
        stages=(
            ReaderStage(
                "everything",
                trains="all",
                steps=options.steps,
                learning_rate=options.learning_rate,
                warmup=0.1,
                weight_decay=options.weight_decay,
            ),
        ),
        batch_size=options.batch_size,
        micro_batch_size=options.batch_size,
        log_every=log_every,
        evaluate_every=max(1, options.steps // _EVALUATIONS),
        save_every=log_every,
    )


def _tokens(layout: RowLayout, **splits: Split) -> TokensInMemory:
    return TokensInMemory(
        {
            f"{name}/{number}": (Tokens.of(rows[None]),)
            for name, split in splits.items()
            for number, rows in enumerate(layout.rows(split.table))
        }
    )


def _conversations(
    labels: Sequence[Mapping[str, Any]], split: str, options: MiniatureOptions, *, rounds: int
) -> list[Conversation]:
    """`rounds` different conversations about each clip, those of a round together."""
    part = ("training", "validation").index(split)
    found = []
    for number in range(rounds):
        for clip, truth in enumerate(labels):
            pairs = conversation(truth, options.data_seed, part, clip, number)
            found.append(Conversation.asked(f"{split}/{clip}/{number}", clip=f"{split}/{clip}", pairs=pairs))
    return found


def _curve(curve: LearningCurve) -> list[dict[str, float | int | None]]:
    return [
        {
            "step": point.step,
            "training_loss": point.training_loss,
            "validation_loss": point.validation_loss,
        }
        for point in curve.points
    ]
