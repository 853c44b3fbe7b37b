"""At equal budget: the best system within each, and the tokens or bits that others need for a score."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.families import family
from reports.run_document import RunSystem
from reports.run_report import BUDGET_TOLERANCE, BenchmarkReport, RunReport
from reports.tables.best_systems import find_best
from reports.tables.grid import Grid, GridCell, GridRow, RowKind, heading
from reports.text.wording import MISSING, score_text, tokens_text
from vtok_eval.results.records import Metric
from vtok_eval.results.statistics.budgets import (
    frontier_crossings,
    percentile_interval,
    resampled_scores,
)

if TYPE_CHECKING:
    import pandas as pd

    from vtok_eval.results.columns.job_columns import Floats


CONFIDENCE = 0.95

LEADERS_EXPLAINED = (
    "The leading score among the systems that cost no more, controls left out; budgets within "
    f"{100 * BUDGET_TOLERANCE:g} % count as one. Bold: best in paired tests against every other system "
    "within the budget (Bonferroni); where none is bold, another may be as good."
)
NEEDED_EXPLAINED = (
    "Each cell: the {unit} per clip with which the systems of other families reach this system's score, read "
    "from their frontier: their best score within each budget, straight between budgets on a log axis, never "
    "beyond the measured ones. In brackets: 95 % percentile intervals, clips resampled jointly. "
    "≤: their cheapest system suffices; >: the dearest measured one does not reach it."
)


@dataclass(frozen=True)
class Needed:
    """Tokens or bits per clip with which the others reach a system's score; infinite where they do not.

    low, high: the interval; None where fewer than two clusters are shared. least, most: the others' cheapest
    and dearest budget; an amount at `least` means at most that many.
    """

    system: str
    metric: str
    amount: float
    low: float | None
    high: float | None
    least: float
    most: float


@dataclass(frozen=True)
class Leader:
    """The system with the best score among those within a budget; supported: by the paired tests."""

    budget: float
    metric: str
    system: str
    supported: bool


@dataclass(frozen=True)
class BudgetTables:
    """A benchmark's tables at equal budget; `needed` is empty where all systems are of one family."""

    leaders: tuple[Leader, ...]
    needed: tuple[Needed, ...]

    def grids(self, benchmark: BenchmarkReport) -> list[tuple[str, Grid, tuple[str, ...]]]:
        """Each table that has rows, with its title and how it is read."""
        found: list[tuple[str, Grid, tuple[str, ...]]] = []
        if self.leaders:
            grid = leaders_grid(benchmark, self.leaders)
            title = f"the best within each {str(benchmark.unit).removesuffix('s')} budget"
            found.append((title, grid, (LEADERS_EXPLAINED, *_unit_explained(benchmark))))
        if self.needed:
            grid = needed_grid(benchmark, self.needed)
            notes = (NEEDED_EXPLAINED.format(unit=benchmark.unit), *_unit_explained(benchmark))
            found.append((f"{benchmark.unit} that other families need for a score", grid, notes))
        return found


def _unit_explained(benchmark: BenchmarkReport) -> tuple[str, ...]:
    return (benchmark.unit.explained,) if benchmark.unit.explained else ()


def budget_tables(report: RunReport) -> dict[str, BudgetTables]:
    """The tables at equal budget, by benchmark id, where contenders have several budgets."""
    return {
        benchmark.info.id: BudgetTables(
            leaders=tuple(leaders(benchmark)), needed=tuple(amounts_needed(report, benchmark))
        )
        for benchmark in report.benchmarks
        if len(budgets(benchmark)) > 1
    }


def needed_table(report: RunReport, tables: Mapping[str, BudgetTables]) -> pd.DataFrame:
    """The tokens or bits needed as a tidy table.

    `bound` is "at most" where the others' cheapest system suffices and "not reached" where none does; an
    infinite end of an interval is "not reached" too.
    """
    import pandas as pd

    rows = [
        {
            "benchmark": identifier,
            "system": entry.system,
            "metric": entry.metric,
            "unit": str(unit),
            "others_need": None if math.isinf(entry.amount) else entry.amount,
            "bound": _bound(entry),
            "low": entry.low,
            "high": entry.high,
            "others_least": entry.least,
            "others_most": entry.most,
            "confidence": CONFIDENCE,
            "label": report.label,
        }
        for identifier, found in tables.items()
        for unit in (benchmark.unit for benchmark in report.benchmarks if benchmark.info.id == identifier)
        for entry in found.needed
    ]
    columns = (
        "benchmark system metric unit others_need bound low high others_least others_most confidence label"
    )
    return pd.DataFrame(rows, columns=columns.split())


def _bound(needed: Needed) -> str:
    if math.isinf(needed.amount):
        return "not reached"
    return "at most" if needed.amount <= needed.least else ""


def leaders(benchmark: BenchmarkReport) -> list[Leader]:
    """For each budget and headline metric the contender that leads within it."""
    metrics = _rankable(benchmark)
    found = []
    for budget in budgets(benchmark):
        affordable = [s.name for s in _priced(benchmark) if benchmark.prices[s.name] <= budget]
        scores = [
            cell.score
            for metric in metrics
            for name in affordable
            if (cell := benchmark.cell(name, metric.name)) is not None and cell.score.value is not None
        ]
        podiums = find_best(benchmark.pairs, scores, metrics=metrics, contenders=affordable)
        for metric in metrics:
            own = [score for score in scores if score.metric.name == metric.name]
            if own:
                sign = 1 if metric.higher_is_better else -1
                leader = max(own, key=lambda score: sign * (score.value or 0.0)).system
                best = podiums[metric.name].best if metric.name in podiums else None
                found.append(Leader(budget, metric.name, leader, best == leader))
    return found


def budgets(benchmark: BenchmarkReport) -> list[float]:
    """What the contenders cost, amounts within `BUDGET_TOLERANCE` of each other as one: their largest."""
    found: list[list[float]] = []
    for price in sorted(benchmark.prices[system.name] for system in _priced(benchmark)):
        if found and price <= (1 + BUDGET_TOLERANCE) * found[-1][0]:
            found[-1].append(price)
        else:
            found.append([price])
    return [group[-1] for group in found]


def amounts_needed(report: RunReport, benchmark: BenchmarkReport) -> list[Needed]:
    """For each contender and headline metric what the contenders of other families need for its score.

    Replicates are averaged first: the intervals hold the variance of the clips, none of training.
    """
    systems = _priced(benchmark)
    families = {system.name: family(system) for system in systems}
    found: list[Needed] = []
    if len(set(families.values())) < 2:
        return found
    jobs = {
        system.name: job
        for system in systems
        if (job := report.columns.get((benchmark.info.id, system.name))) is not None
    }
    for metric in _rankable(benchmark):
        if not metric.higher_is_better:
            continue
        drawn = resampled_scores(jobs, metric, benchmark.metrics)
        for kind in dict.fromkeys(families[name] for name in drawn):
            own = [name for name in drawn if families[name] == kind]
            others = [name for name in drawn if families[name] != kind]
            if others:
                found += _needed(metric.name, own, others, drawn, benchmark.prices)
    place = {
        (system.name, metric.name): i
        for i, (metric, system) in enumerate(
            (metric, system) for metric in benchmark.headline for system in systems
        )
    }
    return sorted(found, key=lambda entry: place[entry.system, entry.metric])


def leaders_grid(benchmark: BenchmarkReport, found: Sequence[Leader]) -> Grid:
    """Budgets x headline metrics: who leads, with which score."""
    metrics = [metric for metric in _rankable(benchmark) if any(f.metric == metric.name for f in found)]
    by_place = {(entry.budget, entry.metric): entry for entry in found}
    rows = []
    for budget in dict.fromkeys(entry.budget for entry in found):
        cells = [_leader_cell(benchmark, by_place.get((budget, metric.name))) for metric in metrics]
        rows.append(GridRow(RowKind.VALUES, (GridCell(f"at most {tokens_text(budget)}"), *cells)))
    columns = (benchmark.unit.per_clip.capitalize(), *(heading(benchmark, metric) for metric in metrics))
    return Grid(columns, tuple(rows))


def needed_grid(benchmark: BenchmarkReport, found: Sequence[Needed]) -> Grid:
    """Systems x headline metrics: the tokens or bits that other families need."""
    metrics = [metric for metric in benchmark.headline if any(f.metric == metric.name for f in found)]
    by_place = {(entry.system, entry.metric): entry for entry in found}
    rows = []
    for system in dict.fromkeys(entry.system for entry in found):
        cells = [GridCell(needed_text(by_place.get((system, metric.name)))) for metric in metrics]
        own = GridCell(tokens_text(benchmark.prices[system]))
        rows.append(GridRow(RowKind.VALUES, (GridCell(benchmark.title_of(system)), own, *cells)))
    columns = (
        "System",
        f"Its own {benchmark.unit.per_clip}",
        *(heading(benchmark, metric) for metric in metrics),
    )
    return Grid(columns, tuple(rows), lead=2)


def needed_text(needed: Needed | None) -> str:
    """An amount with its interval, e.g. "74 [52, > 128]", "≤ 16"."""
    if needed is None:
        return MISSING
    amount = _amount_text(needed.amount, needed)
    if needed.low is None or needed.high is None:
        return amount
    low, high = _amount_text(needed.low, needed), _amount_text(needed.high, needed)
    return amount if low == high == amount else f"{amount} [{low}, {high}]"


def _amount_text(amount: float, needed: Needed) -> str:
    if math.isinf(amount):
        return f"> {tokens_text(needed.most)}"
    return f"≤ {tokens_text(needed.least)}" if amount <= needed.least else tokens_text(round(amount))


def _leader_cell(benchmark: BenchmarkReport, leader: Leader | None) -> GridCell:
    if leader is None:
        return GridCell(MISSING)
    cell = benchmark.cell(leader.system, leader.metric)
    text = score_text(cell.score if cell else None)
    return GridCell(f"{benchmark.title_of(leader.system)}: {text}", leader.supported)


def _priced(benchmark: BenchmarkReport) -> list[RunSystem]:
    """The contenders with a known price above 0."""
    return [system for system in benchmark.contenders() if benchmark.prices.get(system.name, 0.0) > 0]


def _rankable(benchmark: BenchmarkReport) -> list[Metric]:
    return [
        metric
        for metric in benchmark.headline
        if metric.higher_is_better is not None and benchmark.is_sound(metric.name)
    ]


def _needed(
    metric: str,
    systems: Sequence[str],
    others: Sequence[str],
    drawn: Mapping[str, Floats],
    prices: Mapping[str, float],
) -> list[Needed]:
    """What `others` need for the score of each of `systems`; drawn: scores of all samples (first) and of each
    resample (rest).
    """
    import numpy as np

    ordered = sorted(others, key=lambda other: prices[other])
    rising = [prices[other] for other in ordered]
    targets = np.stack([drawn[name] for name in systems])
    crossings = frontier_crossings(targets, rising, np.stack([drawn[other] for other in ordered]))
    found = []
    for name, crossing in zip(systems, crossings, strict=True):
        low, high = percentile_interval(crossing[1:], CONFIDENCE)
        found.append(Needed(name, metric, float(crossing[0]), low, high, least=rising[0], most=rising[-1]))
    return found
