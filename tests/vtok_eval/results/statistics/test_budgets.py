"""Where frontiers reach a score, by hand and as properties; percentile intervals with infinite ends."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtok_eval.results.statistics.budgets import frontier_crossings, percentile_interval


def crossing_of(target, prices, values):
    """One target over one resample."""
    return float(frontier_crossings(np.array([[target]]), prices, np.array(values)[:, None])[0, 0])


def test_crossing_by_hand():
    prices, values = [16, 32, 64, 128], [0.2, 0.4, 0.3, 0.6]
    # Reached by the cheapest already.
    assert crossing_of(0.2, prices, values) == 16
    # Half of the way from 0.2 to 0.4, between 16 and 32 on a log axis: sqrt(16 * 32).
    assert crossing_of(0.3, prices, values) == pytest.approx(math.sqrt(16 * 32))
    # 64 tokens do worse than 32, so the frontier goes from (32, 0.4) straight to (128, 0.6): half way is 64.
    assert crossing_of(0.5, prices, values) == pytest.approx(64)
    assert crossing_of(0.6, prices, values) == pytest.approx(128)
    assert crossing_of(0.61, prices, values) == math.inf


@given(
    values=st.lists(st.floats(0, 1), min_size=1, max_size=6),
    first=st.floats(0, 1),
    second=st.floats(0, 1),
)
def test_a_higher_score_never_needs_fewer_tokens(values, first, second):
    prices = [2.0**i for i in range(len(values))]
    low, high = sorted((first, second))
    assert crossing_of(low, prices, values) <= crossing_of(high, prices, values) * (1 + 1e-9)
    # What the frontier costs lies among the measured prices or is not reached.
    crossing = crossing_of(high, prices, values)
    assert math.isinf(crossing) == (high > max(values))
    assert math.isinf(crossing) or prices[0] <= crossing <= prices[-1] * (1 + 1e-9)


def test_crossings_of_many_targets_are_those_of_each():
    rng = np.random.default_rng(2)
    targets, prices, values = rng.random((4, 9)), [8.0, 9.0, 30.0, 31.0, 200.0], rng.random((5, 9))
    found = frontier_crossings(targets, prices, values)
    for s in range(4):
        for b in range(9):
            assert found[s, b] == crossing_of(targets[s, b], prices, values[:, b])


def test_intervals_end_at_values_that_were_drawn():
    drawn = np.array([4.0, 1.0, 3.0, 2.0, math.inf])
    # The 10 % and 90 % points of five values are between the first and last two: the outer ones are taken.
    assert percentile_interval(drawn, 0.8) == (1.0, math.inf)
    assert percentile_interval(np.array([]), 0.95) == (None, None)
