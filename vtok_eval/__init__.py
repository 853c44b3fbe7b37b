"""vtok-eval: are a video tokenizer's tokens worth what they cost?

The public API, each name imported when it is first used, so that importing the package stays cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vtok_eval.benchmark import Benchmark
    from vtok_eval.data import Clip, Clips, TokenKind, Tokens
    from vtok_eval.inputs.accepts import Accepts
    from vtok_eval.results.description import Caveat, Description
    from vtok_eval.systems import Answerer, Generator, Tokenizer

__version__ = "0.1.0"

__all__ = [
    "Accepts",
    "Answerer",
    "Benchmark",
    "Caveat",
    "Clip",
    "Clips",
    "Description",
    "Generator",
    "TokenKind",
    "Tokenizer",
    "Tokens",
    "__version__",
]

_MODULES = {
    "Accepts": "vtok_eval.inputs.accepts",
    "Answerer": "vtok_eval.systems",
    "Benchmark": "vtok_eval.benchmark",
    "Caveat": "vtok_eval.results.description",
    "Clip": "vtok_eval.data",
    "Clips": "vtok_eval.data",
    "Description": "vtok_eval.results.description",
    "Generator": "vtok_eval.systems",
    "TokenKind": "vtok_eval.data",
    "Tokenizer": "vtok_eval.systems",
    "Tokens": "vtok_eval.data",
}


def __getattr__(name: str) -> Any:  # Any: the type is that of the name asked for
    if name not in _MODULES:
        raise AttributeError(f"module 'vtok_eval' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
