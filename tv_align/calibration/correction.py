"""Question accuracy corrected for the judge's own errors, after Rogan and Gladen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tv_align.calibration.report import Calibration, CategoryRow, Rate
from tv_align.prompts.schema import CATEGORIES
from vtok_eval.results.records import Record, Status

N_DRAWS = 4000
SEED = 20260205
"""Of the resampling: equal records and calibrations give equal intervals."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CorrectedScore:
    """Question accuracy of one category, as judged and corrected.

    category: None if over all of them. judged: the judge's own accuracy. corrected: None where the judge
        is near chance, and `reason` says why.
    low, high: 95 % interval of the corrected value. n: videos, failed ones included, of which n_failed; of
        n_clusters prompts.
    """

    category: str | None
    judged: float
    corrected: float | None
    low: float | None
    high: float | None
    n: int
    n_failed: int
    n_clusters: int
    reason: str = ""


def rogan_gladen(observed: float, *, if_true: float, if_false: float) -> float:
    """The true share behind an observed one (American Journal of Epidemiology 107, 1978), cut at 0 and 1.

    observed: share of positive verdicts. if_true, if_false: that share among what is truly positive
    (sensitivity), and among what is not (1 - specificity).

    Raises:
        ValueError: the two are equal: the verdicts say nothing.
    """
    if if_true == if_false:
        raise ValueError("a judge that says yes as often to what is false as to what is true tells nothing")
    return float(np.clip((observed - if_false) / (if_true - if_false), 0, 1))


def corrected_scores(records: Sequence[Record], calibration: Calibration) -> list[CorrectedScore]:
    """Corrected question accuracy of each category of one job's records of the benchmark `tv-align`, and of
    all together, first: the mean over videos, None where it is None for any category.

    Of the questions that expect yes, the share answered yes is corrected by the judge's rates of saying yes;
    of those that expect no, likewise; the accuracy is their mean, as every prompt has as many of each. A
    failed video is certainly wrong, whatever the judge. Intervals: percentiles over resampled prompts
    (clusters), resampled training seeds where there are several and, independently, judge's rates drawn from
    their Jeffreys posteriors, so that they hold all these errors. Where every prompt is right, or every one
    wrong, resampling would show no variation: there the interval is at least as wide as the exact one of so
    many prompts (Clopper-Pearson).

    It supposes that the judge errs on these videos as it does on the control set.
    """
    by_category: dict[str, list[Record]] = {}
    for record in records:
        by_category.setdefault(str(record.meta["category"]), []).append(record)
    parts = [
        _part(category, by_category[category], calibration)
        for category in CATEGORIES
        if category in by_category
    ]
    return [_overall(parts), *(_corrected(part) for part in parts)]


@dataclass(frozen=True)
class _Part:
    """A category's corrected accuracy, not cut, and draws of it `(N_DRAWS,)`; none if there is a reason."""

    category: str
    judged: float
    n: int
    n_failed: int
    n_clusters: int
    value: float = 0.0
    draws: Floats | None = None
    reason: str = ""


def _part(category: str, records: Sequence[Record], calibration: Calibration) -> _Part:
    failed = sum(record.status is Status.FAILED for record in records)
    clusters = _cluster_sums(records)
    totals = clusters.mean(axis=0).sum(axis=0)
    judged = float((totals[1] + totals[2]) / (2 * totals[3]))
    row = calibration.row(category)
    reason = "the control set has no question of this category" if row is None else row.near_chance
    counts = (category, judged, len(records), failed, clusters.shape[1])
    if row is None or reason:
        return _Part(*counts, reason=reason or "")
    rates = np.array([_share(rate) for rate in _rates(row)])
    rng = np.random.default_rng([SEED, list(CATEGORIES).index(category)])
    return _Part(*counts, value=float(_accuracy(totals, rates)), draws=_draws(clusters, row, rng))


def _corrected(part: _Part) -> CorrectedScore:
    counts = (part.n, part.n_failed, part.n_clusters)
    if part.draws is None:
        return CorrectedScore(part.category, part.judged, None, None, None, *counts, part.reason)
    return CorrectedScore(part.category, part.judged, *_cut(part.value, part.draws, part), *counts)


def _overall(parts: Sequence[_Part]) -> CorrectedScore:
    weights = np.array([part.n for part in parts]) / sum(part.n for part in parts)
    judged = float(weights @ [part.judged for part in parts])
    counts = (
        sum(part.n for part in parts),
        sum(part.n_failed for part in parts),
        sum(part.n_clusters for part in parts),
    )
    draws = [part.draws for part in parts if part.draws is not None]
    if len(draws) < len(parts):
        blank = next(part for part in parts if part.draws is None)
        reason = f"{blank.category}: {blank.reason}"
        return CorrectedScore(None, judged, None, None, None, *counts, reason)
    value = float(weights @ [part.value for part in parts])
    whole = _Part("", judged, *counts)
    return CorrectedScore(None, judged, *_cut(value, weights @ np.stack(draws), whole), *counts)


def _cut(value: float, draws: Floats, part: _Part) -> tuple[float, float, float]:
    """The value and its 95 % interval, cut at 0 and 1."""
    low, high = np.clip(np.quantile(draws, [0.025, 0.975]), 0, 1)
    if part.judged in (0.0, 1.0):
        exact_low, exact_high = Rate(round(part.judged * part.n_clusters), part.n_clusters).interval
        low, high = min(low, exact_low), max(high, exact_high)
    return float(np.clip(value, 0, 1)), float(low), float(high)


def _cluster_sums(records: Sequence[Record]) -> Floats:
    """Sums by replicate and prompt, `(R, C, 4)`: videos judged, their shares of yes- and of no-questions that
    are right, all videos. A failed video counts as failed in every replicate.
    """
    names = sorted({record.cluster for record in records})
    judged = [None if record.status is Status.FAILED else _verdicts(record) for record in records]
    sums = np.zeros((max(len(each) for each in judged if each) if any(judged) else 1, len(names), 4))
    for record, replicates in zip(records, judged, strict=True):
        cluster = names.index(record.cluster)
        sums[:, cluster, 3] += 1
        for replicate, verdicts in enumerate(_repeated(replicates or [], len(sums))):
            row = sums[replicate, cluster]
            row[0] += 1
            for column, answer in ((1, "yes"), (2, "no")):
                asked = [verdict for verdict in verdicts if verdict["expected"] == answer]
                row[column] += sum(verdict["reply"] == answer for verdict in asked) / len(asked)
    return sums


def _verdicts(record: Record) -> list[list[Mapping[str, str]]]:
    """The verdicts on a video's questions for each training seed of what was judged."""
    return [record.outputs["verdicts"], *record.outputs.get("other_seeds", [])]


def _repeated(replicates: list[list[Mapping[str, str]]], count: int) -> list[list[Mapping[str, str]]]:
    """As many replicates as `count`; what has one only is the same in all.

    Raises:
        ValueError: there are several, and another number of them.
    """
    if len(replicates) == 1:
        return replicates * count
    if len(replicates) not in (0, count):
        raise ValueError(f"videos were judged with {len(replicates)} and with {count} training seeds")
    return replicates


def _rates(row: CategoryRow) -> tuple[Rate, Rate, Rate, Rate]:
    return row.yes_if_yes, row.yes_if_no, row.no_if_no, row.no_if_yes


def _share(rate: Rate) -> float:
    return rate.hits / rate.n


def _accuracy(sums: Floats, rates: Floats) -> Floats:
    """Corrected accuracy, not cut, from sums `(..., 4)` and rates `(..., 4)`."""
    judged, yes, no, everything = np.moveaxis(sums, -1, 0)
    yes_if_yes, yes_if_no, no_if_no, no_if_yes = np.moveaxis(rates, -1, 0)
    shown = (yes - judged * yes_if_no) / (yes_if_yes - yes_if_no)
    absent = (no - judged * no_if_yes) / (no_if_no - no_if_yes)
    return np.asarray((shown + absent) / (2 * everything))


def _draws(clusters: Floats, row: CategoryRow, rng: np.random.Generator) -> Floats:
    """Draws `(N_DRAWS,)` of the corrected accuracy: prompts, seeds and the judge's rates drawn anew."""
    replicates, n_clusters, _ = clusters.shape
    chosen = rng.integers(0, n_clusters, size=(N_DRAWS, n_clusters))
    rates = np.stack(
        [rng.beta(rate.hits + 0.5, rate.n - rate.hits + 0.5, size=N_DRAWS) for rate in _rates(row)], axis=1
    )
    sums = np.stack([each[chosen].sum(axis=1) for each in clusters])
    weights = np.full((N_DRAWS, replicates), 1 / replicates)
    if replicates > 1:
        # Resampling R seeds shows (R - 1) / R of their variance; the deviations are stretched to all of it.
        drawn = rng.multinomial(replicates, weights[0], size=N_DRAWS) / replicates
        weights = weights + (drawn - 1 / replicates) * np.sqrt(replicates / (replicates - 1))
    return _accuracy(np.einsum("nr,rnk->nk", weights, sums), rates)
