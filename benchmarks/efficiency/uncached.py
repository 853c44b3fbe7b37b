"""Builds a system's tokenizer so that encoding costs what it costs: no feature cache, no filled-up passes.

Loaded only when a system is prepared: it imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vtok_eval.tokenizers.backbones.base import Backbone
from vtok_eval.tokenizers.build import BuildContext, build_tokenizer

if TYPE_CHECKING:
    from vtok_eval.benchmark import System
    from vtok_eval.systems import Tokenizer


def uncached_tokenizer(system: System, device: torch.device) -> Tokenizer:
    """The system's tokenizer, built anew from its spec on backbones that compute just what is asked.

    Raises:
        SpecError, UnknownNameError, MissingDependencyError: as when the system was built.
    """
    names = system.description.get("names", {})
    return build_tokenizer(system.spec, _UncachedContext(device=device, cache=None, names=names))


class _UncachedContext(BuildContext):
    def backbone(self, spec: str) -> Backbone:
        return UnfilledBackbone(super().backbone(spec))


class UnfilledBackbone(Backbone):
    """A backbone whose passes are over the given frames only.

    `Backbone.maps` fills its last pass up to a fixed number of frames, so that maps are the same to the last
    bit in every batch; with it one frame would cost as much as sixteen, and frames-2 as much as VTok.
    """

    def __init__(self, filled: Backbone) -> None:
        self._filled = filled
        self.device = filled.device

    @property
    def channels(self) -> int:
        """C, the channels of its maps."""
        return self._filled.channels

    def describe(self) -> Mapping[str, Any]:
        """As the backbone's own."""
        return self._filled.describe()

    def maps(self, frames: Tensor) -> Tensor:
        """Feature maps as the backbone's own, save for the rounding of the last bit."""
        size = self._filled._chunk_size(frames)
        return torch.cat([self._filled._padded_pass(chunk, len(chunk)) for chunk in frames.split(size)])

    def _forward(self, frames: Tensor) -> Tensor:
        return self._filled._forward(frames)
