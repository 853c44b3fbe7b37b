"""Whether two readers of the same clips agree: the sign of what one shows, looked up in the other."""

from __future__ import annotations

from collections.abc import Iterator

from reports.run_report import BenchmarkReport, RunReport
from reports.text.wording import PairedVerdict, difference_text, verdict
from vtok_eval.results.records import Comparison, Metric, NoTest

_SHOWN = (PairedVerdict.BETTER, PairedVerdict.WORSE)


def reader_agreement(report: RunReport) -> tuple[str, ...]:
    """One sentence for each benchmark that a second reader also read; nothing for the others.

    Such is a benchmark whose entries in the run differ in the option `reader`, and one whose test clips
    another benchmark asks another kind of reader about. What counts is each difference from the baseline that
    the first reader's tests show, contenders and headline metrics of both only; the second reader agrees
    where its difference has the same sign.
    """
    return tuple(
        _sentence(first, second)
        for first in report.benchmarks
        for second in report.benchmarks
        if _reader(first) == "probe" != _reader(second) and _of_the_same_clips(first, second)
    )


def _reader(benchmark: BenchmarkReport) -> str:
    said = benchmark.info.options.get("reader") or benchmark.info.description.get("reader")
    return str(said or "probe")


def _of_the_same_clips(first: BenchmarkReport, second: BenchmarkReport) -> bool:
    """Whether both are one benchmark, or say that their test clips are the same."""
    if first.info.name == second.info.name:
        return True
    clips = _test_clips(first)
    return clips is not None and clips == _test_clips(second)


def _test_clips(benchmark: BenchmarkReport) -> object:
    data = benchmark.info.description.get("data")
    return data.get("test") if isinstance(data, dict) else None


def _sentence(first: BenchmarkReport, second: BenchmarkReport) -> str:
    pairs = list(_pairs(first, second))
    start = f"Second reader ({second.info.title}): "
    if not pairs:
        return f"{start}the probe shows no difference that it could confirm."
    against = [
        f"{first.title_of(own.system)}, {metric.title} ({difference_text(own, metric, interval=False)} and "
        f"{difference_text(other, metric, interval=False)})"
        for metric, own, other in pairs
        if (own.difference or 0.0) * (other.difference or 0.0) <= 0
    ]
    agreed = len(pairs) - len(against)
    if not against:
        return f"{start}the same sign as the probe for all {len(pairs)} differences that the probe shows."
    return (
        f"{start}the same sign as the probe for {agreed} of {len(pairs)} differences that the probe shows; "
        f"not for {'; '.join(against)}."
    )


def _pairs(
    first: BenchmarkReport, second: BenchmarkReport
) -> Iterator[tuple[Metric, Comparison, Comparison]]:
    """What the first reader shows, and what the second says of the same."""
    for system in first.contenders():
        for metric in first.headline:
            cells = (first.cell(system.name, metric.name), second.cell(system.name, metric.name))
            own, other = (cell.comparison if cell else None for cell in cells)
            if own is None or other is None or other.difference is None:
                continue
            if other.no_test is NoTest.NOT_SOUND:
                continue
            if verdict(own, metric) in _SHOWN:
                yield metric, own, other
