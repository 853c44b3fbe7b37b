"""Small decoders: what the tokens of a rendered scene show, drawn as a clip of 64 x 64 pixels.

A tokenizer under test gives tokens, and most cannot turn them back into pictures. The decoders here do it
for them: some for each kind of tokens, from as many training seeds, of one architecture, trained in the same
way. They predict objects (places, forms, colours) and a coarse backdrop in the vocabulary of
`vtok_eval.scenes`, which the scenes' own renderer draws: on anything but rendered scenes they say nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from vtok_eval.decoders.decoder import TokenizerDecoders
    from vtok_eval.systems import System


def decoders_of(
    system: System, *, device: torch.device, folder: Path | None = None, seeds: int | None = None
) -> TokenizerDecoders:
    """The decoders that were trained for a tokenizer's tokens, of `folder` or those shipped.

    seeds: how many, the first by seed; None takes all.

    Raises:
        MissingDependencyError: none was trained, or fewer than `seeds`; says how to train them.
        SpecError: a file is damaged or does not fit.
    """
    from vtok_eval.decoders.files import find_decoders

    return find_decoders(system, device=device, folder=folder, seeds=seeds)
