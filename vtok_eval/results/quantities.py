"""One metric's values on the way to an interval or a p-value: a system's own, or two systems' differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vtok_eval.results.records import Metric, Record
from vtok_eval.results.resampling import (
    RARE,
    Interval,
    bootstrap,
    crossed_t_p,
    few_differences_interval,
    proportion_interval,
    resamples_for,
    sign_flip_p,
)
from vtok_eval.results.sample_table import (
    ClusterSums,
    Floats,
    SampleValues,
    cluster_sums,
    components,
    sample_values,
)


@dataclass(frozen=True)
class Quantity:
    """A score or a difference before its interval is known.

    sums: None where a component has no sample. n, n_failed: samples, and failed ones among them. n_out:
    samples that only one side of a difference has. values: all that `sums` adds up. missing: components
    without samples. note: what the method's description must add.
    """

    metric: Metric
    sums: ClusterSums | None
    n: int
    n_failed: int
    n_out: int
    values: Floats
    missing: str = ""
    note: str = ""


def score_quantity(records: Sequence[Record], metric: Metric, metrics: Sequence[Metric]) -> Quantity:
    """What one system has for a metric; `metrics` holds what it may be the mean of."""
    measured = components(metric, metrics)
    parts = [sample_values(records, part) for part in measured]
    failed = frozenset().union(*(part.failed for part in parts))
    samples = failed.union(*(part.values for part in parts))
    left_out = [part for part in parts if not part.failed <= part.values.keys()]
    note = f"; {len(failed)} failed samples left out" if left_out and failed else ""
    return _of_parts(metric, measured, parts, n=len(samples), n_failed=len(failed), note=note)


def _of_parts(
    metric: Metric,
    measured: Sequence[Metric],
    parts: Sequence[SampleValues],
    *,
    n: int,
    n_failed: int = 0,
    n_out: int = 0,
    note: str = "",
) -> Quantity:
    empty = [part.name for part, values in zip(measured, parts, strict=True) if not values.values]
    return Quantity(
        metric=metric,
        sums=None if empty else cluster_sums(parts),
        n=n,
        n_failed=n_failed,
        n_out=n_out,
        values=np.concatenate([row for part in parts for row in part.values.values()] or [np.empty(0)]),
        missing=", ".join(empty),
        note=note,
    )


def difference_quantity(
    records_a: Sequence[Record], records_b: Sequence[Record], metric: Metric, metrics: Sequence[Metric]
) -> Quantity:
    """System a's values minus b's, sample by sample, over the samples both have."""
    measured = components(metric, metrics)
    paired = [_pair(records_a, records_b, part) for part in measured]
    samples = frozenset().union(*(values.values for values, _, _ in paired))
    unpaired = frozenset().union(*(out for _, out, _ in paired)) - samples
    notes = sorted({note for _, _, note in paired if note})
    return _of_parts(
        metric,
        measured,
        [values for values, _, _ in paired],
        n=len(samples),
        n_out=len(unpaired),
        note="".join(notes),
    )


def _pair(
    records_a: Sequence[Record], records_b: Sequence[Record], metric: Metric
) -> tuple[SampleValues, frozenset[str], str]:
    """The differences of the samples both have, the samples only one of them has, and a note."""
    a, b = sample_values(records_a, metric), sample_values(records_b, metric)
    without = {r.sample_id for r in (*records_a, *records_b) if not r.reason and metric.name not in r.values}
    shared = a.values.keys() & b.values.keys()
    # A failed sample is charged with every metric; the other side's record may show that this one is not its.
    one_sided = frozenset((a.values.keys() ^ b.values.keys()) - without)
    moved = sorted(sample for sample in shared if a.clusters[sample] != b.clusters[sample])
    if moved:
        raise ValueError(f"sample {moved[0]!r} lies in another cluster for each of the two systems")
    pooled = a.replicates != b.replicates and 1 not in (a.replicates, b.replicates)
    differences = {}
    for sample in sorted(shared):
        left, right = a.values[sample], b.values[sample]
        if pooled:
            left, right = left.mean(keepdims=True), right.mean(keepdims=True)
        differences[sample] = left - right
    replicates = 1 if pooled else max(a.replicates, b.replicates)
    note = f"; {a.replicates} and {b.replicates} replicates, averaged before pairing" if pooled else ""
    values = SampleValues(
        clusters={sample: a.clusters[sample] for sample in differences},
        values=differences,
        failed=frozenset(),
        replicates=replicates,
    )
    return values, one_sided, note


def quantity_intervals(
    quantities: Sequence[Quantity], *, confidence: float, seed: int, difference: bool
) -> list[Interval]:
    """One interval per quantity, in order; those over equally many clusters share their resamples."""
    found = [_without_bootstrap(quantity, confidence, difference) for quantity in quantities]
    by_clusters: dict[int, list[int]] = {}
    for i, quantity in enumerate(quantities):
        if found[i] is None and quantity.sums is not None:
            by_clusters.setdefault(quantity.sums.n_clusters, []).append(i)
    for members in by_clusters.values():
        groups = [sums for i in members if (sums := quantities[i].sums) is not None]
        bounds = [_bounds(quantities[i].metric, difference) for i in members]
        resampled = bootstrap(groups, seed=seed, confidence=confidence, bounds=bounds)
        for i, interval in zip(members, resampled, strict=True):
            found[i] = interval
    return [interval for interval in found if interval is not None]


def _without_bootstrap(quantity: Quantity, confidence: float, difference: bool) -> Interval | None:
    """The interval where a bootstrap would be impossible or dishonest; None where it serves."""
    sums = quantity.sums
    if sums is None:
        return Interval(None, None, f"no value: no sample has {quantity.missing}")
    if sums.n_clusters == 1:
        return Interval(None, None, "no interval: one cluster")
    constant = _is_constant(sums)
    binary = quantity.metric.unit == "fraction" and bool(np.isin(np.abs(quantity.values), (0.0, 1.0)).all())
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


def _bounds(metric: Metric, difference: bool) -> tuple[float, float]:
    if metric.unit != "fraction":
        return (-np.inf, np.inf)
    return (-1.0, 1.0) if difference else (0.0, 1.0)


def quantity_p_values(quantities: Sequence[Quantity], *, seed: int) -> list[tuple[float, str]]:
    """The p of each difference being 0, and the test in words."""
    found: list[tuple[float, str]] = [(1.0, "no test: no shared sample")] * len(quantities)
    by_clusters: dict[int, list[int]] = {}
    for i, quantity in enumerate(quantities):
        if quantity.sums is not None:
            by_clusters.setdefault(quantity.sums.n_clusters, []).append(i)
    for n_clusters, members in by_clusters.items():
        groups = [sums for i in members if (sums := quantities[i].sums) is not None]
        flips = sign_flip_p(np.stack([sums.parts() for sums in groups], axis=1), seed=seed)
        for i, sums, p in zip(members, groups, flips, strict=True):
            found[i] = _strictest(sums, float(p), n_clusters)
    return found


def _strictest(sums: ClusterSums, p: float, n_clusters: int) -> tuple[float, str]:
    test = f"paired sign-flip test over {n_clusters} clusters, up to {resamples_for(n_clusters)} flips"
    if sums.replicates == 1 or n_clusters == 1:
        return p, test
    crossed = f"t-test over clusters x {sums.replicates} replicates"
    return max(p, crossed_t_p(sums)), f"larger p of: {test}; {crossed}"
