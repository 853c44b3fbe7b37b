"""How readers are trained: the stages, the batches and the precision, the same for every tokenizer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vtok_eval.errors import SpecError

Trains = Literal["projection", "lora", "all"]
"""`projection`: the projection alone. `lora`: it and low-rank adapters of the language model. `all`: it and
the whole language model. A tokenizer's own small projection, where it has one, is part of the projection."""

Precision = Literal["float32", "bf16"]
SCHEDULES = ("constant", "constant_with_warmup", "cosine", "linear")
REPORTERS = ("tensorboard", "wandb")


@dataclass(frozen=True)
class ReaderStage:
    """One part of a training, with a learning rate schedule of its own.

    name: of its folder, in letters, digits and dashes. trains: see `Trains`. steps: of the optimizer (AdamW).
    warmup: share of the steps. schedule: one of `SCHEDULES`, by transformers.

    Raises:
        SpecError: a number with which nothing can be trained.

    Example:
        >>> ReaderStage("projection", trains="projection", steps=100, learning_rate=1e-3).warmup_steps
        3
    """

    name: str
    trains: Trains
    steps: int
    learning_rate: float
    warmup: float = 0.03
    schedule: str = "cosine"
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise SpecError(f"stage {self.name}: steps must be at least 1, not {self.steps}")
        if not self.learning_rate > 0:
            raise SpecError(
                f"stage {self.name}: the learning rate must be positive, not {self.learning_rate}"
            )
        if not 0 <= self.warmup < 1:
            raise SpecError(f"stage {self.name}: warmup is a share from 0 to below 1, not {self.warmup}")
        if self.schedule not in SCHEDULES:
            raise SpecError(
                f"stage {self.name}: schedule {self.schedule!r} is none of {', '.join(SCHEDULES)}"
            )

    @property
    def warmup_steps(self) -> int:
        """Steps in which the learning rate rises."""
        return round(self.warmup * self.steps)


@dataclass(frozen=True)
class LoraSettings:
    """Low-rank adapters (peft) of the language model's linear layers, its head left out.

    rank and alpha: the adapters' product is scaled by alpha / rank. dropout: before the adapters.

    Raises:
        SpecError: a number that adapters cannot have.

    Example:
        >>> LoraSettings(rank=8).scaling
        16.0
    """

    rank: int = 64
    alpha: float = 128.0
    dropout: float = 0.05

    def __post_init__(self) -> None:
        if self.rank < 1 or self.alpha <= 0 or not 0 <= self.dropout < 1:
            raise SpecError(
                f"LoRA needs a rank of at least 1, a positive alpha and a dropout from 0 to below 1, not "
                f"{self.rank}, {self.alpha} and {self.dropout}"
            )

    @property
    def scaling(self) -> float:
        """What the adapters' product is multiplied by."""
        return self.alpha / self.rank


@dataclass(frozen=True)
class ReaderRecipe:
    """How every reader of a comparison is trained.

    stages: in order. batch_size: conversations in a step of the optimizer, over all devices.
    micro_batch_size: of these, on one device at once; what is more is accumulated.
    max_length: positions of a sequence, text and tokens of the clip; a conversation that is longer is left
        out, with its reason.
    log_every, evaluate_every: steps between two values of the training and of the validation loss.
    save_every: steps between two checkpoints; a multiple of log_every, so that what is logged does not depend
        on where a training was stopped.
    report_to: of `REPORTERS`, those that are told the losses.

    Raises:
        SpecError: numbers that do not fit together.

    Example:
        >>> stage = ReaderStage("everything", trains="all", steps=200, learning_rate=1e-3)
        >>> ReaderRecipe(stages=(stage,), batch_size=32, micro_batch_size=8).accumulation(devices=2)
        2
    """

    stages: tuple[ReaderStage, ...]
    batch_size: int = 16
    micro_batch_size: int = 16
    lora: LoraSettings = LoraSettings()
    precision: Precision = "float32"
    gradient_checkpointing: bool = False
    max_grad_norm: float = 1.0
    max_length: int = 2048
    log_every: int = 10
    evaluate_every: int = 100
    save_every: int = 100
    report_to: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [stage.name for stage in self.stages]
        if not names or len(set(names)) != len(names):
            raise SpecError(f"a recipe needs stages with different names, not {', '.join(names) or 'none'}")
        for name in (
            "batch_size",
            "micro_batch_size",
            "max_length",
            "log_every",
            "evaluate_every",
            "save_every",
        ):
            if getattr(self, name) < 1:
                raise SpecError(f"train reader: {name} must be at least 1, not {getattr(self, name)}")
        if self.batch_size % self.micro_batch_size:
            raise SpecError(
                f"train reader: a batch of {self.batch_size} is not a multiple of the "
                f"{self.micro_batch_size} conversations that are computed at once"
            )
        if self.save_every % self.log_every:
            raise SpecError(
                f"train reader: save_every must be a multiple of log_every ({self.log_every}), not "
                f"{self.save_every}"
            )
        unknown = [name for name in self.report_to if name not in REPORTERS]
        if unknown:
            raise SpecError(f"train reader: report_to {unknown[0]!r} is none of {', '.join(REPORTERS)}")

    @property
    def steps(self) -> int:
        """Of all stages."""
        return sum(stage.steps for stage in self.stages)

    @property
    def uses_lora(self) -> bool:
        """Whether a stage trains low-rank adapters."""
        return any(stage.trains == "lora" for stage in self.stages)

    def accumulation(self, *, devices: int) -> int:
        """Micro batches that each device computes for one step.

        Raises:
            SpecError: the batch cannot be divided among the devices.
        """
        together = self.micro_batch_size * devices
        if self.batch_size % together:
            raise SpecError(
                f"train reader: a batch of {self.batch_size} cannot be divided among {devices} devices of "
                f"{self.micro_batch_size} conversations each; choose a micro batch that divides "
                f"{self.batch_size // devices if self.batch_size >= devices else self.batch_size}"
            )
        return self.batch_size // together


def two_stages(
    *,
    projection_steps: int,
    steps: int,
    trains: Literal["lora", "all"] = "lora",
    projection_rate: float = 1e-3,
    rate: float = 2e-4,
) -> tuple[ReaderStage, ReaderStage]:
    """LLaVA's two stages: the projection alone, then the projection and the language model.

    Source: the learning rates are those of LLaVA-1.5 with LoRA (arXiv 2310.03744).

    Example:
        >>> [stage.trains for stage in two_stages(projection_steps=100, steps=400)]
        ['projection', 'lora']
    """
    return (
        ReaderStage("projection", trains="projection", steps=projection_steps, learning_rate=projection_rate),
        ReaderStage("language-model", trains=trains, steps=steps, learning_rate=rate),
    )
