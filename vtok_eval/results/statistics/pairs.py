"""The paired test between every two systems of a board, computed for all of them at once.

With a hundred systems there are 4,950 pairs. All that a pair's test needs is a difference of sums over
clusters, so it is computed per system and subtracted, not per pair: one matrix product gives every pair.

p: the test of `vtok_eval.results.statistics.scores.compare`, from the same draws, so the same p. p_corrected:
step-down max-T over all pairs and metrics, see `vtok_eval.results.statistics.max_t`.

Interval: the difference plus or minus t times the standard error over clips and seeds of
`seeds.standard_error`; Bonett and Price's where few clusters of right-or-wrong values differ.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from vtok_eval.results.columns.job_columns import Floats, JobColumns, SampleSet, on_common_samples
from vtok_eval.results.records import Metric, NoTest
from vtok_eval.results.statistics.max_t import Block, alone_p, family_p
from vtok_eval.results.statistics.pair_spreads import few_differing, half_widths
from vtok_eval.results.statistics.quantities import Spreads, pair_key, seeds_behind, spreads_of, why_untested
from vtok_eval.results.statistics.resampling import RARE, few_differences_interval
from vtok_eval.results.statistics.sample_table import ClusterSums, Material, cluster_sums, material
from vtok_eval.results.statistics.scores import SEED

CONFIDENCE = 0.95
TEST = (
    "paired sign-flip test over clips, with a t-distributed part for several training seeds; intervals: t, "
    "standard error over clips and seeds"
)


@dataclass(frozen=True)
class Pair:
    """System a minus system b on one metric; difference in the metric's unit.

    low, high: None where all shared samples are in one cluster. n: shared samples. p, p_corrected: None
    without a test; `no_test` says why.

    Example:
        >>> pair = Pair("vtok", "frames-2", "hit", 0.5, 0.4, 0.6, p=0.01, p_corrected=0.02, n=9, n_clusters=9)
        >>> pair.difference, pair.p_corrected
        (0.5, 0.02)
    """

    a: str
    b: str
    metric: str
    difference: float
    low: float | None
    high: float | None
    p: float | None
    p_corrected: float | None
    n: int
    n_clusters: int
    no_test: NoTest | None = None


def compare_pairs(
    jobs: Mapping[str, JobColumns],
    *,
    metrics: Sequence[Metric],
    known: Sequence[Metric] = (),
    wanted: Mapping[str, Collection[str]] | None = None,
) -> list[Pair]:
    """Every pair of systems on every metric with a better direction; corrected over all pairs returned.

    jobs: by system, of one benchmark; pairs are in their order. A system without a sample of a metric (or of
    a component of it) has no pair on it. known: further metrics that a `mean_of` may name. wanted: metric ->
    the systems that are asked about; pairs without one of them may then be missing, which saves time where
    systems have values for different samples.

    Raises:
        ValueError: a sample is in different clusters, or a metric has uneven replicates.

    Example:
        >>> from vtok_eval.results.columns.example_job import example_job
        >>> hits = {"vtok": [1.0, 0.0] * 20, "frames-2": [0.0, 0.0] * 20}
        >>> jobs = {system: example_job(system, values) for system, values in hits.items()}
        >>> [pair] = compare_pairs(jobs, metrics=[Metric("hit", "Hit rate")])
        >>> pair.a, pair.b, pair.difference
        ('vtok', 'frames-2', 0.5)
    """
    if not jobs:
        return []
    common = dict(zip(jobs, on_common_samples(list(jobs.values())), strict=True))
    groups = [
        group
        for metric in metrics
        if metric.higher_is_better is not None
        for group in _one_metric(
            common, metric, (*metrics, *known), None if wanted is None else wanted.get(metric.name, ())
        )
    ]
    n_clusters = next(iter(common.values())).samples.n_clusters
    p, corrected = family_p([group.block for group in groups], n_clusters=n_clusters, seed=SEED)
    found = _with_p(groups, p, corrected)
    place = {name: i for i, name in enumerate(jobs)}
    order = {metric.name: i for i, metric in enumerate(metrics)}
    oriented = [pair if place[pair.a] < place[pair.b] else _turned(pair) for pair in found]
    return sorted(oriented, key=lambda pair: (order[pair.metric], place[pair.a], place[pair.b]))


@dataclass(frozen=True)
class TrainedSeeds:
    """What was trained for the systems' values on one metric: seeds by system, and how much they move it.

    jobs: the systems' columns.

    Example:
        >>> from vtok_eval.results.columns.example_job import example_job
        >>> jobs = {"vtok": example_job("vtok", [1.0]), "frames-2": example_job("frames-2", [0.0])}
        >>> trained = TrainedSeeds(jobs, seeds={"vtok": 1, "frames-2": 3}, spreads={})
        >>> trained.why_untested(Metric("hit", "Hit rate"), "vtok", "frames-2").value
        'one training seed'
    """

    jobs: Mapping[str, JobColumns]
    seeds: Mapping[str, int]
    spreads: Spreads

    def why_untested(self, metric: Metric, a: str, b: str) -> NoTest | None:
        """Why there is no test of two systems' difference; None where there is one."""
        return why_untested(metric, (self.jobs[a], self.jobs[b]), (self.seeds[a], self.seeds[b]))


@dataclass(frozen=True, eq=False)
class _Group:
    """Pairs that are compared together, and those of them that can be tested as a block of the family."""

    pairs: Sequence[Pair]
    tested: Sequence[int]
    block: Block


def _with_p(groups: Sequence[_Group], p: Floats, corrected: Floats) -> list[Pair]:
    """The pairs with their p-values, which are in the order of the groups' tested pairs."""
    found: list[Pair] = []
    start = 0
    for group in groups:
        pairs = list(group.pairs)
        own = slice(start, start + len(group.tested))
        start = own.stop
        of_group = zip(group.tested, alone_p(group.block, p[own], seed=SEED), corrected[own], strict=True)
        for i, alone, family in of_group:
            pairs[i] = replace(pairs[i], p=float(alone), p_corrected=float(max(alone, family)))
        found += pairs
    return found


def _one_metric(
    jobs: Mapping[str, JobColumns],
    metric: Metric,
    metrics: Sequence[Metric],
    wanted: Collection[str] | None,
) -> Iterator[_Group]:
    """Systems with values for the same samples are compared together, other pairs one by one."""
    samples = next(iter(jobs.values())).samples
    every = {name: material(job, metric, metrics) for name, job in jobs.items()}
    seeds = {name: seeds_behind(jobs[name], found.replicates) for name, found in every.items()}
    materials = {name: found.with_replicates(1) for name, found in every.items() if found.whole}
    # Names here are the caller's: a board has systems of one name from several runs.
    named = [replace(job, system=name) for name, job in jobs.items()]
    trained = TrainedSeeds(jobs, seeds, spreads_of(named, metric, metrics))
    groups: dict[tuple[int, bytes], list[str]] = {}
    for system, found in materials.items():
        groups.setdefault(found.pattern(), []).append(system)
    for members in groups.values():
        if len(members) > 1:
            yield _group({name: materials[name] for name in members}, metric, samples, trained)
    for first, second in combinations(groups.values(), 2):
        for a, b in product(first, second):
            shared = _shared(materials[a], materials[b])
            if shared is not None and (wanted is None or a in wanted or b in wanted):
                yield _group(dict(zip((a, b), shared, strict=True)), metric, samples, trained)


def _turned(pair: Pair) -> Pair:
    low = None if pair.high is None else -pair.high
    high = None if pair.low is None else -pair.low
    return replace(pair, a=pair.b, b=pair.a, difference=-pair.difference, low=low, high=high)


def _shared(a: Material, b: Material) -> tuple[Material, Material] | None:
    """Both restricted to the samples both have; None where none is shared."""
    present = a.present & b.present
    if not present.any(axis=1).all():
        return None
    return a.masked(present), b.masked(present)


def _group(
    materials: Mapping[str, Material], metric: Metric, samples: SampleSet, trained: TrainedSeeds
) -> _Group:
    """All pairs of systems that have values for the same samples, those of several seeds averaged."""
    names = list(materials)
    sums = [
        cluster_sums(found, clusters=samples.clusters, n_clusters=samples.n_clusters)
        for found in materials.values()
    ]
    present = next(iter(materials.values())).present
    n = int(present.any(axis=0).sum())
    values = np.array([group.means().mean() for group in sums])
    parts = np.stack([group.parts() for group in sums], axis=1)
    spreads = [trained.spreads.get(name) for name in names]
    half = half_widths(np.stack([g.influence()[:, 0] for g in sums], axis=1), spreads, confidence=CONFIDENCE)
    rare = few_differing(parts, limit=RARE - 1)
    binary = metric.bounded and all(np.isin(m.values, (0.0, 1.0)).all() for m in materials.values())
    pairs, tested = [], []
    places = list(combinations(range(len(names)), 2))
    for number, (i, j) in enumerate(places):
        difference = float(values[i] - values[j])
        low: float | None
        high: float | None
        low, high = _bounds(difference, float(half[i, j]), metric)
        if len(parts) < 2:
            low = high = None
        elif binary and (i, j) in rare and (rare[i, j] == 0 or not metric.mean_of):
            low, high = _few(sums[i], sums[j], materials[names[i]], materials[names[j]])
        no_test = trained.why_untested(metric, names[i], names[j])
        if no_test is None:
            tested.append(number)
        pairs.append(
            Pair(
                a=names[i],
                b=names[j],
                metric=metric.name,
                difference=float(f"{difference:.12g}"),
                low=low,
                high=high,
                p=None,
                p_corrected=None,
                n=n,
                n_clusters=len(parts),
                no_test=no_test,
            )
        )
    left, right = np.array([places[i] for i in tested], dtype=np.intp).reshape(-1, 2).T
    block = Block(
        parts=parts,
        places=_places(sums[0]),
        left=left,
        right=right,
        keys=tuple(pair_key(metric.name, pairs[i].a, pairs[i].b) for i in tested),
        seeds=tuple((spreads[i], spreads[j]) for i, j in zip(left, right, strict=True)),
    )
    return _Group(pairs, tested, block)


def _places(sums: ClusterSums) -> NDArray[np.intp]:
    assert sums.places is not None
    return sums.places


def _bounds(difference: float, half: float, metric: Metric) -> tuple[float, float]:
    least, most = metric.difference_ends
    return max(least, float(difference - half)), min(most, float(difference + half))


def _few(a: ClusterSums, b: ClusterSums, first: Material, second: Material) -> tuple[float, float]:
    """Bonett and Price's interval; `up` and `down` as shares of the samples."""
    apart = (first.values - second.values)[first.present]
    up, down = float((apart > 0).mean()), float((apart < 0).mean())
    sums = ClusterSums(sums=a.sums - b.sums, counts=a.counts)
    interval = few_differences_interval(sums, up=up, down=down, confidence=CONFIDENCE)
    return interval.low or 0.0, interval.high or 0.0
