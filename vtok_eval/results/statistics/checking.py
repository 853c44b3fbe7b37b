"""Makes the checks of a run: a pure function of its records and of what it says of tokens and training."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from vtok_eval.results.columns.job_columns import JobColumns
from vtok_eval.results.records import Metric, NoTest
from vtok_eval.results.self_checks import (
    CheckKind,
    CheckOutcome,
    ConvergenceFacts,
    Relation,
    SelfCheck,
    TokenRelation,
)
from vtok_eval.results.statistics.difference_tests import quantity_p_values
from vtok_eval.results.statistics.quantities import difference_quantity, spreads_of
from vtok_eval.results.statistics.quantity_intervals import quantity_intervals
from vtok_eval.results.statistics.sample_table import material

ALPHA = 0.05
SEED = 20260206
"""Of the subset check's resampling."""

MARGIN = 0.01
"""How much less than kernel ridge a probe may score: tokens that say nothing leave both at chance."""


def subset_checks(
    jobs: Mapping[str, JobColumns], metrics: Sequence[Metric], relations: Sequence[TokenRelation]
) -> list[SelfCheck]:
    """For every declared pair and group of metrics: does the larger set of tokens read significantly less?

    Checks each group's headline metrics, or its first metric if it has none. One test per pair and metric,
    corrected over all of them as comparisons are; if a reader was trained with one seed, there is no test,
    and the interval over clips must include 0 or be above it. Only systems with a trained reader are checked.
    jobs: of one benchmark, by system.

    Example:
        >>> from vtok_eval.results.columns.example_job import example_job
        >>> jobs = {name: example_job(name, [1.0, 0.0]) for name in ("frames-1", "frames-2")}
        >>> contains = TokenRelation("frames-2", "frames-1")
        >>> subset_checks(jobs, [Metric("hit", "Hit rate")], [contains])  # nothing was trained
        []
    """
    pairs = [
        (jobs[pair.larger], jobs[pair.smaller])
        for pair in relations
        if pair.relation is Relation.CONTAINS and pair.larger in jobs and pair.smaller in jobs
    ]
    pairs = [(a, b) for a, b in pairs if is_trained(a) and is_trained(b)]
    checked = checked_metrics(metrics)
    if not pairs or not checked:
        return []
    spreads = {metric.name: spreads_of(list(jobs.values()), metric, metrics) for metric in checked}
    asked = [
        (a.system, b.system, difference_quantity(a, b, metric, metrics, spreads[metric.name]))
        for a, b in pairs
        for metric in checked
    ]
    quantities = [quantity for _, _, quantity in asked]
    tests = quantity_p_values(quantities, seed=SEED)
    intervals = quantity_intervals(quantities, confidence=1 - ALPHA, seed=SEED, difference=True)
    found = []
    for (larger, smaller, quantity), test, interval in zip(asked, tests, intervals, strict=True):
        if quantity.sums is None:
            continue
        sign = 1.0 if quantity.metric.higher_is_better else -1.0
        low, high = interval.low, interval.high
        clear = low is not None and high is not None and (high < 0 if sign > 0 else low > 0)
        difference = quantity.sums.value()
        less = sign * difference < 0 and (clear if test.corrected is None else test.corrected < ALPHA)
        bounds = {"low": low, "high": high, "p_corrected": test.corrected}
        found.append(
            SelfCheck(
                kind=CheckKind.SUBSET,
                benchmark=jobs[larger].benchmark,
                outcome=CheckOutcome.VIOLATED if less else CheckOutcome.PASSED,
                systems=(larger, smaller),
                metric=quantity.metric.name,
                group=quantity.metric.group,
                detail=_subset_text(larger, smaller, less=less, one_seed=quantity.no_test is NoTest.ONE_SEED),
                values={
                    "difference": difference,
                    **{name: value for name, value in bounds.items() if value is not None},
                },
            )
        )
    return found


def checked_metrics(metrics: Sequence[Metric]) -> list[Metric]:
    """Of each group the headline metrics, or the first where none is; without those of no better end.

    Example:
        >>> a, b = Metric("a", "A", group="g"), Metric("b", "B", group="g", headline=True)
        >>> [metric.name for metric in checked_metrics([a, b, Metric("c", "C")])]
        ['b', 'c']
    """
    usable = [m for m in metrics if m.higher_is_better is not None and not m.derived]
    found = []
    for group in dict.fromkeys(metric.group for metric in usable):
        own = [metric for metric in usable if metric.group == group]
        found += [metric for metric in own if metric.headline] or own[:1]
    return found


def is_trained(job: JobColumns) -> bool:
    """Whether a reader was trained for the job.

    Example:
        >>> from vtok_eval.results.columns.job_columns import SampleSet
        >>> samples = SampleSet(("a",), ("a",), np.zeros(1, dtype=np.intp))
        >>> is_trained(JobColumns("vtok", "scenes", samples, np.zeros(1, dtype=bool), {}, training_seeds=1))
        True
    """
    return job.training_seeds > 0 or any(matrix.shape[1] > 1 for matrix in job.values.values())


def _subset_text(larger: str, smaller: str, *, less: bool, one_seed: bool) -> str:
    doubt = " (one training seed: judged by the interval over clips)" if one_seed else ""
    if less:
        return f"{larger} reads less than {smaller}, whose tokens it contains: the reader misses some{doubt}"
    return f"{larger} reads no less than {smaller}, whose tokens it contains{doubt}"


def same_token_checks(
    jobs: Mapping[str, JobColumns], metrics: Sequence[Metric], relations: Sequence[TokenRelation]
) -> list[SelfCheck]:
    """Whether systems with the same tokens have the same values, sample by sample.

    Measurements of time and memory are left out: only fractions must agree.

    Example:
        >>> from vtok_eval.results.columns.example_job import example_job
        >>> jobs = {name: example_job(name, [1.0, 0.0]) for name in ("frames-1", "keyframe")}
        >>> same = TokenRelation("frames-1", "keyframe", Relation.SAME)
        >>> [check] = same_token_checks(jobs, [Metric("hit", "Hit rate")], [same])
        >>> check.detail
        'agree to the last digit'
    """
    found = []
    for pair in relations:
        if pair.relation is not Relation.SAME or pair.larger not in jobs or pair.smaller not in jobs:
            continue
        a, b = jobs[pair.larger], jobs[pair.smaller]
        measured = [m for m in metrics if m.unit == "fraction" and not m.mean_of and not m.derived]
        differing = [metric.name for metric in measured if not _same_values(a, b, metric, metrics)]
        if not measured:
            continue
        found.append(
            SelfCheck(
                kind=CheckKind.SAME_TOKENS,
                benchmark=a.benchmark,
                outcome=CheckOutcome.VIOLATED if differing else CheckOutcome.PASSED,
                systems=(pair.larger, pair.smaller),
                detail=f"differ in {', '.join(differing)}" if differing else "agree to the last digit",
                values={"metrics": float(len(measured)), "differing": float(len(differing))},
            )
        )
    return found


def _same_values(a: JobColumns, b: JobColumns, metric: Metric, metrics: Sequence[Metric]) -> bool:
    if a.samples.ids != b.samples.ids:
        return False
    left, right = material(a, metric, metrics), material(b, metric, metrics)
    return bool(
        left.values.shape == right.values.shape
        and np.array_equal(left.values, right.values)
        and np.array_equal(left.present, right.present)
    )


def convergence_check(benchmark: str, system: str, facts: ConvergenceFacts | None) -> SelfCheck:
    """Whether a job's reader was trained far enough: it must beat kernel ridge on the validation clips.

    Ridge regression has one solution and needs no steps; a probe, or another trained reader, that reads less
    than it, by more than `MARGIN`, has not converged.

    Example:
        >>> facts = {"steps": 250, "validation_score": [0.7, 0.8], "ridge_validation_score": 0.6}
        >>> convergence_check("scenes", "vtok", facts).detail
        'the probe scores 0.750 on the validation clips, kernel ridge 0.600; 250 steps'
    """
    about = {"kind": CheckKind.CONVERGENCE, "benchmark": benchmark, "systems": (system,)}
    scores = (facts or {}).get("validation_score") or []
    if facts is None or not scores:
        return SelfCheck(**about, outcome=CheckOutcome.NOT_CHECKED, detail="no record of the training")  # type: ignore[arg-type]
    values = {"validation_score": float(np.mean(scores)), "steps": float(facts.get("steps") or 0)}
    for name in ("training_loss", "validation_loss"):
        by_seed = facts.get(name)
        if isinstance(by_seed, list) and by_seed:
            values[name] = float(np.mean(by_seed))
    said = f"{values['steps']:.0f} steps"
    if {"training_loss", "validation_loss"} <= values.keys():
        said += (
            f", loss {values['training_loss']:.3f} in training, {values['validation_loss']:.3f} in validation"
        )
    ridge = facts.get("ridge_validation_score")
    reader = (facts or {}).get("reader", "the probe")
    score = f"{reader} scores {values['validation_score']:.3f} on the validation clips"
    if ridge is None:
        outcome, detail = CheckOutcome.NOT_CHECKED, f"{score}, with no kernel ridge to compare with; {said}"
    else:
        values["ridge_validation_score"] = ridge
        beats = values["validation_score"] > ridge - MARGIN
        outcome = CheckOutcome.PASSED if beats else CheckOutcome.VIOLATED
        detail = f"{score}, kernel ridge {ridge:.3f}; {said}"
    return SelfCheck(**about, outcome=outcome, detail=detail, values=values)  # type: ignore[arg-type]


def photo_checks(
    jobs: Mapping[str, JobColumns],
    metrics: Sequence[Metric],
    *,
    baseline: str,
    photos: Mapping[str, str],
) -> Iterator[SelfCheck]:
    """The sign of each headline difference from the baseline on the clips of each photo.

    photos: sample id -> the photo behind the clip. Nothing is checked with fewer than two photos.

    Example:
        >>> from vtok_eval.results.columns.example_job import example_job
        >>> jobs = {"vtok": example_job("vtok", [1.0, 1.0]), "frames-2": example_job("frames-2", [0.0, 1.0])}
        >>> photos = {"clip 000": "coffee", "clip 001": "rocket"}
        >>> hit = Metric("hit", "Hit rate", headline=True)
        >>> [check] = photo_checks(jobs, [hit], baseline="frames-2", photos=photos)
        >>> check.detail
        'difference by photo: coffee +1.000, rocket +0.000'
    """
    if len(set(photos.values())) < 2 or baseline not in jobs:
        return
    places = {name: {i for i in photos if photos[i] == name} for name in sorted(set(photos.values()))}
    headline = [m for m in metrics if m.headline and m.higher_is_better is not None and not m.derived]
    for system, job in jobs.items():
        for metric in headline if system != baseline else ():
            by_photo = {
                name: difference
                for name, clips in places.items()
                if (difference := _difference_on(job, jobs[baseline], metric, metrics, clips)) is not None
            }
            if len(by_photo) < 2:
                continue
            signs = {float(np.sign(difference)) for difference in by_photo.values()}
            text = ", ".join(f"{name} {difference:+.3f}" for name, difference in by_photo.items())
            yield SelfCheck(
                kind=CheckKind.PHOTOS,
                benchmark=job.benchmark,
                outcome=CheckOutcome.PASSED if len(signs) == 1 else CheckOutcome.MIXED,
                systems=(system, baseline),
                metric=metric.name,
                group=metric.group,
                detail=f"difference by photo: {text}",
                values=by_photo,
            )


def _difference_on(
    a: JobColumns, b: JobColumns, metric: Metric, metrics: Sequence[Metric], samples: Collection[str]
) -> float | None:
    """The difference over these samples; None where a component has none of them."""
    scores = []
    for job in (a, b):
        rows = np.array([i for i, name in enumerate(job.samples.ids) if name in samples], dtype=np.intp)
        chosen = material(job, metric, metrics).taken(rows)
        if not chosen.whole:
            return None
        sums = chosen.values.mean(axis=2).sum(axis=1)
        scores.append(float((sums / chosen.present.sum(axis=1)).mean()))
    return float(f"{scores[0] - scores[1]:.12g}")
