"""The schema of results: one record per sample, scores with intervals, paired comparisons.

Everything here is plain data that JSON and Parquet can hold; nothing here imports torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

SCHEMA_VERSION = 1
"""Raised when a reader of version N could misread what version N+1 writes."""


FAILED_AT = "failed_at"
"""Key in the meta of a failed record: failed metrics, separated by ";". It may have values of others."""


TRAINING_SEEDS = "training_seeds"
"""Key in a record's meta: how many seeds trained what gave the values; absent where nothing was trained."""


INFINITE = "infinite"
"""Key in a record's meta: metrics, separated by ";", whose value is infinite for the sample (PSNR of a clip
that came back unchanged); its values do not hold them."""


TRUTH = "truth"
"""Key in a record's meta: the sample's target, as JSON; samples.parquet has it in a column of its own."""


PHOTO = "photo"
"""Key in a record's meta: the photo behind a rendered clip, for checks on each photo by itself."""


class Status(StrEnum):
    """How a sample ended.

    Example:
        >>> Status("failed") is Status.FAILED
        True
    """

    OK = "ok"
    FAILED = "failed"


@dataclass(frozen=True)
class Record:
    """The result of one sample under one system.

    job: the id of the job (system x benchmark) it belongs to.
    sample_id: stable over runs, unique within the benchmark.
    cluster: what intervals resample by: samples that share a clip share a cluster.
    reason: why it failed, one line; None where it did not.
    values: metric name -> one finite value per replicate (training seed, say). A metric that does not apply
        to the sample has no key. A failed sample has no values, but where its meta says at which metrics it
        failed (`FAILED_AT`): then those of the others.
    outputs: what the system gave, as JSON can hold it, enough to compute the values again.
    cost: tokens, seconds and the like; never part of a score of quality.
    meta: what a table groups by (category, clip length, duration).

    Example:
        >>> record = Record("b/vtok", "vtok", "b", "clip-1", "clip-1", Status.FAILED, reason="is empty")
        >>> record.values
        {}
    """

    job: str
    system: str
    benchmark: str
    sample_id: str
    cluster: str
    status: Status
    reason: str | None = None
    values: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    cost: Mapping[str, float] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)


POSITIVE_UNITS = frozenset(
    {"ms", "s", "frames/s", "tokens", "bits", "codes", "MiB", "GFLOP", "levels", "ratio"}
)
"""Units of quantities that are 0 or more: times, rates, sizes, counts, and sizes of errors."""


@dataclass(frozen=True)
class Metric:
    """What a benchmark measures, and how its sample values become a score.

    name: key in `Record.values`; for a metric with `mean_of`, a name of its own.
    title: its name in tables and plots.
    unit: "fraction" (0 to 1, shown in percent), "ms", "tokens", "MiB", "GFLOP", "dB", ...
    higher_is_better: None where neither end is better.
    chance: the score of a system that knows nothing of the clip, in the metric's unit; None if undefined.
    group: its heading in tables and plots ("temporal", "static", "camera").
    headline: whether it is in the short comparison table.
    mean_of: names of the metrics whose mean this one is (a group's score); empty for a measured one.
    weights, offset: if `weights` is not empty, the score is not a plain mean but `offset` plus the sum of
        each metric's score times its weight, in the order of `mean_of` (VBench's normalised totals).
    failed_as: the value that a failed sample counts as (0.0 for accuracy: the denominator never changes);
        None leaves failed samples out, and the score says how many.
    failed_where: "FIELD=VALUE" charges the metric with those failed samples only whose meta has that value
        (possibly one of several separated by ";"); empty charges it with all. A record that says
        what it failed at (`FAILED_AT`) is charged to that alone.
    derived: whether the benchmark computes the score itself, from the records and something that they do not
        hold (a judge's calibration): no sample has a value of it, and a submission leaves it out.
    least, most: what no score is below and above, where the unit does not say so; None for no such end.
        Intervals then stay between them.

    Example:
        >>> Metric("hit", "Hit rate", chance=0.25, headline=True).bounded
        True
        >>> Metric("total", "Total", mean_of=("quality", "semantic"), weights=(0.8, 0.2)).bounded
        False
        >>> Metric("vmaf", "VMAF", unit="", least=0.0, most=100.0).ends
        (0.0, 100.0)
    """

    name: str
    title: str
    unit: str = "fraction"
    higher_is_better: bool | None = True
    chance: float | None = None
    group: str = ""
    headline: bool = False
    mean_of: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    offset: float = 0.0
    failed_as: float | None = 0.0
    failed_where: str = ""
    derived: bool = False
    least: float | None = None
    most: float | None = None

    def __post_init__(self) -> None:
        if self.least is not None and self.most is not None and not self.least < self.most:
            raise ValueError(f"{self.name}: least {self.least:g} must be below most {self.most:g}")
        if self.weights and len(self.weights) != len(self.mean_of):
            raise ValueError(f"{self.name}: {len(self.weights)} weights for {len(self.mean_of)} metrics")

    @property
    def bounded(self) -> bool:
        """Whether the score must be between 0 and 1: a fraction that is not a weighted sum of fractions."""
        return self.unit == "fraction" and not self.weights

    @property
    def positive(self) -> bool:
        """Whether the score is of a quantity that is never below 0, whatever its values: a time, say."""
        return self.unit in POSITIVE_UNITS and not self.weights

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the largest score that there can be; infinite where there is no end."""
        low, high = (0.0, 1.0) if self.bounded else (0.0 if self.positive else -math.inf, math.inf)
        return (
            low if self.least is None else max(low, self.least),
            high if self.most is None else min(high, self.most),
        )

    @property
    def difference_ends(self) -> tuple[float, float]:
        """The least and the largest difference of two scores."""
        low, high = self.ends
        return low - high, high - low

    def is_charged_with(self, record: Record) -> bool:
        """Whether a failed record counts in this metric."""
        if FAILED_AT in record.meta:
            return self.name in str(record.meta[FAILED_AT]).split(";")
        name, _, value = self.failed_where.partition("=")
        return (
            not name or value in str(record.meta.get(name)).split(";") or value == str(record.meta.get(name))
        )


@dataclass(frozen=True)
class Score:
    """One metric of one system on one benchmark, with its interval.

    n: samples the metric applies to, failed ones included; n_failed: how many of them failed.
    n_clusters: how many clips (or other clusters) the interval resamples.
    seeds: training seeds behind each value; 0 where nothing was trained for the run. The variance of training
        is part of the interval from 2 seeds on.
    seed_deviation: standard deviation of the score between the seeds; None below 2 seeds.
    low, high: the interval at `confidence`; both None where n is too small for one.
    method: how the interval was computed, in words.
    label: what must be shown wherever the number is ("embedded default, not the paper's setting").
    n_infinite: samples whose value is infinite; they are not in the mean, nor in `n`.
    reservation: why the value must not be taken as it is, such as too few clips for it; empty for none.
    discriminates: False where no system of the run reads the metric above chance or all are at its ceiling.
    sound: False where a self-check of the run found that the benchmark's reader misses what the tokens hold
        (`NoTest.NOT_SOUND`): the number supports no claim.

    Example:
        >>> hit = Metric("hit", "Hit rate", chance=0.25)
        >>> score = Score("vtok", "b", hit, 0.61, 0.58, 0.64, n=400, n_failed=0, n_clusters=400)
        >>> list(getattr(score, name) for name in SCORE_NUMBERS[:4])
        [0.61, 0.58, 0.64, 0.95]
    """

    system: str
    benchmark: str
    metric: Metric
    value: float | None
    low: float | None
    high: float | None
    n: int
    n_failed: int
    n_clusters: int
    seeds: int = 0
    seed_deviation: float | None = None
    confidence: float = 0.95
    method: str = ""
    label: str = ""
    discriminates: bool = True
    sound: bool = True
    n_infinite: int = 0
    reservation: str = ""

    @property
    def ranks(self) -> bool:
        """Whether systems may be ordered by the metric, and one of them called the best."""
        return self.discriminates and self.sound


SCORE_NUMBERS = (
    "value",
    "low",
    "high",
    "confidence",
    "n",
    "n_failed",
    "n_clusters",
    "seeds",
    "seed_deviation",
)
"""The numbers of a `Score` in the order in which every table of scores has them."""


class NoTest(StrEnum):
    """Why a comparison has no p-value; the value is the reason in words.

    Example:
        >>> str(NoTest.ONE_SEED)
        'one training seed'
    """

    NOTHING_SHARED = "no shared sample"
    ONE_SEED = "one training seed"
    """A side was trained with one seed: how much its score varies with training is unknown."""
    NOT_SOUND = "reader not sound here"
    """A self-check of the run found that the benchmark's reader misses what the tokens hold."""


class Correction(StrEnum):
    """How p-values were corrected over their family.

    Example:
        >>> Correction("max-T") is Correction.MAX_T
        True
    """

    MAX_T = "max-T"
    """Step-down max-T over joint sign flips; see `vtok_eval.results.statistics.max_t`."""
    HOLM = "Holm"
    """Holm's method, in run folders that earlier versions wrote."""


@dataclass(frozen=True)
class Comparison:
    """A paired comparison of one system with the baseline on one metric, over the samples both have.

    difference: system minus baseline, in the metric's unit; low, high: its interval. `difference` is None
        where no sample is shared, the interval also where the shared samples are all in one cluster.
    p: two-sided p of the paired test; p_corrected: corrected by `correction` over its family on this
        benchmark, which is all systems x all headline metrics, or all systems x all other metrics. Both are
        None where there is no test; `no_test` says why.
    n, n_clusters: shared samples, and the clusters that hold them; n_unpaired: samples that only one of the
        two has a value for, left out.
    seeds, baseline_seeds: training seeds behind each side's values; 0 where nothing was trained.
    test: the interval and the test in words.

    Example:
        >>> Comparison("b", "hit", "vtok", "frames-2", 0.02, 0.01, 0.03, None, None, 100,
        ...            no_test=NoTest.ONE_SEED).no_test.value
        'one training seed'
    """

    benchmark: str
    metric: str
    system: str
    baseline: str
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    p_corrected: float | None
    n_clusters: int
    confidence: float = 0.95
    test: str = ""
    n: int = 0
    n_unpaired: int = 0
    seeds: int = 0
    baseline_seeds: int = 0
    correction: Correction = Correction.MAX_T
    no_test: NoTest | None = None

    def __post_init__(self) -> None:
        tested = self.no_test is None
        if (self.p is not None) is not tested or (self.p_corrected is not None) is not tested:
            raise ValueError(
                f"{self.system} on {self.metric}: either both p-values or a reason in `no_test`, "
                f"not p={self.p}, p_corrected={self.p_corrected}, no_test={self.no_test}"
            )
