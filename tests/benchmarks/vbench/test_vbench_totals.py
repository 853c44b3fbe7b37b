"""VBench's totals: by hand, against the published procedure written out anew, and their intervals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.vbench.dimensions import DIMENSIONS
from benchmarks.vbench.result_files import DimensionResult, read_results, write_results
from benchmarks.vbench.totals import (
    VideoScore,
    dimension_scores,
    intervals,
    normalised,
    total_metrics,
    totals,
)
from vtok_eval.errors import UnknownNameError, VtokEvalError

# The published constants, typed in here a second time so that a slip in the table shows.
RANGES = {
    "subject consistency": (0.1462, 1.0),
    "background consistency": (0.2615, 1.0),
    "temporal flickering": (0.6293, 1.0),
    "motion smoothness": (0.706, 0.9975),
    "dynamic degree": (0.0, 1.0),
    "aesthetic quality": (0.0, 1.0),
    "imaging quality": (0.0, 1.0),
    "object class": (0.0, 1.0),
    "multiple objects": (0.0, 1.0),
    "human action": (0.0, 1.0),
    "color": (0.0, 1.0),
    "spatial relationship": (0.0, 1.0),
    "scene": (0.0, 0.8222),
    "appearance style": (0.0009, 0.2855),
    "temporal style": (0.0, 0.364),
    "overall consistency": (0.0, 0.364),
}
QUALITY = list(RANGES)[:7]
SEMANTIC = list(RANGES)[7:]

scores_of_all = st.fixed_dictionaries(
    {entry.name: st.floats(min_value=0, max_value=1) for entry in DIMENSIONS}
)


def published_procedure(scores: dict[str, float]) -> tuple[float, float, float]:
    """Normalise and weight each dimension first, then divide by the sum of weights, as the reference does."""
    weighted = {}
    for name, (low, high) in RANGES.items():
        weight = 0.5 if name == "dynamic degree" else 1.0
        weighted[name] = (scores[name.replace(" ", "_")] - low) / (high - low) * weight
    quality = sum(weighted[name] for name in QUALITY) / 6.5
    semantic = sum(weighted[name] for name in SEMANTIC) / 9
    return quality, semantic, (quality * 4 + semantic * 1) / 5


@given(scores_of_all)
def test_metrics_of_totals_are_the_same_weighted_sums(scores: dict[str, float]) -> None:
    found = [
        metric.offset
        + sum(weight * scores[name] for name, weight in zip(metric.mean_of, metric.weights, strict=True))
        for metric in total_metrics(list(scores))
    ]
    assert found == pytest.approx(published_procedure(scores), abs=1e-12)


@given(scores_of_all)
def test_totals_follow_the_published_procedure(scores: dict[str, float]) -> None:
    found = totals(scores)
    assert (found.quality, found.semantic, found.total) == pytest.approx(
        published_procedure(scores), abs=1e-12
    )
    assert found.missing == ()


def test_by_hand() -> None:
    # The top of every range is 1 after normalisation, so every total is 1 ...
    best = {entry.name: entry.high for entry in DIMENSIONS}
    assert totals(best).total == pytest.approx(1.0)
    # ... and without any motion the quality loses dynamic degree's 0.5 of 6.5.
    still = totals(best | {"dynamic_degree": 0.0})
    assert still.quality == pytest.approx(6 / 6.5)
    assert still.total == pytest.approx((4 * 6 / 6.5 + 1) / 5)


def test_a_missing_dimension_takes_its_totals_with_it() -> None:
    scores = {entry.name: entry.high for entry in DIMENSIONS if entry.name != "scene"}
    found = totals(scores)
    assert found.quality == pytest.approx(1.0)
    assert found.semantic is None
    assert found.total is None
    assert found.missing == ("scene",)


def test_normalised_scores_are_not_clamped() -> None:
    assert normalised("temporal_flickering", 0.6293) == pytest.approx(0.0)
    assert normalised("scene", 1.0) > 1


def test_unknown_dimension_is_named() -> None:
    with pytest.raises(UnknownNameError, match="dynamic_degree"):
        totals({"dynamic_degre": 1.0})


def test_dimension_score_is_the_weighted_mean() -> None:
    videos = [
        VideoScore("subject_consistency", "a", 1.0, weight=3),
        VideoScore("subject_consistency", "b", 0.0, weight=1),
    ]
    assert dimension_scores(videos) == {"subject_consistency": pytest.approx(0.75)}


def test_intervals_cover_as_often_as_they_say() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for trial in range(60):
        videos = [
            VideoScore("imaging_quality", f"p{prompt}", centre + 0.02 * rng.standard_normal())
            for prompt, centre in enumerate(0.5 + 0.1 * rng.standard_normal(40))
            for _ in range(5)
        ]
        found = intervals(videos, seed=trial, resamples=300)["imaging_quality"]
        covered += found.low <= 0.5 <= found.high
    # Binomial(60, 0.95): fewer than 50 has a probability below 1e-3; resampling videos and not prompts,
    # the interval would be sqrt(5) too narrow and cover about 62 %.
    assert covered >= 50


def test_totals_have_intervals_only_when_every_dimension_has() -> None:
    rng = np.random.default_rng(0)
    videos = [
        VideoScore(entry.name, f"{entry.group}{prompt}", float(rng.uniform(entry.low, entry.high)))
        for entry in DIMENSIONS
        for prompt in range(6)
    ]
    found = intervals(videos, seed=1, resamples=200)
    assert {"quality", "semantic", "total"} <= set(found)
    value = totals(dimension_scores(videos)).total
    assert value is not None
    assert found["total"].low < value < found["total"].high
    assert intervals(videos, seed=1, resamples=200) == found
    without = [video for video in videos if video.dimension != "color"]
    assert "total" not in intervals(without, seed=1, resamples=50)
    lonely = [*without, VideoScore("color", "semantic0", 0.5)]
    assert not {"color", "semantic", "total"} & set(intervals(lonely, seed=1, resamples=50))


def test_result_files_go_round(tmp_path: Path) -> None:
    path = tmp_path / "x_eval_results.json"
    results = {
        "imaging_quality": DimensionResult(0.6, {"a.mp4": 0.5, "b.mp4": 0.7}),
        "dynamic_degree": DimensionResult(0.5, {"a.mp4": 1.0, "b.mp4": 0.0}),
    }
    write_results(path, results)
    # The reference's own unit: imaging quality is 0-100 per video, 0-1 as a mean.
    videos = json.loads(path.read_text())["imaging_quality"][1]
    assert videos[0] == {"video_path": "a.mp4", "video_results": 50.0}
    assert read_results(path) == results
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_the_references_booleans_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"dynamic_degree": [0.5, [{"video_path": "a.mp4", "video_results": true}]]}')
    assert read_results(path)["dynamic_degree"].videos == {"a.mp4": 1.0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "object of dimensions"),
        ('{"scene": 0.5}', r"\[score, \[videos\]\]"),
        ('{"scene": [0.5, [{"video_path": "a"}]]}', "video 0"),
        ('{"scene": [NaN, []]}', "nan is not a score"),
        ('{"scenes": [0.5, []]}', "'scene'"),
    ],
)
def test_broken_result_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(VtokEvalError, match=message):
        read_results(path)
