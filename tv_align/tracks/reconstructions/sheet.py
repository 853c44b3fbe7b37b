"""Writes a sheet of some clips with their reconstructions from a tokenizer's tokens, for the report."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tv_align.prompts.schema import CATEGORIES
from vtok_eval.benchmark import Context, Sample
from vtok_eval.data import Clips
from vtok_eval.errors import VtokEvalError
from vtok_eval.systems import System

if TYPE_CHECKING:
    from torch import Tensor

    from tv_align.tracks.reconstructions.decoding import Decoding

_log = logging.getLogger(__name__)

SHOWN = ("counting", "direction", "camera", "action")
"""The sheet has one clip of each of these categories."""


def keep_sheet(system: System, decoding: Decoding, samples: Sequence[Sample], context: Context) -> None:
    """Write the sheet of a system into the job's artifacts; the same clips for every system.

    Of several decoders the first is shown. A clip that cannot be reconstructed is left out with a warning; it
    fails as a sample as well.

    Raises:
        RunFolderError: the folder cannot be written.
    """
    from vtok_eval.decoders.sheet import SheetClip, write_sheet

    rows = []
    for category in SHOWN:
        sample = next((each for each in samples if each.meta["category"] == category), None)
        if sample is None or sample.clip is None:
            continue
        try:
            clip = context.runner.load(sample.clip)
            alone = Clips.stack([clip])
            alone = alone.to(context.device)
            (frames, *_), _ = decoding.reconstruct(alone)
        except VtokEvalError as error:
            _log.warning("%s: %s is not in the sheet of reconstructions: %s", system.name, sample.id, error)
            continue
        rows.append(SheetClip(CATEGORIES[category], clip.frames, _fitted(frames[0], clip.frames)))
    if rows:
        write_sheet(context.artifacts / "reconstructions", rows, system=system.name)


def _fitted(frames: Tensor, like: Tensor) -> Tensor:
    """Frames `(T, 3, H, W)` evenly chosen and resized as those of `like` are, where they differ."""
    import torch
    from torch.nn import functional

    chosen = frames[torch.linspace(0, len(frames) - 1, len(like), device="cpu").round().long()]
    if chosen.shape[2:] == like.shape[2:]:
        return chosen
    size = tuple(like.shape[2:])
    resized = functional.interpolate(chosen.float(), size=size, mode="bilinear", antialias=True)
    return resized.round().clamp(0, 255).to(torch.uint8)
