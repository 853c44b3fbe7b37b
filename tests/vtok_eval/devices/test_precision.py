"""Numerical precision: chosen, recorded, and part of what features are known by."""

from __future__ import annotations

import pytest
import torch

from vtok_eval.data import Clips
from vtok_eval.devices.precision import PRECISIONS, precision_on
from vtok_eval.errors import UnknownNameError
from vtok_eval.results.description import Description
from vtok_eval.tokenizers.backbones.base import Backbone
from vtok_eval.tokenizers.backbones.cached import CachedBackbone
from vtok_eval.tokenizers.build import BuildContext
from vtok_eval.tokenizers.feature_cache import FeatureCache

CPU = torch.device("cpu")


class Product(Backbone):
    """One matrix product, whose result shows in which format it was computed."""

    channels = 3

    def __init__(self) -> None:
        self.device = CPU
        generator = torch.Generator(device="cpu").manual_seed(0)
        self.weight = torch.randn(3, 3, generator=generator, device="cpu")
        self.computed: list[torch.dtype] = []

    def describe(self) -> Description:
        return Description(facts={"name": "product"})

    def _forward(self, frames: torch.Tensor) -> torch.Tensor:
        maps = (frames.float().flatten(2).transpose(1, 2) / 255) @ self.weight
        self.computed.append(maps.dtype)
        return maps.transpose(1, 2).unflatten(2, frames.shape[2:])


@pytest.mark.parametrize(
    ("asked", "device", "expected"),
    [
        ("auto", "cpu", "fp32"),
        ("auto", "cuda", "fp16"),
        ("auto", "mps", "fp32"),
        ("fp32", "cuda", "fp32"),
        ("bf16", "cuda", "bf16"),
        ("fp16", "cpu", "fp16"),
    ],
)
def test_what_is_asked_for_on_a_device(asked: str, device: str, expected: str) -> None:
    assert precision_on(asked, torch.device(device)) == expected


def test_an_unknown_precision_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown precision 'fp23'.*fp32"):
        precision_on("fp23", CPU)
    with pytest.raises(UnknownNameError, match="unknown precision"):
        BuildContext(device=CPU, precision="half").backbone("efficientnet_lite0")


def test_products_are_computed_as_asked_and_features_are_known_by_it(tmp_path) -> None:
    generator = torch.Generator(device="cpu").manual_seed(1)
    frames = torch.randint(0, 256, (1, 2, 3, 16, 16), generator=generator, dtype=torch.uint8, device="cpu")
    clips = Clips(frames, torch.ones(1, dtype=torch.float64, device="cpu")).with_keys(["clip"])
    cache = FeatureCache(tmp_path)
    found, fingerprints = {}, set()
    for asked in PRECISIONS:
        backbone = Product()
        backbone.precision = asked
        found[asked] = CachedBackbone(backbone, cache).clip_features(clips, [0, 1], [2])[2]
        fingerprints.add(backbone.fingerprint)
        if asked == "auto":
            assert backbone.computed == [torch.float32]
            continue
        kinds = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
        assert set(backbone.computed) <= {kinds[asked]}
    # auto on a CPU is fp32: it finds, or is found by, fp32's features; the others compute their own.
    assert len(fingerprints) == 3
    assert (cache.hits, cache.misses) == (2, 6)
    assert torch.equal(found["auto"], found["fp32"])
    assert not torch.equal(found["fp32"], found["bf16"])
