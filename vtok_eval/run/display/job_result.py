"""What came of one job, in a line: its headline values, and what failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vtok_eval.results.causes import FailureCause, failure_causes
from vtok_eval.results.records import Metric, Record, Status
from vtok_eval.run.display.state import duration

MOST_VALUES = 4
MOST_REASON = 160


@dataclass(frozen=True)
class JobResult:
    """What came of a job. values: its headline values as text; n_samples: all of its samples.

    Example:
        >>> JobResult("motion 71.2 %", 800).text(12.3)
        'motion 71.2 % (800 samples, 12 s)'
    """

    values: str
    n_samples: int
    causes: Sequence[FailureCause] = ()

    @property
    def n_failed(self) -> int:
        """Samples that failed."""
        return sum(cause.count for cause in self.causes)

    def text(self, seconds: float) -> str:
        """In one line, with the seconds that it took."""
        failed = "all" if self.n_failed == self.n_samples else f"{self.n_failed:,}"
        parts = [f"{self.n_samples:,} sample{'' if self.n_samples == 1 else 's'}"]
        parts += [f"{failed} failed"] if self.causes else []
        line = f"{self.values or 'no value'} ({', '.join([*parts, duration(seconds)])})"
        if not self.causes:
            return line
        largest = max(self.causes, key=lambda cause: cause.count)
        reason = shortened(largest.reason)
        others = len(self.causes) - 1
        more = f" (and {others} more reason{'' if others == 1 else 's'})" if others else ""
        return f"{line}: {largest.count:,} x {reason}{more}"


def shortened(reason: str) -> str:
    """A reason as a job's line has it: its first words; the whole of it follows at the end of the run.

    Example:
        >>> shortened("no decoder was trained for it"), len(shortened("word " * 100)) < 200
        ('no decoder was trained for it', True)
    """
    return reason if len(reason) <= MOST_REASON else f"{reason[:MOST_REASON].rsplit(' ', 1)[0]} ..."


def job_result(records: Sequence[Record], metrics: Sequence[Metric]) -> JobResult:
    """The result of a job from its records: the values that its scores will have, without their intervals."""
    failed = [record for record in records if record.status is Status.FAILED]
    values = _values(records, metrics) if len(failed) < len(records) else ""
    return JobResult(values, len(records), tuple(failure_causes(failed)))


def _values(records: Sequence[Record], metrics: Sequence[Metric]) -> str:
    from vtok_eval.results.columns.job_columns import job_columns
    from vtok_eval.results.statistics.sample_table import value_of

    columns = job_columns(records)
    measured = [metric for metric in metrics if not metric.derived]
    shown = [metric for metric in measured if metric.headline] or measured
    found = [
        _text(metric, value) for metric in shown if (value := value_of(columns, metric, metrics)) is not None
    ]
    more = len(found) - MOST_VALUES
    return "; ".join([*found[:MOST_VALUES], *([f"{more} more"] if more > 0 else [])])


def _text(metric: Metric, value: float) -> str:
    title = f"{metric.title}:" if "," in metric.title else metric.title
    if metric.unit == "fraction":
        return f"{title} {100 * value:.1f} %"
    unit = "" if metric.unit.casefold() in title.casefold() else metric.unit
    return f"{title} {value:.4g} {unit}".rstrip()
