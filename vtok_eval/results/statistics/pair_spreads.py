"""Standard errors of the differences between every two of many systems, from inner products."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from vtok_eval.results.columns.job_columns import Floats
from vtok_eval.results.statistics.seeds import SeedSpread


def few_differing(parts: Floats, *, limit: int) -> dict[tuple[int, int], int]:
    """The pairs of columns that differ in at most `limit` rows, with the number of those rows.

    No difference is larger than the range of all values, so that a large sum of squared differences needs
    many rows; only pairs without that proof are looked at row by row.

    Example:
        >>> few_differing(np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0]]), limit=1)
        {(0, 1): 1}
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


def half_widths(cells: Floats, spreads: Sequence[SeedSpread | None], *, confidence: float) -> Floats:
    """`(S, S)`: half the width of the t interval of every difference; `seeds.standard_error` for all at once.

    cells: influences `(C, S)`, the seeds' averaged. spreads: of each system that was trained with several.

    Example:
        >>> cells = np.array([[0.5, 0.1], [-0.5, -0.1], [0.0, 0.0]])
        >>> half = half_widths(cells, [None, None], confidence=0.95)
        >>> round(float(half[0, 1]), 3), float(half[0, 0])
        (0.994, 0.0)
    """
    from scipy.special import stdtrit

    n_clusters, n_systems = cells.shape
    if n_clusters < 2:
        return np.zeros((n_systems, n_systems))
    clusters = _inner_distances(cells - cells.mean(axis=0)) / (n_clusters - 1) / n_clusters
    variances = np.array([0.0 if spread is None else spread.variance for spread in spreads])
    doubts = np.array([0.0 if spread is None else spread.variance**2 / spread.freedom for spread in spreads])
    total = clusters + variances[:, None] + variances[None, :]
    doubt = clusters**2 / (n_clusters - 1) + doubts[:, None] + doubts[None, :]
    freedom = np.where(doubt > 0, total**2 / np.where(doubt > 0, doubt, 1.0), n_clusters - 1.0)
    return np.asarray(stdtrit(freedom, (1 + confidence) / 2) * np.sqrt(total))
