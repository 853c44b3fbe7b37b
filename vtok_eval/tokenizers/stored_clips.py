"""Which clips a tokenizer can encode without their pixels, since the feature cache holds what it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vtok_eval.data import ClipForm

if TYPE_CHECKING:
    from vtok_eval.benchmark import ClipSource, Unread


def stored_clips(tokenizer: object) -> Unread:
    """A function that returns the form of a clip whose pixels the tokenizer does not need, else None.

    It is a hint (see `Runner.map`): a tokenizer that looks at the pixels after all gets them.

    Example:
        >>> stored_clips(object())(None) is None
        True
    """
    from vtok_eval.tokenizers.backbones.cached import CachedBackbone
    from vtok_eval.tokenizers.controls import Blind
    from vtok_eval.tokenizers.reading import ReadingTokenizer, wanted

    if isinstance(tokenizer, Blind):
        return lambda source: getattr(source, "form", None)
    backbone = getattr(tokenizer, "backbone", None)
    if not isinstance(tokenizer, ReadingTokenizer) or not isinstance(backbone, CachedBackbone):
        return lambda source: None
    reading, cached = tokenizer, backbone

    def form_of(source: ClipSource) -> ClipForm | None:
        form = getattr(source, "form", None) or cached.cache.form_of(source.key)
        if form is None:
            return None
        frames, grids = wanted(reading.readings(form.n_frames))
        return form if cached.has(source.key, frames, grids) else None

    return form_of
