"""How much training moves a score: the deviation between seeds, estimated jointly over all systems.

Two or three seeds of one system say little about how much its training varies; those of a dozen systems that
were trained in the same way say more. Each system's variance between its seeds is therefore drawn towards
the typical one, the more so the less the systems' variances differ beyond chance: the moderated variance of
Smyth, Statistical Applications in Genetics and Molecular Biology 3 (2004), article 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vtok_eval.results.columns.job_columns import Floats
from vtok_eval.results.statistics.sample_table import ClusterSums

LEAST_SYSTEMS = 4
"""With fewer trained systems each has its own variance alone."""


@dataclass(frozen=True)
class SeedSpread:
    """How much the training seeds move one system's score on one metric.

    key: names the system and the metric. deviation: standard deviation of the score between seeds, in the
    metric's unit. seeds: how many there are. freedom: degrees of freedom of the deviation's square.

    Example:
        >>> SeedSpread("vtok", 0.02, seeds=4, freedom=3.0).variance
        0.0001
    """

    key: str
    deviation: float
    seeds: int
    freedom: float

    @property
    def variance(self) -> float:
        """Of the mean over the seeds."""
        return self.deviation**2 / self.seeds


def seed_spreads(sums: Mapping[str, ClusterSums]) -> dict[str, SeedSpread]:
    """The spread of every system that has several seeds; the others have no key.

    sums: one metric's, by system. The names are also the spreads' keys.

    Example:
        >>> two_seeds = ClusterSums(np.array([[[1.0, 0.0], [1.0, 1.0]]]), counts=np.ones((1, 2)))
        >>> round(seed_spreads({"vtok": two_seeds})["vtok"].deviation, 4)
        0.3536
    """
    trained = {name: found for name, found in sums.items() if found.replicates > 1}
    if not trained:
        return {}
    freedoms = np.array([found.replicates - 1.0 for found in trained.values()])
    own = np.array([found.means().mean(axis=0).var(ddof=1) for found in trained.values()])
    variances, moderated = moderated_variances(own, freedoms)
    return {
        name: SeedSpread(name, float(np.sqrt(variance)), found.replicates, float(freedom))
        for (name, found), variance, freedom in zip(trained.items(), variances, moderated, strict=True)
    }


def moderated_variances(variances: Floats, freedoms: Floats) -> tuple[Floats, Floats]:
    """Each variance shrunk towards the typical one, and its degrees of freedom, both `(S,)`.

    A variance of 0 says nothing about the typical one and is shrunk towards it like any other. With fewer
    than `LEAST_SYSTEMS` variances above 0, all stay unchanged.

    variances, freedoms: `(S,)`, as estimated from each system's own seeds.

    Example:
        >>> import numpy as np
        >>> found, freedom = moderated_variances(np.array([1.0, 1.1, 0.9, 1.0, 1.2]), np.full(5, 2.0))
        >>> found.round(2).tolist(), freedom.tolist()  # no more different than by chance
        ([1.04, 1.04, 1.04, 1.04, 1.04], [10.0, 10.0, 10.0, 10.0, 10.0])
    """
    used = variances > 0
    if int(used.sum()) < LEAST_SYSTEMS:
        return variances, freedoms
    typical, prior = _prior(variances[used], freedoms[used])
    total = float(freedoms[used].sum())
    if not np.isfinite(prior):
        return np.full(len(variances), typical), np.full(len(variances), total)
    moderated = (prior * typical + freedoms * variances) / (prior + freedoms)
    return moderated, np.minimum(prior + freedoms, total)


def _prior(variances: Floats, freedoms: Floats) -> tuple[float, float]:
    """The typical variance and its weight in degrees of freedom: Smyth's fit of the logarithms' moments."""
    from scipy.special import digamma, polygamma

    logs = np.log(variances) - digamma(freedoms / 2) + np.log(freedoms / 2)
    excess = float(logs.var(ddof=1) - polygamma(1, freedoms / 2).mean())
    if excess <= 0:
        return float((freedoms * variances).sum() / freedoms.sum()), float("inf")
    half = _inverse_trigamma(excess)
    return float(np.exp(logs.mean() + digamma(half) - np.log(half))), 2 * half


def _inverse_trigamma(value: float) -> float:
    from scipy.optimize import brentq
    from scipy.special import polygamma

    if value < 1e-7:
        return 1 / value
    return float(brentq(lambda x: float(polygamma(1, x)) - value, 1e-8, 2 / value + 2))


def standard_error(
    cluster_variance: float, spreads: Sequence[SeedSpread], *, n_clusters: int
) -> tuple[float, float]:
    """The standard error over clusters and seeds, and its degrees of freedom (Satterthwaite).

    cluster_variance: of the score over clusters, with the seeds' values averaged; it has C - 1 degrees of
    freedom. spreads: of the trained sides.

    Example:
        >>> spread = SeedSpread("vtok", 0.04, seeds=4, freedom=3.0)
        >>> error, freedom = standard_error(0.0009, [spread], n_clusters=101)  # 0.0009 + 0.0016 / 4
        >>> round(error, 6), round(freedom, 2)  # 0.0013^2 / (0.0009^2 / 100 + 0.0004^2 / 3)
        (0.036056, 27.51)
    """
    total = cluster_variance + sum(spread.variance for spread in spreads)
    doubt = cluster_variance**2 / (n_clusters - 1)
    doubt += sum(spread.variance**2 / spread.freedom for spread in spreads)
    return float(np.sqrt(total)), float(total**2 / doubt) if doubt > 0 else n_clusters - 1.0
