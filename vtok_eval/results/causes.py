"""Failures by cause: what strikes many samples, or many systems, is said once, with its count."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

_SAMPLE = "this sample"
_NUMBER = re.compile(r"0x[0-9a-fA-F]+|\d+(?:\.\d+)?")
_MOST_ALIKE = 3
"""So many causes of one job may differ by their numbers alone (status 404 and 500); more are one cause."""


class FailedSample(Protocol):
    """A sample that failed, as records and reports know it.

    Example:
        >>> from vtok_eval.results.columns.run_columns import Failure
        >>> failed: FailedSample = Failure("mine", "scenes", "clip 1", "encode raised ValueError")
    """

    @property
    def benchmark(self) -> str:
        """The benchmark's id."""
        ...

    @property
    def system(self) -> str:
        """The system's name."""
        ...

    @property
    def sample_id(self) -> str:
        """The sample's id."""
        ...

    @property
    def reason(self) -> str | None:
        """Why it failed."""
        ...


class JobNotRun(Protocol):
    """A job that could not be run.

    Example:
        >>> from vtok_eval.run.plan import NotRun
        >>> missing: JobNotRun = NotRun("mine", "vbench", "needs vbench")
    """

    @property
    def benchmark(self) -> str:
        """The benchmark's id."""
        ...

    @property
    def system(self) -> str:
        """The system's name."""
        ...

    @property
    def reason(self) -> str:
        """Why, in one line."""
        ...


@dataclass(frozen=True)
class FailureCause:
    """Samples of one job that failed for one reason.

    reason: of the first of them, which is `example`; the samples' own ids in it do not part causes, nor do
        numbers where they would make more than a few.

    Example:
        >>> FailureCause("scenes", "mine", "encode raised ValueError", count=800, example="clip 1").text
        'scenes/mine, 800 samples (the first: clip 1): encode raised ValueError'
    """

    benchmark: str
    system: str
    reason: str
    count: int
    example: str

    @property
    def text(self) -> str:
        """In one line, e.g. "scenes/mine, 800 samples (the first: a): encode raised ..."."""
        which = self.example if self.count == 1 else f"{self.count:,} samples (the first: {self.example})"
        return f"{self.benchmark}/{self.system}, {which}: {self.reason}"


def failure_causes(failures: Iterable[FailedSample]) -> list[FailureCause]:
    """The causes of failures, in the order in which they first occur.

    Example:
        >>> from vtok_eval.results.columns.run_columns import Failure
        >>> failed = [Failure("mine", "scenes", name, f"{name}: T must be 1+4k") for name in ("a", "b")]
        >>> [cause.text for cause in failure_causes(failed)]
        ['scenes/mine, 2 samples (the first: a): a: T must be 1+4k']
    """
    found: dict[tuple[str, str, str], list[FailedSample]] = {}
    for failure in failures:
        found.setdefault((failure.benchmark, failure.system, _common(failure)), []).append(failure)
    found = _without_numbers(found)
    return [
        FailureCause(benchmark, system, members[0].reason or "", len(members), members[0].sample_id)
        for (benchmark, system, _), members in found.items()
    ]


def not_run_lines(entries: Iterable[JobNotRun]) -> list[str]:
    """A line for each reason: which systems it keeps from which benchmarks.

    Example:
        >>> from vtok_eval.run.plan import NotRun
        >>> lines = not_run_lines(NotRun(system, "vbench", "needs vbench") for system in ("a", "b"))
        >>> lines
        ['vbench on a, b: needs vbench']
    """
    systems: dict[tuple[str, str], list[str]] = {}
    for entry in entries:
        systems.setdefault((entry.benchmark, entry.reason), []).append(entry.system)
    benchmarks: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (benchmark, reason), names in systems.items():
        benchmarks.setdefault((reason, tuple(names)), []).append(benchmark)
    return [f"{', '.join(ids)} on {_listed(names)}: {reason}" for (reason, names), ids in benchmarks.items()]


def _without_numbers(
    found: Mapping[tuple[str, str, str], list[FailedSample]],
) -> dict[tuple[str, str, str], list[FailedSample]]:
    """The causes, those of a job as one where many of them differ by their numbers alone."""
    masked = {key: (*key[:2], _NUMBER.sub("#", key[2])) for key in found}
    alike = Counter(masked.values())
    joined: dict[tuple[str, str, str], list[FailedSample]] = {}
    for key, members in found.items():
        joined.setdefault(masked[key] if alike[masked[key]] > _MOST_ALIKE else key, []).extend(members)
    return joined


def _common(failure: FailedSample) -> str:
    """The reason without the sample's own id, where that occurs in it as a word."""
    reason = failure.reason or ""
    if failure.sample_id not in reason:
        return reason
    return re.sub(rf"(?<!\w){re.escape(failure.sample_id)}(?!\w)", _SAMPLE, reason)


def _listed(names: Sequence[str], *, most: int = 6) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
