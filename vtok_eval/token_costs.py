"""What a clip's tokens cost, as records keep it: tokens, bits, and which codes they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from vtok_eval.codes import Codes
    from vtok_eval.data import Clips, Tokens
    from vtok_eval.systems import Tokenizer

CODES = "codes"
"""Key in a record's outputs: each quantiser's size, the codes of the clip, and how often each occurs."""


COSTS = ("tokens", "bits", "bits_per_frame", "bits_per_pixel")
"""Keys in a record's cost: what `token_costs` gives."""


def token_costs(shape: Sequence[int], *, tokens: float, bits: float) -> dict[str, float]:
    """The costs of one clip: tokens, bits, and bits per frame and per pixel of the clip as it was given.

    shape: `(B, T, 3, H, W)` of the batch that the clip is part of.

    Example:
        >>> token_costs((1, 4, 3, 8, 8), tokens=2.0, bits=64.0)
        {'tokens': 2.0, 'bits': 64.0, 'bits_per_frame': 16.0, 'bits_per_pixel': 0.25}
    """
    _, n_frames, _, height, width = shape
    return {
        "tokens": float(tokens),
        "bits": float(bits),
        "bits_per_frame": bits / n_frames,
        "bits_per_pixel": bits / (n_frames * height * width),
    }


class CodeCounts(TypedDict):
    """Which codes a clip has, for each quantiser: its size, the codes, and how often each occurs.

    Example:
        >>> CodeCounts(sizes=[8], codes=[[0, 5]], counts=[[1, 2]])["counts"]  # code 5 occurs twice
        [[1, 2]]
    """

    sizes: list[int]
    codes: list[list[int]]
    counts: list[list[int]]


def code_counts(tokens: Tokens, codes: Codes | None = None) -> CodeCounts | None:
    """One clip's codes, as a record's outputs keep them; None where its tokens are values.

    tokens: of a batch of one; its mask says which tokens there are. codes: in place of those of the tokens,
    where these have become values.

    Example:
        >>> import torch
        >>> from vtok_eval.data import Tokens
        >>> code_counts(Tokens.codes(torch.tensor([[5, 0, 5]]), codebook_size=8))
        {'sizes': [8], 'codes': [[0, 5]], 'counts': [[1, 2]]}
    """
    found = codes or tokens.coded
    if found is None:
        return None
    counted = [index[tokens.mask].unique(return_counts=True) for index in found.stacked.unbind(dim=2)]
    return CodeCounts(
        sizes=list(found.sizes),
        codes=[values.tolist() for values, _ in counted],
        counts=[counts.tolist() for _, counts in counted],
    )


def joined_counts(parts: Sequence[CodeCounts]) -> CodeCounts:
    """The codes of a clip that was encoded in several windows.

    Example:
        >>> window = CodeCounts(sizes=[8], codes=[[0, 5]], counts=[[1, 2]])
        >>> joined_counts([window, window])
        {'sizes': [8], 'codes': [[0, 5]], 'counts': [[2, 4]]}
    """
    sizes = parts[0]["sizes"]
    totals: list[Counter[int]] = [Counter() for _ in sizes]
    for part in parts:
        for total, codes, counts in zip(totals, part["codes"], part["counts"], strict=True):
            total.update(dict(zip(codes, counts, strict=True)))
    return CodeCounts(
        sizes=list(sizes),
        codes=[sorted(total) for total in totals],
        counts=[[total[code] for code in sorted(total)] for total in totals],
    )


def bits_per_token(tokenizer: Tokenizer, clips: Clips) -> float:
    """Bits of a token of this tokenizer, from encoding the first of the clips.

    Raises:
        TokenizerError: the tokens break the protocol.

    Example:
        >>> import torch
        >>> from vtok_eval import Clip, Clips, Tokens
        >>> class Mean:
        ...     def encode(self, clips):
        ...         return Tokens.of(clips.frames.float().mean(dim=(1, 3, 4))[:, None])
        >>> bits_per_token(Mean(), Clips.stack([Clip(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), fps=4.0)]))
        96.0
    """
    from vtok_eval.data import check_tokens

    tokens = tokenizer.encode(clips.part(0, 1))
    check_tokens(tokens, n_clips=1)
    return tokens.bits_per_token


def noted_costs(note: Mapping[str, object]) -> dict[str, float]:
    """The costs that are noted with a video that was decoded from tokens; none for other videos.

    Example:
        >>> noted_costs({"system": "vtok", "tokens": 31, "bits": 15872.0})
        {'tokens': 31.0, 'bits': 15872.0}
    """
    return {name: float(str(note[name])) for name in ("tokens", "bits") if name in note}


def summed_costs(costs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The costs of several clips together, without bits per frame and per pixel, which do not add up.

    Example:
        >>> summed_costs([{"tokens": 31.0, "bits": 310.0}, {"tokens": 30.0, "bits": 300.0}])
        {'tokens': 61.0, 'bits': 610.0}
    """
    return {name: sum(cost[name] for cost in costs) for name in ("tokens", "bits")}
