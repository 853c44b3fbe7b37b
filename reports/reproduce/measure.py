"""Our number for each claim, from gathered runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from reports.families import family
from reports.reproduce.claims import Claim, ClaimKind
from reports.reproduce.conclusion import Conclusion, Measured, judge
from reports.run_document import RunSystem
from reports.run_report import BenchmarkReport, RunReport
from reports.text.wording import (
    corrected_p_text,
    difference_text,
    difference_unit,
    interval_text,
    tokens_text,
    value_text,
)
from vtok_eval.results.records import Metric

BY_LENGTH = "tokens@"
"""Metrics of tokens by clip length: "tokens@16" is counted on clips of 16 frames."""
PAPER_STRIDE = 6


@dataclass(frozen=True)
class ClaimRow:
    """A claim compared with one system of one run, or with nothing.

    value, interval: ours as text. where: the setting it was measured in, as text.
    """

    claim: Claim
    value: str
    interval: str
    where: str
    verdict: Conclusion
    reason: str
    measured: Measured | None = None
    system: str = ""
    run: str = ""


def rows(
    claims: Sequence[Claim], reports: Sequence[RunReport], *, systems: Collection[str] = ()
) -> list[ClaimRow]:
    """Each claim's rows, in the claims' order: every system of every run that it can be compared with.

    systems: names of those to treat as VTok; default: those whose spec or name begins with "vtok".
    Controls are never treated as VTok. A claim that no run measured has one row that says so.
    """
    found = []
    for claim in claims:
        own = [row for report in reports for row in _of_run(claim, report, systems)]
        if not own:
            verdict, reason = judge(claim, None)
            own = [ClaimRow(claim, "", "", "", verdict, reason)]
        found += own
    return found


def stands_for_vtok(system: RunSystem, systems: Collection[str]) -> bool:
    """Whether a system is treated as VTok."""
    if systems:
        return system.name in systems
    return not system.control and (family(system) == "vtok" or system.name.lower().startswith("vtok"))


def _of_run(claim: Claim, report: RunReport, systems: Collection[str]) -> Iterator[ClaimRow]:
    for benchmark in report.benchmarks:
        if benchmark.info.name not in claim.benchmark:
            continue
        for system in benchmark.systems:
            if not stands_for_vtok(system, systems):
                continue
            if claim.kind in (ClaimKind.TOKEN_COUNT, ClaimKind.TOKEN_SHARE):
                yield from _token_rows(claim, report, benchmark, system)
            elif (metric := _metric(claim, benchmark)) is not None:
                yield from _metric_rows(claim, report, benchmark, system, metric)


def _metric(claim: Claim, benchmark: BenchmarkReport) -> Metric | None:
    """The first of the claim's metrics that the benchmark has; its headline metric where it names none."""
    if not claim.metrics:
        return benchmark.headline[0] if benchmark.headline else None
    known = {metric.name: metric for metric in benchmark.metrics}
    return next((known[name] for name in claim.metrics if name in known), None)


def _metric_rows(
    claim: Claim, report: RunReport, benchmark: BenchmarkReport, system: RunSystem, metric: Metric
) -> Iterator[ClaimRow]:
    cell = benchmark.cell(system.name, metric.name)
    if cell is None:
        return
    caveats = tuple(dict.fromkeys((*system.caveats, *benchmark.info.caveats)))
    if claim.kind is ClaimKind.LEVEL:
        score = cell.score
        measured = Measured(
            score.value,
            score.low,
            score.high,
            setting=report.setting,
            caveats=caveats,
            sound=score.sound,
        )
        where = _where(report, benchmark, system, metric=metric, n=score.n)
        yield _row(claim, measured, value_text(score), interval_text(score), where, system, report)
        return
    comparison = cell.comparison
    if comparison is None:
        return
    base = next((s for s in benchmark.systems if s.name == comparison.baseline), None)
    if base is None or not _is_frame_sampling(base):
        return
    measured = Measured(
        comparison.difference,
        comparison.low,
        comparison.high,
        p=comparison.p_corrected,
        setting=report.setting,
        caveats=tuple(dict.fromkeys((*caveats, *base.caveats))),
        no_test=comparison.no_test,
        sound=cell.score.sound,
    )
    value, _, interval = difference_text(comparison, metric).partition(" ")
    where = _where(report, benchmark, system, metric=metric, n=comparison.n, base=base)
    value = f"{value} {difference_unit(metric)}"
    interval = f"{interval}, {corrected_p_text(comparison)}".lstrip(", ")
    yield _row(claim, measured, value, interval, where, system, report)


def _is_frame_sampling(system: RunSystem) -> bool:
    return family(system) == "frames" or system.name.lower().startswith("frames")


def _token_rows(
    claim: Claim, report: RunReport, benchmark: BenchmarkReport, system: RunSystem
) -> Iterator[ClaimRow]:
    """One row: of the longest clips that tokens were counted on."""
    lengths = {
        int(metric.name.removeprefix(BY_LENGTH)): metric
        for metric in benchmark.metrics
        if metric.name.startswith(BY_LENGTH) and metric.name.removeprefix(BY_LENGTH).isdecimal()
    }
    counted = {n: benchmark.cell(system.name, metric.name) for n, metric in lengths.items()}
    known = {n: cell.score for n, cell in counted.items() if cell is not None}
    if not known:
        return
    n_frames = max(known)
    score = known[n_frames]
    expected = _expected(claim, system, n_frames)
    measured = Measured(
        score.value,
        score.low,
        score.high,
        expected=expected,
        setting=report.setting,
        caveats=tuple(dict.fromkeys((*system.caveats, *benchmark.info.caveats))),
    )
    text = f"{tokens_text(score.value)} tokens"
    if expected is not None:
        text += f" against {tokens_text(expected)}"
    where = _where(report, benchmark, system, n=score.n, about=f", clips of {n_frames} frames")
    yield _row(claim, measured, text, "", where, system, report)


def _expected(claim: Claim, system: RunSystem, n_frames: int) -> float | None:
    """S + the later frames that a stride samples, or S times all of those frames; None where not recorded."""
    options = system.description.get("options")
    if not isinstance(options, dict) or not isinstance(options.get("grid"), int):
        return None
    stride = options.get("stride", PAPER_STRIDE)
    if not isinstance(stride, int) or stride < 1:
        return None
    spatial, later = options["grid"] ** 2, (n_frames - 1) // stride
    return float(spatial + later if claim.kind is ClaimKind.TOKEN_COUNT else spatial * (1 + later))


def _where(
    report: RunReport,
    benchmark: BenchmarkReport,
    system: RunSystem,
    *,
    metric: Metric | None = None,
    n: int,
    base: RunSystem | None = None,
    about: str = "",
) -> str:
    """The setting as text: benchmark, metric, systems with their tokens, samples, the run's label."""
    subject = _with_tokens(benchmark, system)
    if base is not None:
        subject += f" minus {_with_tokens(benchmark, base)}"
    what = benchmark.info.title if metric is None else f"{benchmark.info.title}, {metric.title}"
    unfinished = " Unfinished run." if report.unfinished else ""
    return f"{what}: {subject}{about}; n = {n:,}; {report.label}.{unfinished}"


def _with_tokens(benchmark: BenchmarkReport, system: RunSystem) -> str:
    tokens = benchmark.tokens.get(system.name)
    return system.title if tokens is None else f"{system.title} ({tokens_text(tokens)} tokens)"


def _row(
    claim: Claim,
    measured: Measured,
    value: str,
    interval: str,
    where: str,
    system: RunSystem,
    report: RunReport,
) -> ClaimRow:
    verdict, reason = judge(claim, measured)
    return ClaimRow(claim, value, interval, where, verdict, reason, measured, system.name, report.name)
