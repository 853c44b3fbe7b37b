"""Intervals of scores and differences: a bootstrap, or what takes its place where it would be dishonest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from vtok_eval.results.records import Metric
from vtok_eval.results.statistics.quantities import Quantity
from vtok_eval.results.statistics.resampling import (
    RARE,
    Bounds,
    Interval,
    bootstrap,
    few_differences_interval,
    proportion_interval,
)
from vtok_eval.results.statistics.sample_table import ClusterSums

TOGETHER = 256
"""Quantities that are resampled at once: more would hold more in memory, fewer would draw more often."""


def quantity_intervals(
    quantities: Sequence[Quantity], *, confidence: float, seed: int, difference: bool
) -> list[Interval]:
    """One interval per quantity, in order; those over equally many clusters share their resamples.

    Example:
        >>> from vtok_eval.results.columns.example_job import example_job
        >>> from vtok_eval.results.statistics.quantities import score_quantity
        >>> asked = score_quantity(example_job("vtok", [1.0] * 20), Metric("hit", "Hit rate"), [])
        >>> [found] = quantity_intervals([asked], confidence=0.95, seed=0, difference=False)
        >>> round(found.low, 3), found.high
        (0.839, 1.0)
    """
    found = [_without_bootstrap(quantity, confidence, difference) for quantity in quantities]
    by_clusters: dict[int, list[int]] = {}
    for i, quantity in enumerate(quantities):
        if found[i] is None and quantity.sums is not None:
            by_clusters.setdefault(quantity.sums.n_clusters, []).append(i)
    for members in _handfuls(by_clusters):
        groups = [sums for i in members if (sums := quantities[i].sums) is not None]
        bounds = [_bounds(quantities[i].metric, difference) for i in members]
        spreads = [quantities[i].trained for i in members if quantities[i].sums is not None]
        resampled = bootstrap(groups, seed=seed, confidence=confidence, bounds=bounds, seeds=spreads)
        for i, interval in zip(members, resampled, strict=True):
            found[i] = interval
    return [interval for interval in found if interval is not None]


def _handfuls(by_clusters: Mapping[int, Sequence[int]]) -> Iterator[Sequence[int]]:
    """The members of each entry, at most `TOGETHER` at once."""
    for members in by_clusters.values():
        for start in range(0, len(members), TOGETHER):
            yield members[start : start + TOGETHER]


def _without_bootstrap(quantity: Quantity, confidence: float, difference: bool) -> Interval | None:
    """The interval where a bootstrap would be impossible or dishonest; None where it serves."""
    sums = quantity.sums
    if sums is None:
        return Interval(None, None, f"no value: no sample has {quantity.missing}")
    if sums.n_clusters == 1:
        return Interval(None, None, "no interval: one cluster")
    if ((sums.counts > 0).sum(axis=1) == 1).any():
        # How that part would vary is unknown, and resampling would take it for certain.
        return Interval(None, None, "no interval: a part of the mean has one cluster")
    constant = _is_constant(sums)
    binary = quantity.metric.bounded and bool(np.isin(np.abs(quantity.values), (0.0, 1.0)).all())
    measured = not quantity.metric.mean_of
    if binary and difference:
        differing = int((sums.sums != 0).any(axis=(0, 2)).sum())
        if differing == 0 or (measured and differing < RARE):
            up, down = float((quantity.values > 0).mean()), float((quantity.values < 0).mean())
            return few_differences_interval(sums, up=up, down=down, confidence=confidence)
    if binary and not difference and (constant or (measured and _rare_clusters(sums) < RARE)):
        return proportion_interval(sums, n=quantity.n, confidence=confidence)
    if constant:
        value = sums.value()
        return Interval(value, value, "zero width: all clusters are equal")
    return None


def _is_constant(sums: ClusterSums) -> bool:
    scale = max(float(np.abs(sums.sums).max()), 1e-300)
    return float(np.abs(sums.influence()).max()) <= 1e-12 * scale


def _rare_clusters(sums: ClusterSums) -> int:
    hits = (sums.sums[0] > 0).any(axis=1).sum()
    misses = (sums.sums[0] < sums.counts[0][:, None]).any(axis=1).sum()
    return int(min(hits, misses))


def _bounds(metric: Metric, difference: bool) -> Bounds:
    """What the score or the difference can be. Fractions are cut at 0 and 1, and so are differences."""
    if difference:
        return Bounds(*metric.difference_ends)
    return Bounds(*metric.ends, kept_off=not metric.bounded)
