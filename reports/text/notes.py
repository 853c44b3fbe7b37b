"""Notes that must accompany the numbers: whether the run is finished, and how its tables are read."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence

from reports.comparable import limit_of
from reports.run_report import BenchmarkReport, RunReport
from reports.text.wording import (
    BEST_EXPLAINED,
    CONTROL_EXPLAINED,
    INFINITE_EXPLAINED,
    LEAST_CLUSTERS,
    MARKS_EXPLAINED,
    NOT_DISCRIMINATING_EXPLAINED,
    NOT_SOUND_EXPLAINED,
    RESERVED,
    SECOND_EXPLAINED,
    difference_unit,
    limit_text,
    percent,
    shown,
    testable,
)
from vtok_eval.results.causes import failure_causes, not_run_lines
from vtok_eval.results.description import Caveat
from vtok_eval.results.records import NoTest, Score
from vtok_eval.results.self_checks import CheckKind, CheckOutcome, SelfCheck

MOST_CAUSES = 5
"""Reasons that struck several samples and are said above the tables; the page lists all."""


def status_notes(report: RunReport) -> tuple[str, ...]:
    """What keeps the numbers from being final or whole, each as a sentence; empty where nothing does."""
    notes = [f"Unfinished run: {reason}." for reason in report.unfinished]
    notes += [f"{sentence}." for sentence in report.apart]
    limits = {info.id: limit_of(info, report.run) for info in report.described}
    for limit in dict.fromkeys(limit for limit in limits.values() if limit is not None):
        ids = ", ".join(name for name, own in limits.items() if own == limit)
        notes.append(
            f"Smoke test (limited to {limit_text(limit)}): {ids}. The numbers show that it runs, not how "
            "good anything is."
        )
    if report.failed:
        several = "samples" if len(report.failed) > 1 else "sample"
        causes = failure_causes(report.failed)
        notes.append(f"{len(report.failed):,} {several} failed; their reasons are listed in report.html.")
        notes += [f"Failed: {cause.text}." for cause in causes if cause.count > 1][:MOST_CAUSES]
    notes += self_check_notes(report.self_checks)
    notes += [f"Not run: {line}" for line in not_run_lines(report.not_run)]
    return tuple(notes)


def table_notes(benchmark: BenchmarkReport, *, baseline: str | None) -> tuple[str, ...]:
    """How this benchmark's tables are read; only what occurs in them is explained."""
    return tuple(_table_notes(benchmark, baseline=baseline))


def _table_notes(benchmark: BenchmarkReport, *, baseline: str | None) -> Iterator[str]:
    cells = benchmark.cells.values()
    scores = [cell.score for cell in cells]
    confidences = sorted({score.confidence for score in scores})
    yield "n: samples behind each score; in brackets how many of them failed."
    levels = " and ".join(percent(level) for level in confidences)
    yield f"In brackets: {levels} intervals, each for itself (not corrected for how many there are)."
    yield from _seed_notes(scores)
    found = [cell.comparison for cell in cells if cell.comparison is not None]
    compared = [comparison for comparison in found if testable(comparison)]
    unscored = benchmark.info.description.get("unscored")
    if isinstance(unscored, Mapping):
        for category, why in unscored.items():
            yield f"{benchmark.info.id}, {category}: no score: {why}."
    if found and not compared and any(comparison.difference is not None for comparison in found):
        yield (
            f"Differences from {baseline} are not shown: with fewer than {LEAST_CLUSTERS} samples "
            "no paired test can show one."
        )
    elif compared:
        yield f"Second line of a system: its paired difference from {baseline}. {MARKS_EXPLAINED}"
    elif baseline is not None and not found:
        yield f"No system here was compared with {baseline}."
    if any(cell.best for cell in cells):
        yield BEST_EXPLAINED
        if any(cell.second for cell in cells):
            yield SECOND_EXPLAINED
    elif len(benchmark.contenders()) > 1:
        yield "No number is bold: on no metric do the paired tests support a best system."
    if not all(benchmark.discriminates(metric.name) for metric in benchmark.metrics):
        yield NOT_DISCRIMINATING_EXPLAINED
    if not all(score.sound for score in scores):
        yield NOT_SOUND_EXPLAINED
    if any(score.n_infinite for score in scores):
        yield INFINITE_EXPLAINED
    for metric in benchmark.metrics:
        for reservation in benchmark.reservations(metric.name):
            yield f"{RESERVED} {metric.title}: {reservation}."
    if any(system.control for system in benchmark.systems):
        yield CONTROL_EXPLAINED
    if benchmark.info.caveats:
        yield f"{benchmark.info.id}: {', '.join(benchmark.info.caveats)}."
    if Caveat.JUDGE_NOT_CALIBRATED in benchmark.info.caveats:
        yield _how_to_calibrate(benchmark)
    for system, fits in benchmark.input_fits.items():
        yield f"Input of {benchmark.title_of(system)}: {' or '.join(fits)} before encoding."
    if any(Caveat.RANDOM_WEIGHTS in system.caveats for system in benchmark.systems):
        yield "(random weights): not trained; its numbers show that the code runs, and nothing of a method."
    for name, changed in benchmark.decoded.items():
        title = benchmark.title_of(name)
        yield f"{title}: its decode gave back {changed}; its scores are of what came back."
    unpaired = max((comparison.n_unpaired for comparison in compared), default=0)
    if unpaired:
        yield (
            f"Up to {unpaired} samples that only one of two compared systems has "
            "were left out of a comparison."
        )


def _how_to_calibrate(benchmark: BenchmarkReport) -> str:
    judge = benchmark.info.description.get("judge")
    spec = judge.get("spec") if isinstance(judge, Mapping) else None
    return (
        f"({Caveat.JUDGE_NOT_CALIBRATED}): the judge's own errors, which are unknown, are in these scores. "
        f"To measure them: vtok-eval tv-align calibrate --judge {shlex.quote(str(spec or 'SPEC'))} "
        "--out FILE; then run with --set calibration=FILE."
    )


def _seed_notes(scores: Sequence[Score]) -> Iterator[str]:
    """How many training seeds are behind the numbers, and what follows from that."""
    seeds = sorted({score.seeds for score in scores if score.value is not None})
    several = [number for number in seeds if number > 1]
    if several:
        yield (
            f"Training seeds behind each number: {' or '.join(map(str, several))}; intervals and tests are "
            "over clips and seeds."
        )
        if deviations := "; ".join(_deviations(scores)):
            yield f"Standard deviation between a system's seeds: {deviations}."
    if 1 in seeds:
        yield (
            "One training seed: the intervals are over clips alone, and no trained system is tested against "
            "another, since how much a score varies with training is unknown."
        )


def _deviations(scores: Sequence[Score]) -> Iterator[str]:
    """For each headline metric how far the seeds are apart, from the steadiest system to the least steady."""
    for metric in dict.fromkeys(score.metric for score in scores if score.metric.headline):
        found = [s.seed_deviation for s in scores if s.metric == metric and s.seed_deviation is not None]
        if found:
            least, most = (shown(end, metric) for end in (min(found), max(found)))
            yield f"{metric.title} {least:.3g} to {most:.3g} {difference_unit(metric)}"


VIOLATED = "Self-check violated"


def self_check_verdict(checks: Sequence[SelfCheck]) -> str:
    """Whether the run's checks of itself passed, in one sentence; empty where there are none."""
    violated = sum(check.outcome is CheckOutcome.VIOLATED for check in checks)
    if not checks:
        return ""
    if not violated:
        return f"Self-checks: none of {len(checks):,} is violated."
    return f"Self-checks: {violated:,} of {len(checks):,} {'is' if violated == 1 else 'are'} violated."


def self_check_notes(checks: Sequence[SelfCheck]) -> list[str]:
    """What the run's checks of itself found: each violated one, and one line about all of a kind."""
    violated = [check for check in checks if check.outcome is CheckOutcome.VIOLATED]
    notes = [f"{VIOLATED}: {check.benchmark}{_group_text(check)}: {check.detail}." for check in violated]
    for kind in CheckKind:
        own = [check for check in checks if check.kind is kind]
        if own:
            notes.append(f"Self-checks, {_KINDS[kind]}: {_counted(own)}.")
    return notes


_KINDS = {
    CheckKind.SUBSET: "tokens that contain another system's read no worse",
    CheckKind.SAME_TOKENS: "systems with the same tokens agree to the last digit",
    CheckKind.CONVERGENCE: "trained readers beat kernel ridge on the validation clips",
    CheckKind.CHANCE: "without tokens nothing is read above chance",
    CheckKind.PHOTOS: "a difference has the same sign on every test photo",
}


def _group_text(check: SelfCheck) -> str:
    if check.kind is not CheckKind.SUBSET:
        return f", {' and '.join(check.systems)}"
    return f", {check.group or check.metric} ({NoTest.NOT_SOUND.value}: no p-values and no marks)"


def _counted(checks: Sequence[SelfCheck]) -> str:
    """How many of the checks ended how, e.g. "7 passed, 1 violated"."""
    counts = {outcome: sum(check.outcome is outcome for check in checks) for outcome in CheckOutcome}
    return ", ".join(f"{number} {outcome.value}" for outcome, number in counts.items() if number)
