"""How much training moves a score: moderated variances by hand, in the limits and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
import scipy.special

from vtok_eval.results.statistics.sample_table import ClusterSums
from vtok_eval.results.statistics.seeds import (
    LEAST_SYSTEMS,
    SeedSpread,
    moderated_variances,
    seed_spreads,
    standard_error,
)


def sums(*by_seed: float, n_clusters: int = 4) -> ClusterSums:
    """Clusters of one sample that all have the seed's value."""
    cells = np.tile(np.array(by_seed), (n_clusters, 1))
    return ClusterSums(cells[None], np.ones((1, n_clusters)))


def test_few_systems_keep_their_own_deviation() -> None:
    found = seed_spreads({"a": sums(0.1, 0.3), "b": sums(0.5, 0.5, 0.8), "codec": sums(0.9)})
    # 0.1 and 0.3: variance 2 x 0.01 = 0.02. 0.5, 0.5, 0.8: mean 0.6, (0.01 + 0.01 + 0.04) / 2 = 0.03.
    assert found["a"].deviation ** 2 == pytest.approx(0.02)
    assert found["b"].deviation ** 2 == pytest.approx(0.03)
    assert (found["a"].freedom, found["b"].freedom, found["b"].seeds) == (1.0, 2.0, 3)
    assert found["b"].variance == pytest.approx(0.01)
    assert "codec" not in found
    assert seed_spreads({}) == {}


def test_alike_systems_share_one_variance() -> None:
    variances = np.array([1.0, 1.2, 0.8, 1.1])
    found, freedom = moderated_variances(variances, np.array([2.0, 2.0, 1.0, 3.0]))
    # (2 x 1.0 + 2 x 1.2 + 0.8 + 3 x 1.1) / 8 = 8.5 / 8, with all 8 degrees of freedom.
    assert found == pytest.approx([8.5 / 8] * 4)
    assert freedom.tolist() == [8.0] * 4


def test_unlike_systems_are_drawn_as_far_as_the_published_formulas_say() -> None:
    variances, freedoms = np.array([0.01, 1.0, 30.0, 0.2, 5.0]), np.full(5, 3.0)
    found, freedom = moderated_variances(variances, freedoms)
    # Smyth 2004, section 6: e = log s^2 - digamma(d/2) + log(d/2), trigamma(d0/2) = var(e) - trigamma(d/2),
    # s0^2 = exp(mean(e) + digamma(d0/2) - log(d0/2)); moderated (d0 s0^2 + d s^2) / (d0 + d).
    logs = np.log(variances) - scipy.special.digamma(1.5) + np.log(1.5)
    target = logs.var(ddof=1) - scipy.special.polygamma(1, 1.5)
    half = scipy.optimize.brentq(lambda x: scipy.special.polygamma(1, x) - target, 1e-3, 100)
    prior = np.exp(logs.mean() + scipy.special.digamma(half) - np.log(half))
    assert found == pytest.approx((2 * half * prior + 3 * variances) / (2 * half + 3))
    assert freedom == pytest.approx([2 * half + 3] * 5)


def test_equal_seeds_by_chance_are_not_taken_for_no_variance() -> None:
    found, freedom = moderated_variances(np.array([0.0, 1.0, 1.1, 0.9, 1.0]), np.full(5, 1.0))
    assert found[0] == pytest.approx(1.0)
    assert freedom[0] == 4.0
    none, _ = moderated_variances(np.zeros(5), np.full(5, 1.0))
    assert none.tolist() == [0.0] * 5


def test_order_changes_nothing_and_scale_only_the_scale() -> None:
    rng = np.random.default_rng(1)
    variances = rng.chisquare(2, size=LEAST_SYSTEMS + 3) * rng.lognormal(size=LEAST_SYSTEMS + 3)
    freedoms = np.full(len(variances), 2.0)
    found, freedom = moderated_variances(variances, freedoms)
    turned, _ = moderated_variances(variances[::-1], freedoms)
    assert turned[::-1] == pytest.approx(found)
    scaled, same = moderated_variances(variances * 1e-6, freedoms)
    assert scaled == pytest.approx(found * 1e-6)
    assert same == pytest.approx(freedom)


def test_moderation_estimates_better_than_each_systems_own_seeds() -> None:
    """Over 300 sets of 8 systems with 2 seeds, the mean squared error of the log variance shrinks."""
    own_error = moderated_error = 0.0
    for number in range(300):
        rng = np.random.default_rng([2, number])
        truth = rng.lognormal(sigma=0.5, size=8)
        own = truth * rng.chisquare(1, size=8)
        found, _ = moderated_variances(own, np.full(8, 1.0))
        own_error += float(((np.log(own) - np.log(truth)) ** 2).mean())
        moderated_error += float(((np.log(found) - np.log(truth)) ** 2).mean())
    assert moderated_error < own_error / 4


def test_the_standard_error_by_hand() -> None:
    # 4 + 6^2 / 4 = 13; 13^2 / (4^2 / 10 + 9^2 / 3) = 169 / 28.6.
    error, freedom = standard_error(4.0, [SeedSpread("a", 6.0, seeds=4, freedom=3.0)], n_clusters=11)
    assert error == pytest.approx(np.sqrt(13))
    assert freedom == pytest.approx(169 / 28.6)
    assert standard_error(4.0, [], n_clusters=11) == (2.0, pytest.approx(10.0))
    assert standard_error(0.0, [], n_clusters=11) == (0.0, 10.0)
