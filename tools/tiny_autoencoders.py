"""Write tiny video autoencoders of diffusers with random weights, to try the adapter without downloads.

python -m tools.tiny_autoencoders FOLDER [CLASS ...]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vtok_eval.errors import nearest

_FOUR = (8, 8, 8, 8)

CONFIGS: Mapping[str, Mapping[str, Any]] = {
    "AutoencoderKLAllegro": {
        "block_out_channels": _FOUR,
        "down_block_types": ("AllegroDownBlock3D",) * 4,
        "up_block_types": ("AllegroUpBlock3D",) * 4,
        "layers_per_block": 1,
        "norm_num_groups": 2,
        "sample_size": 160,  # 320 in the published model: a tile of this size takes a minute on a CPU
    },
    "AutoencoderKLCogVideoX": {
        "block_out_channels": _FOUR,
        "latent_channels": 4,
        "layers_per_block": 1,
        "norm_num_groups": 2,
    },
    "AutoencoderKLCosmos": {
        "latent_channels": 4,
        "encoder_block_out_channels": _FOUR,
        "decode_block_out_channels": _FOUR,
        "attention_resolutions": (8,),
        "resolution": 64,
        "num_layers": 1,
        "temporal_compression_ratio": 8,
        "latents_mean": None,
        "latents_std": None,
    },
    "AutoencoderKLHunyuanVideo": {
        "latent_channels": 4,
        "block_out_channels": _FOUR,
        "layers_per_block": 1,
        "norm_num_groups": 4,
    },
    "AutoencoderKLHunyuanVideo15": {
        "latent_channels": 4,
        "block_out_channels": (16, 16, 16, 16, 16),
        "layers_per_block": 1,
        "downsample_match_channel": False,
        "upsample_match_channel": False,
    },
    "AutoencoderKLKVAEVideo": {"ch": 32, "ch_mult": (1, 1, 1, 1), "num_res_blocks": 1, "z_channels": 4},
    "AutoencoderKLLTX2Video": {
        "latent_channels": 8,
        "block_out_channels": (8, 16, 32, 64),
        "decoder_block_out_channels": (8, 16, 32),
        "layers_per_block": (1, 1, 1, 1, 1),
        "decoder_layers_per_block": (1, 1, 1, 1),
    },
    "AutoencoderKLLTXVideo": {
        "latent_channels": 8,
        "block_out_channels": _FOUR,
        "decoder_block_out_channels": _FOUR,
        "layers_per_block": (1, 1, 1, 1, 1),
        "decoder_layers_per_block": (1, 1, 1, 1, 1),
    },
    "AutoencoderKLMagvit": {
        "latent_channels": 4,
        "block_out_channels": list(_FOUR),
        "layers_per_block": 1,
        "norm_num_groups": 8,
    },
    "AutoencoderKLMochi": {
        "latent_channels": 12,
        "encoder_block_out_channels": (32, 32, 32, 32),
        "decoder_block_out_channels": (32, 32, 32, 32),
        "layers_per_block": (1, 1, 1, 1, 1),
    },
    "AutoencoderKLTemporalDecoder": {
        "block_out_channels": (32, 32, 32, 32),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "latent_channels": 4,
        "layers_per_block": 1,
    },
    "AutoencoderKLWan": {"base_dim": 4, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1, "z_dim": 16},
}
"""Constructor arguments of a tiny model of each class, with the published models' strides."""
WAN_2_2: Mapping[str, Any] = {
    "base_dim": 4,
    "decoder_base_dim": 4,
    "dim_mult": [1, 1, 1, 1],
    "num_res_blocks": 1,
    "z_dim": 16,
    "is_residual": True,
    "in_channels": 12,
    "out_channels": 12,
    "patch_size": 2,
}
"""As `CONFIGS["AutoencoderKLWan"]`, of Wan 2.2."""


def write_model(folder: Path, class_name: str, config: Mapping[str, Any], *, seed: int = 0) -> Path:
    """Save a model of the class with weights drawn from `seed`; returns its folder.

    Raises:
        AttributeError: this diffusers has no such class.
    """
    import diffusers
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = getattr(diffusers, class_name)(**config)
    target = folder / class_name
    model.save_pretrained(target, safe_serialization=True)
    return target


def main() -> None:
    """Write the classes named, or all that this diffusers has, into a folder."""
    import diffusers

    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=Path, help="Where the models go, a folder each.")
    parser.add_argument("classes", nargs="*", metavar="CLASS", help=f"Of {', '.join(CONFIGS)}; default: all.")
    given = parser.parse_args()
    for name in given.classes or [name for name in CONFIGS if hasattr(diffusers, name)]:
        if name not in CONFIGS:
            parser.error(f"unknown class {name!r}; {nearest(name, CONFIGS)}")
        sys.stdout.write(f"diffusers:{name}@{write_model(given.folder, name, CONFIGS[name])}\n")


if __name__ == "__main__":
    main()
