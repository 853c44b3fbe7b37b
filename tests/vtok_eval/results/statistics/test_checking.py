"""The self-checks of a run, on records made up to contain what they look for."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from vtok_eval.results.columns.job_columns import JobColumns, SampleSet
from vtok_eval.results.records import Metric, NoTest
from vtok_eval.results.self_checks import CheckKind, CheckOutcome, Relation, SelfCheck, TokenRelation
from vtok_eval.results.soundness import marked_job, unsound_groups
from vtok_eval.results.statistics.chance_checks import chance_checks
from vtok_eval.results.statistics.checking import (
    convergence_check,
    photo_checks,
    same_token_checks,
    subset_checks,
)
from vtok_eval.results.statistics.scores import compare_all

STATIC = Metric("static", "Static", group="static", headline=True, mean_of=("colour", "shape"))
COLOUR, SHAPE = (Metric(name, name.title(), group="static") for name in ("colour", "shape"))
MOTION = Metric("motion", "Motion", group="temporal", headline=True)
METRICS = [STATIC, COLOUR, SHAPE, MOTION]
SAMPLES = SampleSet(
    tuple(f"s{i:03d}" for i in range(200)), tuple(f"s{i:03d}" for i in range(200)), np.arange(200)
)


def job(system: str, *, seeds: int = 2, **shares: float) -> JobColumns:
    """Right answers at these shares; the one with the larger share is right wherever the other is."""
    values = {}
    for name in ("colour", "shape", "motion"):
        rng = np.random.default_rng([1, len(name)])
        hits = (rng.random((200, 1)) < shares.get(name, 0.5)).astype(float)
        values[name] = np.repeat(hits, max(seeds, 1), axis=1)
    return JobColumns(system, "scenes", SAMPLES, np.zeros(200, dtype=bool), values, {}, seeds)


def jobs(*found: JobColumns) -> Mapping[str, JobColumns]:
    return {each.system: each for each in found}


CONTAINS = [TokenRelation("more", "less")]


def test_a_larger_set_that_reads_less_marks_its_group_and_no_other() -> None:
    held = jobs(job("less", colour=0.8, shape=0.8), job("more", colour=0.5, shape=0.6, motion=0.9))
    found = subset_checks(held, METRICS, CONTAINS)
    assert [(check.metric, check.outcome.value) for check in found] == [
        ("static", "violated"),
        ("motion", "passed"),
    ]
    assert found[0].systems == ("more", "less")
    assert found[0].values["difference"] < 0
    assert found[0].values["p_corrected"] < 0.05
    assert "the reader misses some" in found[0].detail
    unsound = unsound_groups(found)
    assert unsound == {"scenes": {"static"}}

    marked = {name: marked_job(each, unsound) for name, each in held.items()}
    compared = compare_all(marked, "less", METRICS)
    by_metric = {comparison.metric: comparison for comparison in compared}
    for name in ("static", "colour", "shape"):
        assert by_metric[name].no_test is NoTest.NOT_SOUND
        assert by_metric[name].p is None
        assert by_metric[name].difference is not None
    assert by_metric["motion"].no_test is None


def test_reading_as_much_or_a_little_less_is_no_violation() -> None:
    held = jobs(job("less", colour=0.5), job("more", colour=0.49))
    assert {check.outcome for check in subset_checks(held, METRICS, CONTAINS)} == {CheckOutcome.PASSED}
    assert unsound_groups(subset_checks(held, METRICS, CONTAINS)) == {}


def test_fewer_errors_are_not_less() -> None:
    lower = [Metric("motion", "Error", group="temporal", headline=True, higher_is_better=False)]
    held = jobs(job("less", motion=0.8), job("more", motion=0.5))
    assert [check.outcome for check in subset_checks(held, lower, CONTAINS)] == [CheckOutcome.PASSED]
    turned = jobs(job("less", motion=0.5), job("more", motion=0.8))
    assert [check.outcome for check in subset_checks(turned, lower, CONTAINS)] == [CheckOutcome.VIOLATED]


def test_with_one_seed_the_interval_over_clips_decides() -> None:
    held = jobs(job("less", seeds=1, colour=0.8, shape=0.8), job("more", seeds=1))
    found = subset_checks(held, METRICS, CONTAINS)
    assert found[0].outcome is CheckOutcome.VIOLATED
    assert "one training seed" in found[0].detail
    assert "p_corrected" not in found[0].values


def test_what_no_reader_was_trained_for_is_not_checked() -> None:
    untrained = jobs(job("less", seeds=0, colour=0.8), job("more", seeds=0))
    assert subset_checks(untrained, METRICS, CONTAINS) == []
    assert subset_checks(jobs(job("less")), METRICS, CONTAINS) == []
    assert subset_checks(jobs(job("less"), job("more")), METRICS, []) == []


def test_same_tokens_must_agree_to_the_last_digit() -> None:
    relation = [TokenRelation("keyframe", "frames-1", Relation.SAME)]
    equal = same_token_checks(jobs(job("keyframe"), job("frames-1")), METRICS, relation)
    assert [check.outcome for check in equal] == [CheckOutcome.PASSED]
    other = job("frames-1")
    other.values["shape"][7, 1] = 1 - other.values["shape"][7, 1]
    (found,) = same_token_checks(jobs(job("keyframe"), other), METRICS, relation)
    assert found.outcome is CheckOutcome.VIOLATED
    assert found.detail == "differ in shape"
    times = [Metric("ms", "Latency", unit="ms", higher_is_better=False)]
    assert same_token_checks(jobs(job("keyframe"), job("frames-1")), times, relation) == []


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        ({"steps": 250, "validation_score": [0.8, 0.7], "ridge_validation_score": 0.7}, CheckOutcome.PASSED),
        ({"steps": 56, "validation_score": [0.6, 0.6], "ridge_validation_score": 0.7}, CheckOutcome.VIOLATED),
        ({"steps": 56, "validation_score": [0.5], "ridge_validation_score": 0.505}, CheckOutcome.PASSED),
        ({"steps": 56, "validation_score": [0.6], "ridge_validation_score": None}, CheckOutcome.NOT_CHECKED),
        ({}, CheckOutcome.NOT_CHECKED),
        (None, CheckOutcome.NOT_CHECKED),
    ],
)
def test_a_probe_must_beat_kernel_ridge(facts, outcome: CheckOutcome) -> None:
    assert convergence_check("scenes", "vtok", facts).outcome is outcome


def test_the_sign_on_each_photo_by_hand() -> None:
    photos = {name: "sea" if i < 100 else "street" for i, name in enumerate(SAMPLES.ids)}
    base, ours = job("base"), job("ours")
    base.values["motion"][:] = 0.0
    ours.values["motion"][:] = 0.0
    ours.values["motion"][:30] = 1.0  # 30 of the 100 clips with the sea
    base.values["motion"][100:110] = 1.0  # 10 of the 100 with the street
    found = list(photo_checks(jobs(base, ours), METRICS, baseline="base", photos=photos))
    (motion,) = [check for check in found if check.metric == "motion"]
    assert motion.values == {"sea": 0.3, "street": -0.1}
    assert motion.outcome is CheckOutcome.MIXED
    base.values["motion"][:] = 0.0
    ours.values["motion"][100] = 1.0
    (motion,) = [
        check
        for check in photo_checks(jobs(base, ours), METRICS, baseline="base", photos=photos)
        if check.metric == "motion"
    ]
    assert motion.outcome is CheckOutcome.PASSED
    one = dict.fromkeys(SAMPLES.ids, "sea")
    assert list(photo_checks(jobs(base, ours), METRICS, baseline="base", photos=one)) == []


def test_a_check_comes_back_from_json_as_it_was() -> None:
    check = SelfCheck(CheckKind.SUBSET, "b", CheckOutcome.PASSED, ("a", "c"), "m", "g", "fine", {"p": 0.5})
    entry = {
        "kind": "subset", "benchmark": "b", "outcome": "passed", "systems": ["a", "c"], "metric": "m",
        "group": "g", "detail": "fine", "values": {"p": 0.5},
    }  # fmt: skip
    assert SelfCheck.of(entry) == check
    for broken in ({**entry, "kind": "other"}, {**entry, "more": 1}, {**entry, "systems": "a"}):
        with pytest.raises((ValueError, TypeError)):
            SelfCheck.of(broken)


def test_a_system_without_tokens_must_stay_at_chance() -> None:
    metrics = [
        Metric("colour", "Colour", group="static", chance=0.25),
        Metric("motion", "Motion", group="temporal", chance=0.5),
        Metric("shape", "Shape", group="shapes"),
    ]
    found = chance_checks([job("blind", colour=0.5, motion=0.5)], metrics)
    # Half of 200 right where a quarter is chance: 8 standard errors above; the other is at chance.
    assert [(check.metric, check.outcome.value) for check in found] == [
        ("colour", "violated"),
        ("motion", "passed"),
    ]
    assert found[0].systems == ("blind",)
    assert found[0].values["low"] > 0.25
    assert "chance is 0.250" in found[0].detail
    # Below chance is no sign that answers can be guessed; what was not trained is not checked.
    assert [c.outcome.value for c in chance_checks([job("blind", colour=0.05, motion=0.4)], metrics)] == [
        "passed",
        "passed",
    ]
    assert chance_checks([job("blind", seeds=0, colour=0.5)], metrics) == []
