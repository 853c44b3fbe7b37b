"""Small decoders: what the tokens of a rendered scene show, drawn as a clip of 64 x 64 pixels.

A tokenizer under test gives tokens, and most cannot turn them back into pictures. The decoders here do it
for them, one for each tokenizer, all of one architecture, trained alike. They predict objects (places, forms,
colours) and a coarse backdrop in the vocabulary of `vtok_eval.scenes`, which the scenes' own renderer draws:
on anything but rendered scenes they say nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from vtok_eval.decoders.decoder import Decoder
    from vtok_eval.systems import System


def decoder_of(system: System, *, device: torch.device, folder: Path | None = None) -> Decoder:
    """The decoder that was trained for a tokenizer: one of `folder`, by default of those shipped.

    Raises:
        MissingDependencyError: none was; says which there are and how to train one.
        SpecError: its file is damaged or does not fit.
    """
    from vtok_eval.decoders.files import find_decoder

    return find_decoder(system, device=device, folder=folder)
