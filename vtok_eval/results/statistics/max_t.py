"""Step-down max-T: corrected p-values of a family of paired comparisons, from joint sign flips of clusters.

The comparisons of a family share their clips, so their statistics are correlated. A draw flips the sign of
every cluster's differences, with the same sign in all comparisons of the family, and so keeps that
correlation; Holm's correction assumes the worst dependence and gives power away. Sources: Westfall and Young,
Resampling-Based Multiple Testing (Wiley 1993); Romano and Wolf, JASA 100 (2005), 94-108.

A comparison with the cluster parts m_c (their sum is the difference D) of systems a and b has the statistic

    T = |D| / S,    draws |sum e_c m_c + u_a - u_b| / S,    S^2 = sum m_c^2 + s_a^2 / R_a + s_b^2 / R_b,

e_c = -1 or 1 with even odds. Where nothing was trained, s and u are 0: the plain sign-flip test. A system
that was trained with R seeds, between which its score has the standard deviation s with f degrees of freedom
(see `seeds`), has u = s / sqrt(R) times a t variable with f degrees of freedom, one for each metric. The
cluster signs are shared by the family, and a system's u by all comparisons of that system: these are the two
sources of correlation. Adding a t-distributed part to each flip treats two variances, one of them less
well known, as Behrens and Fisher did, which is conservative.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import cast

import numpy as np
from numpy.typing import NDArray

from vtok_eval.results.columns.job_columns import Floats
from vtok_eval.results.statistics.pair_spreads import few_differing
from vtok_eval.results.statistics.resampling import (
    BATCH_CELLS,
    EXACT_CLUSTERS,
    resamples_for,
    sign_flip_p,
    signs,
)
from vtok_eval.results.statistics.seeds import SeedSpread


@dataclass(frozen=True, eq=False)
class Block:
    """P comparisons over the same C clusters, of S columns: each a column, or one column minus another.

    parts: `(C, S)`, what each cluster adds to each column's value. places: `(C,)`, the clusters' places among
    those of the family. left, right: `(P,)`, the comparison is column left minus column right; `right` is
    None where it is column left itself. keys: P names, each its own within the family. seeds: for each
    comparison, the spread of the added and of the subtracted system between training seeds; None where
    nothing was trained.

    Example:
        >>> import numpy as np
        >>> places, column = np.arange(3), np.array([0])
        >>> block = Block(np.ones((3, 1)), places, column, None, ("a against b",), ((None, None),))
        >>> [float(p[0]) for p in family_p([block], n_clusters=3, seed=0)]  # 2 of 8 flips reach 3
        [0.25, 0.25]
    """

    parts: Floats
    places: NDArray[np.intp]
    left: NDArray[np.intp]
    right: NDArray[np.intp] | None
    keys: tuple[str, ...]
    seeds: tuple[tuple[SeedSpread | None, SeedSpread | None], ...]

    def values(self, columns: Floats) -> Floats:
        """`(..., P)` from `(..., S)`."""
        found = columns[..., self.left]
        return found if self.right is None else found - columns[..., self.right]

    def drawn(self, batch: Floats) -> Floats:
        """`(b, S)`: every column's sum under signs `(b, n_clusters)` of the family's clusters."""
        whole = np.array_equal(self.places, np.arange(batch.shape[1]))
        # Without a copy of the draws where the block has all of the clusters, which is the rule.
        return cast(Floats, (batch if whole else batch[:, self.places]) @ self.parts)

    def squares(self) -> Floats:
        """`(P,)`: the sum of each comparison's squared parts, a few comparisons at a time."""
        size = max(1, BATCH_CELLS // max(1, len(self.parts)))
        found = [np.empty(0)]
        for start in range(0, len(self.left), size):
            chosen = slice(start, start + size)
            parts = self.parts[:, self.left[chosen]]
            if self.right is not None:
                parts = parts - self.parts[:, self.right[chosen]]
            found.append((parts**2).sum(axis=0))
        return np.concatenate(found)

    def differing(self) -> NDArray[np.intp]:
        """The places of the clusters in which a comparison can differ from 0."""
        if not self.parts.size:
            return self.places[:0]
        tolerance = 1e-12 * float(np.abs(self.parts).max())
        size = np.abs(self.parts).max(axis=1) if self.right is None else np.ptp(self.parts, axis=1)
        result: NDArray[np.intp] = self.places[size > tolerance]
        return result


def family_p(blocks: Sequence[Block], *, n_clusters: int, seed: int) -> tuple[Floats, Floats]:
    """The p of each comparison by itself, and corrected over all of them, in the blocks' order.

    All signs are enumerated where at most `EXACT_CLUSTERS` clusters differ and no seed was trained. Otherwise
    they are drawn, `resamples_for(n_clusters)` times; the observed ones count as a draw, so that no p is 0.
    Equal input gives equal output; the order of blocks and of comparisons changes nothing.

    n_clusters: of the whole family. seed: of the draws.

    Raises:
        ValueError: two comparisons have the same key.

    Example:
        >>> import numpy as np
        >>> places, column = np.arange(3), np.array([0])
        >>> block = Block(np.ones((3, 1)), places, column, None, ("a against b",), ((None, None),))
        >>> alone, corrected = family_p([block], n_clusters=3, seed=0)
        >>> float(alone[0]), float(corrected[0])  # 2 of 8 flips reach 3
        (0.25, 0.25)
    """
    size = sum(len(block.keys) for block in blocks)
    if not size:
        return np.empty(0), np.empty(0)
    family = _Family.of(blocks)
    differing = np.unique(np.concatenate([block.differing() for block in blocks]))
    exact = len(differing) <= EXACT_CLUSTERS and not family.spreads
    alone, together = (np.zeros(size) if exact else np.ones(size) for _ in range(2))
    n_draws = 0 if exact else 1
    backwards = family.order[::-1]
    draws = _enumerated(differing, n_clusters) if exact else signs(n_clusters, seed)
    for batch in _split(draws, max(1, BATCH_CELLS // size)):
        found = family.statistics(batch, start=n_draws - (not exact), n_clusters=n_clusters, seed=seed)
        alone += (found >= family.threshold).sum(axis=0)
        largest = np.maximum.accumulate(found[:, backwards], axis=1)
        together[backwards] += (largest >= family.threshold[backwards]).sum(axis=0)
        n_draws += len(batch)
    corrected = np.empty(size)
    corrected[family.order] = np.maximum.accumulate(together[family.order] / n_draws)
    return cast(Floats, alone / n_draws), corrected


def alone_p(block: Block, in_family: Floats, *, seed: int) -> Floats:
    """The p of each of a block's comparisons over the block's own clusters, whatever else its family holds.

    All signs are enumerated for a comparison in which at most `EXACT_CLUSTERS` clusters differ and nothing
    was trained.

    in_family: `family_p`'s p of these comparisons by themselves. It is the result where the block has all of
    the family's clusters, since the draws are the same. seed: of the draws.

    Example:
        >>> import numpy as np
        >>> places, column = np.arange(3), np.array([0])
        >>> block = Block(np.ones((3, 1)), places, column, None, ("a against b",), ((None, None),))
        >>> float(alone_p(block, family_p([block], n_clusters=3, seed=0)[0], seed=0)[0])
        0.25
    """
    n_clusters = len(block.parts)
    every = np.arange(n_clusters, dtype=np.intp)
    if np.array_equal(block.places, every):
        p = in_family.copy()
    else:
        p = family_p([replace(block, places=every)], n_clusters=n_clusters, seed=seed)[0]
    for k, apart in _few_apart(block):
        p[k] = sign_flip_p(apart[:, None], seed=seed)[0]
    return p


def _few_apart(block: Block) -> Iterator[tuple[int, Floats]]:
    """The untrained comparisons in which at most `EXACT_CLUSTERS` clusters differ, `(C,)` each."""
    untrained = [k for k, sides in enumerate(block.seeds) if sides == (None, None)]
    if block.right is None:
        size = np.abs(block.parts)
        few = (size > 1e-12 * size.max(axis=0, initial=0.0)).sum(axis=0) <= EXACT_CLUSTERS
        yield from ((k, block.parts[:, block.left[k]]) for k in untrained if few[block.left[k]])
        return
    pairs = few_differing(block.parts, limit=EXACT_CLUSTERS)
    for k in untrained:
        left, right = int(block.left[k]), int(block.right[k])
        if (left, right) in pairs:
            yield k, block.parts[:, left] - block.parts[:, right]


@dataclass(frozen=True, eq=False)
class _Family:
    """The blocks' comparisons side by side.

    order: from the largest statistic to the smallest. spreads: of all trained systems and metrics; added,
    taken: `(P,)`, each comparison's places among them, the place behind the last where it has none.
    """

    blocks: Sequence[Block]
    scale: Floats
    threshold: Floats
    order: NDArray[np.intp]
    spreads: Sequence[SeedSpread]
    added: NDArray[np.intp]
    taken: NDArray[np.intp]

    @classmethod
    def of(cls, blocks: Sequence[Block]) -> _Family:
        keys = [key for block in blocks for key in block.keys]
        if len(set(keys)) != len(keys):
            raise ValueError("two comparisons of a family have the same key")
        sides = [sides for block in blocks for sides in block.seeds]
        spreads = {spread.key: spread for pair in sides for spread in pair if spread is not None}
        place = {key: i for i, key in enumerate(spreads)}
        none = len(place)
        added, taken = (
            np.array([none if side is None else place[side.key] for side in column], dtype=np.intp)
            for column in zip(*sides, strict=True)
        )
        variances = np.array([*(spread.variance for spread in spreads.values()), 0.0])
        squares = np.concatenate([block.squares() for block in blocks]) + variances[added] + variances[taken]
        observed = np.concatenate([np.abs(block.values(block.parts.sum(axis=0))) for block in blocks])
        scale = np.where(squares > 0, np.sqrt(squares), 1.0)
        rounding = np.concatenate([np.full(len(b.keys), 1e-9 * np.sqrt(len(b.parts))) for b in blocks])
        ratio = observed / scale
        # Statistics that are equal on paper differ in their last bits; the keys settle their order.
        order = sorted(range(len(keys)), key=lambda i: (-float(f"{ratio[i]:.9g}"), keys[i]))
        return cls(
            blocks=blocks,
            scale=scale,
            threshold=ratio - rounding,
            order=np.array(order, dtype=np.intp),
            spreads=tuple(spreads.values()),
            added=added,
            taken=taken,
        )

    def statistics(self, batch: Floats, *, start: int, n_clusters: int, seed: int) -> Floats:
        """`(b, P)`: every comparison's statistic under the draws `start` and following."""
        found = np.concatenate([b.values(b.drawn(batch)) for b in self.blocks], axis=1)
        if self.spreads:
            moved = np.zeros((len(batch), len(self.spreads) + 1))
            for i, spread in enumerate(self.spreads):
                drawn = _seed_draws(spread.key, spread.freedom, n_clusters, seed)
                moved[:, i] = np.sqrt(spread.variance) * drawn[start : start + len(batch)]
            found += moved[:, self.added]
            found -= moved[:, self.taken]
        np.abs(found, out=found)
        found /= self.scale
        return cast(Floats, found)


def _enumerated(differing: NDArray[np.intp], n_clusters: int) -> Iterator[Floats]:
    """Every pattern of signs of the differing clusters; the signs of the others change nothing."""
    patterns = np.array(list(product((1.0, -1.0), repeat=len(differing))))
    for chosen in np.array_split(patterns, max(1, len(patterns) * n_clusters // BATCH_CELLS)):
        batch = np.ones((len(chosen), n_clusters))
        batch[:, differing] = chosen
        yield batch


def _split(draws: Iterator[Floats], size: int) -> Iterator[Floats]:
    for batch in draws:
        for start in range(0, len(batch), size):
            yield batch[start : start + size]


@lru_cache(maxsize=512)
def _seed_draws(key: str, freedom: float, n_clusters: int, seed: int) -> Floats:
    """A t variable for every draw, from this key alone."""
    digest = hashlib.sha256(key.encode()).digest()
    rng = np.random.default_rng([seed, n_clusters, 3, *np.frombuffer(digest, dtype=np.uint32).tolist()])
    return rng.standard_t(freedom, size=resamples_for(n_clusters))
