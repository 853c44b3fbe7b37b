"""A reader as transformers' Trainer trains it: projection and language model, with the loss on answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from vtok_eval.answerers.language_models.visual_projection import VisualProjection
from vtok_eval.answerers.training.encoding import NOT_LEARNT
from vtok_eval.answerers.training.recipe import Trains
from vtok_eval.data import Tokens

# Any: transformers' and peft's models, which have no types.

VISION = ("vision_tower", "vision_model", "visual", "multi_modal_projector", "image_newline", "embed_vision")
"""Parts of a LLaVA or its like that this reader has no use for: its eyes are the tokenizer."""


class TokenInput(nn.Module):
    """From a clip's groups of tokens to embeddings: the tokenizer's own projection, if any, and the reader's.

    token_projection: of a tokenizer whose projection is trained with its reader; None for any other.

    Example:
        >>> read = TokenInput(None, VisualProjection(8, 32, seed=0))
        >>> read([Tokens.of(torch.zeros(2, 31, 8))]).shape
        torch.Size([62, 32])
    """

    def __init__(self, token_projection: nn.Module | None, projection: VisualProjection) -> None:
        super().__init__()
        self.token_projection = token_projection
        self.projection = projection

    def forward(self, groups: Sequence[Tokens]) -> Tensor:
        """Embeddings `(N, E)` of the N tokens under true masks, clip by clip."""
        embeddings: Tensor = self.projection(self.tokens(groups))
        return embeddings

    def tokens(self, groups: Sequence[Tokens]) -> Tensor:
        """The tokens `(N, D)` under true masks, clip by clip, before the reader's projection."""
        tokens = groups[0] if self.token_projection is None else self.token_projection(groups)
        return tokens.values[tokens.mask]


class ReaderModel(nn.Module):
    """A language model whose input has a clip's tokens at some positions.

    Its loss in training mode is the sum over learnt positions divided by `num_items_in_batch`, so that it
    does not depend on how a batch is divided; in evaluation mode the mean over conversations of the mean over
    their learnt positions.

    `state_dict` holds what is trained, as `train_only` says, and each weight once.
    """

    accepts_loss_kwargs = True
    """Tells Trainer that `forward` takes num_items_in_batch."""

    def __init__(self, language_model: Any, token_input: TokenInput) -> None:
        super().__init__()
        self.language_model = language_model
        self.token_input = token_input
        # Where accelerate's FSDP reads which modules are one unit.
        self._no_split_modules = list(getattr(language_model, "_no_split_modules", None) or ())
        self.register_state_dict_post_hook(_keep_trained)  # type: ignore[no-untyped-call]  # torch's

    @property
    def _keys_to_ignore_on_save(self) -> list[str]:
        """What a checkpoint lacks on purpose; Trainer asks for it when it loads one."""
        expected = [name for name, _ in self.named_parameters(remove_duplicate=False)]
        for prefix, module in self.named_modules():
            names = module._buffers.keys() - module._non_persistent_buffers_set
            expected += [f"{prefix}.{name}" for name in sorted(names)]
        kept = self.state_dict().keys()
        return [name for name in expected if name not in kept]

    def tie_weights(self) -> None:
        """Nothing: weights that are shared stay shared when a checkpoint is loaded. Trainer calls it."""

    def activation_checkpointing_enable(self, **options: Any) -> None:
        """Trainer's wish to compute activations again, passed on to the language model."""
        self._checkpointing("activation_checkpointing_enable", options)

    def gradient_checkpointing_enable(self, **options: Any) -> None:
        """The same under the name that earlier versions of transformers use."""
        self._checkpointing("gradient_checkpointing_enable", options)

    def _checkpointing(self, name: str, options: Mapping[str, Any]) -> None:
        getattr(self.language_model, name)(**options)

    def train_only(self, trains: Trains) -> None:
        """Freeze everything but what a stage trains."""
        self.token_input.requires_grad_(True)
        for name, parameter in self.language_model.named_parameters():
            adapter = "lora_" in name
            wanted = {"projection": False, "lora": adapter, "all": not is_vision(name)}[trains]
            parameter.requires_grad_(wanted)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        labels: Tensor,
        visual: Tensor,
        learnt: Tensor,
        groups: Sequence[Mapping[str, Tensor]],
        num_items_in_batch: Tensor | int | None = None,
    ) -> dict[str, Tensor]:
        """The loss of a batch as `ReaderCollator` makes it."""
        embeddings = self.embed(input_ids, visual, groups)
        output = self.language_model(
            inputs_embeds=embeddings, attention_mask=attention_mask, use_cache=False, logits_to_keep=learnt
        )
        following = labels[:, 1:].index_select(1, learnt)
        losses = nn.functional.cross_entropy(
            output.logits.float().flatten(0, 1),
            following.flatten(),
            ignore_index=NOT_LEARNT,
            reduction="none",
        ).view_as(following)
        if self.training and num_items_in_batch is not None:
            return {"loss": losses.sum() / num_items_in_batch}
        counts = (following != NOT_LEARNT).sum(dim=1).clamp_min(1)
        return {"loss": (losses.sum(dim=1) / counts).mean()}

    def embed(self, input_ids: Tensor, visual: Tensor, groups: Sequence[Mapping[str, Tensor]]) -> Tensor:
        """The language model's input `(B, L, E)`: embeddings of words, and of the clips' tokens."""
        words: Tensor = self.language_model.get_input_embeddings()(input_ids)
        if not groups:
            # Every weight has a gradient in every step, which training on several devices relies on.
            return words + sum(parameter.sum() * 0 for parameter in self.token_input.parameters())
        found = self.token_input(single([_as_tokens(group) for group in groups]))
        return words.masked_scatter(visual[..., None], found.to(words.dtype))


def _as_tokens(group: Mapping[str, Tensor]) -> Tokens:
    return Tokens(group["values"], group["mask"], group["kind"], group["frame"])


def single(groups: Sequence[Tokens]) -> tuple[Tokens, ...]:
    """Groups with their values in single precision, as a tokenizer gives them.

    Example:
        >>> single([Tokens.of(torch.zeros(1, 2, 4).half())])[0].values.dtype
        torch.float32
    """
    return tuple(replace(group, values=group.values.float()) for group in groups)


def is_vision(name: str) -> bool:
    """Whether a module or weight of this name belongs to a vision tower or what connects one.

    Example:
        >>> is_vision("model.vision_tower.embeddings"), is_vision("model.layers.0.mlp")
        (True, False)
    """
    return any(part in VISION for part in name.split("."))


def _keep_trained(module: nn.Module, state: dict[str, Any], prefix: str, metadata: object) -> None:
    """Remove from a state what is frozen, and all but one name of a weight that has several."""
    del metadata
    wanted: dict[int, str] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        if parameter.requires_grad:
            wanted.setdefault(id(parameter), prefix + name)
    for name in state.keys() - set(wanted.values()):
        del state[name]


def new_token_projection(tokenizer: object, *, seed: int) -> nn.Module | None:
    """A fresh projection of a tokenizer whose projection is trained with its reader; None for any other.

    Example:
        >>> new_token_projection(object(), seed=0) is None
        True
    """
    from vtok_eval.probes.features import is_trained_with_probe

    if not is_trained_with_probe(tokenizer):
        return None
    projection = tokenizer.new_projection(seed=seed)
    return projection.to(torch.device("cpu"))
