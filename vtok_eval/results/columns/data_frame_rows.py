"""Scores and records as the rows of a data frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vtok_eval.results.records import SCORE_NUMBERS, TRUTH

if TYPE_CHECKING:
    from vtok_eval.results.records import Record, Score

SCORE_COLUMNS = (
    "system", "benchmark", "metric", "unit", *SCORE_NUMBERS, "tokens", "bits",
    "headline", "higher_is_better", "sound", "label",
)  # fmt: skip
"""The columns of a table of scores."""


def score_row(score: Score) -> dict[str, object]:
    """A score by column, without what its clips cost.

    Example:
        >>> from vtok_eval.results.columns.example_job import example_job
        >>> from vtok_eval.results.records import Metric
        >>> from vtok_eval.results.statistics.scores import score
        >>> score_row(score(example_job("vtok", [1.0, 0.0]), Metric("hit", "Hit rate")))["value"]
        0.5
    """
    fields = {name: getattr(score, name) for name in SCORE_COLUMNS if hasattr(score, name)}
    metric = score.metric
    return {
        **fields,
        "metric": metric.name,
        "unit": metric.unit,
        "headline": metric.headline,
        "higher_is_better": metric.higher_is_better,
    }


def sample_row(record: Record) -> dict[str, object]:
    """A record by column: a column for each value, output, cost and fact about the sample.

    Example:
        >>> from vtok_eval.results.records import Record, Status
        >>> record = Record("mine/vtok", "vtok", "mine", "a", "a", Status.OK, values={"correct": (1.0, 0.0)})
        >>> row = sample_row(record)
        >>> row["value.correct"], row["value.correct#2"]
        (1.0, 0.0)
    """
    row: dict[str, object] = {
        "system": record.system,
        "sample_id": record.sample_id,
        "cluster": record.cluster,
        "status": str(record.status),
        "reason": record.reason,
    }
    for name, values in record.values.items():
        replicates = values if isinstance(values, list | tuple) else [values]
        row |= {f"value.{name}" if i == 0 else f"value.{name}#{i + 1}": v for i, v in enumerate(replicates)}
    meta = dict(record.meta)
    truth = meta.pop(TRUTH, {})
    parts = (("output", record.outputs), ("cost", record.cost), ("meta", meta), ("truth", truth))
    return row | {f"{part}.{name}": value for part, content in parts for name, value in content.items()}
