"""A made-up job, for the examples in the docstrings of statistics."""

from __future__ import annotations

from collections.abc import Sequence

from vtok_eval.results.columns.job_columns import JobColumns, job_columns
from vtok_eval.results.records import Record, Status


def example_job(system: str, hits: Sequence[float]) -> JobColumns:
    """A job with one value of the metric `hit` for each sample, and a cluster for each sample.

    Example:
        >>> example_job("vtok", [1.0, 0.0, 1.0]).values["hit"].ravel().tolist()
        [1.0, 0.0, 1.0]
    """
    return job_columns(
        Record(
            f"b/{system}", system, "b", f"clip {i:03}", f"clip {i:03}", Status.OK, values={"hit": (value,)}
        )
        for i, value in enumerate(hits)
    )
