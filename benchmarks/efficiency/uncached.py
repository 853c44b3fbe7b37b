"""Builds a system's tokenizer so that encoding costs what it costs: no feature cache, no filled-up passes.

Loaded only when a system is prepared: it imports torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch

from vtok_eval.devices.precision import AUTO
from vtok_eval.tokenizers.backbones.base import Backbone
from vtok_eval.tokenizers.build import BuildContext, build_tokenizer

if TYPE_CHECKING:
    from vtok_eval.systems import System, Tokenizer


def uncached_tokenizer(system: System, device: torch.device) -> Tokenizer:
    """The system's tokenizer, built anew from its spec on backbones that compute just what is asked.

    Raises:
        SpecError, UnknownNameError, MissingDependencyError: as when the system was built.
    """
    names = cast("dict[str, str]", system.description.facts.get("names", {}))
    precision = getattr(getattr(system.subject, "backbone", None), "precision", AUTO)
    context = _UncachedContext(device=device, cache=None, names=names, precision=precision)
    return build_tokenizer(system.spec, context)


class _UncachedContext(BuildContext):
    """Filled up as they are by default, passes over one frame would cost as much as over sixteen."""

    def _make_backbone(self, spec: str) -> Backbone:
        backbone = super()._make_backbone(spec)
        backbone.fills_passes = False
        return backbone
