"""The Frechet distance of two sets of features, its bootstrap over clips, and its limit for many clips."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float64]
"""`(N, D)`, a row for each clip."""

RESAMPLES = 200
SEED = 20260204
CONFIDENCE = 0.95
SIZES = 6
"""Subset sizes from half of the clips to all of them, through which the line in 1/n is drawn."""
DRAWS = 8
"""Subsets of each size below all."""
LEAST_FOR_LIMIT = 8
"""Fewer clips give no line."""


def frechet_distance(first: Features, second: Features, *, biased: bool = False) -> float:
    """Squared Frechet distance between normal distributions with the two sets' means and covariances.

    |m1 - m2|^2 + |A|^2 + |B|^2 - 2 |A B'|_*, where A and B are the centred features over sqrt(n - 1) and the
    last norm is the sum of singular values. It equals tr(C1 + C2 - 2 (C1 C2)^(1/2)) plus the means' distance,
    needs no square root of a matrix, and is exact also where clips are fewer than features.

    biased: divide by n instead of n - 1, as some implementations do.

    Raises:
        ValueError: a set has fewer than two rows, or the widths differ.

    Source: D. C. Dowson, B. V. Landau, The Frechet distance between multivariate normal distributions (1982).

    Example:
        >>> a = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]])
        >>> round(frechet_distance(a, a + 3.0), 9), round(frechet_distance(a, a), 9)
        (18.0, 0.0)
    """
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise ValueError(f"features must be (N, D) of one width, not {first.shape} and {second.shape}")
    if min(len(first), len(second)) < 2:
        raise ValueError("a Frechet distance needs two clips")
    means = float(((first.mean(axis=0) - second.mean(axis=0)) ** 2).sum())
    a, b = (_root(features, biased=biased) for features in (first, second))
    shared = float(np.linalg.svd(a @ b.T, compute_uv=False).sum())
    return max(0.0, means + float((a**2).sum()) + float((b**2).sum()) - 2 * shared)


def _root(features: Features, *, biased: bool) -> Features:
    """A matrix R with R'R = the covariance, with as few rows as it can have."""
    centred: Features = (features - features.mean(axis=0)) / math.sqrt(len(features) - (0 if biased else 1))
    if len(centred) <= centred.shape[1]:
        return centred
    root: Features = np.asarray(np.linalg.qr(centred, mode="r"))
    return root


@dataclass(frozen=True)
class FrechetEstimate:
    """A Frechet distance of n clips and their reconstructions.

    low, high: the interval at `CONFIDENCE`; None with fewer than two clusters. limit: the distance
    extrapolated to infinitely many clips; None with fewer than `LEAST_FOR_LIMIT` clips.

    Example:
        >>> FrechetEstimate(value=120.0, low=100.0, high=150.0, limit=90.0, n=400).limit
        90.0
    """

    value: float
    low: float | None
    high: float | None
    limit: float | None
    n: int


def estimate(
    originals: Features, decoded: Features, clusters: Sequence[str], *, biased: bool = False
) -> FrechetEstimate | None:
    """The distance between paired sets with its interval and its limit; None with fewer than two clips.

    Clips are drawn by cluster, each with its reconstruction. A resample holds fewer different clips than the
    sample, which raises its distance, so the interval is that of the resamples' deviations from their own
    mean. The limit is the intercept of a least-squares line in 1/n through the mean distances of subsets.
    Both use a fixed seed: equal features give equal numbers.

    Args:
        originals, decoded: `(N, D)`; row i of both is one clip. clusters: the cluster of each row.

    Example:
        >>> originals = np.random.default_rng(0).normal(size=(20, 2))
        >>> found = estimate(originals, originals + 3.0, [str(row) for row in range(20)])
        >>> round(found.value, 6), found.n
        (18.0, 20)
    """
    if len(originals) < 2:
        return None
    value = frechet_distance(originals, decoded, biased=biased)
    deviations = _bootstrap(originals, decoded, clusters, biased=biased)
    low = high = None
    if len(deviations):
        tail = (1 - CONFIDENCE) / 2
        low = max(0.0, value + float(np.quantile(deviations, tail)))
        high = max(0.0, value + float(np.quantile(deviations, 1 - tail)))
    return FrechetEstimate(value, low, high, limit_of(originals, decoded, biased=biased), len(originals))


def limit_of(first: Features, second: Features, *, biased: bool = False) -> float | None:
    """The distance extrapolated to infinitely many rows; None with fewer than `LEAST_FOR_LIMIT` of them.

    Source: M. J. Chong, D. Forsyth, Effectively unbiased FID and Inception Score (arXiv 1911.07023).

    Example:
        >>> originals = np.random.default_rng(0).normal(size=(20, 2))
        >>> round(limit_of(originals, originals), 6)
        0.0
    """
    n = len(first)
    if n < LEAST_FOR_LIMIT:
        return None
    rng = np.random.default_rng([SEED, n])
    sizes = np.unique(np.linspace(n // 2, n, SIZES).round().astype(int))
    means = []
    for size in sizes:
        draws = DRAWS if size < n else 1
        subsets = [rng.choice(n, size=size, replace=False) for _ in range(draws)]
        found = [frechet_distance(first[rows], second[rows], biased=biased) for rows in subsets]
        means.append(math.fsum(found) / draws)
    _, intercept = np.polyfit(1 / sizes, means, 1)
    return float(intercept)


def _bootstrap(
    originals: Features, decoded: Features, clusters: Sequence[str], *, biased: bool
) -> NDArray[np.float64]:
    """The distances of resamples of the clusters, minus their mean; none with fewer than two clusters."""
    names = sorted(set(clusters))
    if len(names) < 2:
        return np.zeros(0)
    rows = {name: [row for row, cluster in enumerate(clusters) if cluster == name] for name in names}
    rng = np.random.default_rng([SEED, len(names)])
    found = []
    for drawn in rng.integers(len(names), size=(RESAMPLES, len(names))):
        chosen = [row for place in drawn for row in rows[names[place]]]
        if len(chosen) > 1:
            found.append(frechet_distance(originals[chosen], decoded[chosen], biased=biased))
    distances = np.array(found)
    deviations: NDArray[np.float64] = distances - distances.mean()
    return deviations
