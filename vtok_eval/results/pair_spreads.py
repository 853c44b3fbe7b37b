"""Standard errors of the differences between every two of many systems, from inner products."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from vtok_eval.results.columns import Floats


def few_differing(parts: Floats, *, limit: int) -> dict[tuple[int, int], int]:
    """The pairs of columns that differ in at most `limit` rows, with the number of those rows.

    No difference is larger than the range of all values, so that a large sum of squared differences needs
    many rows; only pairs without that proof are looked at row by row.
    """
    largest = float(np.ptp(parts)) if parts.size else 0.0
    proven = _inner_distances(parts) > (limit + 0.5) * largest**2
    found = {}
    for i, j in combinations(range(parts.shape[1]), 2):
        if proven[i, j]:
            continue
        size = np.abs(parts[:, i] - parts[:, j])
        count = int((size > 1e-12 * size.max(initial=0.0)).sum())
        if count <= limit:
            found[i, j] = count
    return found


def _inner_distances(columns: Floats) -> Floats:
    """Squared distances `(S, S)` of the columns; no less than rounding can tell from 0."""
    inner = columns.T @ columns
    squares = np.diag(inner)
    found = squares[:, None] + squares[None, :] - 2 * inner
    noise = 1e-13 * (squares[:, None] + squares[None, :])
    return np.asarray(np.where(found > noise, found, 0.0))


@dataclass(frozen=True, eq=False)
class PairSpreads:
    """`resampling.Spread` of every difference, each field `(S, S)`."""

    error: Floats
    freedom: Floats
    seed_error: Floats


def pair_spreads(cells: Floats) -> PairSpreads:
    """`resampling.spread` of every difference.

    cells: influences `(S, C, R)`. A difference's sums of squares follow from inner products of its systems.
    """
    _, n_clusters, replicates = cells.shape
    if n_clusters < 2:
        shape = (len(cells), len(cells))
        return PairSpreads(np.zeros(shape), np.ones(shape), np.zeros(shape))
    size = n_clusters * replicates
    ss_clusters = replicates * _distances(cells.mean(axis=2))
    ms_clusters = ss_clusters / (n_clusters - 1)
    one_way = np.sqrt(ms_clusters / size)
    freedom = np.full(one_way.shape, n_clusters - 1.0)
    if replicates == 1:
        return PairSpreads(one_way, freedom, np.zeros(one_way.shape))
    ss_replicates = n_clusters * _distances(cells.mean(axis=1))
    ss_all = _distances(cells.reshape(len(cells), -1))
    df_rest = (n_clusters - 1) * (replicates - 1)
    ms_replicates = ss_replicates / (replicates - 1)
    ms_rest = np.maximum(0.0, ss_all - ss_clusters - ss_replicates) / df_rest
    two_way = ms_replicates > ms_rest
    total = ms_clusters + ms_replicates - ms_rest
    weights = ms_clusters**2 / (n_clusters - 1) + ms_replicates**2 / (replicates - 1) + ms_rest**2 / df_rest
    error = np.where(two_way, np.sqrt(np.maximum(0.0, total) / size), one_way)
    seed_error = np.sqrt(np.where(two_way, np.maximum(0.0, ms_replicates - ms_rest) / size, 0.0))
    two_way_freedom = total**2 / np.where(weights > 0, weights, 1.0)
    return PairSpreads(error, np.where(two_way, two_way_freedom, freedom), seed_error)


def _distances(rows: Floats) -> Floats:
    """Squared distances `(S, S)` of the rows about their means."""
    return _inner_distances((rows - rows.mean(axis=1, keepdims=True)).T)


def t_quantile(freedom: Floats, *, confidence: float) -> Floats:
    """The factor of a standard error in a t interval, for each number of degrees of freedom."""
    from scipy.special import stdtrit

    return np.asarray(stdtrit(freedom, (1 + confidence) / 2))
