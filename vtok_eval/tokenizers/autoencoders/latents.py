"""Latents as a diffusion model reads them: shifted and scaled as the autoencoder's own files say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vtok_eval.errors import TokenizerError


@dataclass(frozen=True)
class LatentScale:
    """Latents `z` of the network become `(z - mean) * factor`.

    Attributes:
        mean, factor: float32 `(C, k, 1, 1)`, k of 1, or a row for each latent frame.

    Example:
        >>> scale = LatentScale(torch.full((4, 1, 1, 1), 2.0), torch.full((4, 1, 1, 1), 0.5))
        >>> latents = torch.full((1, 4, 2, 3, 3), 6.0)
        >>> float(scale.apply(latents).mean()), torch.equal(scale.undo(scale.apply(latents)), latents)
        (2.0, True)
    """

    mean: Tensor
    factor: Tensor

    def apply(self, latents: Tensor) -> Tensor:
        """Latents `(B, C, t, h, w)` as tokens have them."""
        mean, factor = self._for(latents)
        return (latents - mean) * factor

    def undo(self, latents: Tensor) -> Tensor:
        """Latents as the network gave them."""
        mean, factor = self._for(latents)
        return latents / factor + mean

    def _for(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        rows, n_latent = self.mean.shape[1], latents.shape[2]
        if rows not in (1, n_latent) and rows < n_latent:
            raise TokenizerError(
                f"the model states means of {rows} latent frames, and this clip has {n_latent}"
            )
        several = rows > 1
        mean, factor = (part[:, :n_latent] if several else part for part in (self.mean, self.factor))
        return mean.to(latents.device), factor.to(latents.device)


def scale_of(model: Any, *, channels: int) -> LatentScale:  # Any: one of diffusers' autoencoders
    """The scale that a model states: means and deviations in its weights or config, or one factor.

    That is `(z - latents_mean) * scaling_factor / latents_std`, where what is not stated has no effect; a
    `shift_factor` takes the place of the mean.
    """
    config = model.config
    factor = float(config.get("scaling_factor") or 1.0)
    mean = _stated(model, "latents_mean")
    deviation = _stated(model, "latents_std")
    if mean is None:
        mean = torch.full((channels,), float(config.get("shift_factor") or 0.0), device="cpu")
    if deviation is None:
        deviation = torch.ones(channels, device="cpu")
    rows = [part.float().view(channels, -1, 1, 1) for part in (mean, factor / deviation)]
    return LatentScale(mean=rows[0], factor=rows[1])


def _stated(model: Any, name: str) -> Tensor | None:
    buffers = dict(model.named_buffers())
    if name in buffers:
        found: Tensor = buffers[name].detach().cpu()
        return found
    listed = model.config.get(name)
    return None if listed is None else torch.tensor(listed, device="cpu")
