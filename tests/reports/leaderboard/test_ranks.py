"""Rank intervals against values worked by hand."""

from __future__ import annotations

import pytest

from reports.leaderboard.ranks import rank_intervals
from vtok_eval.results.records import Metric, NoTest
from vtok_eval.results.statistics.pairs import Pair

HIT = Metric("hit", "Hit rate")
LAG = Metric("lag", "Latency", unit="ms", higher_is_better=False)


def pair(a, b, difference, p, *, metric="hit", no_test=None):
    return Pair(
        metric=metric,
        a=a,
        b=b,
        difference=difference,
        low=None,
        high=None,
        p=p,
        p_corrected=p,
        n=40,
        n_clusters=20,
        no_test=no_test,
    )


def ranks(pairs, *, keys="abc", metric=HIT):
    found = rank_intervals({metric.name: list(keys)}, pairs, [metric])
    return {key: str(found[key, metric.name]) for key in keys}


def test_not_distinguished_is_not_transitive():
    """Only a is better than c: b may be any of the three."""
    pairs = [pair("a", "b", 0.1, 0.2), pair("a", "c", 0.3, 0.01), pair("b", "c", 0.2, 0.08)]
    assert ranks(pairs) == {"a": "1–2", "b": "1–3", "c": "2–3"}


def test_where_every_pair_is_distinguished_ranks_are_single():
    pairs = [pair("a", "b", 0.1, 0.01), pair("a", "c", 0.3, 0.01), pair("b", "c", 0.2, 0.01)]
    assert ranks(pairs) == {"a": "1", "b": "2", "c": "3"}


def test_where_lower_is_better_the_order_turns_round():
    pairs = [pair("a", "b", 0.1, 0.01, metric="lag")]
    assert ranks(pairs, keys="ab", metric=LAG) == {"a": "2", "b": "1"}


@pytest.mark.parametrize(
    "undecided",
    [
        [],
        [pair("a", "b", 0.5, None, no_test=NoTest.ONE_SEED)],
        [pair("a", "b", 0.0, 0.01)],
        [pair("a", "b", 0.5, 0.05)],
        [pair("a", "control", 0.5, 0.01)],
    ],
    ids=["no pair", "no test", "no difference", "p at the level", "not ranked"],
)
def test_what_decides_nothing_narrows_no_interval(undecided):
    assert ranks(undecided, keys="ab") == {"a": "1–2", "b": "1–2"}
