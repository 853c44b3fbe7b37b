"""Trains a reader: a language model and a projection learn to read a tokenizer's tokens."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtok_eval.answerers.language_models.generation import end_ids
from vtok_eval.answerers.language_models.text_prompt import Template
from vtok_eval.answerers.training.conversations import Conversation
from vtok_eval.answerers.training.curves import CurvePoint, LearningCurve, stage_points
from vtok_eval.answerers.training.encoding import ConversationEncoder
from vtok_eval.answerers.training.job_folder import job_folder
from vtok_eval.answerers.training.recipe import ReaderRecipe
from vtok_eval.answerers.training.steps.stage_run import (
    Shown,
    StageRun,
    need_reporters,
    need_training_packages,
)
from vtok_eval.answerers.training.tokens.source import TokenSource, identity_sha256, tokenizer_identity
from vtok_eval.errors import DataError, SpecError

if TYPE_CHECKING:
    import torch

    from vtok_eval.answerers.training.examples import ChosenExamples
    from vtok_eval.answerers.training.steps.model import ReaderModel
    from vtok_eval.answerers.training.trained import TrainedLanguageReader
    from vtok_eval.systems import Tokenizer

# Any: transformers' models and tokenizers, which have no types.


@dataclass(frozen=True)
class ReaderData:
    """What a reader is trained on and what its validation loss is measured on.

    Example:
        >>> asked = Conversation.asked("1", clip="a.mp4", pairs=[("Which colour?", "red")])
        >>> ReaderData(training=(asked,)).sha256()[:8]
        '02e50f8b'
    """

    training: Sequence[Conversation]
    validation: Sequence[Conversation] = ()

    def sha256(self) -> str:
        """Of all texts and clips' names, in order, in hex."""
        digest = hashlib.sha256()
        for part in (self.training, self.validation):
            for conversation in part:
                digest.update(json.dumps(asdict(conversation)).encode())
            digest.update(b"\n")
        return digest.hexdigest()


def train_reader(
    *,
    language_model: Any,
    text_tokenizer: Any,
    tokenizer: Tokenizer,
    tokens: TokenSource,
    data: ReaderData,
    recipe: ReaderRecipe,
    seed: int,
    template: Template = "chat",
    device: torch.device | None = None,
    folder: Path | None = None,
    logs: Path | None = None,
    encoder: ConversationEncoder | None = None,
    shown: Shown | None = None,
) -> TrainedLanguageReader:
    """A reader of a tokenizer's tokens, trained.

    Readers that are trained with equal arguments but for the tokenizer and its tokens start from the same
    language model and from projections and adapters drawn from the same seed, and see the same conversations
    in the same order. Global random generators are left as they were.

    Args:
        language_model: a causal language model of transformers; it is trained in place.
        text_tokenizer: its tokenizer, with a chat template unless `template` is "vicuna".
        tokenizer: whose tokens are read.
        tokens: those of the clips that are named in `data`.
        data: conversations; their order does not matter, but for their first clips, from which the scale of
            the tokens is taken.
        recipe: see `ReaderRecipe`.
        seed: of the projection, the adapters, their dropout and the order.
        device: where it is trained; CUDA where there is some.
        folder: of the checkpoints, from which a training that was killed goes on; None writes nothing.
        logs: of TensorBoard's files, if the recipe reports to it.
        encoder: of an earlier reader of the same language model, so that texts are encoded once.
        shown: told what is logged.

    Raises:
        MissingDependencyError: transformers>=5.3, peft or accelerate is not there.
        DataError: no conversation is left to train on; says why the first one was left out.
        SpecError: the folder holds another training, or the recipe does not fit the number of devices.
    """
    need_training_packages()
    need_reporters(recipe.report_to, logs=logs)
    from vtok_eval.answerers.training.examples import choose_examples
    from vtok_eval.run.runners.device import choose_device
    from vtok_eval.specs.seeding import seeded_globally

    device = device or choose_device("auto")
    encoder = encoder or ConversationEncoder(
        text_tokenizer, template=template, ends=end_ids(language_model, text_tokenizer)
    )
    training = choose_examples(data.training, encoder, tokens, max_length=recipe.max_length)
    validation = choose_examples(data.validation, encoder, tokens, max_length=recipe.max_length)
    if not training.texts:
        first = next(iter(training.left_out.items()), ("none", "there are no conversations"))
        raise DataError(f"no conversation is left to train a reader on; {first[0]}: {first[1]}")
    started = time.monotonic()
    facts = {
        "tokenizer_sha256": identity_sha256(tokenizer_identity(tokenizer)),
        "data_sha256": data.sha256(),
        "seed": seed,
        "recipe": asdict(recipe),
        "template": template,
        "conversations": len(training.texts),
        "validation_conversations": len(validation.texts),
        "widths": list(tokens.widths),
        "mean_text": sum(len(text.ids) for _, text in training.texts) / len(training.texts),
        "mean_visual": sum(tokens.count(each.clip) for each, _ in training.texts) / len(training.texts),
    }
    with job_folder(folder, facts) as place, seeded_globally(seed):
        job = _Job(recipe, seed, device, place, keeps=folder is not None, logs=logs, shown=shown)
        reader, points = job.train(language_model, text_tokenizer, tokenizer, tokens, training, validation)
    return _trained(
        reader,
        text_tokenizer=text_tokenizer,
        tokenizer=tokenizer,
        recipe=recipe,
        seed=seed,
        template=template,
        curve=LearningCurve(tuple(points)),
        left_out={**training.left_out, **validation.left_out},
        facts={**facts, "seconds": round(time.monotonic() - started, 1), "versions": _versions()},
    )


@dataclass(frozen=True)
class _Job:
    """All stages of one reader."""

    recipe: ReaderRecipe
    seed: int
    device: torch.device
    folder: Path
    keeps: bool
    logs: Path | None
    shown: Shown | None

    def train(
        self,
        language_model: Any,
        text_tokenizer: Any,
        tokenizer: Tokenizer,
        tokens: TokenSource,
        training: ChosenExamples,
        validation: ChosenExamples,
    ) -> tuple[ReaderModel, list[CurvePoint]]:
        """The trained model and the points of its learning curve."""
        from vtok_eval.answerers.training.examples import ReaderCollator, ReaderExamples, training_order

        reader = self._new_reader(language_model, tokenizer, tokens, training)
        collator = ReaderCollator(_pad_id(text_tokenizer))
        held_out = ReaderExamples(validation, tokens, range(len(validation.texts)))
        points: list[CurvePoint] = []
        first = 0
        for stage in self.recipe.stages:
            # Where no clip is shown there is nothing for a projection to learn; the data go on all the same.
            if stage.trains != "projection" or training.shows_clips:
                if stage.trains == "lora":
                    self._add_adapters(reader)
                reader.train_only(stage.trains)
                order = training_order(
                    len(training.texts),
                    count=stage.steps * self.recipe.batch_size,
                    seed=self.seed,
                    first=first * self.recipe.batch_size,
                )
                run = StageRun(
                    self.recipe,
                    stage,
                    folder=self.folder / stage.name,
                    keeps=self.keeps,
                    seed=self.seed,
                    device=self.device,
                    name="-".join(self.folder.parts[-2:]) if self.keeps else "reader",
                    logs=self.logs,
                )
                history = run.run(
                    reader,
                    ReaderExamples(training, tokens, order),
                    held_out if len(held_out) else None,
                    collator,
                    self.shown,
                )
                points += stage_points(history, stage=stage.name, first=first)
            first += stage.steps
        return reader.eval().requires_grad_(False), points

    def _new_reader(
        self, language_model: Any, tokenizer: Tokenizer, tokens: TokenSource, training: ChosenExamples
    ) -> ReaderModel:
        from vtok_eval.answerers.language_models.visual_projection import VisualProjection
        from vtok_eval.answerers.training.steps.model import ReaderModel, TokenInput, new_token_projection
        from vtok_eval.answerers.training.steps.start import standardise_start

        own = new_token_projection(tokenizer, seed=self.seed)
        words = language_model.get_input_embeddings().weight
        width = token_width(tokenizer, own, tokens)
        token_input = TokenInput(own, VisualProjection(width, words.shape[1], seed=self.seed))
        clips = list(dict.fromkeys(conversation.clip for conversation, _ in training.texts))
        standardise_start(token_input, tokens, clips, embeddings=words.detach())
        return ReaderModel(language_model, token_input).train()

    def _add_adapters(self, reader: ReaderModel) -> None:
        """Wrap the language model in low-rank adapters, unless an earlier stage has."""
        import torch
        from peft import LoraConfig, PeftModel, get_peft_model

        from vtok_eval.answerers.training.steps.adapters import with_old_names
        from vtok_eval.answerers.training.steps.model import VISION

        if isinstance(reader.language_model, PeftModel):
            return
        lora = self.recipe.lora
        seeing = [
            part for part in VISION if any(part in name.split(".") for name, _ in reader.named_modules())
        ]
        config = LoraConfig(
            r=lora.rank,
            lora_alpha=lora.alpha,
            lora_dropout=lora.dropout,
            target_modules="all-linear",
            exclude_modules=rf".*({'|'.join(seeing)}).*" if seeing else None,
            task_type="CAUSAL_LM",
        )
        # Adapters depend on the seed alone, not on what was drawn before.
        torch.manual_seed(self.seed)
        with with_old_names():
            reader.language_model = get_peft_model(reader.language_model, config)


def token_width(tokenizer: object, own: Any, tokens: TokenSource) -> int:
    """D of what the reader's projection is given: after the tokenizer's own projection where it has one.

    Raises:
        SpecError: such a tokenizer does not say its width.

    Example:
        >>> import torch
        >>> from vtok_eval.answerers.training.tokens.source import TokensInMemory
        >>> from vtok_eval.data import Tokens
        >>> token_width(object(), None, TokensInMemory({"a": (Tokens.of(torch.zeros(1, 31, 8)),)}))
        8
    """
    if own is None:
        return tokens.widths[0]
    width = getattr(tokenizer, "width", None)
    if isinstance(width, int):
        return width
    raise SpecError(
        f"{type(tokenizer).__name__} has a projection that is trained with its reader; it needs an attribute "
        "`width`, the width of the tokens that the projection gives"
    )


def _pad_id(text_tokenizer: Any) -> int:
    for found in (text_tokenizer.pad_token_id, text_tokenizer.eos_token_id):
        if found is not None:
            return int(found)
    return 0


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("torch", "transformers", "peft", "accelerate", "vtok-eval")}


def _trained(reader: ReaderModel, **known: Any) -> TrainedLanguageReader:
    from vtok_eval.answerers.training.trained import TrainedLanguageReader

    return TrainedLanguageReader(
        language_model=reader.language_model,
        projection=reader.token_input.projection,
        token_projection=reader.token_input.token_projection,
        **known,
    )
