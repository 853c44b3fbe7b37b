"""Frechet distances against torchmetrics' FID and scipy's square root, and what few clips do to them."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch
from torchmetrics.image.fid import _compute_fid

from benchmarks.reconstruction.frechet import transnet
from benchmarks.reconstruction.frechet.distance import estimate, frechet_distance, limit_of
from benchmarks.reconstruction.frechet.kept_features import KeptFeatures
from benchmarks.reconstruction.frechet.scores import TRANSNET, frechet_scores, pack, unpack
from benchmarks.reconstruction.frechet.transnet import TransNetFeatures
from tests.benchmarks.reconstruction.clips import measured, pattern
from vtok_eval.results.records import Record, Status


def _sets(n: int, width: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(width, width))
    return rng.normal(size=(n, width)) @ mixing, rng.normal(size=(n, width)) @ mixing * 1.2 + 0.3


@pytest.mark.parametrize(("n", "width"), [(300, 20), (12, 20), (20, 20)])
def test_equals_torchmetrics_and_scipy(n: int, width: int) -> None:
    first, second = _sets(n, width)
    covariances = [np.cov(features, rowvar=False) for features in (first, second)]
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    means = first.mean(0) - second.mean(0)
    by_scipy = means @ means + np.trace(covariances[0] + covariances[1] - 2 * root)
    tensors = [
        torch.from_numpy(part) for part in (first.mean(0), covariances[0], second.mean(0), covariances[1])
    ]
    found = frechet_distance(first, second)
    assert found == pytest.approx(float(by_scipy), rel=1e-4)
    assert found == pytest.approx(float(_compute_fid(*tensors)), rel=1e-4)


def test_biased_covariances_by_hand() -> None:
    # One feature: means 1 and 3; variances of (0, 2) and (0, 6): biased 1 and 9, unbiased 2 and 18.
    first, second = np.array([[0.0], [2.0]]), np.array([[0.0], [6.0]])
    assert frechet_distance(first, second, biased=True) == pytest.approx(4 + (3 - 1) ** 2)
    assert frechet_distance(first, second) == pytest.approx(4 + (18**0.5 - 2**0.5) ** 2)


def test_order_does_not_matter_and_equal_sets_have_no_distance() -> None:
    first, second = _sets(40, 8)
    order = np.random.default_rng(1).permutation(40)
    assert frechet_distance(first[order], second[order]) == pytest.approx(frechet_distance(first, second))
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-9)


def test_few_clips_give_a_distance_between_samples_of_one_distribution_and_the_limit_removes_it() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(256, 40)), rng.normal(size=(256, 40))
    assert frechet_distance(first[:32], second[:32]) > 3 * frechet_distance(first, second) > 5
    limit = limit_of(first, second)
    assert limit is not None
    assert abs(limit) < 0.25 * frechet_distance(first, second)


def test_interval_is_over_clusters() -> None:
    first, second = _sets(30, 4)
    alone = estimate(first, second, [str(row) for row in range(30)])
    in_pairs = estimate(first, second, [str(row // 10) for row in range(30)])
    of_one = estimate(first, second, ["a"] * 30)
    assert alone is not None
    assert in_pairs is not None
    assert of_one is not None
    assert (alone.low or 0) < alone.value < (alone.high or 0)
    assert in_pairs.value == alone.value
    assert (of_one.low, of_one.high) == (None, None)
    assert estimate(first[:1], second[:1], ["a"]) is None


def _record(number: int, features: tuple[torch.Tensor, torch.Tensor] | None) -> Record:
    packed = {} if features is None else {"original": pack(features[0]), "decoded": [pack(features[1])]}
    return Record(
        job="j",
        system="s",
        benchmark="reconstruction",
        sample_id=str(number),
        cluster=str(number),
        status=Status.OK if features is not None else Status.FAILED,
        reason=None if features is not None else "broken",
        outputs={"features": {"transnetv2": packed}} if features is not None else {},
    )


def test_scores_say_how_many_clips_and_that_few_are_not_meaningful() -> None:
    generator = torch.Generator().manual_seed(0)
    pairs = [tuple(torch.randn(2, 448, generator=generator)) for _ in range(9)]
    records = [*(_record(number, pair) for number, pair in enumerate(pairs)), _record(9, None)]
    distance, limit = frechet_scores(records, [TRANSNET], biased=False, label="l")
    assert (distance.n, distance.n_failed, distance.n_clusters) == (10, 1, 9)
    assert distance.reservation == limit.reservation == "n = 9, not meaningful below n = 449"
    stacked = [np.stack([pair[side].double().numpy() for pair in pairs]) for side in (0, 1)]
    assert distance.value == pytest.approx(frechet_distance(*stacked))
    assert limit.value == pytest.approx(limit_of(*stacked))
    assert "FVD" not in distance.metric.title
    assert frechet_scores(records, [TRANSNET], biased=False, label="l") == [distance, limit]


def test_packing_keeps_every_bit() -> None:
    features = torch.randn(448, generator=torch.Generator().manual_seed(0))
    assert np.array_equal(unpack(pack(features)).astype(np.float32), features.numpy())


def test_transnet_leaves_the_global_state_alone_and_sees_time() -> None:
    torch.manual_seed(5)
    before, deterministic = torch.get_rng_state(), torch.are_deterministic_algorithms_enabled()
    network = TransNetFeatures(device=torch.device("cpu"))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.are_deterministic_algorithms_enabled() == deterministic
    clip = pattern(n_frames=8)
    with torch.inference_mode():
        original, frozen = measured(network, clip, clip[:1].expand_as(clip)).features["transnetv2"]
        again, same = measured(network, clip, clip, pieces=3).features["transnetv2"]
    assert original.shape == (448,)
    assert torch.equal(original, again)
    assert torch.equal(again, same)
    assert float((original - frozen).norm()) > 0.05


def test_an_originals_features_are_computed_once_for_all_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transnet, "ORIGINALS", KeptFeatures(most=2))
    asked: list[int] = []

    class Counted(TransNetFeatures):
        def of(self, frames: torch.Tensor) -> torch.Tensor:
            asked.append(len(frames))
            return super().of(frames)

    first, second = pattern(n_frames=4), pattern(n_frames=4, seed=1)
    with torch.inference_mode():
        for network in (Counted(device=torch.device("cpu")), Counted(device=torch.device("cpu"))):
            for clip in (first, second):
                found = measured(network, clip, 255 - clip).features["transnetv2"]
                assert torch.equal(found[0], TransNetFeatures.of(network, transnet._small(clip)))
        # Of each system two reconstructions, and of the first two originals.
        assert len(asked) == 2 + 2 + 2
        # One frame less is another clip; with it, the first is forgotten.
        measured(network, first[:3], first[:3])
        assert len(asked) == 6 + 2
        measured(network, first, first)
        assert len(asked) == 8 + 2
