"""Where a language model's generated tokens end: with the end of its text, or at the token limit."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


# Any: transformers' classes, which have no types.
def end_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """The ids of the tokens with which a model ends a text: its generation settings' and its tokenizer's."""
    found: set[int] = set()
    for ids in (getattr(model.generation_config, "eos_token_id", None), tokenizer.eos_token_id):
        found.update([] if ids is None else [ids] if isinstance(ids, int) else ids)
    return frozenset(found)


def cut_at_limit(ids: Tensor, limit: int, *, ends: Collection[int]) -> list[bool]:
    """Whether each row of generated tokens was cut: it is as long as allowed and has no token that ends it.

    Args:
        ids: of the new tokens only, int64 `(N, T)`; rows that ended earlier are padded after their end.
        limit: the most new tokens that were allowed.
        ends: ids of tokens that end a text.

    Example:
        >>> import torch
        >>> cut_at_limit(torch.tensor([[5, 6, 7], [5, 2, 0]]), 3, ends={2})
        [True, False]
        >>> cut_at_limit(torch.tensor([[5, 6]]), 3, ends={2})
        [False]
    """
    if ids.shape[1] < limit:
        return [False] * len(ids)
    return [not any(int(token) in ends for token in row) for row in ids]
