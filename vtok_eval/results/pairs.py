"""The paired test between every two systems of a board, computed for all of them at once.

With a hundred systems there are 4,950 pairs. All that a pair's test needs is a difference of sums over
clusters, so it is computed per system and subtracted, not per pair: one matrix product gives every pair.

p: the sign-flip test of `vtok_eval.results.statistics.compare`, from the same draws, so the same p. Random
flips cannot give a p below 1 / (flips + 1), with which nothing would survive Holm's correction over thousands
of pairs. Where none of the flips reaches the observed difference, the bound 2 c (1 - Phi(z)),
z = |sum d| / sqrt(sum d^2), c = 1 / (4 (1 - Phi(sqrt 2))), takes its place where it is smaller: no sign-flip
p can lie above it (Bentkus and Dzindzalieta, Bernoulli 21, 2015). It is a bound and no approximation.

Interval: the difference plus or minus t times the two-way standard error of `resampling.spread`; Bonett and
Price's where few clusters of right-or-wrong values differ.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from vtok_eval.results.columns import Floats, JobColumns, SampleSet, on_common_samples
from vtok_eval.results.records import Metric
from vtok_eval.results.resampling import EXACT_CLUSTERS, RARE, few_differences_interval, sign_flip_p, signs
from vtok_eval.results.sample_table import ClusterSums, Material, cluster_sums, material
from vtok_eval.results.statistics import SEED, holm

CONFIDENCE = 0.95
TEST = (
    "paired sign-flip test over clips (with several training seeds the larger p of it and a t-test over "
    "clips x seeds); intervals: t, two-way standard error over clips and seeds"
)


@dataclass(frozen=True)
class Pair:
    """System a minus system b on one metric; difference in the metric's unit.

    low, high: None where all shared samples lie in one cluster. n: shared samples.
    """

    a: str
    b: str
    metric: str
    difference: float
    low: float | None
    high: float | None
    p: float
    p_holm: float
    n: int
    n_clusters: int


def compare_pairs(
    jobs: Mapping[str, JobColumns],
    *,
    metrics: Sequence[Metric],
    known: Sequence[Metric] = (),
    wanted: Mapping[str, Collection[str]] | None = None,
) -> list[Pair]:
    """Every two systems on every metric that has a better end; Holm-corrected over all that is returned.

    jobs: by system, of one benchmark; pairs are in their order. A system without a sample of a metric (or of
    a component of it) has no pair on it. known: further metrics that a `mean_of` may name. wanted: metric ->
    the systems that are asked about; pairs without one of them may then be missing, which saves time where
    systems have values for different samples.

    Raises:
        ValueError: a sample lies in different clusters, or a metric has uneven replicates.
    """
    if not jobs:
        return []
    common = dict(zip(jobs, on_common_samples(list(jobs.values())), strict=True))
    found = [
        pair
        for metric in metrics
        if metric.higher_is_better is not None
        for pair in _one_metric(
            common, metric, (*metrics, *known), None if wanted is None else wanted.get(metric.name, ())
        )
    ]
    corrected = holm([pair.p for pair in found])
    return [Pair(**{**pair.__dict__, "p_holm": p}) for pair, p in zip(found, corrected, strict=True)]


def _one_metric(
    jobs: Mapping[str, JobColumns],
    metric: Metric,
    metrics: Sequence[Metric],
    wanted: Collection[str] | None,
) -> list[Pair]:
    """Systems with values for the same samples are compared together, other pairs by twos."""
    samples = next(iter(jobs.values())).samples
    every = {name: material(job, metric, metrics) for name, job in jobs.items()}
    materials = {name: found for name, found in every.items() if found.whole}
    groups: dict[tuple[int, bytes], list[str]] = {}
    for system, found in materials.items():
        groups.setdefault(found.pattern(), []).append(system)
    pairs = [
        pair
        for members in groups.values()
        if len(members) > 1
        for pair in _group({name: materials[name] for name in members}, metric, samples)
    ]
    for first, second in combinations(groups.values(), 2):
        for a, b in product(first, second):
            shared = _shared(materials[a], materials[b])
            if shared is not None and (wanted is None or a in wanted or b in wanted):
                pairs += _group(dict(zip((a, b), shared, strict=True)), metric, samples)
    place = {name: i for i, name in enumerate(materials)}
    oriented = [pair if place[pair.a] < place[pair.b] else _turned(pair) for pair in pairs]
    return sorted(oriented, key=lambda pair: (place[pair.a], place[pair.b]))


def _turned(pair: Pair) -> Pair:
    low = None if pair.high is None else -pair.high
    high = None if pair.low is None else -pair.low
    changes = {"a": pair.b, "b": pair.a, "difference": -pair.difference, "low": low, "high": high}
    return Pair(**{**pair.__dict__, **changes})


def _shared(a: Material, b: Material) -> tuple[Material, Material] | None:
    """Both restricted to the samples both have, with equally many replicates; None where none is shared.

    Replicates as in `compare`: one stands beside each of several; two different numbers are averaged.
    """
    present = a.present & b.present
    if not present.any(axis=1).all():
        return None
    size = max(a.replicates, b.replicates)
    if a.replicates != b.replicates and 1 not in (a.replicates, b.replicates):
        size = 1
    return a.with_replicates(size).masked(present), b.with_replicates(size).masked(present)


def _group(materials: Mapping[str, Material], metric: Metric, samples: SampleSet) -> Iterator[Pair]:
    """All pairs of systems that have values for the same samples, with as many replicates."""
    names = list(materials)
    sums = [
        cluster_sums(found, clusters=samples.clusters, n_clusters=samples.n_clusters)
        for found in materials.values()
    ]
    present = next(iter(materials.values())).present
    n = int(present.any(axis=0).sum())
    values = np.array([group.means().mean() for group in sums])
    parts = np.stack([group.parts() for group in sums], axis=1)
    error, freedom = _spreads(np.stack([group.influence() for group in sums]))
    p = _p_values(parts)
    if sums[0].replicates > 1 and len(parts) > 1:
        p = np.maximum(p, _t_p(values[:, None] - values[None, :], error, freedom))
    half = _t_quantile(freedom) * error
    rare = _few_differing(parts, limit=RARE - 1)
    binary = metric.bounded and all(np.isin(m.values, (0.0, 1.0)).all() for m in materials.values())
    for i, j in combinations(range(len(names)), 2):
        difference = float(values[i] - values[j])
        low: float | None
        high: float | None
        low, high = _bounds(difference, float(half[i, j]), metric)
        if len(parts) < 2:
            low = high = None
        elif binary and (i, j) in rare and (rare[i, j] == 0 or not metric.mean_of):
            low, high = _few(sums[i], sums[j], materials[names[i]], materials[names[j]])
        yield Pair(
            a=names[i],
            b=names[j],
            metric=metric.name,
            difference=float(f"{difference:.12g}"),
            low=low,
            high=high,
            p=float(p[i, j]),
            p_holm=float(p[i, j]),
            n=n,
            n_clusters=len(parts),
        )


def _p_values(parts: Floats) -> Floats:
    """`(S, S)`, above the diagonal: sign-flip p of every pair of the columns of `parts` `(C, S)`."""
    n_systems = parts.shape[1]
    p = np.ones((n_systems, n_systems))
    few = _few_differing(parts, limit=EXACT_CLUSTERS)
    if len(few) < n_systems * (n_systems - 1) // 2:
        flipped = _flipped(parts)
        totals = parts.sum(axis=0)
        squares = _inner_distances(parts)
        for i in range(n_systems - 1):
            later = slice(i + 1, None)
            observed = np.abs(totals[i] - totals[later])
            # A sum of sizes is at most the root of C times the sum of squares: no tie is missed.
            tolerance = 1e-9 * np.sqrt(len(parts) * squares[i, later])
            extreme = 1 + (np.abs(flipped[:, i : i + 1] - flipped[:, later]) >= observed - tolerance).sum(
                axis=0
            )
            drawn = extreme / (len(flipped) + 1)
            bound = _bound(observed / np.sqrt(np.where(squares[i, later] > 0, squares[i, later], np.inf)))
            p[i, later] = np.where(extreme == 1, np.minimum(drawn, bound), drawn)
    for (i, j), count in few.items():
        p[i, j] = sign_flip_p((parts[:, i] - parts[:, j])[:, None], seed=SEED)[0] if count else 1.0
    return p


def _few_differing(parts: Floats, *, limit: int) -> dict[tuple[int, int], int]:
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


def _bound(z: Floats) -> Floats:
    """An upper bound of every two-sided sign-flip p whose statistic is z; see the module's docstring."""
    from scipy.special import ndtr

    return np.asarray(np.minimum(1.0, 2 * ndtr(-z) / (4 * ndtr(-np.sqrt(2)))), dtype=np.float64)


def _flipped(parts: Floats) -> Floats:
    """`(flips, S)`: each system's sum under each draw of signs."""
    return np.concatenate([batch @ parts for batch in signs(len(parts), SEED)])


def _spreads(cells: Floats) -> tuple[Floats, Floats]:
    """`resampling.spread` of every difference: standard errors and degrees of freedom, both `(S, S)`.

    cells: influences `(S, C, R)`. A difference's sums of squares follow from inner products of its systems.
    """
    _, n_clusters, replicates = cells.shape
    if n_clusters < 2:
        shape = (len(cells), len(cells))
        return np.zeros(shape), np.ones(shape)
    size = n_clusters * replicates
    ss_clusters = replicates * _distances(cells.mean(axis=2))
    ms_clusters = ss_clusters / (n_clusters - 1)
    one_way = np.sqrt(ms_clusters / size)
    freedom = np.full(one_way.shape, n_clusters - 1.0)
    if replicates == 1:
        return one_way, freedom
    ss_replicates = n_clusters * _distances(cells.mean(axis=1))
    ss_all = _distances(cells.reshape(len(cells), -1))
    df_rest = (n_clusters - 1) * (replicates - 1)
    ms_replicates = ss_replicates / (replicates - 1)
    ms_rest = np.maximum(0.0, ss_all - ss_clusters - ss_replicates) / df_rest
    two_way = ms_replicates > ms_rest
    total = ms_clusters + ms_replicates - ms_rest
    weights = ms_clusters**2 / (n_clusters - 1) + ms_replicates**2 / (replicates - 1) + ms_rest**2 / df_rest
    error = np.where(two_way, np.sqrt(np.maximum(0.0, total) / size), one_way)
    return error, np.where(two_way, total**2 / np.where(weights > 0, weights, 1.0), freedom)


def _distances(rows: Floats) -> Floats:
    """Squared distances `(S, S)` of the rows about their means."""
    return _inner_distances((rows - rows.mean(axis=1, keepdims=True)).T)


def _t_quantile(freedom: Floats) -> Floats:
    from scipy.special import stdtrit

    return np.asarray(stdtrit(freedom, (1 + CONFIDENCE) / 2))


def _t_p(differences: Floats, error: Floats, freedom: Floats) -> Floats:
    from scipy.special import stdtr

    ratio = np.abs(differences) / np.where(error > 0, error, 1.0)
    return np.where(error > 0, 2 * stdtr(freedom, -ratio), 1.0)


def _bounds(difference: float, half: float, metric: Metric) -> tuple[float, float]:
    low, high = float(difference - half), float(difference + half)
    return (max(-1.0, low), min(1.0, high)) if metric.bounded else (low, high)


def _few(a: ClusterSums, b: ClusterSums, first: Material, second: Material) -> tuple[float, float]:
    """Bonett and Price's interval; `up` and `down` as shares of the samples."""
    apart = (first.values - second.values)[first.present]
    up, down = float((apart > 0).mean()), float((apart < 0).mean())
    sums = ClusterSums(sums=a.sums - b.sums, counts=a.counts)
    interval = few_differences_interval(sums, up=up, down=down, confidence=CONFIDENCE)
    return interval.low or 0.0, interval.high or 0.0
