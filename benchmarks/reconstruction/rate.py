"""What a clip's tokens cost in bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from vtok_eval.data import Tokens


def bits_per_clip(tokens: Tokens) -> Tensor:
    """Bits of each clip's tokens, float64 `(B,)`: their number, times their width, times a value's bits.

    Example:
        >>> import torch
        >>> from vtok_eval.data import Tokens
        >>> bits_per_clip(Tokens.of(torch.zeros(1, 16, 4))).tolist()  # float32
        [2048.0]
    """
    values = tokens.values
    return tokens.count().double().cpu() * values.shape[2] * 8 * values.element_size()
