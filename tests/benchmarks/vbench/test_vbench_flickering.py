"""Temporal flickering: hand-computed scores, an independent decoder, and files that have no score."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.vbench.evaluator import VBenchEvaluator, Video
from benchmarks.vbench.networks.metric_models import Networks
from benchmarks.vbench.package import installed_version, vbench_module
from benchmarks.vbench.scorers.flickering import TemporalFlickering
from benchmarks.vbench.scorers.scorer import Request
from vtok_eval.benchmark import Sample
from vtok_eval.video.sources import shipped_clips

pytestmark = [
    pytest.mark.vbench,
    pytest.mark.skipif(installed_version() is None, reason="the vbench extra is not installed"),
]

WriteVideo = Callable[..., Path]


def evaluator() -> VBenchEvaluator:
    import torch

    device = torch.device("cpu")
    scorer = TemporalFlickering(Networks(device))
    return VBenchEvaluator({"temporal_flickering": scorer}, device, frames_per_piece=2)


def constant(*levels: int) -> np.ndarray:
    return np.stack([np.full((16, 24, 3), level, dtype=np.uint8) for level in levels])


def score(path: Path) -> float:
    (found,) = evaluator().score([Video(path, ("temporal_flickering",), Request("x"))])
    assert not found.failures
    return found.results["temporal_flickering"].value


def test_score_by_hand(write_video: WriteVideo) -> None:
    path = write_video("steps.mov", constant(100, 110, 80))
    # |110-100| = 10 and |80-110| = 30, mean 20; (255 - 20) / 255
    assert score(path) == pytest.approx(235 / 255, abs=1e-7)
    assert score(write_video("still.mov", constant(7, 7, 7))) == 1.0


def test_real_clip_against_another_decoder() -> None:
    import av

    path = shipped_clips().path / "carphone_pristine.mp4"
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24").astype(np.float64) for frame in container.decode(video=0)]
    mean = np.mean([np.abs(a - b).mean() for a, b in itertools.pairwise(frames)])
    assert score(path) == pytest.approx(1 - mean / 255, abs=1e-6)


def test_files_without_a_score_fail_with_their_reason(write_video: WriteVideo, tmp_path: Path) -> None:
    empty, text = tmp_path / "empty.mp4", tmp_path / "text.mp4"
    empty.touch()
    text.write_text("not a video")
    one = write_video("one.mov", constant(9))
    reasons = {
        tmp_path / "gone.mp4": "no such video file",
        empty: "is empty",
        text: "text.mp4",
        one: "has 1 frame; temporal flickering needs at least 2",
    }
    for path, reason in reasons.items():
        (found,) = evaluator().score([Video(path, ("temporal_flickering",), Request("x"))])
        assert not found.results
        assert reason in found.failures["temporal_flickering"]
        assert str(path) in found.failures["temporal_flickering"]


def test_one_bad_video_does_not_take_the_batch_with_it(write_video: WriteVideo) -> None:
    good, bad = write_video("good.mov", constant(0, 51)), write_video("bad.mov", constant(9))
    target = {"dimensions": ["temporal_flickering"], "prompt": "x"}
    samples = [Sample(id=p.name, cluster=p.name, target={"path": str(p), **target}) for p in (bad, good)]
    failed, scored = evaluator().evaluate(samples, None)
    assert failed.values == {}
    assert failed.error is not None
    assert "1 frame" in failed.error
    # 51 / 255 = 0.2
    assert scored.values["temporal_flickering"] == pytest.approx((0.8,), abs=1e-7)
    assert scored.error is None


def test_the_packages_function_says_the_same_of_a_gif(tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "steps.gif"
    first, *others = [Image.new("RGB", (24, 16), (level,) * 3) for level in (0, 255, 0)]
    first.save(path, save_all=True, append_images=others, duration=100)
    assert vbench_module("temporal_flickering").cal_score(str(path)) == pytest.approx(0.0, abs=1e-6)
    assert score(path) == pytest.approx(0.0, abs=1e-6)
