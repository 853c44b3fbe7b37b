"""A tokenizer with the projection that was trained together with a reader of its tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from vtok_eval.data import Clips, Tokens
from vtok_eval.systems import Tokenizer, TrainableTokenizer

if TYPE_CHECKING:
    from torch import nn


class TrainedTokens:
    """Gives the tokens that a trained reader was trained on: its tokenizer's features, projected.

    Example:
        >>> class Doubling:
        ...     trainable, width = True, 1
        ...     def encode(self, clips): ...
        ...     def features(self, clips):
        ...         return (Tokens.of(torch.ones(len(clips), 2, 1)),)
        ...     def new_projection(self, *, seed): ...
        >>> clips = Clips(torch.zeros(1, 4, 3, 8, 8, dtype=torch.uint8), torch.tensor([4.0]))
        >>> class Double(torch.nn.Module):
        ...     def forward(self, groups):
        ...         return groups[0].map(lambda tensor: tensor * 2)
        >>> TrainedTokens(Doubling(), Double()).encode(clips).values.flatten().tolist()
        [2.0, 2.0]
    """

    def __init__(self, tokenizer: TrainableTokenizer, projection: nn.Module) -> None:
        self.inner = tokenizer
        self.projection = projection.eval().requires_grad_(False)

    @torch.no_grad()
    def encode(self, clips: Clips) -> Tokens:
        """Tokens on the device of the tokenizer's features."""
        groups = self.inner.features(clips)
        result: Tokens = self.projection.to(groups[0].values.device)(groups)
        return result

    @torch.no_grad()
    def project(self, groups: tuple[Tokens, ...]) -> Tokens:
        """Tokens of features that are at hand."""
        result: Tokens = self.projection.to(groups[0].values.device)(groups)
        return result


def projected(tokenizer: Tokenizer, groups: tuple[Tokens, ...]) -> Tokens:
    """The tokens of a clip's features as `TokenSource` gives them: through the trained projection, if any.

    Example:
        >>> groups = (Tokens.of(torch.ones(1, 2, 4)),)
        >>> projected(object(), groups) is groups[0]
        True
    """
    return tokenizer.project(groups) if isinstance(tokenizer, TrainedTokens) else groups[0]
