"""A run's scores as one tidy table: a row per system and metric, every number in full."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reports.run_document import RunSystem
from reports.run_report import BenchmarkReport, Cell, RunReport
from reports.text.wording import verdict
from vtok_eval.results.records import SCORE_NUMBERS, Metric

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "benchmark",
    "system",
    "spec",
    "control",
    "caveats",
    "tokens_per_clip",
    "bits_per_clip",
    "metric",
    "title",
    "group",
    "headline",
    "unit",
    *SCORE_NUMBERS,
    "chance",
    "higher_is_better",
    "discriminates",
    "sound",
    "n_infinite",
    "reservation",
    "best",
    "second_best",
    "baseline",
    "difference",
    "difference_low",
    "difference_high",
    "p",
    "p_corrected",
    "correction",
    "no_test",
    "verdict",
    "method",
    "test",
    "setting",
    "label",
)


def tidy(report: RunReport, *, headline_only: bool = False) -> pd.DataFrame:
    """Every score with columns `COLUMNS`; values in the metrics' own units (fractions from 0 to 1).

    headline_only: just what the short tables show.
    """
    import pandas as pd

    rows = [
        _row(report, benchmark, system, metric, cell)
        for benchmark in report.benchmarks
        for metric in _chosen(benchmark, headline_only=headline_only)
        for system in benchmark.systems
        if (cell := benchmark.cell(system.name, metric.name)) is not None
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _chosen(benchmark: BenchmarkReport, *, headline_only: bool) -> Sequence[Metric]:
    return benchmark.headline if headline_only else benchmark.metrics


def _row(
    report: RunReport, benchmark: BenchmarkReport, system: RunSystem, metric: Metric, cell: Cell
) -> dict[str, object]:
    score, comparison = cell.score, cell.comparison
    row: dict[str, object] = {
        "benchmark": benchmark.info.id,
        "system": system.name,
        "spec": system.spec,
        "control": system.control,
        "caveats": "; ".join((*system.caveats, *benchmark.info.caveats)),
        "tokens_per_clip": benchmark.tokens.get(system.name),
        "bits_per_clip": benchmark.bits.get(system.name),
        "metric": metric.name,
        "title": metric.title,
        "group": metric.group,
        "headline": metric.headline,
        "unit": metric.unit,
        "chance": metric.chance,
        "higher_is_better": metric.higher_is_better,
        "best": cell.best,
        "second_best": cell.second,
        "setting": report.setting,
        "label": report.label,
    }
    for name in (*SCORE_NUMBERS, "discriminates", "sound", "n_infinite", "reservation", "method"):
        row[name] = getattr(score, name)
    if comparison is not None:
        row |= {
            "baseline": comparison.baseline,
            "difference": comparison.difference,
            "difference_low": comparison.low,
            "difference_high": comparison.high,
            "p": comparison.p,
            "p_corrected": comparison.p_corrected,
            "correction": comparison.correction.value,
            "no_test": "" if comparison.no_test is None else comparison.no_test.value,
            "verdict": verdict(comparison, metric).name.lower(),
            "test": comparison.test,
        }
    return row
