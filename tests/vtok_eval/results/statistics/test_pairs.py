"""The paired tests of all systems at once against `compare`, pair by pair, and against scipy."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import scipy.stats

from vtok_eval.results.columns.job_columns import SampleSets, from_records
from vtok_eval.results.records import TRAINING_SEEDS, Metric, NoTest, Record, Status
from vtok_eval.results.statistics.pair_spreads import half_widths
from vtok_eval.results.statistics.pairs import compare_pairs
from vtok_eval.results.statistics.sample_table import value_of
from vtok_eval.results.statistics.scores import SEED, compare
from vtok_eval.results.statistics.scores import score as score_of
from vtok_eval.results.statistics.seeds import SeedSpread, standard_error

PLAIN = Metric(name="x", title="x", headline=True)
LEFT_OUT = Metric(name="x", title="x", unit="dB", headline=True, failed_as=None)


def records(
    system: str,
    values: np.ndarray,
    *,
    failed: tuple[int, ...] = (),
    per_cluster: int = 2,
    trained: int = 0,
) -> list[Record]:
    """values: `(N, R)`; a row of NaN is a sample that the metric does not apply to."""
    return [
        Record(
            job=system,
            system=system,
            benchmark="b",
            sample_id=f"s{i:04d}",
            cluster=f"c{i // per_cluster:04d}",
            status=Status.FAILED if i in failed else Status.OK,
            reason="why" if i in failed else None,
            values={} if i in failed or np.isnan(row).all() else {"x": tuple(map(float, row))},
            meta={TRAINING_SEEDS: trained} if trained else {},
        )
        for i, row in enumerate(values)
    ]


def all_pairs(by_system, metric, metrics=()):
    sets = SampleSets()
    jobs = {name: from_records(rows, sets) for name, rows in by_system.items()}
    return {(pair.a, pair.b): pair for pair in compare_pairs(jobs, metrics=[metric], known=metrics)}


def check(by_system, metric, metrics=(), *, interval=True):
    """Difference, p and counts of every pair must be those of the library's own comparison."""
    pairs = all_pairs(by_system, metric, metrics)
    assert list(pairs) == list(combinations(by_system, 2))
    for (a, b), pair in pairs.items():
        expected = compare(by_system[a], by_system[b], metric, metrics)
        assert pair.difference == pytest.approx(expected.difference, abs=1e-10)
        assert pair.n == expected.n
        assert pair.n_clusters == expected.n_clusters
        assert pair.no_test == expected.no_test
        assert (pair.p is None) == (pair.no_test is not None)
        if pair.p is not None:
            assert pair.p == pytest.approx(expected.p, rel=1e-9)
            assert pair.p_corrected >= pair.p
        if interval:
            # t and BCa intervals are two estimates of one thing: ends within a fifth of the width.
            width = expected.high - expected.low
            assert pair.low == pytest.approx(expected.low, abs=0.2 * width + 1e-12)
            assert pair.high == pytest.approx(expected.high, abs=0.2 * width + 1e-12)
    return pairs


def test_right_or_wrong_answers_with_failures():
    rng = np.random.default_rng(1)
    shared = rng.random((120, 1))
    by_system = {
        name: records(name, (0.5 * shared + 0.5 * rng.random((120, 1)) < level).astype(float), failed=failed)
        for name, level, failed in (("a", 0.7, ()), ("b", 0.65, (3, 4)), ("c", 0.3, (3,)), ("d", 0.3, ()))
    }
    pairs = check(by_system, PLAIN)
    assert pairs["a", "c"].p == pairs["a", "c"].p_corrected == 1 / 10_000  # the least that 9,999 flips show
    assert pairs["c", "d"].p > 0.01


def test_samples_left_out_are_paired_over_what_both_have():
    rng = np.random.default_rng(2)
    base = rng.normal(30, 3, (80, 1))
    values = {name: base + rng.normal(shift, 1, (80, 1)) for name, shift in (("a", 0), ("b", 0.3), ("c", 2))}
    values["b"][10:14] = np.nan
    by_system = {
        name: records(name, rows, failed=(1, 2) if name == "c" else ()) for name, rows in values.items()
    }
    pairs = check(by_system, LEFT_OUT)
    # 80 less the 4 that b has no value for; less the 2 that failed for c; less both.
    assert [pairs[key].n for key in (("a", "b"), ("a", "c"), ("b", "c"))] == [76, 78, 74]


def test_several_training_seeds_and_one_beside_several():
    rng = np.random.default_rng(3)
    base = rng.normal(0, 1, (60, 1))
    by_system = {
        "three": records("three", base + rng.normal(0.3, 0.5, (60, 3)) + rng.normal(0, 0.3, (1, 3))),
        "other": records("other", base + rng.normal(0.0, 0.5, (60, 3)) + rng.normal(0, 0.3, (1, 3))),
        "one": records("one", base + rng.normal(0.1, 0.5, (60, 1))),
        "two": records("two", base + rng.normal(0.1, 0.5, (60, 2))),
    }
    pairs = check(by_system, LEFT_OUT, interval=False)
    assert all(pair.no_test is None for pair in pairs.values())


def test_seeds_count_whatever_the_systems_are_called():
    """A board's systems have keys of their own, and two runs may have a system of one name."""
    rng = np.random.default_rng(3)
    base = rng.normal(0, 1, (60, 1))
    rows = {
        name: records(name, base + rng.normal(shift, 0.5, (60, 3)) + rng.normal(0, spread, (1, 3)))
        for name, shift, spread in (("a", 0.3, 0.3), ("b", 0.0, 0.3), ("c", 0.1, 0.0))
    }
    own = all_pairs(rows, LEFT_OUT)
    sets = SampleSets()
    renamed = {f"run--{name}": [replace(row, system="mine") for row in found] for name, found in rows.items()}
    jobs = {key: from_records(found, sets) for key, found in renamed.items()}
    for pair in compare_pairs(jobs, metrics=[LEFT_OUT]):
        expected = own[pair.a.removeprefix("run--"), pair.b.removeprefix("run--")]
        assert (pair.low, pair.high) == (expected.low, expected.high)
        assert pair.p == pytest.approx(expected.p, abs=0.02)  # the seeds' signs are drawn by name


def test_one_training_seed_is_tested_against_nobody():
    rng = np.random.default_rng(3)
    values = rng.normal(0, 1, (60, 1))
    by_system = {
        "once": records("once", values + 1, trained=1),
        "again": records("again", values, trained=1),
        "codec": records("codec", values - 1),
        "raw": records("raw", values - 2),
    }
    pairs = check(by_system, LEFT_OUT)
    assert {key for key, pair in pairs.items() if pair.no_test is None} == {("codec", "raw")}
    assert pairs["once", "again"].no_test is NoTest.ONE_SEED
    # Pairs without a test are not part of the family; a single test needs no correction.
    assert pairs["codec", "raw"].p_corrected == pairs["codec", "raw"].p


def test_few_differing_clusters_are_enumerated_and_get_bonett_price():
    values = np.ones((40, 1))
    other = values.copy()
    other[[0, 8, 20]] = 0.0
    by_system = {"a": records("a", values), "b": records("b", other), "c": records("c", values)}
    pairs = all_pairs(by_system, PLAIN)
    # Three clusters differ, all one way: of 2^3 sign patterns two are as extreme, p = 2/8.
    assert pairs["a", "b"].p == pytest.approx(0.25)
    for key in pairs:
        expected = compare(by_system[key[0]], by_system[key[1]], PLAIN)
        assert (pairs[key].low, pairs[key].high) == pytest.approx((expected.low, expected.high))
    assert pairs["a", "c"].difference == 0
    assert pairs["a", "c"].low < 0 < pairs["a", "c"].high


def test_one_cluster_has_no_interval_and_no_evidence():
    by_system = {
        name: records(name, np.full((4, 1), value), per_cluster=10)
        for name, value in (("a", 1.0), ("b", 0.0))
    }
    pair = all_pairs(by_system, PLAIN)["a", "b"]
    assert (pair.low, pair.high, pair.p) == (None, None, 1.0)


def test_nothing_shared_gives_no_pair():
    values = np.ones((20, 1))
    first, second = values.copy(), values.copy()
    first[:10], second[10:] = np.nan, np.nan
    assert all_pairs({"a": records("a", first), "b": records("b", second)}, PLAIN) == {}


def test_a_mean_of_metrics_is_compared_component_by_component():
    rng = np.random.default_rng(4)
    parts = (Metric(name="l", title="l"), Metric(name="r", title="r"))
    mean = Metric(name="m", title="m", headline=True, mean_of=("l", "r"))
    by_system = {}
    for name, level in (("a", 0.7), ("b", 0.5)):
        hits = (rng.random((90, 2)) < level).astype(float)
        by_system[name] = [
            Record(
                job=name,
                system=name,
                benchmark="b",
                sample_id=f"s{i}",
                cluster=f"c{i}",
                status=Status.OK,
                # The right-hand question is asked of every third clip only.
                values={"l": (hits[i, 0],)} | ({"r": (hits[i, 1],)} if i % 3 == 0 else {}),
            )
            for i in range(90)
        ]
    check(by_system, mean, parts)
    job = from_records(by_system["a"], SampleSets())
    assert value_of(job, mean, (mean, *parts)) == pytest.approx(score_of(by_system["a"], mean, parts).value)


def naive_step_down(differences, signs):
    """Corrected p of the columns `(C, M)` by the definition, one step after the other."""
    scale = np.sqrt((differences**2).sum(axis=0))
    observed = np.abs(differences.sum(axis=0)) / scale
    drawn = np.abs(signs @ differences) / scale
    corrected, left, least = {}, set(range(len(scale))), 0.0
    while left:
        largest = max(left, key=lambda i: observed[i])
        exceeds = drawn[:, sorted(left)].max(axis=1) >= observed[largest] - 1e-9
        least = max(least, (1 + exceeds.sum()) / (len(signs) + 1))
        corrected[largest] = least
        left.remove(largest)
    return corrected


def test_the_correction_is_step_down_max_t_over_all_pairs():
    rng = np.random.default_rng(5)
    values = {f"s{i}": rng.normal(i / 3, 1, (50, 1)) for i in range(4)}
    pairs = all_pairs({name: records(name, rows) for name, rows in values.items()}, LEFT_OUT)
    by_cluster = {name: rows.reshape(25, 2).sum(axis=1) for name, rows in values.items()}
    differences = np.stack([by_cluster[a] - by_cluster[b] for a, b in pairs], axis=1)
    # The library draws its signs from this generator: the p must then agree to the last draw.
    draws = np.random.default_rng([SEED, 25, 2]).integers(0, 2, size=(9_999, 25), dtype=np.int8) * 2.0 - 1
    expected = naive_step_down(differences, draws)
    assert [pair.p_corrected for pair in pairs.values()] == pytest.approx(
        [expected[i] for i in range(len(pairs))]
    )
    assert any(pair.p_corrected > pair.p for pair in pairs.values())


def test_the_order_of_systems_and_metrics_changes_no_p():
    rng = np.random.default_rng(6)
    jobs = {}
    for i, name in enumerate("abcd"):
        rows = rng.normal(i / 4, 1, (60, 2))
        rows[: 5 * i, 1] = np.nan
        jobs[name] = [
            replace(record, values={"x": (row[0],)} | ({} if np.isnan(row[1]) else {"y": (row[1],)}))
            for record, row in zip(records(name, rows[:, :1]), rows, strict=True)
        ]
    metrics = [LEFT_OUT, replace(LEFT_OUT, name="y")]

    def found(order, metrics):
        columns = {name: from_records(jobs[name], SampleSets()) for name in order}
        return {
            (frozenset((pair.a, pair.b)), pair.metric): (pair.p, pair.p_corrected)
            for pair in compare_pairs(columns, metrics=metrics)
        }

    assert found("abcd", metrics) == found("cbda", metrics[::-1])


def test_all_intervals_at_once_are_those_of_each_difference():
    rng = np.random.default_rng(8)
    cells = rng.normal(size=(30, 4))
    spreads = [None, *(SeedSpread(f"s{i}", 0.1 * i, seeds=2, freedom=3.0 * i) for i in (1, 2, 3))]
    found = half_widths(cells, spreads, confidence=0.9)
    for i, j in combinations(range(4), 2):
        variance = (cells[:, i] - cells[:, j]).var(ddof=1) / 30
        sides = [spread for spread in (spreads[i], spreads[j]) if spread is not None]
        error, freedom = standard_error(variance, sides, n_clusters=30)
        assert found[i, j] == pytest.approx(scipy.stats.t.ppf(0.95, freedom) * error)
