"""Every dimension's network path on a pretended GPU, where mixing devices raises."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

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
    "dynamic_degree": "which pairs are compared depends on values; its flow is tested by itself",
    "scene": "Tag2Text writes its caption word by word, as its values say",
    "temporal_flickering": "compares frames as arrays; there is no network",
}
"""Dimensions that cannot run without values, and why."""


@pytest.fixture
def mode() -> Iterator[FakeTensorMode]:
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


def test_the_list_names_dimensions() -> None:
    assert set(NOT_HERE) < set(SCORERS)
