"""A recipe of seconds."""

from __future__ import annotations

import pytest

from vtok_eval.decoders.training.recipe import DecoderRecipe


@pytest.fixture(scope="session")
def small() -> DecoderRecipe:
    """Seconds of training."""
    return DecoderRecipe(clips=8, validation_clips=3, steps=6, batch_size=4, frames=1, n_frames=3)
