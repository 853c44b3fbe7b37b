"""Where a reader's training starts: the same for every tokenizer, whatever the scale of its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from vtok_eval.answerers.language_models.visual_projection import VisualProjection
from vtok_eval.answerers.training.steps.model import TokenInput, single
from vtok_eval.data import Tokens
from vtok_eval.tokenizers.projection import LinearProjection

if TYPE_CHECKING:
    from vtok_eval.answerers.training.tokens.source import TokenSource

MOST_CLIPS = 512
"""Clips whose tokens are looked at."""
_LEAST_SHARE = 1e-2
"""A channel that varies less than this share of the mean deviation is not amplified beyond it."""


@torch.no_grad()
def standardise_start(
    token_input: TokenInput, tokens: TokenSource, clips: Sequence[str], *, embeddings: Tensor
) -> None:
    """Change fresh weights so that training starts from standardised tokens, at the scale of words.

    Tokenizers' channels differ by orders of magnitude in their means and deviations, and so do VTok's spatial
    and residual tokens. The first linear layers are changed so that they do what they would do with inputs of
    mean 0 and deviation 1, group by group where the tokenizer has a `LinearProjection` of its own; the last
    one so that its outputs have the root mean square of `embeddings` `(V, E)`, the words'. The network stays
    what it was: nothing is added to it.

    clips: those trained on; the first `MOST_CLIPS` of them are looked at.

    Example:
        >>> from vtok_eval.answerers.training.tokens.source import TokensInMemory
        >>> values = 100 + 7 * torch.randn(1, 500, 8, generator=torch.Generator().manual_seed(0))
        >>> read = TokenInput(None, VisualProjection(8, 32, seed=0))
        >>> words = torch.full((10, 32), 0.02)
        >>> standardise_start(read, TokensInMemory({"a": (Tokens.of(values),)}), ["a"], embeddings=words)
        >>> round(read([Tokens.of(values)]).square().mean().sqrt().item(), 3)
        0.02
    """
    shown = [groups for clip in clips[:MOST_CLIPS] if (groups := tokens.of(clip)) and _length(groups)]
    if not shown:
        return
    if isinstance(token_input.token_projection, LinearProjection):
        for number, linear in enumerate(token_input.token_projection.maps):
            values = torch.cat([groups[number].values[0].float() for groups in shown])
            if len(values) > 1:
                _standardise_inputs(linear, values)
    token_input.eval()
    values = torch.cat([token_input.tokens(single(groups)) for groups in shown])
    if len(values) > 1:
        _standardise_inputs(token_input.projection.hidden, values)
    _scale_outputs(token_input.projection, values, scale=_root_mean_square(embeddings.float()))
    token_input.train()


def _length(groups: Sequence[Tokens]) -> int:
    return sum(group.values.shape[1] for group in groups)


def _standardise_inputs(linear: nn.Module, values: Tensor) -> None:
    """Make a layer treat inputs with the moments of `values` `(N, D)` as it would standardised ones."""
    assert isinstance(linear, nn.Linear)
    mean, deviation = values.double().mean(dim=0), values.double().std(dim=0, correction=0)
    deviation = deviation.clamp_min(_LEAST_SHARE * float(deviation.mean()))
    deviation = torch.where(deviation > 0, deviation, torch.ones_like(deviation))
    weight = linear.weight.double() / deviation
    linear.bias.sub_((weight @ mean).to(linear.bias.dtype))
    linear.weight.copy_(weight)


def _scale_outputs(projection: VisualProjection, values: Tensor, *, scale: float) -> None:
    found = _root_mean_square(projection(values).float())
    if found > 0 and scale > 0:
        projection.output.weight.mul_(scale / found)


def _root_mean_square(values: Tensor) -> float:
    return float(values.double().square().mean().sqrt())
