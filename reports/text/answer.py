"""The answer of a run in a few sentences that a newcomer understands; the evidence is in `headline`."""

from __future__ import annotations

from collections.abc import Sequence

from reports.run_document import RunSystem
from reports.run_report import BenchmarkReport, RunReport
from reports.text.headline import compared, comparison_of, subjects
from reports.text.wording import PairedVerdict, difference_text, difference_unit, tokens_text, verdict
from vtok_eval.results.records import Comparison, Metric

MOST_SENTENCES = 4
MOST_SYSTEMS = 2
_WORDS = {
    PairedVerdict.BETTER: "better",
    PairedVerdict.WORSE: "worse",
    PairedVerdict.DIFFERENT: "different",
}


def answer(report: RunReport) -> tuple[str, ...]:
    """What the run says of its systems: at most `MOST_SENTENCES` sentences, significant differences first.

    The first benchmark that compares systems gets a sentence for each of the first `MOST_SYSTEMS` with the
    baseline's budget, the others one for all of theirs.
    """
    benchmarks = compared(report)
    if not benchmarks or report.baseline is None:
        return ()
    first, *others = benchmarks
    chosen = subjects(first, report.baseline)[:MOST_SYSTEMS]
    sentences = [_sentence(system, first, report.baseline) for system in chosen]
    sentences += [_in_short(benchmark, report.baseline) for benchmark in others]
    return tuple(sentences[:MOST_SENTENCES])


def _sentence(system: RunSystem, benchmark: BenchmarkReport, baseline: str) -> str:
    tested = _tested(system, benchmark)
    clauses = [
        f"{metric.title} {word} ({difference_text(found, metric)} {difference_unit(metric)})"
        for wanted, word in _WORDS.items()
        for metric, found in tested
        if verdict(found, metric) is wanted
    ]
    rest = [metric.title for metric, found in tested if verdict(found, metric) is PairedVerdict.NOT_SHOWN]
    where = f"{_at(benchmark, system.name)}, {system.title}"
    against = f"{benchmark.title_of(baseline)}{_price(benchmark, baseline)}"
    if not clauses:
        return f"{where} against {against}: no difference shown."
    ending = f"; no difference shown: {', '.join(rest)}" if rest else ""
    return f"{where} against {against}: {', '.join(clauses)}{ending}."


def _in_short(benchmark: BenchmarkReport, baseline: str) -> str:
    """One sentence for all systems of a benchmark: which differ significantly, on what."""
    found = []
    for system in subjects(benchmark, baseline):
        for metric, comparison in _tested(system, benchmark):
            word = _WORDS.get(verdict(comparison, metric))
            if word:
                size = f"{difference_text(comparison, metric)} {difference_unit(metric)}"
                found.append(f"{system.title} {word} ({metric.title} {size})")
    said = ", ".join(found) or "no difference shown"
    return f"{benchmark.info.title}, against {benchmark.title_of(baseline)}: {said}."


def _tested(system: RunSystem, benchmark: BenchmarkReport) -> Sequence[tuple[Metric, Comparison]]:
    every = ((metric, comparison_of(benchmark, system.name, metric)) for metric in benchmark.headline)
    return [(metric, found) for metric, found in every if found is not None]


def _at(benchmark: BenchmarkReport, system: str) -> str:
    price = benchmark.prices.get(system)
    unit = benchmark.unit.value
    return benchmark.info.title if price is None else f"At {tokens_text(price)} {unit} per clip"


def _price(benchmark: BenchmarkReport, system: str) -> str:
    price = benchmark.prices.get(system)
    return "" if price is None else f" ({tokens_text(price)} {benchmark.unit.value})"
