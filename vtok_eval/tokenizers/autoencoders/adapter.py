"""The video autoencoders of diffusers as tokenizers: one adapter for all, with the table's rules."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from vtok_eval.data import Clips, Tokens
from vtok_eval.errors import GenerationError, SpecError, TokenizerError
from vtok_eval.results.description import Caveat, Description
from vtok_eval.tokenizers.autoencoders.diffusers_model import model_folder
from vtok_eval.tokenizers.autoencoders.latents import LatentScale, scale_of

DecimalFormat = Literal["float32", "bfloat16", "float16"]
_FPS = 8.0
"""Of decoded clips: latents do not say at which rate their frames are shown."""


class DiffusersAutoencoder:
    """A video autoencoder of diffusers: each latent cell is a token, `(B, t * h * w, C)`, as a volume.

    Latents are the mode of the encoder's distribution, never a sample, scaled as the diffusion model reads
    them. Each clip passes by itself, so that its tokens do not depend, in any bit, on its batch. After any
    exception the model is loaded anew before its next use: some classes keep state that a failed call breaks.

    model: CLASS@FOLDER with a config.json and safetensors files, or CLASS@OWNER/NAME of the Hugging Face
        hub, once fetched. subfolder: of it, mostly "vae". revision: of the hub's repository.
    dtype: in which the network computes; tokens are float32.
    tiling: encode and decode in the class's own tiles. It takes less memory and moves the latents, so that it
        is off unless asked for. Allegro has no other way.
    random: weights drawn from this seed instead of the folder's; the system is labelled "random weights".

    Raises:
        SpecError, UnknownNameError, MissingDependencyError: as `model_folder` and `ModelFolder`.
    """

    sampling_rule = "every frame"

    def __init__(
        self,
        *,
        model: str,
        device: torch.device | str = "cpu",
        subfolder: str = "",
        revision: str | None = None,
        dtype: DecimalFormat = "float32",
        tiling: bool = False,
        random: int | None = None,
    ) -> None:
        self.model, self.device = model, torch.device(device)
        self.subfolder, self.revision = subfolder, revision
        self.dtype: DecimalFormat = dtype
        self.random = random
        self._files = model_folder(model, subfolder=subfolder, revision=revision)
        self._layout = self._files.layout
        self.accepts = self._layout.accepts
        self.tiling = tiling or self._layout.always_tiled
        self._weights_sha256 = None if random is not None else self._files.sha256
        self._loaded: Any = None  # Any: a class of diffusers
        if self.tiling and not self._can_tile():
            raise SpecError(f"{self._files.class_name} has no tiling")

    def describe(self) -> Description:
        """The class, the version of diffusers, and the weights: their hash, or the seed they come from."""
        from importlib.metadata import version

        facts: dict[str, object] = {
            "autoencoder": self._files.class_name,
            "diffusers": version("diffusers"),
            "latents": "mode, scaled by the model's own mean and deviation or factor",
        }
        if self.random is not None:
            facts["weights"] = f"random, seed {self.random}"
            return Description(caveats=(Caveat.RANDOM_WEIGHTS,), facts=facts)
        return Description(facts={**facts, "checkpoint_sha256": self._weights_sha256})

    def encode(self, clips: Clips) -> Tokens:
        """Latents of clips that meet `accepts`, float32 on the tokenizer's device.

        Raises:
            TokenizerError: a clip that does not meet it, or latents of another shape than the table's.
        """
        n_frames, (height, width) = clips.n_frames, clips.size
        if not (self.accepts.takes_length(n_frames) and self.accepts.takes_size(height, width)):
            raise TokenizerError(
                f"{self._files.class_name} takes clips of {self.accepts.text()}, not {n_frames} frames of "
                f"{height} x {width} px"
            )
        shape = self._layout.latent_shape(n_frames, height, width)
        latents = torch.cat([self._encode_one(clip, shape) for clip in clips.frames.split(1)])
        frame = torch.tensor(self._layout.first_frames(shape[0]), device="cpu").repeat_interleave(
            shape[1] * shape[2]
        )
        return Tokens.of(latents.flatten(2).transpose(1, 2).contiguous(), frame=frame, latent_shape=shape)

    def decode(self, tokens: Tokens) -> Clips:
        """The clips of latents, uint8 `(B, T, 3, H, W)`; their frame rate is 8, since latents have none.

        Raises:
            TokenizerError: tokens without `latent_shape`.
            GenerationError: the network gives another shape than the table says, or NaN.
        """
        if tokens.latent_shape is None:
            raise TokenizerError("these tokens have no latent_shape, which decode needs")
        volume = tokens.values.transpose(1, 2).unflatten(2, tokens.latent_shape)
        frames = torch.cat([self._decode_one(latents) for latents in volume.split(1)])
        return Clips(frames, torch.full((len(frames),), _FPS, dtype=torch.float64, device=frames.device))

    def _encode_one(self, frames: Tensor, shape: tuple[int, int, int]) -> Tensor:
        """Scaled latents `(1, C, t, h, w)` of uint8 `(1, T, 3, H, W)`."""
        video = frames.to(self.device).transpose(1, 2).to(self._dtype()) / 127.5 - 1
        with torch.inference_mode():
            try:
                network = self._network()
                given = video[0].transpose(0, 1) if self._layout.framewise else video
                latents = network.encode(given).latent_dist.mode().float()
            except Exception:
                self._loaded = None
                raise
        if self._layout.framewise:
            latents = latents.transpose(0, 1)[None]
        if tuple(latents.shape[2:]) != shape:
            raise TokenizerError(
                f"{self._files.class_name} gave latents {tuple(latents.shape[2:])}, not the expected {shape}"
            )
        return self._scale(latents).apply(latents).clone()

    def _decode_one(self, latents: Tensor) -> Tensor:
        """Frames uint8 `(1, T, 3, H, W)` of scaled latents `(1, C, t, h, w)`."""
        t, height, width = latents.shape[2:]
        with torch.inference_mode():
            try:
                video = self._decoded(latents.to(self.device))
            except Exception:
                self._loaded = None
                raise
            n_frames, spatial = self._layout.n_frames(t), self._layout.spatial
            expected = (1, n_frames, 3, height * spatial, width * spatial)
            if tuple(video.shape) != expected:
                raise GenerationError(
                    f"{self._files.class_name} decoded {t} latent frames to {tuple(video.shape)}, "
                    f"not {expected}"
                )
            if not bool(video.isfinite().all()):
                raise GenerationError(
                    f"{self._files.class_name} decoded to NaN or infinite values in {self.dtype}"
                )
            return ((video.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).clone()

    def _decoded(self, latents: Tensor) -> Tensor:
        """The network's frames `(1, T, 3, H, W)`, float32, about -1 to 1."""
        network = self._network()
        plain = self._scale(latents).undo(latents.float()).to(self._dtype())
        if self._layout.framewise:
            frames = plain[0].transpose(0, 1)
            decoded: Tensor = network.decode(frames, num_frames=len(frames)).sample
            return decoded[None].float()
        more = {}
        if network.config.get("timestep_conditioning"):
            # What the pipeline passes unless it is told otherwise: no noise is left.
            more["temb"] = torch.zeros(1, device=plain.device, dtype=plain.dtype)
        video: Tensor = network.decode(plain, **more).sample.float()
        return video if self._layout.frames_first else video.transpose(1, 2)

    def _scale(self, latents: Tensor) -> LatentScale:
        return scale_of(self._network(), channels=latents.shape[1])

    def _dtype(self) -> torch.dtype:
        found: torch.dtype = getattr(torch, self.dtype)
        return found

    def _can_tile(self) -> bool:
        return hasattr(self._network(), "enable_tiling")

    def _network(self) -> Any:  # Any: a class of diffusers
        if self._loaded is None:
            model = self._files.load(dtype=self.dtype, random=self.random).to(self.device)
            if self.tiling:
                model.enable_tiling()
            self._loaded = model
        return self._loaded
