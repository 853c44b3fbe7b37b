"""What is known of diffusers' video autoencoders: the clips that each keeps whole, and its latents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vtok_eval.inputs.accepts import Accepts

Config = Mapping[str, Any]  # Any: values of a model's config.json


@dataclass(frozen=True)
class LatentLayout:
    """How an autoencoder divides a clip into latents.

    Attributes:
        accepts: the clips that come back whole. Many classes take others too, and silently return fewer
            frames or other sizes.
        temporal: frames of a latent frame. spatial: pixels of a side of a latent cell.
        first_alone: the first latent frame holds one frame only.
        framewise: the model takes frames, not clips, and is told their number to decode them.
        always_tiled: it works on tiles only; none may be left out.
        frames_first: `decode` gives `(B, T, 3, H, W)` instead of `(B, 3, T, H, W)`.


    Example:
        >>> config = {"temperal_downsample": [False, True, True], "dim_mult": [1, 2, 4, 4]}
        >>> wan = layout_of("AutoencoderKLWan", config)
        >>> wan.accepts.text(), wan.latent_shape(17, 256, 256), wan.first_frames(5)
        ('frames="1+4k", size="8k"', (5, 32, 32), [0, 1, 5, 9, 13])
    """

    accepts: Accepts
    temporal: int
    spatial: int
    first_alone: bool = True
    framewise: bool = False
    always_tiled: bool = False
    frames_first: bool = False

    def latent_shape(self, n_frames: int, height: int, width: int) -> tuple[int, int, int]:
        """(t, h, w) of a clip that `accepts` allows."""
        after = n_frames - 1 if self.first_alone else n_frames
        return (
            after // self.temporal + int(self.first_alone),
            height // self.spatial,
            width // self.spatial,
        )

    def first_frames(self, n_latent: int) -> list[int]:
        """The first frame that each of `n_latent` latent frames holds."""
        if self.first_alone:
            return [0, *(1 + number * self.temporal for number in range(n_latent - 1))]
        return [number * self.temporal for number in range(n_latent)]

    def n_frames(self, n_latent: int) -> int:
        """Frames of a clip of `n_latent` latent frames."""
        return (n_latent - 1) * self.temporal + 1 if self.first_alone else n_latent * self.temporal


def layout_of(name: str, config: Config) -> LatentLayout:
    """The layout of a class of `AUTOENCODERS` with the options of a model's config.json.

    Raises:
        KeyError: another class, or a config without what the layout depends on.
    """
    return AUTOENCODERS[name](config)


def _causal(temporal: int, spatial: int, *, frames: str | None = None) -> LatentLayout:
    accepts = Accepts(frames=frames or f"1+{temporal}k", size=f"{spatial}k")
    return LatentLayout(accepts, temporal=temporal, spatial=spatial)


def _wan(config: Config) -> LatentLayout:
    halvings = 2 ** (len(config["dim_mult"]) - 1)
    return _causal(2 ** sum(config["temperal_downsample"]), halvings * (config.get("patch_size") or 1))


def _named_ratios(config: Config) -> LatentLayout:
    return _causal(config["temporal_compression_ratio"], config["spatial_compression_ratio"])


def _cogvideox(config: Config) -> LatentLayout:
    # It decodes latent frames in pairs, of which the last alone holds one frame less: an even number of
    # latent frames comes back as 4k frames.
    temporal = int(config["temporal_compression_ratio"])
    spatial = 2 ** (len(config["block_out_channels"]) - 1)
    return _causal(temporal, spatial, frames=f"1+{2 * temporal}k")


def _ltx(config: Config) -> LatentLayout:
    halvings = 2 ** sum(config["spatio_temporal_scaling"])
    return _causal(
        config.get("temporal_compression_ratio") or config["patch_size_t"] * halvings,
        config.get("spatial_compression_ratio") or config["patch_size"] * halvings,
    )


def _ltx2(config: Config) -> LatentLayout:
    kinds = config["downsample_type"]
    in_time = sum(kind in ("temporal", "spatiotemporal") for kind in kinds)
    in_space = sum(kind in ("spatial", "spatiotemporal") for kind in kinds)
    return _causal(
        config.get("temporal_compression_ratio") or config["patch_size_t"] * 2**in_time,
        config.get("spatial_compression_ratio") or config["patch_size"] * 2**in_space,
    )


def _mochi(config: Config) -> LatentLayout:
    temporal, spatial = 1, 1
    for factor in config["temporal_expansions"]:
        temporal *= factor
    for factor in config["spatial_expansions"]:
        spatial *= factor
    return _causal(temporal, spatial)


def _magvit(config: Config) -> LatentLayout:
    kinds = config["down_block_types"][:-1]
    in_time = sum(kind.startswith("SpatialTemporal") for kind in kinds)
    return _causal(2**in_time, 2 ** len(kinds))


def _kvae(config: Config) -> LatentLayout:
    return _causal(config["temporal_compress_times"], 2 ** (len(config["ch_mult"]) - 1))


def _temporal_decoder(config: Config) -> LatentLayout:
    spatial = 2 ** (len(config["block_out_channels"]) - 1)
    return LatentLayout(
        Accepts(size=f"{spatial}k"), temporal=1, spatial=spatial, first_alone=False, framewise=True
    )


def _allegro(config: Config) -> LatentLayout:
    # Tiles of 24 frames of sample_size px. What no whole tile covers does not reach the latents: clips
    # smaller than one tile give latents that do not depend on them at all.
    side = int(config["sample_size"])
    down, across = side - 120, side - 80
    accepts = Accepts(frames="24+16k", size=(f"{side}+{down}k", f"{side}+{across}k"))
    return LatentLayout(
        accepts,
        temporal=int(config["temporal_compression_ratio"]),
        spatial=2 ** (len(config["block_out_channels"]) - 1),
        first_alone=False,
        always_tiled=True,
        frames_first=True,
    )


AUTOENCODERS: Mapping[str, Callable[[Config], LatentLayout]] = {
    "AutoencoderKLAllegro": _allegro,
    "AutoencoderKLCogVideoX": _cogvideox,
    "AutoencoderKLCosmos": _named_ratios,
    "AutoencoderKLHunyuanVideo": _named_ratios,
    "AutoencoderKLHunyuanVideo15": _named_ratios,
    "AutoencoderKLKVAEVideo": _kvae,
    "AutoencoderKLLTX2Video": _ltx2,
    "AutoencoderKLLTXVideo": _ltx,
    "AutoencoderKLMagvit": _magvit,
    "AutoencoderKLMochi": _mochi,
    "AutoencoderKLTemporalDecoder": _temporal_decoder,
    "AutoencoderKLWan": _wan,
}
"""The video autoencoders of diffusers, each with what its layout depends on."""
