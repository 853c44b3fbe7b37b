"""How tokens of a clip differ from those that another call gave."""

from __future__ import annotations

import math

from vtok_eval.codes import describe_sizes
from vtok_eval.data import Tokens


def one_clip(tokens: Tokens, index: int, length: int) -> Tokens:
    """The first `length` tokens of one clip of a batch.

    Example:
        >>> import torch
        >>> one_clip(Tokens.of(torch.zeros(3, 5, 4)), 1, 2).values.shape
        torch.Size([1, 2, 4])
    """
    return tokens.map(lambda tensor: tensor[[index], :length])


def difference_text(tokens: Tokens, difference: float) -> str:
    """A difference from `tokens`, as `largest_difference` gives it, in words.

    Example:
        >>> import torch
        >>> difference_text(Tokens.of(torch.zeros(1, 1, 1)), 0.25)
        'values differ by up to 0.25 of their standard deviation'
    """
    if math.isinf(difference):
        return "tokens differ in number, kind, frame or width"
    if tokens.coded is not None:
        return f"{100 * difference:.3g} % of the codes differ"
    return f"values differ by up to {difference:.3g} of their standard deviation"


def largest_difference(first: Tokens, second: Tokens) -> float:
    """Of the values, as a share of their deviation; of codes, the share that differ.

    Infinite where tokens differ in number or place, or in their code books.

    Example:
        >>> import torch
        >>> ones = Tokens.of(torch.ones(1, 2, 1))
        >>> largest_difference(ones, ones), largest_difference(ones, Tokens.of(torch.ones(1, 3, 1)))
        (0.0, inf)
    """
    places = ((first.mask, second.mask), (first.kind, second.kind), (first.frame, second.frame))
    if any(a.shape != b.shape or not bool((a == b).all()) for a, b in places):
        return float("inf")
    if first.coded is not None and second.coded is not None:
        if first.coded.sizes != second.coded.sizes:
            return float("inf")
        apart = first.coded.stacked[first.mask] != second.coded.stacked[second.mask]
        return float(apart.double().mean()) if apart.numel() else 0.0
    if (first.coded is None) != (second.coded is None):
        return float("inf")
    ours, theirs = first.values[first.mask].double(), second.values[second.mask].double()
    if ours.shape != theirs.shape:
        return float("inf")
    if ours.numel() == 0 or bool((ours == theirs).all()):
        return 0.0
    spread = float(ours.std()) if ours.numel() > 1 else 1.0
    return float((ours - theirs).abs().max()) / max(spread, 1e-12)


def form_text(tokens: Tokens) -> str:
    """What must be the same for every clip: the code books, or the width of the values.

    Example:
        >>> import torch
        >>> form_text(Tokens.of(torch.zeros(1, 2, 8)))
        'values of width 8'
    """
    if tokens.coded is not None:
        return f"codes of {describe_sizes(tokens.coded.sizes)} entries"
    return f"values of width {tokens.values.shape[2]}"


def shape_text(tokens: Tokens) -> str:
    """How many tokens of what kind there are of each clip, and where.

    Example:
        >>> import torch
        >>> shape_text(Tokens.of(torch.zeros(1, 2, 8)))
        '2 x 8 values of float32 on cpu'
    """
    if tokens.coded is not None:
        length, device = tokens.mask.shape[1], tokens.mask.device
        return f"{length} codes of {describe_sizes(tokens.coded.sizes)} entries on {device}"
    shape = " x ".join(map(str, tokens.values.shape[1:]))
    return f"{shape} values of {str(tokens.values.dtype).removeprefix('torch.')} on {tokens.values.device}"
