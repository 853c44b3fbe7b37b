"""Metrics that are a weighted sum of others, as VBench's totals are."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from vtok_eval.results.records import Metric, Record, Status
from vtok_eval.results.statistics.scores import compare, score, score_all

PARTS = (Metric("a", "A", failed_as=None), Metric("b", "B", failed_as=None))
# (a - 0.2) / (1 - 0.2) weighs 1 and b weighs 0.5: (1.25 a - 0.25 + 0.5 b) / 1.5
TOTAL = Metric("t", "T", mean_of=("a", "b"), weights=(1.25 / 1.5, 0.5 / 1.5), offset=-0.25 / 1.5)


def _records(
    system: str, rows: list[tuple[str, float | None, float | None]], failed: tuple[str, ...] = ()
) -> list[Record]:
    done = [
        Record(
            job=f"x/{system}",
            system=system,
            benchmark="x",
            sample_id=f"{cluster}-{place}",
            cluster=cluster,
            status=Status.OK,
            values={k: (v,) for k, v in (("a", a), ("b", b)) if v is not None},
        )
        for place, (cluster, a, b) in enumerate(rows)
    ]
    lost = [Record(f"x/{system}", system, "x", name, name, Status.FAILED, reason="lost") for name in failed]
    return [*done, *lost]


ROWS = [("p", 0.6, 0.2), ("p", 0.8, 0.4), ("q", 1.0, None), ("r", None, 0.9), ("s", 0.8, 0.1)]


def test_the_score_is_the_weighted_sum_of_the_parts_means() -> None:
    # a: (0.6 + 0.8 + 1.0 + 0.8) / 4 = 0.8 -> normalised 0.75; b: (0.2 + 0.4 + 0.9 + 0.1) / 4 = 0.4
    found = score(_records("one", ROWS, failed=("z",)), TOTAL, PARTS)
    assert found.value == pytest.approx((0.75 + 0.5 * 0.4) / 1.5)
    assert (found.n, found.n_failed) == (6, 1)


def test_equal_weights_are_the_plain_mean() -> None:
    rng = np.random.default_rng(0)
    rows = [(f"p{i // 2}", float(a), float(b)) for i, (a, b) in enumerate(rng.random((40, 2)))]
    plain = Metric("t", "T", mean_of=("a", "b"))
    weighted = Metric("t", "T", mean_of=("a", "b"), weights=(0.5, 0.5))
    one, other = (score(_records("one", rows), metric, PARTS) for metric in (plain, weighted))
    assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high), abs=1e-9)


def test_an_offset_moves_the_interval_and_not_a_difference() -> None:
    rng = np.random.default_rng(1)
    rows = [(f"p{i}", float(a), float(b)) for i, (a, b) in enumerate(rng.random((30, 2)))]
    more = [(name, 0.5 * (a or 0), b) for name, a, b in rows]
    near = Metric("t", "T", mean_of=("a", "b"), weights=(1.0, 2.0))
    far = Metric("t", "T", mean_of=("a", "b"), weights=(1.0, 2.0), offset=-3.0)
    here, there = (score(_records("one", rows), metric, PARTS) for metric in (near, far))
    assert (here.value, here.low, here.high) == pytest.approx(
        [(value or 0) + 3.0 for value in (there.value, there.low, there.high)]
    )
    assert (there.low or 0) < -1, "a weighted sum of fractions is not cut at 0"
    apart = [compare(_records("one", rows), _records("two", more), metric, PARTS) for metric in (near, far)]
    assert apart[0].difference == pytest.approx(apart[1].difference)
    # only a differs: by half of its mean
    assert apart[0].difference == pytest.approx(np.mean([a for _, a, _ in rows]) / 2)
    assert (apart[0].low, apart[0].high, apart[0].p) == pytest.approx(
        (apart[1].low, apart[1].high, apart[1].p)
    )


def test_without_a_part_there_is_no_score() -> None:
    only_a = [(name, a, None) for name, a, _ in ROWS if a is not None]
    *_, total = score_all(_records("one", only_a), [*PARTS, TOTAL])
    assert total.value is None
    assert total.method == "no value: no sample has b"


def test_weights_must_match() -> None:
    with pytest.raises(ValueError, match="2 weights for 1 metrics"):
        Metric("t", "T", mean_of=("a",), weights=(1.0, 2.0))


def test_a_submission_keeps_weights_and_refuses_ones_that_do_not_match() -> None:
    from pydantic import ValidationError

    from reports.submission.schema import MetricEntry

    written = json.dumps(asdict(TOTAL))
    assert MetricEntry.model_validate_json(written).metric() == TOTAL
    with pytest.raises(ValidationError, match="3 weights for 2 metrics"):
        MetricEntry.model_validate_json(json.dumps({**asdict(TOTAL), "weights": [1.0, 2.0, 3.0]}))
