"""The tests of a family of differences: a p-value for each, by itself and corrected over the family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vtok_eval.results.columns.job_columns import Floats
from vtok_eval.results.records import NoTest
from vtok_eval.results.statistics.max_t import Block, alone_p, family_p
from vtok_eval.results.statistics.quantities import Quantity
from vtok_eval.results.statistics.resampling import resamples_for
from vtok_eval.results.statistics.sample_table import ClusterSums


@dataclass(frozen=True)
class PValues:
    """The p of one difference, by itself and corrected over its family, and the test in words.

    Both are None where there is no test; then `test` is the reason.

    Example:
        >>> PValues(p=0.01, corrected=0.03, test="paired sign-flip test over 400 clusters").corrected
        0.03
    """

    p: float | None
    corrected: float | None
    test: str


def quantity_p_values(family: Sequence[Quantity], *, seed: int) -> list[PValues]:
    """The p of each difference being 0, by itself and corrected over all of the family that can be tested.

    Example:
        >>> from vtok_eval.results.columns.example_job import example_job
        >>> from vtok_eval.results.records import Metric
        >>> from vtok_eval.results.statistics.quantities import difference_quantity
        >>> ours, theirs = example_job("vtok", [1.0, 0.0] * 20), example_job("frames-2", [0.0, 0.0] * 20)
        >>> asked = difference_quantity(ours, theirs, Metric("hit", "Hit rate"), [])
        >>> quantity_p_values([asked], seed=0)[0].p < 0.001
        True
    """
    tested = [i for i, quantity in enumerate(family) if quantity.no_test is None]
    alone, together = _tests([family[i] for i in tested], seed=seed)
    found = [_not_tested(quantity.no_test) for quantity in family]
    for i, p, corrected in zip(tested, alone, together, strict=True):
        found[i] = PValues(float(p), float(max(p, corrected)), _test_text(family[i]))
    return found


def _not_tested(reason: NoTest | None) -> PValues:
    return PValues(None, None, "" if reason is None else f"no test: {reason.value}")


def _sums(quantity: Quantity) -> ClusterSums:
    if quantity.sums is None:
        raise ValueError(f"{quantity.metric.name}: a difference without a shared sample cannot be tested")
    return quantity.sums


def _tests(quantities: Sequence[Quantity], *, seed: int) -> tuple[Floats, Floats]:
    """The p of each over its own clusters, and corrected over all, from one draw of signs for all."""
    names = sorted({name for quantity in quantities for name in _cluster_names(quantity)})
    place = {name: i for i, name in enumerate(names)}
    by_clusters: dict[bytes, tuple[NDArray[np.intp], list[int]]] = {}
    for i, quantity in enumerate(quantities):
        places = np.array([place[name] for name in _cluster_names(quantity)], dtype=np.intp)
        by_clusters.setdefault(places.tobytes(), (places, []))[1].append(i)
    members = [chosen for _, chosen in by_clusters.values()]
    blocks = [_block([quantities[i] for i in chosen], places) for places, chosen in by_clusters.values()]
    p, in_family = family_p(blocks, n_clusters=len(names), seed=seed)
    alone, corrected = np.empty(len(quantities)), np.empty(len(quantities))
    start = 0
    for block, chosen in zip(blocks, members, strict=True):
        own = slice(start, start + len(chosen))
        start = own.stop
        alone[chosen] = alone_p(block, p[own], seed=seed)
        corrected[chosen] = in_family[own]
    return alone, corrected


def _cluster_names(quantity: Quantity) -> list[str]:
    sums = _sums(quantity)
    if quantity.samples is None or sums.places is None:
        raise ValueError("only the difference of two jobs can be tested")
    return [quantity.samples.names[place] for place in sums.places]


def _block(quantities: Sequence[Quantity], places: NDArray[np.intp]) -> Block:
    return Block(
        parts=np.stack([_sums(quantity).parts() for quantity in quantities], axis=1),
        places=places,
        left=np.arange(len(quantities), dtype=np.intp),
        right=None,
        keys=tuple(quantity.key for quantity in quantities),
        seeds=tuple(quantity.spreads for quantity in quantities),
    )


def _test_text(quantity: Quantity) -> str:
    n_clusters = _sums(quantity).n_clusters
    flips = f"paired sign-flip test over {n_clusters} clusters, up to {resamples_for(n_clusters)} flips"
    if not quantity.trained:
        return flips
    seeds = " and ".join(str(spread.seeds) for spread in quantity.trained)
    return f"{flips}, with a t-distributed part for each side's training seeds ({seeds})"
