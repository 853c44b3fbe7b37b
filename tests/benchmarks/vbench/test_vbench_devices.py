"""Every dimension's network path on a pretended GPU, where mixing devices raises."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode
from torchvision.transforms import _functional_tensor

from benchmarks.vbench.frames.decoded_frames import Piece
from benchmarks.vbench.frames.decoders import VideoHeader
from benchmarks.vbench.networks import vision_blocks
from benchmarks.vbench.networks.metric_models import Networks
from benchmarks.vbench.scorers.scorer import SCORERS, Request, scorer_class
from tests.fake_device import CUDA, gpu, on_gpu, pretended_gpu

pytestmark = pytest.mark.vbench

N_FRAMES = 16
NOT_HERE = {
    **dict.fromkeys(
        ("object_class", "multiple_objects", "color", "spatial_relationship"),
        "GRiT needs detectron2, which places its own models",
    ),
    "imaging_quality": "which patches are padding depends on values; its network is tested by itself",
    "dynamic_degree": "which pairs are compared depends on values; its flow is tested by itself",
    "scene": "Tag2Text writes its caption word by word, as its values say",
    "temporal_flickering": "compares frames as arrays; there is no network",
}
"""Dimensions that cannot run without values, and why."""


def normalize(tensor: Tensor, mean: list[float], std: list[float], inplace: bool = False) -> Tensor:
    """torchvision's, without its check that no deviation is zero, which looks at values."""
    del inplace
    shift, scale = (
        torch.as_tensor(each, dtype=tensor.dtype, device=tensor.device).view(-1, 1, 1) for each in (mean, std)
    )
    return (tensor - shift) / scale


@pytest.fixture
def mode(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTensorMode]:
    monkeypatch.setattr(_functional_tensor, "normalize", normalize)
    with pretended_gpu() as mode:
        yield mode


@pytest.fixture
def networks(stand_ins: Path, monkeypatch) -> Networks:
    # Packed for a CPU, blocks cannot be moved; on a GPU they are not packed.
    monkeypatch.setattr(vision_blocks, "can_pack", lambda device: False)
    return Networks(torch.device("cpu"))


def piece_of(numbers: range) -> Piece:
    return Piece(np.zeros((len(numbers), 128, 144, 3), dtype=np.uint8), tuple(numbers), CUDA)


def scorer_on_gpu(dimension: str, networks: Networks, mode: FakeTensorMode) -> Any:
    with unset_fake_temporarily():
        scorer = scorer_class(SCORERS[dimension])(networks)
    return on_gpu(scorer, mode)


@pytest.mark.parametrize("dimension", sorted(set(SCORERS) - set(NOT_HERE)))
def test_network_paths(dimension: str, networks: Networks, mode) -> None:
    scorer = scorer_on_gpu(dimension, networks, mode)
    information = {"appearance_style": {"appearance_style": "oil painting"}}
    begun = scorer.begin(VideoHeader(Path("a.mp4"), N_FRAMES, 8.0), Request("a dog", information))
    begun.add(piece_of(range(8)))
    begun.add(piece_of(range(8, N_FRAMES)))
    # Everything is computed; the score itself is a value, which pretended tensors have none of.
    with pytest.raises(GuardOnDataDependentSymNode):
        begun.finish()


def test_optical_flow(networks: Networks, mode) -> None:
    scorer = scorer_on_gpu("dynamic_degree", networks, mode)
    frames = gpu(3, 3, 128, 144, dtype=torch.uint8)
    features, context = scorer._raft.encode(frames)
    flow = scorer._raft.flow(features[:-1], features[1:], context[:-1])
    assert (flow.device, tuple(flow.shape)) == (CUDA, (2, 2, 128, 144))


def test_image_quality_of_patches(networks: Networks, mode) -> None:
    scorer = scorer_on_gpu("imaging_quality", networks, mode)
    patches = gpu(2, 30, 3 * 32 * 32 + 3)
    assert scorer._musiq(patches).device == CUDA


def test_the_list_names_dimensions() -> None:
    assert set(NOT_HERE) < set(SCORERS)
