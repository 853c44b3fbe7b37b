"""What the tokens behind a clip's features cost in bits."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from vtok_eval.data import Tokens
from vtok_eval.probes.attentive import project
from vtok_eval.probes.features import ClipFeatures, is_trained_with_probe
from vtok_eval.systems import Tokenizer, TrainableTokenizer


def projected_bits_per_token(tokenizer: Tokenizer, widths: Sequence[int]) -> float | None:
    """Bits of a token that the tokenizer's own projection makes of features of these widths.

    None where it has none that is trained with the probe: then its features are its tokens.

    Example:
        >>> from vtok_eval.tokenizers.controls import Blind
        >>> print(projected_bits_per_token(Blind(), widths=[128]))
        None
    """
    if not (isinstance(tokenizer, TrainableTokenizer) and is_trained_with_probe(tokenizer)):
        return None
    projection = tokenizer.new_projection(seed=0).eval()
    device = next((weights.device for weights in projection.parameters()), torch.device("cpu"))
    groups = tuple(Tokens.of(torch.zeros(1, 1, width, device=device)) for width in widths)
    with torch.no_grad():
        return project(projection, groups).bits_per_token


def clip_bits(features: ClipFeatures, projected: float | None) -> float:
    """Bits of a clip's tokens. projected: from `projected_bits_per_token` of its tokenizer.

    Example:
        >>> clip = ClipFeatures((Tokens.of(torch.zeros(1, 3, 4).half()),), (None,), bits=192.0)
        >>> clip_bits(clip, None), clip_bits(clip, 32.0)
        (192.0, 96.0)
    """
    return features.bits if projected is None else features.n_tokens * projected
