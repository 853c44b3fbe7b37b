"""A backbone behind the feature cache."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from vtok_eval.results.description import Description
from vtok_eval.tokenizers.backbones.base import SMALL_MAP_CELLS, Backbone, FrameFeatures

if TYPE_CHECKING:
    from vtok_eval.data import Clips
    from vtok_eval.tokenizers.feature_cache import FeatureCache

_log = logging.getLogger(__name__)


class CachedBackbone(Backbone):
    """A backbone that takes features from a cache where possible; they equal those of `inner` bit for bit.

    Example:
        >>> import tempfile, torch
        >>> from pathlib import Path
        >>> from vtok_eval.tokenizers.backbones.efficientnet import EfficientNetLite0
        >>> from vtok_eval.tokenizers.feature_cache import FeatureCache
        >>> cache = FeatureCache(Path(tempfile.mkdtemp()))
        >>> backbone = CachedBackbone(EfficientNetLite0(device=torch.device("cpu")), cache)
        >>> frames = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
        >>> first, again = backbone.maps(frames), backbone.maps(frames)
        >>> cache.hits, cache.misses, torch.equal(first, again)
        (1, 1, True)
        >>> cache.close()
    """

    def __init__(self, inner: Backbone, cache: FeatureCache) -> None:
        self.inner = inner
        self.cache = cache
        self.device, self.precision = inner.device, inner.precision
        self._grids: set[int] = set()
        self._warned = False

    @property
    def channels(self) -> int:
        """C, the channels of its maps."""
        return self.inner.channels

    @property
    def fingerprint(self) -> str:
        """The inner backbone's."""
        return self.inner.fingerprint

    def describe(self) -> Description:
        """The inner backbone's description."""
        return self.inner.describe()

    def will_read(self, grids: Collection[int]) -> None:
        """Keep these grids of every frame that passes from now on."""
        self._grids.update(grids)

    def maps(self, frames: Tensor) -> Tensor:
        """As `Backbone.maps`, through the cache; says once what whole maps take."""
        maps = self.cache.maps(self.inner, frames)
        if not self._warned and maps.shape[-2] * maps.shape[-1] > SMALL_MAP_CELLS:
            self._warned = True
            _log.warning(
                "whole maps of %s are kept, %.2f MB a frame: a tokenizer reads maps, not grids of them",
                self.describe().facts.get("name", "the backbone"), maps[0].nbytes / 1e6,
            )  # fmt: skip
        return maps

    def features(self, frames: Tensor | Sequence[Tensor], grids: Collection[int]) -> FrameFeatures:
        """As `Backbone.features`, not cached: frames have no key."""
        return self.inner.features(frames, grids)

    def clip_features(self, clips: Clips, frames: Sequence[int], grids: Collection[int]) -> FrameFeatures:
        """As `Backbone.clip_features`, through the cache."""
        return self.cache.clip_features(self.inner, clips, frames, grids, keep=self._grids)

    def has(self, key: str, frames: Sequence[int], grids: Sequence[int]) -> bool:
        """Whether the grids of these frames of a clip can be read without its pixels."""
        return self.cache.has(self.inner, key, frames, grids)

    def _forward(self, frames: Tensor) -> Tensor:
        return self.inner._forward(frames)
