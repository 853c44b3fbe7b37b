"""Any open_clip vision tower as a backbone: its patch features, under its own preprocessing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from vtok_eval.devices.constants import per_channel
from vtok_eval.errors import SpecError, UnknownNameError
from vtok_eval.files.weights import hubs_offline
from vtok_eval.results.description import Caveat, Description
from vtok_eval.tokenizers.backbones.base import Backbone, state_sha256
from vtok_eval.tokenizers.backbones.open_clip_weights import published_weights, require_text_config

_VERSION = "1"
"""Raise it whenever a change of this file changes a map: cached features of the old one are then not used."""

_SPEC = re.compile(r"(?P<name>[^/:]+)(/(?P<pretrained>.+?))?(:random=(?P<seed>\d+))?")


class OpenClip(Backbone):
    """The vision tower of an open_clip model, frozen; the last feature map before it is pooled to one vector.

    ViT towers give their patch tokens (without the class token) after the final layer norm, ResNet and timm
    towers their last feature map. Frames are resized, cropped and normalised as the weights ask for.

    model: `NAME/PRETRAINED` with one of open_clip's tags, `NAME/FILE` with a checkpoint on disk (OpenAI's own
        need the NAME that ends in -quickgelu), or `NAME:random=SEED` for random weights, which are never
        taken without being asked for.

    Raises:
        UnknownNameError: open_clip knows no such model or weights.
        SpecError: no weights are named, the file does not fit, or the tower has no feature map.
        MissingDependencyError: the weights are not on this machine; names the command that fetches them.
    """

    def __init__(self, model: str, *, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        name, pretrained, seed = parse_model(model)
        tower = _random_tower(name, seed) if seed is not None else _pretrained_tower(name, pretrained)
        self._weights, self._caveats = weights_in_words(pretrained, seed)
        self._name = name
        self._preprocessing = preprocessing(tower)
        self._tower = tower.to(self.device).eval().requires_grad_(False)
        # Convolutions of GPUs are fastest so. On a CPU another layout would round differently.
        self._layout = torch.channels_last if self.device.type == "cuda" else torch.contiguous_format
        if self.device.type == "cuda":
            self._tower.to(memory_format=torch.channels_last)
        self._sha256 = state_sha256(self._tower.state_dict().items())
        self._channels = self._probed_channels()

    @property
    def channels(self) -> int:
        """C, the tower's width."""
        return self._channels

    def describe(self) -> Description:
        """Name, weights and their hash, preprocessing; a caveat where the weights are random."""
        facts = {
            "name": f"open_clip:{self._name}",
            "weights": self._weights,
            "weights_sha256": self._sha256,
            "preprocessing": {
                key: list(v) if isinstance(v, tuple) else v for key, v in self._preprocessing.items()
            },
            "version": _VERSION,
        }
        return Description(caveats=self._caveats, facts=facts)

    def _forward(self, frames: Tensor) -> Tensor:
        maps: Tensor = self._tower.forward_intermediates(  # type: ignore[operator]
            preprocessed(frames, self._preprocessing).contiguous(memory_format=self._layout),
            indices=1,
            # With attentional pooling (CoCa) the final norm belongs to the pooled vector, not to the patches.
            normalize_intermediates=getattr(self._tower, "attn_pool", None) is None,
            intermediates_only=True,
            output_fmt="NCHW",
        )["image_intermediates"][-1]
        return maps

    def _probed_channels(self) -> int:
        """C, by passing one black frame; refuses a tower without a feature map."""
        if not hasattr(self._tower, "forward_intermediates"):
            raise SpecError(
                f"open_clip:{self._name}: this tower ({_class_of(self._tower)}) gives no feature map"
            )
        try:
            with torch.inference_mode():
                maps = self._forward(torch.zeros(1, 3, 32, 32, dtype=torch.uint8, device=self.device))
        except (AttributeError, NotImplementedError, AssertionError) as error:
            raise SpecError(
                f"open_clip:{self._name}: this tower ({_class_of(self._tower)}) gives no feature map: {error}"
            ) from error
        if maps.ndim != 4:
            raise SpecError(f"open_clip:{self._name}: a map must be (N, C, gh, gw), not {tuple(maps.shape)}")
        return int(maps.shape[1])


def parse_model(model: str) -> tuple[str, str, int | None]:
    """Name, weights and seed of `NAME/PRETRAINED`, `NAME/FILE` or `NAME:random=SEED`.

    Raises:
        UnknownNameError: open_clip knows no such model.
        SpecError: it names no weights, or cannot be read.

    Example:
        >>> parse_model("ViT-B-32/openai")
        ('ViT-B-32', 'openai', None)
    """
    match = _SPEC.fullmatch(model)
    if match is None:
        raise SpecError(f"open_clip:{model} cannot be read; write open_clip:NAME/PRETRAINED")
    name, pretrained, seed = match["name"], match["pretrained"], match["seed"]
    import open_clip

    if name not in open_clip.list_models():
        raise UnknownNameError(what="open_clip model", name=name, known=open_clip.list_models())
    if (pretrained is None) == (seed is None):
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(name)) or "none published: name a file"
        raise SpecError(
            f"open_clip:{model} must name either weights, open_clip:{name}/PRETRAINED ({tags}), or random "
            f"ones, open_clip:{name}:random=0"
        )
    return name, pretrained or "", None if seed is None else int(seed)


def weights_in_words(pretrained: str, seed: int | None) -> tuple[str, tuple[Caveat, ...]]:
    """What descriptions say about a model's weights, from what `parse_model` gave, and their caveats."""
    if seed is None:
        return f"pretrained: {pretrained}", ()
    return f"random weights (seed {seed})", (Caveat.RANDOM_WEIGHTS,)


def random_model(name: str, seed: int) -> nn.Module:
    """The whole model, towers of pictures and text, with weights drawn from `seed`.

    Raises:
        MissingDependencyError: its text tower is described by files of the hub that are not on this machine.
    """
    import open_clip

    require_text_config(name)
    with torch.random.fork_rng(devices=[]), hubs_offline():
        torch.manual_seed(seed)
        model: nn.Module = open_clip.create_model(name, pretrained=None, pretrained_hf=False)
        return model


def _random_tower(name: str, seed: int) -> nn.Module:
    return random_model(name, seed).visual  # type: ignore[return-value]


def _pretrained_tower(name: str, pretrained: str) -> nn.Module:
    return pretrained_model(name, pretrained).visual  # type: ignore[return-value]


def pretrained_model(name: str, pretrained: str) -> nn.Module:
    """The whole model, towers of pictures and text, with published weights or those of a file.

    Raises:
        SpecError, UnknownNameError: no such weights, or they do not fit.
        MissingDependencyError: they are not on this machine; names the command that fetches them.
    """
    import open_clip

    published = open_clip.get_pretrained_cfg(name, pretrained) or {}
    path = _weights_file(name, pretrained)
    require_text_config(name)
    try:
        # By the file and not by its tag: with a tag, open_clip asks the hub whether there is a newer file.
        with hubs_offline():
            model = open_clip.create_model(
                name,
                pretrained=str(path),
                # OpenAI trained with QuickGELU; open_clip only warns where the config lacks it.
                force_quick_gelu=bool(published.get("quick_gelu")),
                force_preprocess_cfg={key: value for key, value in published.items() if key != "size"},
            )
    except (RuntimeError, KeyError, OSError, ValueError, UnpicklingError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SpecError(f"open_clip:{name}/{pretrained}: the weights do not load: {reason}") from error
    loaded: nn.Module = model
    return loaded


def _weights_file(name: str, pretrained: str) -> Path:
    """Published weights on this machine, or the file that is named."""
    import open_clip

    if open_clip.get_pretrained_cfg(name, pretrained):
        return published_weights(name, pretrained).require()
    path = Path(pretrained).expanduser()
    if path.is_file():
        return path
    if "/" in pretrained or "." in pretrained:
        raise SpecError(f"open_clip:{name}/{pretrained}: no such weights file")
    tags = open_clip.list_pretrained_tags_by_model(name)
    raise UnknownNameError(what=f"weights of open_clip:{name}", name=pretrained, known=tags)


def preprocessed(frames: Tensor, rule: Mapping[str, Any]) -> Tensor:
    """uint8 frames `(N, 3, H, W)` as the tower takes them: resized, cropped or padded, normalised."""
    pixels = _resized(frames.float().div_(255), rule)
    mean, std = (per_channel(tuple(rule[key]), frames.device) for key in ("mean", "std"))
    return (pixels - mean) / std


def preprocessing(tower: nn.Module) -> dict[str, Any]:
    """The tower's own rule: `size` is (height, width); the other keys are open_clip's."""
    import open_clip

    found = dict(open_clip.get_model_preprocess_cfg(tower))
    size = found.get("size", 224)
    return {
        "size": tuple(size) if isinstance(size, tuple | list) else (size, size),
        "mean": tuple(found.get("mean") or open_clip.OPENAI_DATASET_MEAN),
        "std": tuple(found.get("std") or open_clip.OPENAI_DATASET_STD),
        "interpolation": found.get("interpolation") or "bicubic",
        "resize_mode": found.get("resize_mode") or "shortest",
        "fill_color": found.get("fill_color") or 0,
    }


def _resized(pixels: Tensor, rule: Mapping[str, Any]) -> Tensor:
    """Pixels in 0-1 at the tower's size: "squash" stretches, "shortest" crops the middle, "longest" pads.

    Sizes and margins are rounded as open_clip's own transforms round them: half a pixel moves a ViT's tokens.
    """
    height, width = rule["size"]
    size = _size_before_crop(tuple(pixels.shape[-2:]), (height, width), rule["resize_mode"])
    pixels = _interpolated(pixels, size, rule["interpolation"])
    top, left = _margin(height - size[0]), _margin(width - size[1])
    # Negative padding crops: this one step pads or crops on both sides.
    margins = (left, width - size[1] - left, top, height - size[0] - top)
    return functional.pad(pixels, margins, value=rule["fill_color"] / 255)


def _size_before_crop(size: tuple[int, ...], target: tuple[int, int], mode: str) -> tuple[int, int]:
    (height, width), (target_height, target_width) = size, target
    if mode == "squash":
        return target
    if mode == "shortest" and target_height == target_width:
        if height <= width:
            return target_height, int(target_height * width / height)
        return int(target_height * height / width), target_height
    ratios = (height / target_height, width / target_width)
    ratio = max(ratios) if mode == "longest" else min(ratios)
    return max(1, round(height / ratio)), max(1, round(width / ratio))


def _margin(room: int) -> int:
    """Pixels to pad on the first side; negative values crop."""
    return room // 2 if room >= 0 else -round(-room / 2)


def _interpolated(pixels: Tensor, size: tuple[int, int], interpolation: str) -> Tensor:
    mode = "bilinear" if interpolation == "bilinear" else "bicubic"
    return functional.interpolate(pixels, size=size, mode=mode, antialias=True).clamp(0, 1)


def _class_of(tower: nn.Module) -> str:
    return f"{type(tower).__name__} {type(getattr(tower, 'trunk', tower)).__name__}"
