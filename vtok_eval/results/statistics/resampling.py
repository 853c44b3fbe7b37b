"""Intervals and p-values by resampling clusters and replicates of cluster sums.

Sources: the crossed ("pigeonhole") bootstrap of two random factors, Owen, Annals of Applied Statistics 1
(2007); BCa, Efron, JASA 82 (1987); widening for few clusters, Hesterberg, The American Statistician 69
(2015); scores within bounds, on the logistic scale, Lesaffre, Rizopoulos and Tsonaka, Biostatistics 8
(2007); degrees of freedom of a sum of mean squares, Satterthwaite, Biometrics Bulletin 2 (1946); the
effective sample size of a clustered proportion, Korn and Graubard, Survey Methodology 24 (1998); few
differing pairs, Bonett and Price, Journal of Educational and Behavioral Statistics 37 (2012).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from vtok_eval.results.columns.job_columns import Floats
from vtok_eval.results.statistics.sample_table import ClusterSums
from vtok_eval.results.statistics.seeds import SeedSpread, seed_spreads, standard_error

RARE = 10
"""Below this many clusters with the rarer outcome a bootstrap interval of a proportion is too short."""

EXACT_CLUSTERS = 14
"""Up to this many differing clusters all sign flips are enumerated (2^14 = 16,384)."""

BATCH_CELLS = 4_000_000
"""Draws held in memory at once."""

KEPT_CELLS = 32_000_000
"""Draws are kept for the next call where there are at most this many, 64 MB of weights and 32 MB of signs."""


MOST_LOG = 600.0
"""exp(709) is the largest double; this leaves room for the value itself."""


class Bounds(NamedTuple):
    """What a score can be: its ends, infinite where there are none.

    kept_off: whether an interval is widened on a scale on which the ends are infinitely far away, so that it
    reaches none of them; else it is cut there.

    Example:
        >>> Bounds(0.0, 100.0, kept_off=True).high
        100.0
    """

    low: float
    high: float
    kept_off: bool = False


@dataclass(frozen=True)
class Interval:
    """An interval and how it was computed; `low` and `high` are None where there can be none.

    Example:
        >>> Interval(0.4, 0.6, "BCa bootstrap over 400 clusters, 9999 resamples").low
        0.4
    """

    low: float | None
    high: float | None
    method: str


@dataclass(frozen=True)
class Spread:
    """The standard error of a score over clusters and replicates, and its degrees of freedom.

    Example:
        >>> Spread(standard_error=0.02, degrees_of_freedom=399.0).standard_error
        0.02
    """

    standard_error: float
    degrees_of_freedom: float


def spread(sums: ClusterSums) -> Spread:
    """Two-way random-effects standard error of a score; one-way (clusters) for a single replicate.

    Needs two clusters. Mean squares of clusters, replicates and their interaction give the variance of the
    grand mean, (MS_c + MS_r - MS_cr) / (C R); a negative replicate component counts as 0.

    Example:
        >>> sums = ClusterSums(np.array([[[1.0], [0.0], [2.0]]]), counts=np.array([[1.0, 1.0, 2.0]]))
        >>> found = spread(sums)
        >>> found.degrees_of_freedom, round(found.standard_error, 3)
        (2.0, 0.286)
    """
    cells = sums.influence()
    n_clusters, replicates = cells.shape
    rows, columns = cells.mean(axis=1), cells.mean(axis=0)
    ms_clusters = replicates * float(rows.var(ddof=1))
    if replicates == 1:
        return Spread(float(np.sqrt(ms_clusters / n_clusters)), n_clusters - 1.0)
    ms_replicates = n_clusters * float(columns.var(ddof=1))
    rest = cells - rows[:, None] - columns[None, :] + cells.mean()
    df_rest = (n_clusters - 1) * (replicates - 1)
    ms_rest = float((rest**2).sum()) / df_rest
    if ms_replicates <= ms_rest:
        return Spread(float(np.sqrt(ms_clusters / cells.size)), n_clusters - 1.0)
    total = ms_clusters + ms_replicates - ms_rest
    df = total**2 / (
        ms_clusters**2 / (n_clusters - 1) + ms_replicates**2 / (replicates - 1) + ms_rest**2 / df_rest
    )
    return Spread(float(np.sqrt(total / cells.size)), df)


def bootstrap(
    groups: Sequence[ClusterSums],
    *,
    seed: int,
    confidence: float,
    bounds: Sequence[Bounds],
    seeds: Sequence[Sequence[SeedSpread]] | None = None,
) -> list[Interval]:
    """Bootstrap intervals of scores that share C clusters, from the same resamples of the clusters.

    One replicate: BCa. More: clusters and replicates are resampled independently, percentiles are taken, and
    the replicates' deviations are scaled by sqrt(R / (R - 1)), since R draws of R values show too little
    spread. Both are widened about the score by sqrt(C / (C - 1)) t / z for few clusters and replicates, and
    cut at `bounds`. The draws depend on `seed`, C and R alone.

    Where the bounds are to be kept off (`Bounds.kept_off`), ends are widened on a log scale: of the distance
    from the only bound, or of the ratio of the distances from both. So an end within the bounds stays there;
    one that is at a bound already, or would exceed what a float can hold, is cut.

    seeds: for each group the spreads of its trained sides, as `seeds.seed_spreads` estimated them with the
    help of other systems: the interval is stretched from the spread that its own replicates show to that one.
    None: the replicates' own.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> sums = ClusterSums(rng.integers(0, 2, (1, 100, 1)).astype(float), counts=np.ones((1, 100)))
        >>> (found,) = bootstrap([sums], seed=0, confidence=0.95, bounds=[Bounds(0.0, 1.0)])
        >>> found.low < sums.value() < found.high
        True
        >>> found.method
        'BCa bootstrap over 100 clusters, 9999 resamples'
    """
    spreads = [_own_spreads(group) for group in groups] if seeds is None else seeds
    n_clusters = groups[0].n_clusters
    n_resamples = resamples_for(n_clusters)
    scores = [np.empty(n_resamples) for _ in groups]
    replicate_weights = {
        size: _replicate_weights(size, n_resamples, seed) for size in {group.replicates for group in groups}
    }
    columns, places = _all_columns(groups)
    start = 0
    for weights in _cluster_weights(n_clusters, n_resamples, seed):
        sums = weights @ columns
        stop = start + len(weights)
        for group, (of_sums, of_counts), score in zip(groups, places, scores, strict=True):
            means = _replicate_means(sums[:, of_sums], sums[:, of_counts], group)
            score[start:stop] = _pooled(means, replicate_weights[group.replicates][start:stop])
        start = stop
    return [
        _interval(group, score, confidence=confidence, bounds=bound, spreads=own)
        for group, score, bound, own in zip(groups, scores, bounds, spreads, strict=True)
    ]


def _own_spreads(group: ClusterSums) -> list[SeedSpread]:
    return list(seed_spreads({"": group}).values())


def resamples_for(n_clusters: int) -> int:
    """Bootstrap resamples and random sign flips: 9,999, and 1,999 beyond 2,000 clusters.

    Example:
        >>> resamples_for(400)
        9999
    """
    return 9_999 if n_clusters <= 2_000 else 1_999


def proportion_interval(sums: ClusterSums, *, n: int, confidence: float) -> Interval:
    """Wilson score interval of a proportion whose rarer outcome shows in few clusters, or in none.

    The sample size is the effective one, p (1 - p) / variance, at most n; where all values are equal there is
    no variance to see, and each cluster counts as one sample.

    Example:
        >>> all_right = ClusterSums(np.ones((1, 20, 1)), counts=np.ones((1, 20)))
        >>> found = proportion_interval(all_right, n=20, confidence=0.95)
        >>> round(found.low, 3), found.high
        (0.839, 1.0)
    """
    value, n_clusters = sums.value(), sums.n_clusters
    variance = spread(sums).standard_error ** 2 if n_clusters > 1 else 0.0
    effective = float(n_clusters)
    if variance > 0 and 0 < value < 1:
        effective = min(float(n), value * (1 - value) / variance)
    z = _normal_quantile(confidence)
    middle = (value + z**2 / (2 * effective)) / (1 + z**2 / effective)
    half = z / (1 + z**2 / effective) * np.sqrt(value * (1 - value) / effective + z**2 / (4 * effective**2))
    method = f"Wilson score interval, effective sample size {effective:.0f} from {n_clusters} clusters"
    return _rounded(max(0.0, middle - half), min(1.0, middle + half), method)


def few_differences_interval(sums: ClusterSums, *, up: float, down: float, confidence: float) -> Interval:
    """Bonett and Price's interval of a paired difference of proportions where few clusters differ, or none.

    up, down: the share of samples whose value rises by one, and falls by one. Each cluster counts as one
    pair.

    Example:
        >>> no_difference = ClusterSums(np.zeros((1, 20, 1)), counts=np.ones((1, 20)))
        >>> found = few_differences_interval(no_difference, up=0.0, down=0.0, confidence=0.95)
        >>> round(found.low, 3), round(found.high, 3)
        (-0.126, 0.126)
    """
    n_clusters = sums.n_clusters
    rises = (n_clusters * up + 1) / (n_clusters + 2)
    falls = (n_clusters * down + 1) / (n_clusters + 2)
    half = _normal_quantile(confidence) * np.sqrt((rises + falls - (rises - falls) ** 2) / (n_clusters + 2))
    middle = rises - falls
    method = f"Bonett-Price interval of a paired difference of proportions, {n_clusters} clusters"
    return _rounded(max(-1.0, middle - half), min(1.0, middle + half), method)


def sign_flip_p(parts: Floats, *, seed: int) -> Floats:
    """Two-sided p of paired differences `(C, M)`, M of them, under random sign flips of whole clusters.

    Exact where at most `EXACT_CLUSTERS` clusters differ; otherwise from random flips, the observed signs
    counted among them, so that p is never 0. 1 where nothing differs.

    Example:
        >>> sign_flip_p(np.array([[1.0], [2.0], [3.0], [4.0]]), seed=0)  # all 16 flips; 2 are as extreme
        array([0.125])
    """
    differs = np.abs(parts) > 1e-12 * np.abs(parts).max(axis=0, initial=0.0)
    p = np.ones(parts.shape[1])
    many = differs.sum(axis=0) > EXACT_CLUSTERS
    for column in np.flatnonzero(~many & differs.any(axis=0)):
        p[column] = _exact_p(parts[differs[:, column], column])
    if many.any():
        p[many] = _random_p(parts[:, many], seed)
    return p


def _exact_p(parts: Floats) -> float:
    signs = np.array(list(product((1.0, -1.0), repeat=len(parts))))
    return float(_as_extreme(signs @ parts, parts).mean())


def _random_p(parts: Floats, seed: int) -> Floats:
    n_clusters, n_columns = parts.shape
    extreme = np.ones(n_columns)
    for batch in signs(n_clusters, seed):
        extreme += _as_extreme(batch @ parts, parts).sum(axis=0)
    return cast(Floats, extreme / (resamples_for(n_clusters) + 1))


def _as_extreme(flipped: Floats, parts: Floats) -> NDArray[np.bool_]:
    # Flips that are equal on paper differ in the last bits; they must count as equal.
    tolerance = 1e-9 * np.abs(parts).sum(axis=0)
    return cast(NDArray[np.bool_], np.abs(flipped) >= np.abs(parts.sum(axis=0)) - tolerance)


def _all_columns(groups: Sequence[ClusterSums]) -> tuple[Floats, list[tuple[slice, slice]]]:
    """Every group's sums and counts as columns `(C, ...)` ready to be weighted, and each group's columns.

    Groups with equal counts, which is the rule, share those columns.
    """
    columns: list[Floats] = []
    places: list[tuple[slice, slice]] = []
    known: dict[bytes, slice] = {}
    width = 0
    for group in groups:
        k, n_clusters, replicates = group.sums.shape
        columns.append(group.sums.transpose(1, 0, 2).reshape(n_clusters, k * replicates))
        of_sums = slice(width, width + k * replicates)
        width = of_sums.stop
        key = group.counts.tobytes()
        if key not in known:
            columns.append(group.counts.T)
            known[key] = slice(width, width + k)
            width += k
        places.append((of_sums, known[key]))
    return np.concatenate(columns, axis=1), places


def _replicate_means(sums: Floats, counts: Floats, group: ClusterSums) -> Floats:
    """`(B, R)`: each resample's score by replicate; NaN where a component has no sample in the resample."""
    k, _, replicates = group.sums.shape
    totals = sums.reshape(len(sums), k, replicates)
    known = np.where(counts > 0, counts, np.nan)
    return cast(Floats, (totals / known[:, :, None]).mean(axis=1))


def _pooled(means: Floats, weights: Floats) -> Floats:
    replicates = means.shape[1]
    if replicates == 1:
        return means[:, 0]
    deviations = (weights - 1 / replicates) * np.sqrt(replicates / (replicates - 1))
    return cast(Floats, means.mean(axis=1) + (deviations * means).sum(axis=1))


def _replicate_weights(replicates: int, n_resamples: int, seed: int) -> Floats:
    rng = np.random.default_rng([seed, replicates, 1])
    draws = rng.multinomial(replicates, np.full(replicates, 1 / replicates), size=n_resamples)
    return cast(Floats, draws / replicates)


def _cluster_weights(n_clusters: int, n_resamples: int, seed: int) -> Iterator[Floats]:
    """How often each cluster is drawn, batches of `(b, C)`."""
    few = n_clusters * n_resamples <= KEPT_CELLS
    drawn = _kept_weights(n_clusters, n_resamples, seed) if few else _weights(n_clusters, n_resamples, seed)
    for batch in drawn:
        yield batch.astype(np.float64)


@lru_cache(maxsize=2)
def _kept_weights(n_clusters: int, n_resamples: int, seed: int) -> list[NDArray[np.int16]]:
    return list(_weights(n_clusters, n_resamples, seed))


def _weights(n_clusters: int, n_resamples: int, seed: int) -> Iterator[NDArray[np.int16]]:
    rng = np.random.default_rng([seed, n_clusters, 0])
    for size in _batches(n_resamples, n_clusters):
        draws = rng.integers(0, n_clusters, size=(size, n_clusters))
        draws += np.arange(size)[:, None] * n_clusters
        weights = np.bincount(draws.ravel(), minlength=size * n_clusters)
        yield weights.reshape(size, n_clusters).astype(np.int16)


def signs(n_clusters: int, seed: int) -> Iterator[Floats]:
    """The random sign flips of `sign_flip_p`, -1 and 1, batches of `(b, C)`; `resamples_for(C)` in all.

    Example:
        >>> batch = next(signs(3, seed=0))
        >>> batch.shape, sorted(set(batch.ravel().tolist()))
        ((9999, 3), [-1.0, 1.0])
    """
    few = n_clusters * resamples_for(n_clusters) <= KEPT_CELLS
    for batch in _kept_signs(n_clusters, seed) if few else _signs(n_clusters, seed):
        yield batch.astype(np.float64)


@lru_cache(maxsize=2)
def _kept_signs(n_clusters: int, seed: int) -> list[NDArray[np.int8]]:
    return list(_signs(n_clusters, seed))


def _signs(n_clusters: int, seed: int) -> Iterator[NDArray[np.int8]]:
    rng = np.random.default_rng([seed, n_clusters, 2])
    for size in _batches(resamples_for(n_clusters), n_clusters):
        yield rng.integers(0, 2, size=(size, n_clusters), dtype=np.int8) * np.int8(2) - np.int8(1)


def _batches(total: int, width: int) -> Iterator[int]:
    size = max(1, BATCH_CELLS // width)
    for start in range(0, total, size):
        yield min(size, total - start)


def _interval(
    group: ClusterSums,
    resampled: Floats,
    *,
    confidence: float,
    bounds: Bounds,
    spreads: Sequence[SeedSpread],
) -> Interval:
    from scipy.special import stdtrit

    scores = resampled[np.isfinite(resampled)]
    if len(scores) < 0.95 * len(resampled):
        return Interval(None, None, "no interval: too few clusters have a sample of every component")
    value, n_clusters, replicates = group.value(), group.n_clusters, group.replicates
    tail = (1 - confidence) / 2
    levels = _bca_levels(group, scores, tail) if replicates == 1 else None
    low, high = np.quantile(scores, levels or (tail, 1 - tail))
    clusters = float(group.influence().mean(axis=1).var(ddof=1)) / n_clusters
    shown, _ = standard_error(clusters, _own_spreads(group), n_clusters=n_clusters)
    error, freedom = standard_error(clusters, spreads, n_clusters=n_clusters)
    quantile = float(stdtrit(freedom, 1 - tail)) * (error / shown if shown > 0 else 1.0)
    widening = float(np.sqrt(n_clusters / (n_clusters - 1))) * quantile / _normal_quantile(confidence)
    ends = min(float(low), value), max(float(high), value)
    off = _widened_off_bounds(value, ends, widening, bounds) if bounds.kept_off else None
    low, high = off or (
        max(bounds.low, value + widening * (ends[0] - value)),
        min(bounds.high, value + widening * (ends[1] - value)),
    )
    kind = "BCa" if levels else "percentile"
    several = " and ".join(str(spread.seeds) for spread in spreads)
    over = f"{n_clusters} clusters" + (f" x {replicates} replicates" if replicates > 1 else "")
    over += f" and {several} seeds" if replicates == 1 and several else ""
    over += f", {len(scores)} resamples" + (f", widened on the {_scale(bounds)} scale" if off else "")
    return _rounded(low, high, f"{kind} bootstrap over {over}")


def _widened_off_bounds(
    value: float, ends: tuple[float, float], widening: float, bounds: Bounds
) -> tuple[float, float] | None:
    """The ends, drawn away from the value on a scale without ends; None where that cannot be.

    With one bound at 0, the ratios of the ends to the value are raised to the power `widening`.

    Example:
        >>> _widened_off_bounds(8.0, (4.0, 16.0), 2.0, Bounds(0.0, np.inf))
        (2.0, 32.0)
        >>> _widened_off_bounds(0.5, (0.2, 0.8), 2.0, Bounds(0.0, 1.0))  # odds of 1, 1 / 4 and 4
        (0.058823529411764705, 0.9411764705882353)
        >>> _widened_off_bounds(0.5, (0.0, 0.8), 2.0, Bounds(0.0, 1.0)) is None
        True
    """
    within = all(bounds.low < each < bounds.high for each in (value, *ends))
    if not within or not np.isfinite(bounds[:2]).any():
        return None
    odds = _odds(value, bounds)
    ratios = [_odds(end, bounds) / odds for end in ends]
    if widening * max(abs(np.log(ratio)) for ratio in ratios) >= MOST_LOG:
        return None
    low, high = (_of_odds(odds * ratio**widening, bounds) for ratio in ratios)
    return low, high


def _odds(value: float, bounds: Bounds) -> float:
    """The distance from the low bound over that from the high one, as far as there are these: 0 to infinity.

    Their logarithm is the log or the logit of the value.
    """
    above = value - bounds.low if np.isfinite(bounds.low) else 1.0
    return above / (bounds.high - value) if np.isfinite(bounds.high) else above


def _of_odds(odds: float, bounds: Bounds) -> float:
    """The value that has these odds."""
    low, high = bounds.low, bounds.high
    if not np.isfinite(high):
        return float(low + odds)
    if not np.isfinite(low):
        return float(high - 1 / odds)
    return float(low + (high - low) * (odds / (1 + odds)))


def _scale(bounds: Bounds) -> str:
    return "logit" if np.isfinite(bounds[:2]).all() else "log"


def _bca_levels(group: ClusterSums, scores: Floats, tail: float) -> tuple[float, float] | None:
    """The bias-corrected and accelerated levels; None where a component depends on a single cluster."""
    from scipy.special import ndtr, ndtri

    left = group.counts.sum(axis=1)[:, None] - group.counts
    if (left == 0).any():
        return None
    jackknife = ((group.sums[:, :, 0].sum(axis=1)[:, None] - group.sums[:, :, 0]) / left).mean(axis=0)
    deviations = jackknife.mean() - jackknife
    scale = float((deviations**2).sum())
    value = group.value()
    tolerance = 1e-9 * max(float(np.ptp(scores)), 1e-300)
    below = float((scores < value - tolerance).mean() + 0.5 * (np.abs(scores - value) <= tolerance).mean())
    # Deviations so small that their cubes are 0 say nothing of the shape either.
    if scale**1.5 == 0 or not 0 < below < 1:
        return None
    acceleration = float((deviations**3).sum()) / (6 * scale**1.5)
    bias = float(ndtri(below))
    shifted = bias + ndtri([tail, 1 - tail])
    low, high = ndtr(bias + shifted / (1 - acceleration * shifted))
    return float(low), float(high)


def _normal_quantile(confidence: float) -> float:
    from scipy.special import ndtri

    return float(ndtri((1 + confidence) / 2))


def _rounded(low: float, high: float, method: str) -> Interval:
    """Twelve digits: the order of a sum only changes later ones."""
    return Interval(float(f"{low:.12g}"), float(f"{high:.12g}"), method)
