"""Trains decoders: features of all tokenizers in one pass over the clips, then each decoder in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vtok_eval.benchmark import NoResult, Sample
from vtok_eval.data import Clips
from vtok_eval.decoders.architecture import DecoderShape
from vtok_eval.decoders.layout import TokenLayout
from vtok_eval.decoders.network import TokenDecoder, build_network
from vtok_eval.decoders.objects import DETECTION_THRESHOLD, draw
from vtok_eval.decoders.training.losses import agreement
from vtok_eval.decoders.training.recipe import DecoderRecipe, DecoderSplit
from vtok_eval.decoders.training.steps import Shown, Steps
from vtok_eval.errors import SpecError
from vtok_eval.probes.features import (
    ClipFeatures,
    FeatureTable,
    Statistics,
    build_table,
    extract_features,
)
from vtok_eval.probes.training import measure_shape
from vtok_eval.run.runners.runner import Runner
from vtok_eval.systems import System
from vtok_eval.tokenizers.identity import tokens_key

_DRAWN_CLIPS = 200
"""Validation clips whose pixels are compared: drawing takes longer than decoding."""


@dataclass(frozen=True)
class DecoderTables:
    """What one tokenizer's decoders are trained on and measured on, standardised, and by which statistics."""

    system: System
    training: FeatureTable
    validation: FeatureTable
    statistics: Statistics
    layout: TokenLayout


@dataclass(frozen=True)
class TrainedDecoder:
    """A trained decoder in evaluation mode with weights that half precision holds, and its history.

    tokens: the key of what it decodes (`tokens_key`).
    """

    network: TokenDecoder
    statistics: Statistics
    layout: TokenLayout
    tokens: str
    history: Mapping[str, Any]  # plain data for the file's metadata: recipe, losses, validation


@dataclass
class DecoderTraining:
    """Trains decoders on one pair of splits.

    folder: where the checkpoints are kept from which a training that was killed continues.
    """

    recipe: DecoderRecipe
    training: DecoderSplit
    validation: DecoderSplit
    runner: Runner
    folder: Path

    def tables(self, systems: Sequence[System]) -> list[DecoderTables]:
        """The features of both splits for each system; every clip is rendered once for all of them.

        Raises:
            SpecError: a tokenizer fails on one of the clips.
            TokenizerError: the number, places or width of its tokens differ from clip to clip.
        """
        training = self._extracted(systems, self.training, "training")
        validation = self._extracted(systems, self.validation, "validation")
        return [self._tables(*each) for each in zip(systems, training, validation, strict=True)]

    def train(self, tables: DecoderTables, *, seed: int, shown: Shown) -> tuple[TrainedDecoder, Steps]:
        """Train one decoder, or continue where a killed process stopped.

        shown: called after each step. Call `forget` on the steps once the decoder is on disk.
        """
        recipe = replace(self.recipe, seed=seed)
        subject, device = tables.system.subject, self.runner.device
        measured = measure_shape(subject, tables.training, seed=seed, device=device)
        shape = DecoderShape(token_width=measured.token_width)
        network = build_network(subject, shape, tables.layout, seed=seed, device=device)
        tokens = tokens_key(tables.system, n_frames=recipe.n_frames)
        steps = Steps(
            network, tables.training, self.training, recipe=recipe, tokens=tokens, folder=self.folder
        )
        losses = steps.run(shown)
        halve_(network.eval())
        history = {"recipe": asdict(recipe), "losses": losses, "validation": self._measured(network, tables)}
        return TrainedDecoder(network, tables.statistics, tables.layout, tokens, history), steps

    def _extracted(
        self, systems: Sequence[System], split: DecoderSplit, what: str
    ) -> list[list[ClipFeatures]]:
        """For each system the features of the split's clips, in order."""

        def extract(batch: Sequence[Sample], clips: Clips | None) -> Sequence[tuple[ClipFeatures, ...]]:
            if clips is None:
                raise ValueError("these samples have no clips")
            features = [extract_features(system.subject, clips) for system in systems]
            return list(zip(*features, strict=True))

        found: dict[str, tuple[ClipFeatures, ...]] = {}
        for sample, result in self.runner.map(split.samples, extract, description=f"{what} clips"):
            if isinstance(result, NoResult):
                names = ", ".join(system.name for system in systems)
                raise SpecError(f"train decoder {names}: the {what} clip {sample.id} failed: {result.reason}")
            found[sample.id] = result
        rows = [found.pop(sample.id) for sample in split.samples]
        return [list(column) for column in zip(*rows, strict=True)]

    def _tables(
        self, system: System, training: list[ClipFeatures], validation: list[ClipFeatures]
    ) -> DecoderTables:
        raw = [
            build_table(features, [sample.id for sample in split.samples])
            for features, split in ((training, self.training), (validation, self.validation))
        ]
        # The clips' own tensors are copied into the tables: with many clips both would not fit.
        training.clear()
        validation.clear()
        statistics = Statistics.of(raw[0])
        tables = [statistics.standardise(table) for table in raw]
        layout = TokenLayout.of(tables[0], n_frames=self.recipe.n_frames)
        return DecoderTables(system, tables[0], tables[1], statistics, layout)

    def _measured(self, network: TokenDecoder, tables: DecoderTables) -> dict[str, object]:
        """How well validation clips are decoded: counts at each threshold, the rest at true centres."""
        frames = torch.tensor(self.recipe.measured_frames, device="cpu")
        maps = self._maps(network, tables.validation, frames)
        rows = torch.arange(len(tables.validation), device="cpu")
        found = agreement(maps.flatten(0, 1), self.validation.truth.select(rows, frames).flat())
        return {
            "clips": len(tables.validation),
            "frames": len(frames),
            "form": round(found.form, 4),
            "colour": round(found.colour, 4),
            "count": {f"{threshold:g}": round(share, 4) for threshold, share in found.count.items()},
            "psnr": round(self._psnr(maps[:_DRAWN_CLIPS], frames), 2),
            "psnr_clips": min(_DRAWN_CLIPS, len(maps)),
        }

    @torch.no_grad()
    def _maps(self, network: TokenDecoder, table: FeatureTable, frames: Tensor) -> Tensor:
        """Of the frames `(F,)` of a table's clips, `(N, F, C, PLACES, PLACES)`."""
        maps = []
        for rows in torch.arange(len(table), device="cpu").split(32):
            groups, _ = table.select(rows, device=self.runner.device)
            maps.append(network(groups, frames.to(self.runner.device)).cpu())
        return torch.cat(maps)

    def _psnr(self, maps: Tensor, frames: Tensor) -> float:
        """Mean over clips of the PSNR in dB of the frames as drawn, by their MSE over all pixels."""
        found = []
        for clip, shown in zip(self.validation.scenes, maps, strict=False):
            drawn = draw(shown, side=self.recipe.size, threshold=DETECTION_THRESHOLD)
            error = (drawn.double() - clip.load().frames[frames].double()).square().mean()
            found.append(float(10 * torch.log10(255**2 / error.clamp_min(1e-9))))
        return sum(found) / len(found)


def halve_(network: nn.Module) -> None:
    """Round all weights, in place, to what half precision holds: as a file will keep them."""
    with torch.no_grad():
        for weights in network.state_dict().values():
            if weights.is_floating_point():
                weights.copy_(weights.half())
