"""A tokenizer that keeps every pixel, and systems and trainings as the harness builds them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from vtok_eval.data import Clips, Tokens
from vtok_eval.decoders.training.recipe import DecoderRecipe, DecoderSplit
from vtok_eval.decoders.training.trainer import DecoderTraining
from vtok_eval.run.runners.runner import Runner
from vtok_eval.run.suite import SystemEntry
from vtok_eval.specs.systems import VideoMaking, build_system
from vtok_eval.systems import System
from vtok_eval.tokenizers.build import BuildContext

CPU = torch.device("cpu")


class Patches:
    """Each frame as 4 x 4 tokens that hold all of their pixels: nothing is lost."""

    def encode(self, clips: Clips) -> Tokens:
        cells = clips.frames.float().div(255).unfold(3, 16, 16).unfold(4, 16, 16)
        values = cells.permute(0, 1, 3, 4, 2, 5, 6).flatten(4).flatten(1, 3)
        return Tokens.of(values, frame=torch.arange(clips.n_frames).repeat_interleave(16))


class Uneven(Patches):
    """As many tokens as the first pixel says."""

    def encode(self, clips: Clips) -> Tokens:
        tokens = super().encode(clips)
        first = clips.frames[:, 0, 0, 0, 0].long() % 8
        mask = torch.arange(tokens.mask.shape[1]) >= first[:, None]
        return Tokens(tokens.values, mask, tokens.kind, tokens.frame)


def system_of(spec: str, name: str | None = None, *, names: Mapping[str, str] | None = None) -> System:
    """A tokenizer by its spec, with the embedded backbone and no cache. names: what it may match."""
    context = BuildContext(device=CPU, names=names or {})
    return build_system(SystemEntry(spec=spec, name=name or spec), context, VideoMaking(Path(), seed=0))


def training_of(recipe: DecoderRecipe, folder: Path) -> DecoderTraining:
    return DecoderTraining(
        recipe, DecoderSplit.train(recipe), DecoderSplit.validation(recipe), Runner(device=CPU), folder
    )
