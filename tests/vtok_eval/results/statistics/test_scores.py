"""Scores, intervals and paired tests against hand-worked values, scipy and simulation."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from tests.profiles import drawing
from vtok_eval.errors import UnknownNameError
from vtok_eval.results.journal import Job
from vtok_eval.results.records import TRAINING_SEEDS, Metric, NoTest, Record, Score, Status
from vtok_eval.results.statistics.resampling import Bounds, bootstrap, sign_flip_p, spread
from vtok_eval.results.statistics.sample_table import ClusterSums
from vtok_eval.results.statistics.scores import (
    compare,
    compare_all,
    discriminates,
    mark_discriminating,
    score,
    score_all,
)
from vtok_eval.results.store import RunFolder

HIT = Metric("hit", "Hit", chance=0.25, headline=True)
LAG = Metric("lag", "Latency", unit="ms", higher_is_better=False, failed_as=None)
UNBOUNDED = Bounds(-math.inf, math.inf)


def record(
    sample: int, system: str = "a", cluster: object = None, **values: float | tuple[float, ...]
) -> Record:
    rows = {name: value if isinstance(value, tuple) else (value,) for name, value in values.items()}
    name = f"{sample:05d}"
    return Record(f"{system} x b", system, "b", name, str(cluster or name), Status.OK, values=rows)


def failed(sample: int, system: str = "a", cluster: object = None) -> Record:
    name = f"{sample:05d}"
    return Record(f"{system} x b", system, "b", name, str(cluster or name), Status.FAILED, reason="bad video")


def hits(values: Sequence[float], system: str = "a") -> list[Record]:
    return [record(i, system, hit=float(value)) for i, value in enumerate(values)]


# Values


def test_clusters_weigh_by_their_samples_and_failures_count_as_the_metric_says() -> None:
    records = [
        record(0, cluster="x", hit=1.0, lag=10.0),
        record(1, cluster="x", hit=1.0, lag=20.0),
        record(2, cluster="y", hit=0.0, lag=60.0),
        failed(3, cluster="z"),
    ]
    hit, lag = score_all(records, [HIT, LAG])
    # hit: (1 + 1 + 0 + 0 for the failed one) / 4; lag: (10 + 20 + 60) / 3, the failed one left out.
    assert (hit.value, hit.n, hit.n_failed, hit.n_clusters) == (0.5, 4, 1, 3)
    assert (lag.value, lag.n, lag.n_failed, lag.n_clusters) == (30.0, 4, 1, 2)
    assert "1 failed samples left out" in lag.method
    assert "left out" not in hit.method


def test_a_metric_counts_only_the_samples_it_applies_to() -> None:
    some = score([record(0, hit=1.0), record(1, lag=5.0), record(2, hit=0.0)], HIT)
    assert (some.value, some.n, some.n_clusters) == (0.5, 2, 2)


def test_a_mean_is_the_plain_mean_of_its_metrics_scores() -> None:
    speed, group = Metric("speed", "Speed"), Metric("g", "G", mean_of=("hit", "speed"))
    records = [record(0, hit=1.0, speed=0.0), record(1, hit=1.0), record(2, hit=0.0), record(3, hit=0.0)]
    result = score(records, group, [HIT, speed, group])
    # hit is 2/4, speed 0/1: their mean is 0.25, though 2 of 5 values are hits.
    assert (result.value, result.n) == (0.25, 4)
    with pytest.raises(UnknownNameError, match="did you mean 'speed'"):
        score(records, Metric("g", "G", mean_of=("sped",)), [HIT, speed])
    with pytest.raises(ValueError, match="a mean itself"):
        score(records, Metric("h", "H", mean_of=("g",)), [HIT, speed, group])


def test_a_mean_without_samples_of_one_metric_has_no_value() -> None:
    group = Metric("g", "G", mean_of=("hit", "speed"))
    result = score([record(0, hit=1.0)], group, [HIT, Metric("speed", "Speed")])
    assert (result.value, result.low, result.high) == (None, None, None)
    assert "no sample has speed" in result.method


def test_few_and_no_samples() -> None:
    none = score([record(0, lag=1.0)], HIT)
    assert (none.value, none.low, none.n, none.n_clusters) == (None, None, 0, 0)
    one = score([record(0, cluster="c", hit=1.0), record(1, cluster="c", hit=0.0)], HIT)
    assert (one.value, one.low, one.high, one.method) == (0.5, None, None, "no interval: one cluster")
    flat = score([record(i, lag=7.5) for i in range(9)], LAG)
    assert (flat.value, flat.low, flat.high) == (7.5, 7.5, 7.5)
    assert "zero width" in flat.method


def test_a_mean_of_single_clusters_has_no_interval() -> None:
    """Each part's one cluster is in every resample as it is: a zero width would call that certain."""
    speed, group = Metric("speed", "Speed"), Metric("g", "G", mean_of=("hit", "speed"))
    left = [record(0, "a", hit=1.0), record(1, "a", speed=0.5), record(2, "a", speed=0.5, cluster="1")]
    right = [record(0, "b", hit=0.0), record(1, "b", speed=0.25), record(2, "b", speed=0.25, cluster="1")]
    alone = score(left[:2], group, [HIT, speed, group])
    assert (alone.value, alone.low, alone.high) == (0.75, None, None)
    assert "a part of the mean has one cluster" in alone.method
    apart = compare(left, right, group, [HIT, speed, group])
    assert (apart.difference, apart.low, apart.high) == (0.625, None, None)
    assert "a part of the mean has one cluster" in apart.test


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="there are none"):
        score([], HIT)
    with pytest.raises(ValueError, match="occur twice"):
        score([record(0, hit=1.0), record(0, hit=0.0)], HIT)
    with pytest.raises(ValueError, match="records of one job"):
        score([record(0, "a", hit=1.0), record(1, "b", hit=0.0)], HIT)
    with pytest.raises(ValueError, match=r"different numbers of replicates of metric 'hit': \[1, 2\]"):
        score([record(0, hit=1.0), record(1, hit=(0.0, 1.0))], HIT)
    with pytest.raises(ValueError, match="confidence"):
        score([record(0, hit=1.0)], HIT, confidence=95)


# Intervals


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_all_or_nothing_gets_a_wilson_interval(value: float) -> None:
    result = score(hits([value] * 600), HIT)
    # Wilson for 0 of 600: high = z^2 / (n + z^2) = 3.8415 / 603.8415 = 0.0063617.
    low, high = (0.0, 0.0063617) if value == 0 else (1 - 0.0063617, 1.0)
    assert result.low == pytest.approx(low, abs=1e-7)
    assert result.high == pytest.approx(high, abs=1e-7)
    assert result.method.startswith("Wilson")


def test_a_rare_miss_gets_scipys_wilson_interval() -> None:
    result = score(hits([0.0] * 3 + [1.0] * 597), HIT)
    # Unclustered: p (1 - p) / variance is n - 1 = 599, since the variance divides by n - 1.
    expected = scipy.stats.binomtest(597, 600).proportion_ci(method="wilson")
    assert result.low == pytest.approx(expected.low, abs=2e-5)
    assert result.high == pytest.approx(expected.high, abs=2e-5)


def test_600_questions_on_two_clips_are_not_600_clips() -> None:
    records = [record(i, cluster=i % 2 + 1, hit=1.0) for i in range(600)]
    # Wilson for 2 of 2: low = 2 / (2 + 3.8415) = 0.34238.
    assert score(records, HIT).low == pytest.approx(0.34238, abs=1e-5)


def test_one_missed_clip_of_ten_questions_counts_as_one_clip() -> None:
    records = [record(i, cluster=f"clip{i // 10}", hit=float(i >= 10)) for i in range(600)]
    result = score(records, HIT)
    # p = 59/60 over 60 clips, variance of a clip's mean (59/60^2 + 59^2/60^2) / 59 = 1/60,
    # of the score 1/3600; effective size (59/3600) / (1/3600) = 59. Wilson:
    # middle (0.983333 + 3.84146/118) / (1 + 3.84146/59) = 0.953788,
    # half 1.95996 / 1.065110 * sqrt(0.0163889/59 + 3.84146/(4 * 59^2)) = 0.043299.
    assert result.low == pytest.approx(0.910489, abs=2e-6)
    assert result.high == pytest.approx(0.997087, abs=2e-6)
    assert "effective sample size 59 from 60 clusters" in result.method


def test_without_clusters_it_is_scipys_bca_interval_widened() -> None:
    values = np.random.default_rng(0).exponential(size=40)
    records = [record(i, lag=float(value)) for i, value in enumerate(values)]
    found = score(records, replace(LAG, unit="points"))
    reference = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=50_000, method="BCa", random_state=np.random.default_rng(1)
    ).confidence_interval
    # Ends move away from the mean by sqrt(40 / 39) * t_39 / z = 1.01274 * 2.02269 / 1.95996 = 1.04515.
    mean = values.mean()
    assert found.low == pytest.approx(mean - 1.04515 * (mean - reference.low), abs=0.02)
    assert found.high == pytest.approx(mean + 1.04515 * (reference.high - mean), abs=0.02)
    assert found.method == "BCa bootstrap over 40 clusters, 9999 resamples"


def test_with_clusters_it_is_scipys_paired_bootstrap_of_a_ratio() -> None:
    rng = np.random.default_rng(2)
    sizes = rng.integers(1, 6, size=50)
    sums = np.array([rng.normal(rng.normal(), 0.3, size=size).sum() for size in sizes])
    found = bootstrap(
        [ClusterSums(sums[None, :, None], sizes[None].astype(float))],
        seed=0,
        confidence=0.95,
        bounds=[UNBOUNDED],
    )[0]

    def ratio(total: np.ndarray, count: np.ndarray, axis: int) -> np.ndarray:
        return total.sum(axis=axis) / count.sum(axis=axis)

    reference = scipy.stats.bootstrap(
        (sums, sizes), ratio, paired=True, vectorized=True, n_resamples=50_000, method="BCa",
        random_state=np.random.default_rng(3),
    ).confidence_interval  # fmt: skip
    value = sums.sum() / sizes.sum()
    widening = math.sqrt(50 / 49) * scipy.stats.t.ppf(0.975, 49) / scipy.stats.norm.ppf(0.975)
    assert found.low == pytest.approx(value - widening * (value - reference.low), abs=0.02)
    assert found.high == pytest.approx(value + widening * (reference.high - value), abs=0.02)


def test_an_interval_of_a_latency_is_positive_and_worked_by_hand() -> None:
    """Two clips of 1 and 4 ms: a resample has the mean 1, 2.5 or 4 ms, with odds 1/4, 1/2 and 1/4.

    The percentiles of 2.5 and 97.5 % are thus 1 and 4; by symmetry BCa corrects nothing. Both are widened by
    sqrt(2 / 1) t(1) / z = 1.4142 x 12.7062 / 1.95996 = 9.1682. On the plain scale the low end would be
    2.5 - 9.1682 x 1.5 = -11.25 ms; as ratios it is 2.5 x 0.4^9.1682 = 0.000562 ms.
    """
    found = score([record(0, lag=1.0), record(1, lag=4.0)], LAG)
    assert found.value == pytest.approx(2.5)
    assert found.low == pytest.approx(2.5 * 0.4**9.1682, rel=1e-3)
    assert found.high == pytest.approx(2.5 * 1.6**9.1682, rel=1e-3)
    assert found.method.endswith("widened on the log scale")


def test_a_quantity_that_may_be_zero_has_no_interval_below_zero() -> None:
    found = score([record(0, lag=0.0), record(1, lag=4.0)], LAG)
    assert found.low == 0.0
    assert found.high == pytest.approx(2.0 + 9.1682 * 2.0, rel=1e-3)


@pytest.mark.parametrize("unit", ["dB", "points", "", "score"])
def test_what_may_be_negative_is_widened_on_the_plain_scale(unit: str) -> None:
    found = score([record(0, lag=1.0), record(1, lag=4.0)], replace(LAG, unit=unit))
    assert found.low == pytest.approx(2.5 - 9.1682 * 1.5, rel=1e-3)
    assert "log" not in found.method


def test_a_difference_of_latencies_may_be_negative() -> None:
    ours = [record(0, lag=1.0), record(1, lag=4.0)]
    theirs = [record(0, "b", lag=2.0), record(1, "b", lag=2.0)]
    found = compare(ours, theirs, LAG)
    assert found.low is not None
    assert found.low < 0
    assert "log" not in found.test


SIMILARITY = replace(LAG, unit="", least=-1.0, most=1.0, higher_is_better=True)


def test_an_interval_between_declared_ends_is_worked_by_hand() -> None:
    """As for the latency, of two clips with 0.2 and 0.8: the percentiles are these, the value is 0.5.

    Between -1 and 1 the odds of a value are (1 + x) / (1 - x): 3 for 0.5, 1.5 for 0.2 and 9 for 0.8, or 0.5
    and 3 times as much. These ratios are raised to the power 9.1682. On the plain scale the ends would be
    0.5 -+ 9.1682 x 0.3 = -2.25 and 3.25.
    """
    found = score([record(0, lag=0.2), record(1, lag=0.8)], SIMILARITY)
    low, high = 3 * 0.5**9.1682, 3 * 3**9.1682
    assert found.low == pytest.approx((low - 1) / (low + 1), rel=1e-4)
    assert found.high == pytest.approx((high - 1) / (high + 1), rel=1e-6)
    assert found.method.endswith("widened on the logit scale")


def test_three_clips_give_no_interval_outside_of_the_range() -> None:
    """Multi-scale similarities of three videos, whose interval has an end below 0 without a range."""
    values = (0.98, 0.95, 0.4)
    records = [record(i, lag=value) for i, value in enumerate(values)]
    plain = score(records, replace(LAG, unit=""))
    assert plain.low is not None
    assert plain.low < 0
    found = score(records, replace(LAG, unit="", least=0.0, most=1.0))
    assert found.low is not None
    assert found.high is not None
    assert 0 < found.low < min(values)
    assert max(values) < found.high < 1


def test_one_declared_end_is_kept_off_and_a_value_at_it_is_cut() -> None:
    decibels = replace(LAG, unit="dB", least=0.0)
    assert score([record(0, lag=1.0), record(1, lag=4.0)], decibels).low == pytest.approx(
        2.5 * 0.4**9.1682, rel=1e-3
    )
    upper = replace(LAG, unit="points", most=5.0)
    # 1 and 4 are 4 and 1 below the end, the value 2.5.
    found = score([record(0, lag=1.0), record(1, lag=4.0)], upper)
    assert found.low == pytest.approx(5 - 2.5 * 1.6**9.1682, rel=1e-3)
    assert found.high == pytest.approx(5 - 2.5 * 0.4**9.1682, rel=1e-6)
    reached = score([record(0, lag=-1.0), record(1, lag=0.5)], SIMILARITY)
    assert (reached.low, reached.high) == (-1.0, 1.0)
    assert "scale" not in reached.method


def test_a_difference_is_cut_at_what_the_declared_ends_allow() -> None:
    ours = [record(0, lag=0.9), record(1, lag=-0.9)]
    theirs = [record(0, "b", lag=0.0), record(1, "b", lag=0.1)]
    found = compare(ours, theirs, SIMILARITY)
    assert (found.low, found.high) == (-2.0, 2.0)
    open_ended = compare(ours, theirs, replace(SIMILARITY, most=None))
    assert open_ended.high is not None
    assert open_ended.high > 2.0


@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=8))
@drawing(25)
def test_no_similarity_has_an_interval_outside_of_its_range(thousandths: list[int]) -> None:
    found = score([record(i, lag=value / 1000) for i, value in enumerate(thousandths)], SIMILARITY)
    assert found.low is None or -1 <= found.low <= found.value <= found.high <= 1


def test_ends_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match="least 2 must be below most 1"):
        replace(LAG, least=2.0, most=1.0)


@given(st.lists(st.floats(0.01, 1000.0), min_size=2, max_size=8))
@drawing(25)
def test_no_latency_has_an_interval_below_zero(lags: list[float]) -> None:
    found = score([record(i, lag=lag) for i, lag in enumerate(lags)], LAG)
    assert found.low is None or 0 < found.low <= found.value <= found.high


def test_spread_of_a_hand_worked_two_way_layout() -> None:
    # Rows 1..3 are clusters of one sample, columns training seeds:  0 2 | 1 5 | 5 5, mean 3.
    cells = np.array([[0.0, 2.0], [1.0, 5.0], [5.0, 5.0]])
    found = spread(ClusterSums(cells[None], np.ones((1, 3))))
    # Row means 1, 3, 5: MS_c = 2 * (4 + 0 + 4) / 2 = 8. Column means 2, 4: MS_r = 3 * (1 + 1) / 1 = 6.
    # Residuals x - row - column + 3: (0-1-2+3, 2-1-4+3) = (0, 0); (1-3-2+3, 5-3-4+3) = (-1, 1);
    # (5-5-2+3, 5-5-4+3) = (1, -1): MS_cr = 4 / 2 = 2. Variance (8 + 6 - 2) / 6 = 2.
    # df = 12^2 / (8^2 / 2 + 6^2 / 1 + 2^2 / 2) = 144 / 70.
    assert found.standard_error == pytest.approx(math.sqrt(2))
    assert found.degrees_of_freedom == pytest.approx(144 / 70)


def test_training_seeds_that_disagree_widen_the_interval() -> None:
    rng = np.random.default_rng(4)
    agree = [record(i, hit=(float(value),) * 3) for i, value in enumerate(rng.random(200) < 0.6)]
    shift = (-0.1, 0.0, 0.1)
    apart = [replace(r, values={"hit": tuple(r.values["hit"][0] + s for s in shift)}) for r in agree]
    unbounded = replace(HIT, unit="points")
    narrow, wide = score(agree, unbounded), score(apart, unbounded)
    assert narrow.value == pytest.approx(wide.value)
    assert narrow.seeds == wide.seeds == 3
    # 0.1, 0 and -0.1 about the score: (0.01 + 0 + 0.01) / 2 = 0.01.
    assert (narrow.seed_deviation, wide.seed_deviation) == pytest.approx((0.0, 0.1))
    assert narrow.low is not None
    assert narrow.high is not None
    assert wide.low is not None
    assert wide.high is not None
    assert narrow.high - narrow.low < 0.15
    # Seeds alone: standard error 0.1 / sqrt(3) with 2 degrees of freedom, +- 4.30 of it = 0.248.
    assert 0.35 < wide.high - wide.low < 0.65


def simulate(rng: np.random.Generator, *, n_clusters: int, replicates: int, seed_sd: float) -> ClusterSums:
    """Clusters of 1 to 4 samples around cluster effects and seed effects of mean 0."""
    sizes = rng.integers(1, 5, size=n_clusters)
    effects = rng.normal(size=(n_clusters, 1)) + rng.normal(scale=seed_sd, size=(1, replicates))
    noise = rng.normal(size=(n_clusters, replicates)) * np.sqrt(sizes)[:, None]
    return ClusterSums((effects * sizes[:, None] + noise)[None], sizes[None].astype(float))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_clusters", "replicates", "seed_sd"),
    [(30, 1, 0.0), (8, 1, 0.0), (30, 3, 0.0), (30, 3, 0.3), (30, 5, 0.3)],
)
def test_intervals_cover_the_truth_as_often_as_they_say(
    n_clusters: int, replicates: int, seed_sd: float
) -> None:
    n_sets = 300
    covered = 0
    for number in range(n_sets):
        data = simulate(
            np.random.default_rng([9, number]), n_clusters=n_clusters, replicates=replicates, seed_sd=seed_sd
        )
        interval = bootstrap([data], seed=number, confidence=0.95, bounds=[UNBOUNDED])[0]
        assert interval.low is not None
        assert interval.high is not None
        covered += interval.low <= 0 <= interval.high
    # 300 sets at 95 %: mean 285, standard deviation 3.8; three of them below is 274. With replicates, erring
    # to the wide side is allowed.
    assert covered >= 274
    if replicates == 1:
        assert covered <= 297


def test_ignoring_clusters_would_not_cover() -> None:
    """The simulation can fail: with every sample as its own cluster, coverage is far too low."""
    covered = 0
    for number in range(40):
        rng = np.random.default_rng([10, number])
        values = np.repeat(rng.normal(size=30), 10) + 0.1 * rng.normal(size=300)
        data = ClusterSums(values[None, :, None], np.ones((1, 300)))
        interval = bootstrap([data], seed=0, confidence=0.95, bounds=[UNBOUNDED])[0]
        assert interval.low is not None
        assert interval.high is not None
        covered += interval.low <= 0 <= interval.high
    # The standard error comes out too small by sqrt(10): +- 0.62 true standard errors cover 46 %, 18.6 of 40.
    assert covered < 30


def test_intervals_of_rare_misses_cover_the_truth() -> None:
    """300 sets of 60 clips with 1 to 3 questions each, 3 % missed, misses of a clip together."""
    covered = 0
    for number in range(300):
        rng = np.random.default_rng([11, number])
        records, sample = [], 0
        for clip, rate in enumerate(rng.beta(0.97 * 5, 0.03 * 5, size=60)):
            for _ in range(rng.integers(1, 4)):
                records.append(record(sample, cluster=f"clip{clip}", hit=float(rng.random() < rate)))
                sample += 1
        result = score(records, HIT)
        assert result.low is not None
        assert result.high is not None
        covered += result.low <= 0.97 <= result.high
    assert covered >= 274


def test_order_company_and_form_of_the_records_change_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    speed = Metric("speed", "Speed")
    group = Metric("g", "G", mean_of=("hit", "speed"))
    metrics = [HIT, speed, group, LAG]
    records = [
        record(i, cluster=f"clip{i % 70}", hit=tuple(rng.random(3).round()), lag=float(rng.random()), **extra)
        for i in range(200)
        for extra in ([{"speed": float(rng.random())}] if i % 3 else [{}])
    ] + [failed(i, cluster=f"clip{i % 70}") for i in range(200, 205)]
    before = score_all(records, metrics)
    shuffled = records[:]
    random.Random(0).shuffle(shuffled)
    assert score_all(shuffled, metrics) == before
    assert [score(records, metric, metrics) for metric in metrics] == before
    folder = RunFolder.create(tmp_path / "run", {})
    with folder.journal() as journal:
        journal.open_job(Job("a x b", "a", "b", len(records)))
        journal.add(shuffled)
    assert score_all(folder.records(), metrics) == before
    other = [replace(r, system="c", job="c x b") for r in records]
    renamed = [replace(s, system="a") for s in score_all(other, metrics)]
    assert renamed == before


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=30))
@drawing(25)
def test_intervals_hold_the_score_and_stay_in_range(rows: list[tuple[int, bool]]) -> None:
    result = score([record(i, cluster=f"c{c}", hit=float(v)) for i, (c, v) in enumerate(rows)], HIT)
    assert result.value == pytest.approx(sum(value for _, value in rows) / len(rows))
    assert (result.low is None) == (len({cluster for cluster, _ in rows}) == 1)
    if result.low is not None and result.high is not None:
        assert 0 <= result.low <= result.value + 1e-12
        assert result.value - 1e-12 <= result.high <= 1


# Comparisons


def test_a_comparison_by_hand() -> None:
    a = [record(i, "a", cluster=c, lag=v) for i, (c, v) in enumerate([("x", 3.0), ("x", 5.0), ("y", 1.0)])]
    b = [record(i, "b", cluster=c, lag=v) for i, (c, v) in enumerate([("x", 1.0), ("x", 1.0), ("y", 2.0)])]
    found = compare(a, b, LAG)
    # Differences 2, 4 | -1: mean 5/3. Cluster sums 6 and -1: |6 - 1| = 5 is reached by all four sign flips
    # (5, 7, -7, -5), so p = 1.
    assert (found.system, found.baseline, found.n, found.n_clusters) == ("a", "b", 3, 2)
    assert found.difference == pytest.approx(5 / 3)
    assert found.p == found.p_corrected == 1.0
    assert found.no_test is None


def test_the_sign_flip_p_is_that_of_full_enumeration_and_of_scipy() -> None:
    parts = np.array([0.9, 0.4, -0.3, 1.2, 0.8, 0.1, -0.2, 0.7])
    observed = abs(parts.sum())
    flips = [
        abs(sum(s * p for s, p in zip(signs, parts, strict=True)))
        for signs in itertools.product((1, -1), repeat=8)
    ]
    expected = sum(flip >= observed - 1e-12 for flip in flips) / 2**8
    found = sign_flip_p(parts[:, None], seed=0)[0]
    assert found == expected
    reference = scipy.stats.permutation_test(
        (parts,),
        lambda x, axis: x.sum(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
    )
    assert found == pytest.approx(reference.pvalue)


def test_many_clusters_approach_the_exact_p_and_p_is_never_zero() -> None:
    # 20 wins against 10 losses of one size: two-sided binomial p with 30 fair coins, P(|X - 15| >= 5).
    parts = np.array([1.0] * 20 + [-1.0] * 10 + [0.0] * 70)
    expected = scipy.stats.binomtest(20, 30).pvalue
    assert sign_flip_p(parts[:, None], seed=0)[0] == pytest.approx(expected, abs=0.01)
    assert sign_flip_p(np.ones((100, 1)), seed=0)[0] == 1 / 10_000


def test_p_is_uniform_where_there_is_no_difference() -> None:
    rng = np.random.default_rng(6)
    p = sign_flip_p(rng.normal(size=(25, 400)), seed=0)
    # 400 columns at level 0.05: mean 20, standard deviation 4.4 (flips are shared, columns independent).
    assert 7 <= (p <= 0.05).sum() <= 33
    assert scipy.stats.kstest(p, "uniform").pvalue > 0.001


def test_equal_systems_do_not_differ_and_the_interval_stays_honest() -> None:
    values = [1.0, 0.0] * 100
    found = compare(hits(values, "a"), hits(values, "b"), HIT)
    # Bonett and Price with no discordant pair of 200: +- z sqrt(2 / 202 / 202),
    # which is 1.95996 * 0.0070011 = 0.013722.
    assert (found.difference, found.p) == (0.0, 1.0)
    assert found.low == pytest.approx(-0.013722, abs=1e-6)
    assert found.high == pytest.approx(0.013722, abs=1e-6)


def test_three_differing_clips_prove_nothing() -> None:
    a, b = hits([1.0] * 600, "a"), hits([0.0] * 3 + [1.0] * 597, "b")
    found = compare(a, b, HIT)
    # Sign flips of three equal differences: 2 of 8 are as extreme.
    assert found.p == 0.25
    assert found.low is not None
    assert found.low < 0 < 0.005 <= (found.difference or 0)


def test_failures_and_missing_samples_in_a_pair() -> None:
    a = [
        record(0, "a", hit=1.0),
        record(1, "a", hit=1.0),
        failed(2, "a"),
        failed(3, "a"),
        failed(4, "a"),
        record(5, "a", hit=1.0),
    ]
    b = [
        record(0, "b", hit=1.0),
        failed(1, "b"),
        record(2, "b", hit=1.0),
        failed(3, "b"),
        record(4, "b", lag=1.0),
    ]
    found = compare(a, b, HIT)
    # 0: 0; 1: 1 - 0; 2: 0 - 1; 3: both failed, 0. 4: b shows that
    # the metric is not this sample's. 5: only in a.
    assert (found.difference, found.n, found.n_unpaired) == (0.0, 4, 1)
    left_out = compare(a, b, replace(HIT, failed_as=None))
    # Only sample 0 has two values; 1, 2 and 5 have one.
    assert (left_out.n, left_out.n_unpaired) == (1, 3)


def test_nothing_shared_is_said() -> None:
    found = compare([record(0, "a", hit=1.0)], [record(1, "b", hit=1.0)], HIT)
    assert (found.difference, found.low, found.p, found.n, found.n_unpaired) == (None, None, None, 0, 2)
    assert found.no_test is NoTest.NOTHING_SHARED
    with pytest.raises(ValueError, match="different cluster"):
        compare([record(0, "a", "x", hit=1.0)], [record(0, "b", "y", hit=1.0)], HIT)
    with pytest.raises(ValueError, match="records of both"):
        compare([record(0, "a", hit=1.0)], [], HIT)
    stranger = replace(record(0, "b", hit=1.0), benchmark="other")
    with pytest.raises(ValueError, match="cannot compare b with other"):
        compare([record(0, "a", hit=1.0)], [stranger], HIT)


def test_a_difference_within_training_noise_is_not_significant() -> None:
    rng = np.random.default_rng(7)
    noise = rng.normal(scale=0.1, size=(300, 3))
    shift = np.array([0.5, -0.4, 0.2])  # of each training seed, mean 0.1
    a = [record(i, "a", lag=tuple(row)) for i, row in enumerate(noise + shift)]
    b = [record(i, "b", lag=(0.0, 0.0, 0.0)) for i in range(300)]
    averaged = [record(i, "a", lag=float(row.mean())) for i, row in enumerate(noise + shift)]
    assert compare(averaged, [record(i, "b", lag=0.0) for i in range(300)], LAG).p == 1 / 10_000
    found = compare(a, b, LAG)
    assert found.p > 0.5
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0 < found.high


def test_replicates_that_do_not_match_are_averaged_and_it_is_said() -> None:
    a = [record(i, "a", lag=(1.0, 3.0)) for i in range(20)]
    b = [record(i, "b", lag=(1.0, 1.0, 1.0)) for i in range(20)]
    found = compare(a, b, LAG)
    assert found.difference == 1.0
    assert "2 and 3 training seeds, averaged" in found.test
    assert "t-distributed part for each side's training seeds (2 and 3)" in found.test
    assert found.no_test is None
    assert (found.seeds, found.baseline_seeds) == (2, 3)
    single = compare(a, [record(i, "b", lag=1.0) for i in range(20)], LAG)
    assert single.difference == 1.0
    assert "averaged" not in single.test


def test_one_training_seed_gives_an_interval_and_no_p() -> None:
    def trained(records: list[Record], seeds: int) -> list[Record]:
        return [replace(r, meta={TRAINING_SEEDS: seeds}) for r in records]

    better, worse = hits([1.0] * 40, "a"), hits([1.0, 0.0] * 20, "b")
    for a, b in ((trained(better, 1), trained(worse, 1)), (trained(better, 1), worse)):
        found = compare(a, b, HIT)
        assert (found.difference, found.p, found.p_corrected) == (0.5, None, None)
        assert found.low is not None
        assert found.low > 0
        assert found.no_test is NoTest.ONE_SEED
        assert found.test.startswith("no test: one training seed; ")
    assert compare(better, worse, HIT).p == 1 / 10_000  # nothing was trained
    assert score(trained(better, 1), HIT).seeds == 1
    assert score(better, HIT).seeds == 0
    assert score(better, HIT).seed_deviation is None


def test_untestable_comparisons_are_no_part_of_the_family() -> None:
    rng = np.random.default_rng(12)
    by_system = {name: hits((rng.random(60) < p).round(), name) for name, p in (("base", 0.4), ("a", 0.7))}
    once = [replace(r, meta={TRAINING_SEEDS: 1}) for r in hits((rng.random(60) < 0.7).round(), "once")]
    alone = compare_all(by_system, "base", [HIT])
    found = compare_all({**by_system, "once": once}, "base", [HIT])
    assert found[0] == alone[0]
    assert found[1].no_test is NoTest.ONE_SEED


def test_compare_all_corrects_headlines_apart_from_the_rest() -> None:
    rng = np.random.default_rng(8)
    detail, neutral = Metric("detail", "Detail"), replace(LAG, name="tokens", higher_is_better=None)
    by_system = {
        name: [
            record(i, name, hit=float(rng.random() < p), detail=float(rng.random() < p), tokens=31.0)
            for i in range(150)
        ]
        for name, p in (("base", 0.4), ("a", 0.5), ("b", 0.7))
    }
    found = compare_all(by_system, "base", [HIT, detail, neutral])
    assert [(c.system, c.metric) for c in found] == [
        ("a", "hit"),
        ("a", "detail"),
        ("b", "hit"),
        ("b", "detail"),
    ]
    for metric in ("hit", "detail"):
        only = compare_all(by_system, "base", [HIT if metric == "hit" else detail])
        assert [c for c in found if c.metric == metric] == only
    assert compare(by_system["a"], by_system["base"], HIT).difference == found[0].difference
    with pytest.raises(UnknownNameError, match="did you mean 'base'"):
        compare_all(by_system, "bsae", [HIT])


# Discrimination


def scored(system: str, low: float | None, high: float | None, metric: Metric = HIT) -> Score:
    return Score(system, "b", metric, 0.5, low, high, 10, 0, 10)


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [
        ([(0.2, 0.4), (0.26, 0.5)], True),
        ([(0.2, 0.4), (0.25, 0.5)], False),  # touching chance is not above it
        ([(0.98, 1.0), (0.97, 1.0)], False),
        ([(0.98, 1.0), (0.96, 1.0)], True),
        ([(None, None)], False),
        ([], True),
    ],
)
def test_a_metric_discriminates(intervals: list[tuple[float | None, float | None]], expected: bool) -> None:
    scores = [scored(str(i), low, high) for i, (low, high) in enumerate(intervals)]
    assert discriminates(scores, HIT) is expected


def test_controls_are_not_looked_at_and_lower_can_be_better() -> None:
    scores = [scored("vtok", 0.98, 1.0), scored("blind", 0.2, 0.3)]
    assert discriminates(scores, HIT) is True
    assert discriminates(scores, HIT, controls=["blind"]) is False
    error = replace(HIT, name="error", higher_is_better=False, chance=0.75)
    assert discriminates([scored("vtok", 0.6, 0.7, error)], error) is True
    assert discriminates([scored("vtok", 0.8, 0.9, error)], error) is False
    assert discriminates([scored("vtok", 5.0, 6.0, LAG)], LAG) is True
    marked = mark_discriminating([*scores, scored("vtok", 5.0, 6.0, LAG)], controls=["blind"])
    assert [s.discriminates for s in marked] == [False, False, True]
