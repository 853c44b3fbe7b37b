"""VBench's three totals from its sixteen dimension scores, with bootstrap intervals over prompts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from benchmarks.vbench.dimensions import DIMENSIONS, dimension
from vtok_eval.results.records import Metric

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

QUALITY_WEIGHT, SEMANTIC_WEIGHT = 4.0, 1.0
"""What the Quality and the Semantic score weigh in the Total (scripts/constant.py of VBench)."""

TOTALS = ("quality", "semantic", "total")
_TITLES = {"quality": "Quality score", "semantic": "Semantic score", "total": "Total score"}
_GROUPS: tuple[Literal["quality", "semantic"], ...] = ("quality", "semantic")


@dataclass(frozen=True)
class Totals:
    """The three totals, as fractions; None where a dimension is missing, which `missing` then names.

    Example:
        >>> Totals(quality=0.85, semantic=None, total=None, missing=("scene",)).missing
        ('scene',)
    """

    quality: float | None
    semantic: float | None
    total: float | None
    missing: tuple[str, ...]


@dataclass(frozen=True)
class VideoScore:
    """One video's score on one dimension.

    weight: what it counts within its dimension; the reference takes the mean over frames for some.

    Example:
        >>> VideoScore("scene", "a beach", value=0.5, weight=16.0).value
        0.5
    """

    dimension: str
    prompt: str
    value: float
    weight: float = 1.0


@dataclass(frozen=True)
class TotalsInterval:
    """A percentile bootstrap interval.

    Example:
        >>> TotalsInterval(low=0.81, high=0.86, confidence=0.95).low
        0.81
    """

    low: float
    high: float
    confidence: float


def normalised(name: str, score: float) -> float:
    """`(score - low) / (high - low)` of the dimension's range; not clamped, as in the reference.

    Raises:
        UnknownNameError: there is no such dimension.

    Example:
        >>> round(normalised("subject_consistency", 0.95), 3)
        0.941
    """
    entry = dimension(name)
    return (score - entry.low) / (entry.high - entry.low)


def totals(scores: Mapping[str, float]) -> Totals:
    """Quality, Semantic and Total from dimension scores (scripts/cal_final_score.py of VBench).

    Quality and Semantic are weighted means of their group's normalised scores, Total is
    `(4 Quality + Semantic) / 5`. Where the reference counts a missing dimension as 0, the totals that it
    belongs to are None here.

    Raises:
        UnknownNameError: a score for a dimension that does not exist.

    Example:
        >>> totals({"subject_consistency": 0.95}).total is None
        True
    """
    for name in scores:
        dimension(name)
    quality, semantic = (_group_mean(scores, group) for group in _GROUPS)
    total = None
    if quality is not None and semantic is not None:
        total = (QUALITY_WEIGHT * quality + SEMANTIC_WEIGHT * semantic) / (QUALITY_WEIGHT + SEMANTIC_WEIGHT)
    missing = tuple(entry.name for entry in DIMENSIONS if entry.name not in scores)
    return Totals(quality=quality, semantic=semantic, total=total, missing=missing)


def total_metrics(names: Collection[str]) -> list[Metric]:
    """The totals of which every dimension is among `names`, as weighted sums of the dimensions' scores.

    The ordinary table's dimension scores are means over videos; where the reference weighs some by their
    frames, that differs for videos of different lengths, and so do these from `totals`.

    Example:
        >>> quality = [entry.name for entry in DIMENSIONS if entry.group == "quality"]
        >>> [metric.name for metric in total_metrics(quality)]
        ['quality']
    """
    return [_total_metric(name) for name in TOTALS if not missing_for(name, names)]


def missing_for(total: str, names: Collection[str]) -> list[str]:
    """The dimensions of a total that are not among `names`.

    Example:
        >>> len(missing_for("quality", ["subject_consistency"]))
        6
    """
    return [entry.name for entry in DIMENSIONS if total in ("total", entry.group) and entry.name not in names]


def _total_metric(total: str) -> Metric:
    weights = {name: slope for name, (slope, _) in _shares(total).items()}
    return Metric(
        name=total,
        title=_TITLES[total],
        unit="fraction",
        group="totals",
        headline=True,
        mean_of=tuple(weights),
        weights=tuple(weights.values()),
        offset=sum(offset for _, offset in _shares(total).values()),
        failed_as=None,
    )


def _shares(total: str) -> dict[str, tuple[float, float]]:
    """By dimension: what its score is multiplied by and what is added, for its share of a total."""
    groups = {"quality": QUALITY_WEIGHT, "semantic": SEMANTIC_WEIGHT}
    if total in groups:
        groups = {total: 1.0}
    shares = {}
    for entry in DIMENSIONS:
        if entry.group in groups:
            in_group = sum(other.weight for other in DIMENSIONS if other.group == entry.group)
            share = groups[entry.group] / sum(groups.values()) * entry.weight / in_group
            slope = share / (entry.high - entry.low)
            shares[entry.name] = slope, -slope * entry.low
    return shares


def dimension_scores(videos: Sequence[VideoScore]) -> dict[str, float]:
    """Each dimension's score: the weighted mean of its videos' scores.

    Raises:
        UnknownNameError: a score for a dimension that does not exist.

    Example:
        >>> dimension_scores([VideoScore("scene", "a beach", 1.0), VideoScore("scene", "a forest", 0.5)])
        {'scene': 0.75}
    """
    sums: dict[str, float] = defaultdict(float)
    weights: dict[str, float] = defaultdict(float)
    for video in videos:
        name = dimension(video.dimension).name
        sums[name] += video.weight * video.value
        weights[name] += video.weight
    return {name: sums[name] / weights[name] for name in sums if weights[name] > 0}


def intervals(
    videos: Sequence[VideoScore], *, seed: int, resamples: int = 2000, confidence: float = 0.95
) -> dict[str, TotalsInterval]:
    """Percentile bootstrap intervals of each dimension's score and of each total that can be given.

    Prompts are resampled, with all their videos and dimensions, within groups of prompts that were scored on
    the same dimensions; so no resample lacks a dimension. A dimension with a single prompt has no interval,
    nor has a total it belongs to.

    Example:
        >>> videos = [VideoScore("scene", f"prompt {number}", number % 2) for number in range(40)]
        >>> found = intervals(videos, seed=0)["scene"]
        >>> found.low < 0.5 < found.high
        True
    """
    import numpy as np

    if not videos:
        return {}
    prompts = sorted({video.prompt for video in videos})
    names = [entry.name for entry in DIMENSIONS if any(video.dimension == entry.name for video in videos)]
    sums, weights = _by_prompt(videos, prompts, names)
    counts = _resampled_counts(weights > 0, resamples=resamples, seed=seed)
    draws = (counts @ sums) / (counts @ weights)
    enough = {name for column, name in enumerate(names) if (weights[:, column] > 0).sum() > 1}
    series = {name: draws[:, column] for column, name in enumerate(names) if name in enough}
    series |= _total_draws(series)
    tail = 50 * (1 - confidence)
    bounds = {name: np.percentile(values, [tail, 100 - tail]) for name, values in series.items()}
    return {name: TotalsInterval(float(low), float(high), confidence) for name, (low, high) in bounds.items()}


def _group_mean(scores: Mapping[str, float], group: str) -> float | None:
    entries = [entry for entry in DIMENSIONS if entry.group == group]
    if any(entry.name not in scores for entry in entries):
        return None
    weighted = sum(entry.weight * normalised(entry.name, scores[entry.name]) for entry in entries)
    return weighted / sum(entry.weight for entry in entries)


def _by_prompt(
    videos: Sequence[VideoScore], prompts: Sequence[str], names: Sequence[str]
) -> tuple[Floats, Floats]:
    """Weighted sums and weights, float64 `(prompts, dimensions)` each."""
    import numpy as np

    rows = {prompt: row for row, prompt in enumerate(prompts)}
    columns = {name: column for column, name in enumerate(names)}
    sums = np.zeros((len(prompts), len(names)))
    weights = np.zeros_like(sums)
    for video in videos:
        at = rows[video.prompt], columns[video.dimension]
        sums[at] += video.weight * video.value
        weights[at] += video.weight
    return sums, weights


def _resampled_counts(scored: NDArray[np.bool_], *, resamples: int, seed: int) -> Floats:
    """How often each prompt is drawn, `(resamples, prompts)`; `scored` is bool `(prompts, dimensions)`."""
    import numpy as np

    generator = np.random.default_rng(seed)
    counts = np.zeros((resamples, len(scored)))
    _, stratum = np.unique(scored, axis=0, return_inverse=True)
    stratum = stratum.reshape(-1)
    for number in range(stratum.max() + 1):
        members = np.flatnonzero(stratum == number)
        drawn = generator.multinomial(len(members), np.full(len(members), 1 / len(members)), size=resamples)
        counts[:, members] = drawn
    return counts


def _total_draws(series: Mapping[str, Floats]) -> dict[str, Floats]:
    import numpy as np

    if not series:
        return {}
    resamples = len(next(iter(series.values())))
    found = [totals({name: float(values[at]) for name, values in series.items()}) for at in range(resamples)]
    return {
        name: np.array([getattr(each, name) for each in found])
        for name in TOTALS
        if getattr(found[0], name) is not None
    }
