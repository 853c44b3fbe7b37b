"""Token merging: similar tokens become their mean, until a given number is left."""

from __future__ import annotations

import torch
from torch import Tensor


def merge(values: Tensor, *, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Merge the tokens of one clip by repeated bipartite soft matching, until `count` are left.

    In each step the tokens are divided alternately into two sets. Of each token of the first, the most
    similar one of the second is found (cosine of the values); as many of the most similar pairs as are to go,
    at most all, are merged, and a token that is matched by several takes them all. A merged token is the mean
    of the tokens that it is made of.

    values: `(L, D)`, in an order in which neighbours are likely to be similar.

    Returns:
        values: `(count, D)`, float32, in the order of the first of the tokens that each is made of.
        members: `(L,)` int64, the merged token that each token became part of.
        sizes: `(count,)` int64, how many tokens each is made of.

    Source: Bolya et al., Token merging: your ViT but faster, ICLR 2023 (bipartite soft matching, with sizes
    as weights). There the keys of an attention layer are compared; here the frozen features themselves.

    Example:
        >>> merged, members, sizes = merge(torch.tensor([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0]]), count=2)
        >>> merged.tolist(), members.tolist(), sizes.tolist()
        ([[2.0, 0.0], [0.0, 2.0]], [0, 0, 1], [2, 1])
    """
    length = len(values)
    count = min(count, length)
    totals = values.double()
    sizes = torch.ones(length, dtype=torch.int64, device=values.device)
    members = torch.arange(length, device=values.device)
    while len(totals) > count:
        n_merged = min(len(totals) - count, (len(totals) + 1) // 2)
        kept = _step(totals, n_merged=n_merged)
        n_left = len(totals) - n_merged
        totals = totals.new_zeros(n_left, totals.shape[1]).index_add_(0, kept, totals)
        sizes = sizes.new_zeros(n_left).index_add_(0, kept, sizes)
        members = kept[members]
    return (totals / sizes[:, None]).to(torch.float32), members, sizes


def _step(totals: Tensor, *, n_merged: int) -> Tensor:
    """For each token the number of the token that it is part of after one step, int64 `(L,)`.

    totals: `(L, D)` sums of values; their directions are those of the means.
    """
    directions = torch.nn.functional.normalize(totals, dim=1)
    first, second = directions[0::2], directions[1::2]
    # The cosines of one clip's tokens in double precision: as good as free of ties that rounding decides.
    similarity, partner = (first @ second.T).max(dim=1)
    merged = similarity.argsort(descending=True, stable=True)[:n_merged]
    target = torch.arange(len(totals), device=totals.device)
    target[2 * merged] = 2 * partner[merged] + 1
    # A merged token takes the place of the first of its parts.
    place = torch.arange(len(totals), device=totals.device)
    earliest = place.scatter_reduce(0, target, place, reduce="amin")[target]
    numbers: Tensor = torch.unique(earliest, return_inverse=True)[1]
    return numbers
