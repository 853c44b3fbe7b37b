"""The data that passes between systems and benchmarks: clips, and the tokens of clips."""

from vtok_eval.data.clips import Clip, ClipForm, Clips
from vtok_eval.data.token_checks import check_finite, check_token_shapes, check_tokens, finite_values
from vtok_eval.data.tokens import TokenKind, Tokens

__all__ = [
    "Clip",
    "ClipForm",
    "Clips",
    "TokenKind",
    "Tokens",
    "check_finite",
    "check_token_shapes",
    "check_tokens",
    "finite_values",
]
