"""A job's line: the values that its scores will have, and what failed, once."""

from __future__ import annotations

from vtok_eval.results.records import Metric, Record, Status
from vtok_eval.results.statistics.scores import score_all
from vtok_eval.run.display.job_result import job_result

METRICS = [
    Metric("hit", "Accuracy", headline=True),
    Metric("ms", "Latency", unit="ms", headline=True, failed_as=None),
    Metric("other", "Other"),
]


def records(n: int, n_failed: int, reason: str = "{} is too dark"):
    return [
        Record("b/s", "s", "b", f"clip-{i}", f"clip-{i}", Status.FAILED, reason=reason.format(f"clip-{i}"))
        if i < n_failed
        else Record(
            "b/s",
            "s",
            "b",
            f"clip-{i}",
            f"clip-{i}",
            Status.OK,
            values={"hit": (i % 2,), "ms": (2.5,), "other": (1.0,)},
        )
        for i in range(n)
    ]


def test_values_are_those_of_the_scores():
    found = records(40, 8)
    hit = score_all(found, METRICS)[0].value
    assert job_result(found, METRICS).text(12.3) == (
        f"Accuracy {100 * hit:.1f} %; Latency 2.5 ms (40 samples, 8 failed, 12 s): 8 x clip-0 is too dark"
    )


def test_what_strikes_every_sample_is_one_line():
    text = job_result(records(40, 40), METRICS).text(1.0)
    assert text == "no value (40 samples, all failed, 1 s): 40 x clip-0 is too dark"


def test_the_largest_cause_is_named_and_the_others_counted():
    found = [
        *records(5, 3),
        *(Record("b/s", "s", "b", "z", "z", Status.FAILED, reason=reason) for reason in ("broken",)),
    ]
    assert job_result(found, METRICS).text(1.0).endswith(": 3 x clip-0 is too dark (and 1 more reason)")


def test_without_headline_metrics_the_first_are_shown():
    metrics = [Metric(name, name.upper(), unit="dB") for name in "abcdef"]
    found = [Record("b/s", "s", "b", "x", "x", Status.OK, values=dict.fromkeys("abcdef", (30.0,)))]
    assert (
        job_result(found, metrics).text(1.0) == "A 30 dB; B 30 dB; C 30 dB; D 30 dB; 2 more (1 sample, 1 s)"
    )


def test_a_unit_is_said_once_and_a_title_with_a_comma_ends_in_a_colon():
    metrics = [Metric("n", "tokens, 16 frames", unit="tokens"), Metric("t", "latency, 16 frames", unit="ms")]
    found = [Record("b/s", "s", "b", "x", "x", Status.OK, values={"n": (4.0,), "t": (0.5,)})]
    assert (
        job_result(found, metrics).text(1.0).startswith("tokens, 16 frames: 4; latency, 16 frames: 0.5 ms (")
    )
