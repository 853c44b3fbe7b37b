"""What `vtok-eval list` prints: every name that can be used, with a line about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from vtok_eval.registry import BACKBONES, BENCHMARKS, TOKENIZERS, Registry
from vtok_eval.suite import shipped_suites


def _registered(registry: Registry) -> Callable[[], Mapping[str, str]]:
    return lambda: {name: registry.summaries.get(name, registry.targets()[name]) for name in registry}


LISTINGS: Mapping[str, Callable[[], Mapping[str, str]]] = {
    "tokenizers": _registered(TOKENIZERS),
    "backbones": _registered(BACKBONES),
    "benchmarks": _registered(BENCHMARKS),
    "suites": shipped_suites,
}


def render_listing(what: str) -> str:
    """The names of one kind under its heading, aligned."""
    entries = LISTINGS[what]()
    width = max((len(name) for name in entries), default=0)
    return "\n".join([what, *(f"  {name:<{width}}  {summary}" for name, summary in entries.items())])
