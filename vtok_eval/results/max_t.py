"""Step-down max-T: corrected p-values of a family of paired comparisons, from joint sign flips of clusters.

The comparisons of a family share their clips, so their statistics are correlated. A draw flips the sign of
every cluster's differences, with the same sign in all comparisons of the family, and so keeps that
correlation; Holm's correction assumes the worst dependence and gives power away. Sources: Westfall and Young,
Resampling-Based Multiple Testing (Wiley 1993); Romano and Wolf, JASA 100 (2005), 94-108.

A comparison with the cluster parts m_c (their sum is the difference D) has the statistic

    T = |D| / sqrt(sum m_c^2 + s^2),        draws |sum e_c m_c + s z| h / sqrt(sum m_c^2 + s^2),

e_c = -1 or 1 with even odds. Without trained seeds s = 0 and h = 1: the plain sign-flip test. With several
training seeds s is the standard error that they add (`resampling.spread`), z a standard normal, and
h = sqrt(f / chi2_f) widens the draw for the f degrees of freedom that the standard error has, as a t-test
does. The cluster signs are shared by the family; z and h are drawn for each comparison by itself, since a
correlation cannot be estimated from a few seeds, and among two-sided tests independence is the unfavourable
case (Sidak, JASA 62 (1967), 626-633).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import cast

import numpy as np
from numpy.typing import NDArray

from vtok_eval.results.columns import Floats
from vtok_eval.results.resampling import BATCH_CELLS, EXACT_CLUSTERS, resamples_for, signs

FREEDOM_STEP = 1.1
"""Degrees of freedom are rounded down to a power of this, so that few tables of h are needed."""

LARGEST_FREEDOM = 1_000.0
"""From here on h is 1."""


@dataclass(frozen=True, eq=False)
class Block:
    """P comparisons over the same C clusters, of S columns: each a column, or one column minus another.

    parts: `(C, S)`, what each cluster adds to each column's value. places: `(C,)`, the clusters' places among
    those of the family. left, right: `(P,)`, the comparison is column left minus column right; `right` is
    None where it is column left itself. keys: P names, each its own within the family; they settle the draws
    that stand for the seeds. seed_errors, freedoms: `(P,)`, the s and f of the module's docstring; s is 0
    where no training seed is behind the values.

    Example:
        >>> import numpy as np
        >>> column, none = np.array([0]), np.zeros(1)
        >>> block = Block(np.ones((3, 1)), np.arange(3), column, None, ("a against b",), none, none)
        >>> [float(p[0]) for p in family_p([block], n_clusters=3, seed=0)]  # 2 of 8 flips reach 3
        [0.25, 0.25]
    """

    parts: Floats
    places: NDArray[np.intp]
    left: NDArray[np.intp]
    right: NDArray[np.intp] | None
    keys: tuple[str, ...]
    seed_errors: Floats
    freedoms: Floats

    def values(self, columns: Floats) -> Floats:
        """`(..., P)` from `(..., S)`."""
        found = columns[..., self.left]
        return found if self.right is None else found - columns[..., self.right]

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
        return self.places[size > tolerance]


def family_p(blocks: Sequence[Block], *, n_clusters: int, seed: int) -> tuple[Floats, Floats]:
    """The p of each comparison by itself, and corrected over all of them, in the blocks' order.

    All signs are enumerated where at most `EXACT_CLUSTERS` clusters differ and no seed was trained. Otherwise
    they are drawn, `resamples_for(n_clusters)` times; the observed ones count as a draw, so that no p is 0.
    Equal input gives equal output; the order of blocks and of comparisons changes nothing.

    n_clusters: of the whole family. seed: of the draws.

    Raises:
        ValueError: two comparisons have the same key.
    """
    size = sum(len(block.keys) for block in blocks)
    if not size:
        return np.empty(0), np.empty(0)
    family = _Family.of(blocks)
    differing = np.unique(np.concatenate([block.differing() for block in blocks]))
    exact = len(differing) <= EXACT_CLUSTERS and not family.seed_errors.any()
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


@dataclass(frozen=True, eq=False)
class _Family:
    """The blocks' comparisons side by side; order: from the largest statistic to the smallest."""

    blocks: Sequence[Block]
    observed: Floats
    scale: Floats
    seed_errors: Floats
    threshold: Floats
    order: NDArray[np.intp]

    @classmethod
    def of(cls, blocks: Sequence[Block]) -> _Family:
        keys = [key for block in blocks for key in block.keys]
        if len(set(keys)) != len(keys):
            raise ValueError("two comparisons of a family have the same key")
        observed = np.concatenate([np.abs(block.values(block.parts.sum(axis=0))) for block in blocks])
        seed_errors = np.concatenate([block.seed_errors for block in blocks])
        scale = np.sqrt(np.concatenate([block.squares() for block in blocks]) + seed_errors**2)
        rounding = np.concatenate([np.full(len(b.keys), 1e-9 * np.sqrt(len(b.parts))) for b in blocks])
        ratio = observed / np.where(scale > 0, scale, 1.0)
        # Statistics that are equal on paper differ in their last bits; the keys settle their order.
        order = sorted(range(len(keys)), key=lambda i: (-float(f"{ratio[i]:.9g}"), keys[i]))
        return cls(blocks, observed, scale, seed_errors, ratio - rounding, np.array(order, dtype=np.intp))

    def statistics(self, batch: Floats, *, start: int, n_clusters: int, seed: int) -> Floats:
        """`(b, P)`: every comparison's statistic under the draws `start` and following."""
        found = np.empty((len(batch), len(self.observed)))
        column = 0
        for block in self.blocks:
            part = found[:, column : column + len(block.keys)]
            part[:] = block.values(batch[:, block.places] @ block.parts)
            for i in np.flatnonzero(block.seed_errors):
                noise, stretch = _seed_draws(block.keys[i], block.freedoms[i], n_clusters, seed)
                drawn = slice(start, start + len(batch))
                part[:, i] = (part[:, i] + block.seed_errors[i] * noise[drawn]) * stretch[drawn]
            column += len(block.keys)
        np.abs(found, out=found)
        found /= np.where(self.scale > 0, self.scale, 1.0)
        return found


def _enumerated(differing: NDArray[np.intp], n_clusters: int) -> Iterator[Floats]:
    """Every pattern of signs of the differing clusters; the others' signs matter to nobody."""
    patterns = np.array(list(product((1.0, -1.0), repeat=len(differing))))
    for chosen in np.array_split(patterns, max(1, len(patterns) * n_clusters // BATCH_CELLS)):
        batch = np.ones((len(chosen), n_clusters))
        batch[:, differing] = chosen
        yield batch


def _split(draws: Iterator[Floats], size: int) -> Iterator[Floats]:
    for batch in draws:
        for start in range(0, len(batch), size):
            yield batch[start : start + size]


def _seed_draws(key: str, freedom: float, n_clusters: int, seed: int) -> tuple[Floats, Floats]:
    """z and h of one comparison for all draws: those of all comparisons, begun at a place of its own."""
    n_draws = resamples_for(n_clusters)
    digest = hashlib.sha256(key.encode()).digest()
    first, second = (int.from_bytes(half, "big") % n_draws for half in (digest[:16], digest[16:]))
    stretch = _stretch(_rounded_down(freedom), n_draws, seed)
    return np.roll(_normal(n_draws, seed), first), np.roll(stretch, second)


def _rounded_down(freedom: float) -> float:
    if freedom >= LARGEST_FREEDOM:
        return float("inf")
    power = np.floor(np.log(max(freedom, 1.0)) / np.log(FREEDOM_STEP) + 1e-9)
    return float(FREEDOM_STEP**power)


@lru_cache(maxsize=4)
def _normal(n_draws: int, seed: int) -> Floats:
    return np.random.default_rng([seed, n_draws, 3]).standard_normal(n_draws)


@lru_cache(maxsize=256)
def _stretch(freedom: float, n_draws: int, seed: int) -> Floats:
    """sqrt(f / chi2_f) for every draw."""
    from scipy.special import gammaincinv

    if not np.isfinite(freedom):
        return np.ones(n_draws)
    uniform = np.random.default_rng([seed, n_draws, 4]).random(n_draws)
    return np.asarray(np.sqrt(freedom / (2 * gammaincinv(freedom / 2, uniform))))
