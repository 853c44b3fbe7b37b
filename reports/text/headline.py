"""The finding of a run in sentences, made from its comparisons and from nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from reports.run_document import RunSystem
from reports.run_report import BenchmarkReport, RunReport
from reports.text.agreement import reader_agreement
from reports.text.wording import (
    PairedVerdict,
    corrected_p_text,
    difference_text,
    difference_unit,
    percent,
    testable,
    tokens_text,
    verdict,
)
from vtok_eval.results.records import Comparison, Metric

MOST_BENCHMARKS = 6
"""More would be too long to read; the tables have them all."""


def headline(report: RunReport) -> tuple[str, ...]:
    """What was found: one sentence per benchmark and system, each over all headline metrics, in their order.

    The systems and their order do not depend on the numbers: the benchmarks in the suite's order; for each,
    the contenders with the baseline's token budget, in the suite's order, or the first compared contender if
    none has it. A difference that is not shown is reported as not shown. The last sentence is whether a
    second reader agrees, where a benchmark has one.
    """
    benchmarks = compared(report)
    if not benchmarks or report.baseline is None:
        return (_nothing_compared(report),)
    about = _names(benchmarks)
    sentences = [
        about[benchmark.info.id] + _sentence(system, benchmark, baseline=report.baseline)
        for benchmark in benchmarks[:MOST_BENCHMARKS]
        for system in subjects(benchmark, report.baseline)
    ]
    if left := [benchmark.info.title for benchmark in benchmarks[MOST_BENCHMARKS:]]:
        sentences.append(f"Compared in the tables only: {', '.join(left)}.")
    return (*sentences, *reader_agreement(report))


def compared(report: RunReport) -> tuple[BenchmarkReport, ...]:
    """The benchmarks that the headline is about: those that compare contenders on quality."""
    return tuple(benchmark for benchmark in report.benchmarks if _compares(benchmark))


def _names(benchmarks: Sequence[BenchmarkReport]) -> dict[str, str]:
    """What is said before a sentence about each benchmark, by id; nothing where there is only one."""
    return {b.info.id: f"{b.info.title}: " if len(benchmarks) > 1 else "" for b in benchmarks}


def _compares(benchmark: BenchmarkReport) -> bool:
    return any(
        metric.unit == "fraction" and comparison_of(benchmark, system.name, metric) is not None
        for system in benchmark.contenders()
        for metric in benchmark.headline
    )


def _nothing_compared(report: RunReport) -> str:
    if not report.benchmarks:
        return "Nothing is scored yet, so nothing was found."
    if report.baseline is None:
        return "No baseline was named, so no system was compared with another."
    return f"No other system was compared with the baseline {report.baseline}."


def subjects(benchmark: BenchmarkReport, baseline: str) -> list[RunSystem]:
    """The contenders that sentences are about: those with the baseline's token budget, else the first."""
    tested = [
        system
        for system in benchmark.contenders()
        if any(comparison_of(benchmark, system.name, metric) for metric in benchmark.headline)
    ]
    equal = {system.name for system in benchmark.at_budget_of(baseline)}
    return [system for system in tested if system.name in equal] or tested[:1]


def _sentence(system: RunSystem, benchmark: BenchmarkReport, *, baseline: str) -> str:
    tested = [(metric, comparison_of(benchmark, system.name, metric)) for metric in benchmark.headline]
    clauses = [
        _clause(comparison, metric, discriminates=benchmark.discriminates(metric.name))
        for metric, comparison in tested
        if comparison is not None
    ]
    budget = _budget(benchmark, system.name, baseline)
    return f"{system.title} against {benchmark.title_of(baseline)}{budget}: {'; '.join(clauses)}."


def _clause(comparison: Comparison, metric: Metric, *, discriminates: bool) -> str:
    """One metric's finding, e.g. "temporal 23.0 points better [+19.0, +27.0], p < 0.001"."""
    number, _, interval = difference_text(comparison, metric).partition(" ")
    unit = difference_unit(metric)
    p = corrected_p_text(comparison)
    evidence = f"{interval}, {p}" if interval else p
    doubt = "" if discriminates else " (a metric that does not discriminate in this run)"
    size = f"{number.lstrip('+−')} {unit}"
    match verdict(comparison, metric):
        case PairedVerdict.BETTER:
            return f"{metric.title} {size} better {evidence}{doubt}"
        case PairedVerdict.WORSE:
            return f"{metric.title} {size} worse {evidence}{doubt}"
        case PairedVerdict.DIFFERENT:
            return f"{metric.title} different by {number} {unit} {evidence}{doubt}"
        case _ if comparison.no_test is not None:
            return f"{metric.title}: not tested, {number} {unit} {evidence}{doubt}"
        case _:
            return f"{metric.title}: no difference shown, {number} {unit} {evidence}{doubt}"


def how_to_read(report: RunReport) -> str:
    """What the sentences' brackets and p-values are; empty where nothing was compared."""
    benchmarks = compared(report)
    if not benchmarks:
        return ""
    about = _names(benchmarks)
    tests = {benchmark.info.id: _tested_first(benchmark) for benchmark in benchmarks[:MOST_BENCHMARKS]}
    levels = sorted({comparison.confidence for comparison in tests.values()})
    corrections = sorted({comparison.correction.value for comparison in tests.values()})
    said = [about[name] + comparison.test for name, comparison in tests.items()]
    return (
        f"In brackets: {' and '.join(map(percent, levels))} intervals of the paired difference. p: of the "
        f"paired test, corrected ({' and '.join(corrections)}) over systems and metrics of a benchmark. "
        f"Test: {'. '.join(said)}."
    )


def _tested_first(benchmark: BenchmarkReport) -> Comparison:
    """A comparison that says how the benchmark's differences are tested: one with a p, if there is any."""
    found = [cell.comparison for cell in benchmark.cells.values() if cell.comparison]
    return next((comparison for comparison in found if comparison.no_test is None), found[0])


def _budget(benchmark: BenchmarkReport, system: str, baseline: str) -> str:
    ours, theirs = benchmark.prices.get(system), benchmark.prices.get(baseline)
    if ours is None or theirs is None:
        return ""
    equal = system in {entry.name for entry in benchmark.at_budget_of(baseline)}
    unequal = "" if equal else " (not an equal budget)"
    return f", at {tokens_text(ours)} against {tokens_text(theirs)} {benchmark.unit.per_clip}{unequal}"


def comparison_of(benchmark: BenchmarkReport, system: str, metric: Metric) -> Comparison | None:
    """The system's comparison with the baseline, if a test could have shown a difference."""
    cell = benchmark.cell(system, metric.name)
    if cell is None or cell.comparison is None or not testable(cell.comparison):
        return None
    return cell.comparison
