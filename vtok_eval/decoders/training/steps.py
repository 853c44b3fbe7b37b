"""The steps of one decoder's training; after a kill it continues to the same bits."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from vtok_eval.decoders.network import TokenDecoder
from vtok_eval.decoders.training.clips import VERSION as CLIPS_VERSION
from vtok_eval.decoders.training.losses import decoding_loss
from vtok_eval.decoders.training.recipe import DecoderRecipe, DecoderSplit
from vtok_eval.files.atomic import write_bytes
from vtok_eval.probes.artifact import fingerprint_of
from vtok_eval.probes.features import FeatureTable
from vtok_eval.probes.training import warm_cosine
from vtok_eval.scenes.scene import VERSION as SCENES_VERSION

log = logging.getLogger(__name__)

VERSION = 2
"""Raised whenever an equal recipe could give other weights."""
_BETAS = (0.9, 0.98)
_LARGEST_GRADIENT = 1.0
_KEPT_PARTS = 50
"""A checkpoint and a row of mean losses are kept so many times in a training."""

LossRow = dict[str, float]
"""`step`, `loss` and the parts of the loss."""
Shown = Callable[[int, Mapping[str, float]], None]
"""Called after each step with its number and the parts of its loss."""


class Steps:
    """The steps of one training. Which clips and frames a step sees depends on seed and step alone."""

    def __init__(
        self,
        network: TokenDecoder,
        table: FeatureTable,
        split: DecoderSplit,
        *,
        recipe: DecoderRecipe,
        tokens: str,
        folder: Path,
    ) -> None:
        """Make the optimiser. table: features of the split's clips, standardised.

        tokens: the key of the tokens that are decoded. folder: where the checkpoint goes.
        """
        self.network, self.table, self.split, self.recipe = network, table, split, recipe
        self.optimizer = torch.optim.AdamW(
            _groups(network, recipe.weight_decay), lr=recipe.learning_rate, betas=_BETAS
        )
        facts = {
            "version": [VERSION, CLIPS_VERSION, SCENES_VERSION],
            "recipe": asdict(recipe),
            "shape": asdict(network.decoder.shape),
            "tokens": tokens,
        }
        self.path = folder / f".{fingerprint_of(facts)[:16]}.checkpoint.pt"

    def run(self, shown: Shown) -> list[LossRow]:
        """Take all steps that are left; gives the mean loss and its parts over each fiftieth of all steps."""
        self.network.train()
        begun, losses = self._resume()
        every = max(1, self.recipe.steps // _KEPT_PARTS)
        for step in range(begun, self.recipe.steps):
            parts = self._step(step)
            shown(step, parts)
            losses.append({"step": step, **parts})
            if (step + 1) % every == 0 and step + 1 < self.recipe.steps:
                self._keep(step + 1, losses)
        return [_mean(losses[start : start + every]) for start in range(0, len(losses), every)]

    def forget(self) -> None:
        """Remove the checkpoint: the decoder is kept elsewhere."""
        self.path.unlink(missing_ok=True)

    def _step(self, step: int) -> dict[str, float]:
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate * warm_cosine(step, self.recipe.steps)
        rows, frames = self._drawn(step)
        device = self.network.decoder.nothing.device
        groups, _ = self.table.select(rows, device=device)
        maps = self.network(groups, frames.to(device)).cpu().flatten(0, 1)
        truth = self.split.truth.select(rows, frames).flat()
        loss, parts = decoding_loss(maps, truth, self.split.backdrop[rows][:, frames].flatten(0, 1))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), _LARGEST_GRADIENT)
        self.optimizer.step()
        return {"loss": float(loss.detach()), **parts}

    def _drawn(self, step: int) -> tuple[Tensor, Tensor]:
        """The clips and the frames of a step, int64 `(batch_size,)` and `(frames,)`, on the CPU."""
        seed = np.random.SeedSequence([self.recipe.seed, step]).generate_state(1, np.uint32)[0]
        generator = torch.Generator(device="cpu").manual_seed(int(seed))
        rows = torch.randint(len(self.table), (self.recipe.batch_size,), generator=generator, device="cpu")
        frames = torch.randperm(self.recipe.n_frames, generator=generator, device="cpu")
        return rows, frames[: self.recipe.frames]

    def _resume(self) -> tuple[int, list[dict[str, float]]]:
        if not self.path.is_file():
            return 0, []
        device = self.network.decoder.nothing.device
        kept = torch.load(self.path, map_location=device, weights_only=True)
        self.network.load_state_dict(kept["network"])
        self.optimizer.load_state_dict(kept["optimizer"])
        log.info("continuing after step %d of %d", kept["step"], self.recipe.steps)
        return kept["step"], kept["losses"]

    def _keep(self, step: int, losses: list[dict[str, float]]) -> None:
        kept = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": step,
            "losses": losses,
        }
        buffer = io.BytesIO()
        torch.save(kept, buffer)
        write_bytes(self.path, buffer.getvalue())


def _groups(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Matrices are decayed; biases, gains and tables of embeddings are not."""
    named = [(name, value) for name, value in network.named_parameters() if value.requires_grad]
    decayed = [value for name, value in named if value.ndim >= 2 and ".embed_" not in name]
    others = [value for name, value in named if value.ndim < 2 or ".embed_" in name]
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]


def _mean(rows: Sequence[Mapping[str, float]]) -> LossRow:
    last = rows[-1]["step"] + 1
    names = [name for name in rows[0] if name != "step"]
    return {"step": last, **{name: round(sum(row[name] for row in rows) / len(rows), 5) for name in names}}
