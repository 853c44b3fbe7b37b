"""A clip passes through a model's vision tower once for all its questions and options."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

# Any: transformers' models, processors and tokenizers, which have no types.

_FEATURE_METHODS = ("get_video_features", "get_image_features")
_PIXELS = ("pixel_values_videos", "pixel_values")


class SharedVision:
    """Wraps the vision methods of a transformers model and remembers the last clip's features.

    Inside `rows(n)` the model is called with n rows of text and the pixels of one clip: the features are
    computed once, or taken from memory, and handed over n times. `tower_calls` counts the computations.
    """

    def __init__(self, model: nn.Module) -> None:
        self.tower_calls = 0
        self._rows = 1
        self._computing = False
        self._pixels: Tensor | None = None
        self._features: Any = None
        owner = getattr(model, "model", model)
        for name in _FEATURE_METHODS:
            if hasattr(owner, name):
                setattr(owner, name, self._remembering(getattr(owner, name)))

    @contextmanager
    def rows(self, count: int) -> Iterator[None]:
        """Let `count` rows of text share the clip's features."""
        self._rows = count
        try:
            yield
        finally:
            self._rows = 1

    def forget(self) -> None:
        """Release the last clip's features."""
        self._pixels = self._features = None

    def _remembering(self, method: Callable[..., Any]) -> Callable[..., Any]:
        # generate() inspects the signature to find out what the method takes.
        @functools.wraps(method)
        def features(pixels: Any = None, *args: Any, **kwargs: Any) -> Any:
            name = next((name for name in _PIXELS if name in kwargs), None)
            pixels = kwargs.pop(name) if name else pixels
            if self._computing:
                # A model may compute a video's features by way of its images'.
                return method(pixels, *args, **kwargs)
            if self._pixels is not pixels:
                self._features = self._computed(method, pixels, *args, **kwargs)
                self._pixels = pixels
            return _repeated(self._features, self._rows)

        return features

    def _computed(self, method: Callable[..., Any], pixels: Any, *args: Any, **kwargs: Any) -> Any:
        self.tower_calls += 1
        self._computing = True
        try:
            return method(
                pixels,
                *(self._of_one_row(value) for value in args),
                **{name: self._of_one_row(value) for name, value in kwargs.items()},
            )
        finally:
            self._computing = False

    def _of_one_row(self, value: Any) -> Any:
        """What belongs to the first row: grids and sizes are repeated for each row."""
        from torch import Tensor

        return value[: len(value) // self._rows] if isinstance(value, Tensor) and value.ndim else value


def _repeated(features: Any, count: int) -> Any:
    """Features of one clip as they would be for `count` equal ones."""
    import torch

    if count == 1:
        return features
    if isinstance(features, torch.Tensor):
        return torch.cat([features] * count)
    if isinstance(features, list | tuple):
        return type(features)([*features] * count)
    result = copy.copy(features)
    result.pooler_output = _repeated(features.pooler_output, count)
    # Qwen3-VL adds features to deeper layers: a list over layers, rows one after the other in each.
    deeper = getattr(features, "deepstack_features", None)
    if deeper is not None:
        result.deepstack_features = [_repeated(layer, count) for layer in deeper]
    return result
