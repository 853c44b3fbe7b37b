"""What a training needs, predicted before it begins: clips, disk, memory, arithmetic and time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vtok_eval.answerers.training.recipe import ReaderRecipe, ReaderStage

# Any: transformers' configurations, which have no types.

_FORWARD, _THROUGH, _WEIGHTS = 2, 2, 2
"""Operations for a parameter and a position: forward, gradients of activations, gradients of weights."""
_ACTIVATION_BYTES = 34
"""Of a layer, for a channel and a position, in 16 bits, where attention keeps no scores (Korthikanti et al.,
arXiv 2205.05198, equation 2 without its last term)."""


@dataclass(frozen=True)
class LanguageModelSize:
    """What is known of a language model from its configuration.

    parameters: all but those of a vision tower, which has no use here. computed: of these, those that every
    position passes through (embeddings are looked up).
    linear_widths: the sum over its linear layers, its head left out, of input and output widths.

    Example:
        >>> size = LanguageModelSize(1000, 800, layers=2, width=8, words=25, linear_widths=10**6)
        >>> size.adapters(rank=8)
        8000000
    """

    parameters: int
    computed: int
    layers: int
    width: int
    words: int
    linear_widths: int

    def adapters(self, *, rank: int) -> int:
        """Parameters of low-rank adapters of all linear layers but the head."""
        return rank * self.linear_widths


def language_model_size(folder: Path) -> LanguageModelSize:
    """The size of the model in a folder, from its config.json; no weights are read.

    Raises:
        SpecError: the configuration cannot be used.
    """
    import torch
    from torch import nn
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText

    from vtok_eval.answerers.training.steps.model import is_vision
    from vtok_eval.errors import SpecError

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        auto = AutoModelForImageTextToText if hasattr(config, "vision_config") else AutoModelForCausalLM
        with torch.device("meta"):
            model: Any = auto.from_config(config)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SpecError(f"{folder} does not configure a language model: {reason}") from error
    embedding = model.get_input_embeddings().weight
    head = model.get_output_embeddings()
    linear = [
        each
        for name, each in model.named_modules()
        if isinstance(each, nn.Linear) and each is not head and not is_vision(name)
    ]
    parameters = sum(each.numel() for name, each in model.named_parameters() if not is_vision(name))
    tied = head is not None and head.weight is embedding
    text = getattr(config, "text_config", config)
    return LanguageModelSize(
        parameters=parameters,
        computed=parameters if tied else parameters - embedding.numel(),
        layers=int(text.num_hidden_layers),
        width=int(embedding.shape[1]),
        words=int(embedding.shape[0]),
        linear_widths=sum(each.in_features + each.out_features for each in linear),
    )


@dataclass(frozen=True)
class ReaderWork:
    """What a reader of one tokenizer works on.

    clips: to be encoded. visual: tokens of a clip, on average. text: ids of a conversation, on average.
    learnt: of these, the ones that are learnt. token_bytes: of a clip in the table. token_width: D.

    Example:
        >>> work = ReaderWork("vtok", 1000, visual=31, text=60, learnt=8, token_bytes=8e4, token_width=1024)
        >>> work.length
        91.0
    """

    name: str
    clips: int
    visual: float
    text: float
    learnt: float
    token_bytes: float
    token_width: int

    @property
    def length(self) -> float:
        """Positions of a sequence, on average."""
        return float(self.visual + self.text)


@dataclass(frozen=True)
class Accelerator:
    """What time is predicted for. peak: operations a second, dense, in 16 bits. utilisation: the share of it.

    Example:
        >>> Accelerator().peak
        989000000000000.0
    """

    name: str = "H100 SXM"
    peak: float = 989e12
    utilisation: float = 0.35


@dataclass(frozen=True)
class ReaderNeeds:
    """What the training of one reader needs; every number is a prediction.

    disk_bytes: of the clips' tokens. trained: parameters. memory_bytes: of one device, at its peak. flops: of
    all stages. hours: of one accelerator.

    Example:
        >>> needs = ReaderNeeds("vtok", clips=10, disk_bytes=6e5, parameters=10**9, trained=10**7,
        ...                     memory_bytes=5e9, flops=1e18, hours=0.8)
        >>> needs.line().split(";")[0]
        'vtok: 10 clips to encode, 600 kB of tokens'
    """

    name: str
    clips: int
    disk_bytes: float
    parameters: int
    trained: int
    memory_bytes: float
    flops: float
    hours: float

    def line(self) -> str:
        """For people."""
        return (
            f"{self.name}: {self.clips:,} clips to encode, {_bytes(self.disk_bytes)} of tokens; "
            f"{_count(self.parameters)} parameters, {_count(self.trained)} trained; about "
            f"{_bytes(self.memory_bytes)} of device memory, {self.flops:.2g} operations, {self.hours:.2g} "
            "device-hours"
        )


def predict_needs(
    size: LanguageModelSize, recipe: ReaderRecipe, work: ReaderWork, accelerator: Accelerator
) -> ReaderNeeds:
    """What one reader's training needs.

    Operations are counted as 2 for each parameter and position, forward; as many for the gradients of
    activations and, of what is trained, of weights; and once more forward with gradient checkpointing. The
    products of attention scores are left out: below some thousand positions they are a few percent. Memory is
    weights, gradients, AdamW's two moments and activations; a framework takes more.

    Example:
        >>> size = LanguageModelSize(10**9, 10**9, layers=24, width=1024, words=100, linear_widths=10**6)
        >>> work = ReaderWork("vtok", 1000, visual=31, text=69, learnt=8, token_bytes=8e4, token_width=1024)
        >>> stage = ReaderStage("all", trains="all", steps=10, learning_rate=1e-3)
        >>> recipe = ReaderRecipe((stage,), batch_size=16)
        >>> predict_needs(size, recipe, work, Accelerator()).flops == 6 * 1e9 * 10 * 16 * 100
        True
    """
    trained = max(_trained(stage, size, recipe, work) for stage in recipe.stages)
    flops = sum(_operations(stage, size, recipe, work) for stage in recipe.stages)
    return ReaderNeeds(
        name=work.name,
        clips=work.clips,
        disk_bytes=work.clips * work.token_bytes,
        parameters=size.parameters,
        trained=trained,
        memory_bytes=_memory(trained, size, recipe, work),
        flops=flops,
        hours=flops / (accelerator.peak * accelerator.utilisation) / 3600,
    )


def _trained(stage: ReaderStage, size: LanguageModelSize, recipe: ReaderRecipe, work: ReaderWork) -> int:
    projection = (work.token_width + 1) * size.width + (size.width + 1) * size.width
    if stage.trains == "projection":
        return projection
    return projection + (size.adapters(rank=recipe.lora.rank) if stage.trains == "lora" else size.parameters)


def _operations(stage: ReaderStage, size: LanguageModelSize, recipe: ReaderRecipe, work: ReaderWork) -> float:
    each = _FORWARD + _THROUGH
    each += _WEIGHTS if stage.trains == "all" else 0
    each += _FORWARD if recipe.gradient_checkpointing else 0
    return float(each * size.computed * stage.steps * recipe.batch_size * work.length)


def _memory(trained: int, size: LanguageModelSize, recipe: ReaderRecipe, work: ReaderWork) -> float:
    half = recipe.precision == "bf16"
    frozen = 2 if half and not any(stage.trains == "all" for stage in recipe.stages) else 4
    positions = recipe.micro_batch_size * work.length
    a_layer = positions * size.width * _ACTIVATION_BYTES * (1 if half else 2)
    kept = positions * size.width * size.layers * (2 if half else 4) + a_layer
    activations = kept if recipe.gradient_checkpointing else a_layer * size.layers
    # Logits of learnt positions, in single precision, and their gradient.
    logits = recipe.micro_batch_size * work.learnt * size.words * 4 * 2
    return float(size.parameters * frozen + trained * (4 + 8) + activations + logits)


def _bytes(number: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.0f} bytes"


def _count(number: float) -> str:
    for unit, size in (("billion", 1e9), ("million", 1e6)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:,}"
