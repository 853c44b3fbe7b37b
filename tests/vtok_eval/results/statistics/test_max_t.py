"""Step-down max-T against full enumeration by hand, the definition, scipy's t-test and its invariances."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.profiles import drawing
from vtok_eval.results.statistics.max_t import Block, family_p
from vtok_eval.results.statistics.resampling import sign_flip_p
from vtok_eval.results.statistics.seeds import SeedSpread

Floats = NDArray[np.float64]


def block(
    parts: Floats,
    keys: Sequence[str] = "",
    *,
    places: Sequence[int] | None = None,
    right: Sequence[int] | None = None,
    left: Sequence[int] | None = None,
    spreads: Sequence[SeedSpread | None] = (),
) -> Block:
    """spreads: of each comparison's first side."""
    columns = np.arange(parts.shape[1]) if left is None else np.array(left)
    names = tuple(keys) or tuple(f"c{i}" for i in range(len(columns)))
    return Block(
        parts=parts,
        places=np.arange(len(parts)) if places is None else np.array(places),
        left=columns,
        right=None if right is None else np.array(right),
        keys=names,
        seeds=tuple((spread, None) for spread in spreads or [None] * len(columns)),
    )


def enumerated(parts: Floats) -> list[float]:
    """Corrected p of each column by the definition: all patterns of signs, one hypothesis after the other."""
    scale = np.sqrt((parts**2).sum(axis=0))
    patterns = list(itertools.product((1, -1), repeat=len(parts)))
    observed = [abs(sum(parts[:, j])) / scale[j] for j in range(parts.shape[1])]
    left = sorted(range(parts.shape[1]), key=lambda j: -observed[j])
    corrected, least = [0.0] * parts.shape[1], 0.0
    while left:
        count = 0
        for pattern in patterns:
            drawn = [
                abs(sum(sign * part for sign, part in zip(pattern, parts[:, j], strict=True))) / scale[j]
                for j in left
            ]
            count += max(drawn) >= observed[left[0]] - 1e-9
        least = max(least, count / len(patterns))
        corrected[left.pop(0)] = least
    return corrected


def test_two_comparisons_by_hand() -> None:
    # Sums of a (1 1 1) and b (1 1 -1) under the flips, up to the sign of all: +++ gives 3 and 1, ++- 1 and 3,
    # +-+ 1 and -1, -++ 1 and -1. Both are divided by sqrt(3). a: the larger of both reaches 3 in two of four;
    # b is next, by itself, and reaches 1 in all.
    parts = np.array([[1.0, 1.0], [1.0, 1.0], [1.0, -1.0]])
    alone, corrected = family_p([block(parts)], n_clusters=3, seed=0)
    assert alone.tolist() == [0.25, 1.0]
    assert corrected.tolist() == [0.5, 1.0]


def test_equal_comparisons_cost_nothing() -> None:
    """Holm would multiply by their number; what is perfectly correlated is one comparison."""
    parts = np.array([0.9, 0.4, -0.3, 1.2, 0.8, 0.1, -0.2, 0.7])
    alone, corrected = family_p([block(np.stack([parts] * 5, axis=1))], n_clusters=8, seed=0)
    assert corrected.tolist() == alone.tolist() == [sign_flip_p(parts[:, None], seed=0)[0]] * 5


@given(st.integers(0, 10_000), st.integers(2, 7), st.integers(1, 5))
@drawing(30)
def test_few_clusters_are_enumerated_as_the_definition_says(seed: int, n_clusters: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    parts = rng.normal(size=(n_clusters, 1)) + rng.normal(rng.normal(size=size), 1, size=(n_clusters, size))
    alone, corrected = family_p([block(parts)], n_clusters=n_clusters, seed=seed)
    assert corrected == pytest.approx(enumerated(parts))
    assert alone == pytest.approx(sign_flip_p(parts, seed=0))
    order = np.argsort(-np.abs(parts.sum(axis=0)) / np.sqrt((parts**2).sum(axis=0)))
    assert (np.diff(corrected[order]) >= 0).all()
    assert (corrected >= alone - 1e-12).all()


def test_one_comparison_is_the_plain_sign_flip_test() -> None:
    parts = np.random.default_rng(1).normal(0.2, 1, size=(60, 1))
    alone, corrected = family_p([block(parts)], n_clusters=60, seed=5)
    assert alone == corrected == sign_flip_p(parts, seed=5)
    reference = scipy.stats.permutation_test(
        (parts[:, 0],), np.sum, permutation_type="samples", n_resamples=9_999, rng=np.random.default_rng(2)
    )
    assert alone[0] == pytest.approx(reference.pvalue, abs=0.02)


def test_pairs_are_the_differences_of_their_columns() -> None:
    rng = np.random.default_rng(2)
    systems = rng.normal(size=(40, 1)) + rng.normal([0.0, 0.2, 0.5], 1, size=(40, 3))
    pairs = [(0, 1), (0, 2), (1, 2)]
    apart = np.stack([systems[:, i] - systems[:, j] for i, j in pairs], axis=1)
    together = block(systems, left=[0, 0, 1], right=[1, 2, 2])
    for found, expected in zip(
        family_p([together], n_clusters=40, seed=0),
        family_p([block(apart)], n_clusters=40, seed=0),
        strict=True,
    ):
        assert found == pytest.approx(expected)


def test_order_and_division_into_blocks_change_nothing() -> None:
    rng = np.random.default_rng(3)
    parts = rng.normal(size=(30, 1)) + rng.normal([0.0, 0.3, 0.5, 0.9], 1, size=(30, 4))
    parts[:, 3] = parts[:, 2]  # a tie
    pairs = zip(*family_p([block(parts, "abcd")], n_clusters=30, seed=0), strict=True)
    whole = dict(zip("abcd", pairs, strict=True))
    for order in ([3, 2, 1, 0], [1, 3, 0, 2]):
        blocks = [block(parts[:, [i]], "abcd"[i]) for i in order]
        found = zip(*family_p(blocks, n_clusters=30, seed=0), strict=True)
        assert dict(zip([blk.keys[0] for blk in blocks], found, strict=True)) == whole


def test_clusters_that_a_comparison_lacks_are_zeros() -> None:
    rng = np.random.default_rng(4)
    few, many = rng.normal(0.4, 1, size=(20, 1)), rng.normal(0.3, 1, size=(30, 1))
    places = sorted(rng.choice(30, size=20, replace=False).tolist())
    filled = np.zeros((30, 1))
    filled[places] = few
    apart = family_p([block(few, "a", places=places), block(many, "b")], n_clusters=30, seed=0)
    whole = family_p([block(np.hstack([filled, many]), "ab")], n_clusters=30, seed=0)
    assert apart[0] == pytest.approx(whole[0])
    assert apart[1] == pytest.approx(whole[1])


def test_nothing_differs_nothing_is_shown() -> None:
    for n_clusters in (3, 40):
        parts = np.hstack([np.zeros((n_clusters, 1)), np.full((n_clusters, 1), 0.5)])
        alone, corrected = family_p([block(parts)], n_clusters=n_clusters, seed=0)
        assert alone[0] == corrected[0] == 1.0
        assert alone[1] == pytest.approx(0.25 if n_clusters == 3 else 1 / 10_000)
    assert family_p([], n_clusters=0, seed=0)[0].tolist() == []
    with pytest.raises(ValueError, match="the same key"):
        family_p([block(parts, "aa")], n_clusters=40, seed=0)


@pytest.mark.parametrize(("freedom", "difference"), [(1.0, 6.0), (2.0, 3.0), (8.5, 2.5), (2_000.0, 2.0)])
def test_where_seeds_are_all_the_error_it_is_a_t_test(freedom: float, difference: float) -> None:
    """The flips of 4,000 equal parts spread by a 63rd of their sum; what is left is a t variable."""
    parts = np.full((4_000, 1), difference / 4_000)
    # Four seeds: the mean's standard error is half their deviation.
    spread = SeedSpread("a", 2.0, seeds=4, freedom=freedom)
    found = family_p([block(parts, spreads=[spread])], n_clusters=4_000, seed=0)[0][0]
    expected = 2 * scipy.stats.t.sf(difference, freedom)
    assert found == pytest.approx(expected, abs=4 * np.sqrt(expected / 2_000) + 0.001)  # 1,999 draws


def test_seeds_are_drawn_for_each_system_by_itself() -> None:
    """With all error from seeds, k independent comparisons are corrected as Sidak says, 1 - (1 - p)^k."""
    size = 6
    parts = np.full((4_000, size), 2.5 / 4_000)
    spreads = [SeedSpread(f"s{i}", 1.0, seeds=1, freedom=5_000.0) for i in range(size)]
    alone, corrected = family_p([block(parts, spreads=spreads)], n_clusters=4_000, seed=0)
    expected = 1 - (1 - 2 * scipy.stats.norm.sf(2.5)) ** size
    assert alone == pytest.approx(2 * scipy.stats.norm.sf(2.5), abs=0.01)
    assert corrected.max() == pytest.approx(expected, abs=0.025)


def test_the_baselines_seeds_are_one_draw_for_all_comparisons() -> None:
    """If only the baseline's training varies, all differences move together: one comparison in effect."""
    parts = np.full((4_000, 6), 2.5 / 4_000)
    baseline = SeedSpread("base", 1.0, seeds=1, freedom=5_000.0)
    shared = replace(block(parts), seeds=((None, baseline),) * 6)
    alone, corrected = family_p([shared], n_clusters=4_000, seed=0)
    assert corrected == pytest.approx(alone)


def test_either_side_may_be_the_first() -> None:
    rng = np.random.default_rng(5)
    systems = rng.normal([0.0, 0.3, 0.6], 1, size=(40, 3))
    spreads = [SeedSpread(name, 0.5, seeds=2, freedom=3.0) for name in "abc"]

    def found(pairs: Sequence[tuple[int, int]]) -> list[tuple[float, ...]]:
        left, right = zip(*pairs, strict=True)
        asked = replace(
            block(systems, ["ab", "ac", "bc"], left=left, right=right),
            seeds=tuple((spreads[i], spreads[j]) for i, j in pairs),
        )
        return [tuple(p) for p in family_p([asked], n_clusters=40, seed=0)]

    assert found([(0, 1), (0, 2), (1, 2)]) == found([(1, 0), (0, 2), (2, 1)])
