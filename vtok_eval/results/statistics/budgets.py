"""Scores at equal budget: several systems' scores on joint resamples of the clips, and frontiers of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from vtok_eval.results.columns.job_columns import Floats, JobColumns, on_common_samples
from vtok_eval.results.records import Metric
from vtok_eval.results.statistics.sample_table import material

RESAMPLES = 1999
SEED = 20260204
MOST_RESAMPLED = 4_000_000
"""Cells of resampling weights held at once, 32 MB."""


def resampled_scores(
    jobs: Mapping[str, JobColumns], metric: Metric, known: Sequence[Metric]
) -> dict[str, Floats]:
    """Each system's score on all samples and on `RESAMPLES` resamples of the clusters, the same for all.

    Systems without a value are left out. With fewer than two clusters there is no resample. A resample in
    which a component of the mean has no sample is the score on all.

    Example:
        >>> from vtok_eval.results.columns.example_job import example_job
        >>> found = resampled_scores({"vtok": example_job("vtok", [1.0, 0.0])}, Metric("hit", "Hit rate"), [])
        >>> len(found["vtok"]), float(found["vtok"][0])
        (2000, 0.5)
    """
    if not jobs:
        return {}
    common = dict(zip(jobs, on_common_samples(list(jobs.values())), strict=True))
    samples = next(iter(common.values())).samples
    materials = {name: material(job, metric, known).with_replicates(1) for name, job in common.items()}
    materials = {name: found for name, found in materials.items() if found.whole}
    size = samples.n_clusters
    weights = _weights(size)
    drawn = {}
    for system, found in materials.items():
        means = []
        for values, present in zip(found.values[:, :, 0], found.present, strict=True):
            sums = np.bincount(samples.clusters, weights=values, minlength=size)
            counts = np.bincount(samples.clusters, weights=present, minlength=size)
            whole = sums.sum() / counts.sum()
            totals = weights @ counts
            safe = np.where(totals > 0, totals, 1.0)
            resampled = np.where(totals > 0, (weights @ sums) / safe, whole)
            means.append(np.concatenate([[whole], resampled]))
        drawn[system] = np.mean(means, axis=0)
    return drawn


def frontier_crossings(targets: Floats, prices: Sequence[float], values: Floats) -> Floats:
    """Tokens at which the frontier of points (in rising price) reaches each target; infinite where never.

    The frontier is the best value within each price; between two prices that raise it, it is straight in the
    logarithm of the price. The least price where the first point reaches the target already.

    targets: `(S, B)`, S scores in each of B resamples. values: `(P, B)`, the score at each price. Returns
    `(S, B)`.

    Example:
        >>> values = np.array([[0.5], [0.7]])  # one resample of two points, at 16 and 64 tokens
        >>> frontier_crossings(np.array([[0.6], [0.8]]), [16, 64], values).ravel().tolist()
        [32.0, inf]
    """
    found = np.where(targets <= values[0], prices[0], np.inf)
    price, best = np.full(values.shape[1], prices[0]), values[0].copy()
    for next_price, following in zip(prices[1:], values[1:], strict=True):
        raises = following > best
        reached = np.isinf(found) & raises & (following >= targets)
        rise = np.where(raises, following - best, 1.0)
        # Elsewhere the share is not used, and may be too large for the power.
        share = np.where(reached, (targets - best) / rise, 0.0)
        found = np.where(reached, price * (next_price / price) ** share, found)
        price, best = np.where(raises, next_price, price), np.where(raises, following, best)
    return found


def percentile_interval(resampled: Floats, confidence: float) -> tuple[float | None, float | None]:
    """The percentile interval of resampled values `(B,)`, some of which may be infinite; None without any.

    Its ends are values that were drawn: between a number and infinity there is nothing to interpolate.

    Example:
        >>> percentile_interval(np.array([1.0, 2.0, 3.0, np.inf]), 0.5)
        (1.0, inf)
    """
    if not len(resampled):
        return None, None
    tail = (1 - confidence) / 2
    low = np.quantile(resampled, tail, method="lower")
    high = np.quantile(resampled, 1 - tail, method="higher")
    return float(low), float(high)


@lru_cache(maxsize=1)
def _weights(n_clusters: int) -> Floats:
    """How often each cluster is drawn, `(resamples, n_clusters)`; fewer resamples where there are many."""
    if n_clusters < 2:
        return np.zeros((0, n_clusters))
    n_resamples = max(199, min(RESAMPLES, MOST_RESAMPLED // n_clusters))
    rng = np.random.default_rng([SEED, n_clusters])
    counts = rng.multinomial(n_clusters, np.full(n_clusters, 1 / n_clusters), size=n_resamples)
    return counts.astype(np.float64)
