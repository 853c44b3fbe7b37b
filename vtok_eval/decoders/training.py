"""Trains the decoder of one tokenizer: one recipe for all, and after a kill it goes on to the same bits."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vtok_eval.benchmark import Sample
from vtok_eval.decoders.architecture import PLACES, DecoderShape
from vtok_eval.decoders.clips import VERSION as CLIPS_VERSION
from vtok_eval.decoders.clips import VariedClip, true_backdrop
from vtok_eval.decoders.layout import Layout
from vtok_eval.decoders.losses import agreement, decoding_loss
from vtok_eval.decoders.network import TokenDecoder, build_network
from vtok_eval.decoders.objects import Truth, draw
from vtok_eval.errors import SpecError
from vtok_eval.files.atomic import write_bytes
from vtok_eval.probes.artifact import fingerprint_of
from vtok_eval.probes.collection import collect
from vtok_eval.probes.features import FeatureTable, Statistics
from vtok_eval.probes.training import measure_shape, warm_cosine
from vtok_eval.run.runners.runner import Runner
from vtok_eval.scenes.dataset import SceneClip
from vtok_eval.scenes.scene import VERSION as SCENES_VERSION
from vtok_eval.systems import System

log = logging.getLogger(__name__)

VERSION = 1
"""Raised whenever an equal recipe could give other weights."""
_BETAS = (0.9, 0.98)
_LARGEST_GRADIENT = 1.0


@dataclass(frozen=True)
class Recipe:
    """How every decoder is trained.

    clips: training clips, `VariedClip`s of the train split; validation_clips: ordinary scenes of the
    validation split, on which the threshold for objects is chosen. frames: of each clip in a batch.
    size in pixels and n_frames: of the clips, and so of what is decoded.
    """

    clips: int = 20_000
    validation_clips: int = 300
    steps: int = 2_000
    batch_size: int = 64
    frames: int = 2
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    seed: int = 0
    size: int = 64
    n_frames: int = 16

    def __post_init__(self) -> None:
        """Refuse numbers that make no training.

        Raises:
            SpecError: naming the number.
        """
        for name in ("clips", "validation_clips", "steps", "batch_size", "frames"):
            if getattr(self, name) < 1:
                raise SpecError(f"train decoder: {name} must be at least 1, not {getattr(self, name)}")


@dataclass(frozen=True)
class Split:
    """Clips of one split and what they show; made once for all tokenizers."""

    scenes: tuple[SceneClip, ...]

    @classmethod
    def train(cls, recipe: Recipe) -> Split:
        """The clips that decoders are trained on."""
        return cls(
            tuple(
                VariedClip(recipe.seed, "train", index, recipe.size, recipe.n_frames)
                for index in range(recipe.clips)
            )
        )

    @classmethod
    def validation(cls, recipe: Recipe) -> Split:
        """The clips on which a decoder's threshold is chosen."""
        return cls(
            tuple(
                SceneClip(recipe.seed, "validation", index, recipe.size, recipe.n_frames)
                for index in range(recipe.validation_clips)
            )
        )

    @cached_property
    def samples(self) -> list[Sample]:
        """One for each clip."""
        return [Sample(id=clip.key, cluster=clip.key, clip=clip) for clip in self.scenes]

    @cached_property
    def truth(self) -> Truth:
        """What every frame shows, `(N, T, ...)`."""
        return Truth.of([clip.scene for clip in self.scenes], n_frames=self.scenes[0].n_frames)

    @cached_property
    def backdrop(self) -> Tensor:
        """What is behind it, coarsely: uint8 `(N, T, 3, PLACES, PLACES)`, means over squares of pixels."""
        coarse = [_coarse(true_backdrop(clip)) for clip in self.scenes]
        return torch.from_numpy(np.stack(coarse))


@dataclass(frozen=True)
class Trained:
    """A trained decoder in evaluation mode with weights that half precision holds, and how it came about."""

    network: TokenDecoder
    statistics: Statistics
    layout: Layout
    threshold: float
    history: Mapping[str, Any]


@dataclass
class DecoderTraining:
    """Trains decoders on one pair of splits, one tokenizer after the other.

    folder: where the checkpoints go from which a training that was killed goes on.
    """

    recipe: Recipe
    training: Split
    validation: Split
    runner: Runner
    folder: Path

    def train(self, system: System, *, shown: Callable[[int, Mapping[str, float]], None]) -> Trained:
        """Train one decoder, or go on where a killed process stopped.

        shown: called after each step with its number and the parts of its loss.

        Raises:
            TokenizerError: the tokenizer fails on every clip, or its tokens lie otherwise from clip to clip.
            SpecError: it fails on some of the clips.
        """
        tables = [
            collect(system.subject, split.samples, self.runner, description=f"{system.name}: {what} clips")
            for split, what in ((self.training, "training"), (self.validation, "validation"))
        ]
        if failed := [name for part in tables for name in part.failures]:
            raise SpecError(f"{system.name} fails on {len(failed)} training clips, the first: {failed[0]}")
        statistics = Statistics.of(tables[0].table)
        training, validation = (statistics.standardise(part.table) for part in tables)
        layout = Layout.of(training, n_frames=self.recipe.n_frames)
        shape = self._shape(system, training)
        network = build_network(
            system.subject, shape, layout, seed=self.recipe.seed, device=self.runner.device
        )
        losses = _Steps(self, system, network, training).run(shown)
        halve_(network.eval())
        maps = self._maps(network, validation)
        found = agreement(maps.flatten(0, 1), self.validation.truth.flat())
        history = {
            "recipe": asdict(self.recipe),
            "losses": losses,
            "validation": {
                "clips": len(validation),
                "form": round(found.form, 4),
                "colour": round(found.colour, 4),
                "count": {f"{threshold:g}": round(share, 4) for threshold, share in found.count.items()},
                "psnr": round(self._psnr(maps, found.best_threshold), 2),
            },
        }
        return Trained(network, statistics, layout, found.best_threshold, history)

    def _shape(self, system: System, table: FeatureTable) -> DecoderShape:
        measured = measure_shape(system.subject, table, seed=self.recipe.seed, device=self.runner.device)
        return DecoderShape(token_width=measured.token_width)

    @torch.no_grad()
    def _maps(self, network: TokenDecoder, table: FeatureTable) -> Tensor:
        """Of every frame of a table's clips, `(N, T, C, PLACES, PLACES)`."""
        every = torch.arange(self.recipe.n_frames)
        maps = []
        for rows in torch.arange(len(table)).split(16):
            groups, _ = table.select(rows, device=self.runner.device)
            maps.append(network(groups, every.to(self.runner.device)).cpu())
        return torch.cat(maps)

    def _psnr(self, maps: Tensor, threshold: float) -> float:
        """Mean over validation clips of the PSNR in dB of a clip as drawn, by its MSE over all pixels."""
        found = []
        for clip, shown in zip(self.validation.scenes, maps, strict=True):
            drawn = draw(shown, side=self.recipe.size, threshold=threshold)
            error = (drawn.double() - clip.load().frames.double()).square().mean()
            found.append(float(10 * torch.log10(255**2 / error.clamp_min(1e-9))))
        return sum(found) / len(found)


class _Steps:
    """The steps of one training. Which clips and frames a step sees depends on seed and step alone."""

    def __init__(
        self, job: DecoderTraining, system: System, network: TokenDecoder, table: FeatureTable
    ) -> None:
        self.job, self.recipe, self.network, self.table = job, job.recipe, network, table
        self.optimizer = torch.optim.AdamW(
            _groups(network, job.recipe.weight_decay), lr=job.recipe.learning_rate, betas=_BETAS
        )
        facts = {
            "version": [VERSION, CLIPS_VERSION, SCENES_VERSION],
            "recipe": asdict(job.recipe),
            "shape": asdict(network.decoder.shape),
            "system": system.description.identity(),
        }
        self.path = job.folder / f".{fingerprint_of(facts)[:16]}.checkpoint.pt"

    def run(self, shown: Callable[[int, Mapping[str, float]], None]) -> list[dict[str, float]]:
        """All steps that are still to be done; the mean loss and its parts over each fiftieth of them all."""
        self.network.train()
        begun, losses = self._resume()
        every = max(1, self.recipe.steps // 50)
        for step in range(begun, self.recipe.steps):
            parts = self._step(step)
            shown(step, parts)
            losses.append({"step": step, **parts})
            if (step + 1) % every == 0 and step + 1 < self.recipe.steps:
                self._keep(step + 1, losses)
        self.path.unlink(missing_ok=True)
        return [_mean(losses[start : start + every]) for start in range(0, len(losses), every)]

    def _step(self, step: int) -> dict[str, float]:
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate * warm_cosine(step, self.recipe.steps)
        rows, frames = self._drawn(step)
        device = self.job.runner.device
        groups, _ = self.table.select(rows, device=device)
        maps = self.network(groups, frames.to(device)).cpu().flatten(0, 1)
        truth = self.job.training.truth.select(rows, frames).flat()
        loss, parts = decoding_loss(maps, truth, self.job.training.backdrop[rows][:, frames].flatten(0, 1))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), _LARGEST_GRADIENT)
        self.optimizer.step()
        return {"loss": float(loss.detach()), **parts}

    def _drawn(self, step: int) -> tuple[Tensor, Tensor]:
        seed = np.random.SeedSequence([self.recipe.seed, step]).generate_state(1, np.uint32)[0]
        generator = torch.Generator().manual_seed(int(seed))
        rows = torch.randint(len(self.table), (self.recipe.batch_size,), generator=generator)
        frames = torch.randperm(self.recipe.n_frames, generator=generator)[: self.recipe.frames]
        return rows, frames

    def _resume(self) -> tuple[int, list[dict[str, float]]]:
        if not self.path.is_file():
            return 0, []
        kept = torch.load(self.path, map_location=self.job.runner.device, weights_only=True)
        self.network.load_state_dict(kept["network"])
        self.optimizer.load_state_dict(kept["optimizer"])
        log.info("going on after step %d of %d", kept["step"], self.recipe.steps)
        return kept["step"], kept["losses"]

    def _keep(self, step: int, losses: list[dict[str, float]]) -> None:
        import io

        kept = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": step,
            "losses": losses,
        }
        buffer = io.BytesIO()
        torch.save(kept, buffer)
        write_bytes(self.path, buffer.getvalue())


def halve_(network: nn.Module) -> None:
    """Round all weights, in place, to what half precision holds: as a file will keep them."""
    with torch.no_grad():
        for weights in network.state_dict().values():
            if weights.is_floating_point():
                weights.copy_(weights.half())


def _coarse(frames: np.ndarray) -> np.ndarray:
    n_frames, channels, side, _ = frames.shape
    each = side // PLACES
    squares = frames[..., : each * PLACES, : each * PLACES].reshape(
        n_frames, channels, PLACES, each, PLACES, each
    )
    return (squares.mean(axis=(3, 5)) + 0.5).astype(np.uint8)


def _groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices are decayed; biases, gains and tables of embeddings are not."""
    named = [(name, value) for name, value in network.named_parameters() if value.requires_grad]
    decayed = [value for name, value in named if value.ndim >= 2 and ".embed_" not in name]
    others = [value for name, value in named if value.ndim < 2 or ".embed_" in name]
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]


def _mean(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    last = rows[-1]["step"] + 1
    names = [name for name in rows[0] if name != "step"]
    return {"step": last, **{name: round(sum(row[name] for row in rows) / len(rows), 5) for name in names}}
