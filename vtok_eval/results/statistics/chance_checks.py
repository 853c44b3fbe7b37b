"""Whether systems that give no tokens stay at chance: whether answers can be guessed without the clip."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vtok_eval.results.columns.job_columns import JobColumns
from vtok_eval.results.records import Metric
from vtok_eval.results.self_checks import CheckKind, CheckOutcome, SelfCheck
from vtok_eval.results.statistics.checking import ALPHA, SEED, checked_metrics, is_trained
from vtok_eval.results.statistics.quantities import score_quantity, spreads_of
from vtok_eval.results.statistics.quantity_intervals import quantity_intervals


def chance_checks(jobs: Iterable[JobColumns], metrics: Sequence[Metric]) -> list[SelfCheck]:
    """Whether systems that give no tokens score no better than chance, metric by metric.

    Where they do, the answers can be guessed without the clip: from how often each is right, or from what is
    asked. Checks the metrics of `checked_metrics` that have a chance level, each at 0.05 divided by their
    number.

    jobs: of such systems, with trained readers.

    Example:
        >>> chance_checks([], [Metric("path", "Path", chance=1 / 3)])
        []
    """
    checked = [metric for metric in checked_metrics(metrics) if metric.chance is not None]
    trained = [job for job in jobs if is_trained(job)]
    asked = [(job, metric) for job in trained for metric in checked]
    spreads = {metric.name: spreads_of(trained, metric, metrics) for metric in checked}
    quantities = [score_quantity(job, metric, metrics, spreads[metric.name]) for job, metric in asked]
    confidence = 1 - 2 * ALPHA / max(1, len(checked))  # two-sided, and only the lower end counts
    intervals = quantity_intervals(quantities, confidence=confidence, seed=SEED, difference=False)
    found = []
    for (job, metric), quantity, interval in zip(asked, quantities, intervals, strict=True):
        if quantity.sums is None or interval.low is None or metric.chance is None:
            continue
        above = interval.low > metric.chance
        value = quantity.sums.value()
        found.append(
            SelfCheck(
                kind=CheckKind.CHANCE,
                benchmark=job.benchmark,
                outcome=CheckOutcome.VIOLATED if above else CheckOutcome.PASSED,
                systems=(job.system,),
                metric=metric.name,
                group=metric.group,
                detail=f"{metric.title}: {value:.3f} without tokens, chance is {metric.chance:.3f}",
                values={"value": value, "low": interval.low, "chance": metric.chance},
            )
        )
    return found
