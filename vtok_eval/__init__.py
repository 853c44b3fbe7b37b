"""vtok-eval: are a video tokenizer's tokens worth what they cost?

The public API: each name is imported when it is first used, so that importing the package stays cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from vtok_eval.version import __version__

if TYPE_CHECKING:
    from vtok_eval.benchmark import Benchmark, ClipSource, Context, Evaluator, Outcome, Sample
    from vtok_eval.checks.check import check
    from vtok_eval.data import Clip, Clips, TokenKind, Tokens
    from vtok_eval.errors import VtokEvalError
    from vtok_eval.inputs.accepts import Accepts
    from vtok_eval.results.description import Caveat, Description
    from vtok_eval.results.records import Metric, Record, Score
    from vtok_eval.results.run_view import RunView, open_run
    from vtok_eval.run.evaluation import evaluate
    from vtok_eval.systems import (
        Answerer,
        CountingTokenizer,
        DecodingTokenizer,
        Generator,
        System,
        SystemKind,
        Tokenizer,
        TrainableTokenizer,
    )

__all__ = [
    "Accepts",
    "Answerer",
    "Benchmark",
    "Caveat",
    "Clip",
    "ClipSource",
    "Clips",
    "Context",
    "CountingTokenizer",
    "DecodingTokenizer",
    "Description",
    "Evaluator",
    "Generator",
    "Metric",
    "Outcome",
    "Record",
    "RunView",
    "Sample",
    "Score",
    "System",
    "SystemKind",
    "TokenKind",
    "Tokenizer",
    "Tokens",
    "TrainableTokenizer",
    "VtokEvalError",
    "__version__",
    "check",
    "evaluate",
    "open_run",
]

_MODULES = {
    "Accepts": "vtok_eval.inputs.accepts",
    "Answerer": "vtok_eval.systems",
    "Benchmark": "vtok_eval.benchmark",
    "Caveat": "vtok_eval.results.description",
    "Clip": "vtok_eval.data",
    "ClipSource": "vtok_eval.benchmark",
    "Clips": "vtok_eval.data",
    "Context": "vtok_eval.benchmark",
    "CountingTokenizer": "vtok_eval.systems",
    "DecodingTokenizer": "vtok_eval.systems",
    "Description": "vtok_eval.results.description",
    "Evaluator": "vtok_eval.benchmark",
    "Generator": "vtok_eval.systems",
    "Metric": "vtok_eval.results.records",
    "Outcome": "vtok_eval.benchmark",
    "Record": "vtok_eval.results.records",
    "RunView": "vtok_eval.results.run_view",
    "Sample": "vtok_eval.benchmark",
    "Score": "vtok_eval.results.records",
    "System": "vtok_eval.systems",
    "SystemKind": "vtok_eval.systems",
    "TokenKind": "vtok_eval.data",
    "Tokenizer": "vtok_eval.systems",
    "Tokens": "vtok_eval.data",
    "TrainableTokenizer": "vtok_eval.systems",
    "VtokEvalError": "vtok_eval.errors",
    "check": "vtok_eval.checks.check",
    "evaluate": "vtok_eval.run.evaluation",
    "open_run": "vtok_eval.results.run_view",
}


def __getattr__(name: str) -> Any:  # Any: the type is that of the name asked for
    if name not in _MODULES:
        raise AttributeError(f"module 'vtok_eval' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
