"""A record holds its sample's truth, whatever became of the sample, and no place on this machine."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from vtok_eval.benchmark import NoResult, Outcome, Sample
from vtok_eval.results.records import TRUTH
from vtok_eval.run.recording import record_of

JOB = SimpleNamespace(id="b/x", system=SimpleNamespace(name="x"), benchmark_id="b")


@pytest.mark.parametrize("result", [Outcome(values={"hit": (1.0,)}), Outcome(error="NaN"), NoResult("empty")])
def test_the_truth_is_recorded_without_places(result):
    target = {"answer": "red", "colours": ["red", "blue"], "path": "/home/me/clip.mp4", "parts": ["/a", "/b"]}
    record = record_of(JOB, Sample("a", cluster="a", target=target, meta={"n_frames": 4}), result)
    assert record.meta == {"n_frames": 4, TRUTH: {"answer": "red", "colours": ["red", "blue"]}}


def test_a_sample_without_target_has_no_truth():
    assert record_of(JOB, Sample("a", cluster="a"), Outcome()).meta == {}
