"""Question accuracy corrected for the judge's own errors, after Rogan and Gladen."""

from __future__ import annotations

from collections.abc import Sequence
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

    judged: as the judge has it. corrected: None where the judge is near chance, and `reason` says why.
    low, high: 95 % interval of the corrected value. n: videos, failed ones included, of which n_failed.
    """

    category: str
    judged: float
    corrected: float | None
    low: float | None
    high: float | None
    n: int
    n_failed: int
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
    """Corrected question accuracy of each category of one job's records of the benchmark `tv-align`.

    Of the questions that expect yes, the share answered yes is corrected by the judge's rates of saying yes;
    of those that expect no, likewise; the accuracy is their mean, as every prompt has as many of each. A
    failed video is wrong for certain, whatever the judge. Intervals: percentiles over resampled prompts
    (clusters)
    and, independently, judge's rates drawn from their Jeffreys posteriors, so that they hold both errors.

    It supposes that the judge errs on these videos as it does on the control set.
    """
    by_category: dict[str, list[Record]] = {}
    for record in records:
        by_category.setdefault(str(record.meta["category"]), []).append(record)
    return [
        _correct(category, by_category[category], calibration)
        for category in CATEGORIES
        if category in by_category
    ]


def _correct(category: str, records: Sequence[Record], calibration: Calibration) -> CorrectedScore:
    failed = sum(record.status is Status.FAILED for record in records)
    clusters = _cluster_sums(records)
    totals = clusters.sum(axis=0)
    judged = float((totals[1] + totals[2]) / (2 * totals[3]))
    row = calibration.row(category)
    reason = "the control set has no question of this category" if row is None else row.near_chance
    if row is None or reason:
        return CorrectedScore(category, judged, None, None, None, len(records), failed, reason or "")
    rates = np.array([_share(rate) for rate in _rates(row)])
    value = float(np.clip(_accuracy(totals, rates), 0, 1))
    draws = _draws(clusters, row)
    low, high = np.clip(np.quantile(draws, [0.025, 0.975]), 0, 1)
    return CorrectedScore(category, judged, value, float(low), float(high), len(records), failed)


def _cluster_sums(records: Sequence[Record]) -> Floats:
    """`(C, 4)`: by prompt, videos judged, their shares of yes- and of no-questions right, all videos."""
    names = sorted({record.cluster for record in records})
    sums = np.zeros((len(names), 4))
    for record in records:
        row = sums[names.index(record.cluster)]
        row[3] += 1
        if record.status is Status.FAILED:
            continue
        verdicts = record.outputs["verdicts"]
        row[0] += 1
        for column, answer in ((1, "yes"), (2, "no")):
            asked = [verdict for verdict in verdicts if verdict["expected"] == answer]
            row[column] += sum(verdict["reply"] == answer for verdict in asked) / len(asked)
    return sums


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


def _draws(clusters: Floats, row: CategoryRow) -> Floats:
    rng = np.random.default_rng(SEED)
    chosen = rng.integers(0, len(clusters), size=(N_DRAWS, len(clusters)))
    rates = np.stack(
        [rng.beta(rate.hits + 0.5, rate.n - rate.hits + 0.5, size=N_DRAWS) for rate in _rates(row)], axis=1
    )
    return _accuracy(clusters[chosen].sum(axis=1), rates)
