"""The sign of each headline difference on the clips over each test photo, as a table."""

from __future__ import annotations

from reports.run_report import BenchmarkReport, RunReport
from reports.tables.grid import Grid, GridCell, GridRow, RowKind
from reports.text.wording import MISSING, difference_unit, signed_text
from vtok_eval.results.self_checks import CheckKind, CheckOutcome, SelfCheck

PHOTOS_EXPLAINED = (
    "Each number is the difference on the test clips over one photo alone: no interval and no test, since "
    "only its sign is looked at. Where signs differ, the difference depends on which photos were drawn."
)


def photos_grid(report: RunReport, benchmark: BenchmarkReport) -> Grid | None:
    """Differences from the baseline x photos; None where the run has no check by photo of the benchmark."""
    checks = [
        check
        for check in report.self_checks
        if check.kind is CheckKind.PHOTOS and check.benchmark == benchmark.info.id
    ]
    if not checks:
        return None
    photos = sorted({photo for check in checks for photo in check.values})
    rows = tuple(GridRow(RowKind.VALUES, _cells(benchmark, check, photos)) for check in checks)
    return Grid(("System", "Metric", *photos, "Same sign"), rows, lead=2)


def _cells(benchmark: BenchmarkReport, check: SelfCheck, photos: list[str]) -> tuple[GridCell, ...]:
    system, baseline = check.systems
    metric = next((metric for metric in benchmark.metrics if metric.name == check.metric), None)
    title = check.metric if metric is None else f"{metric.title} ({difference_unit(metric)})"
    texts = [
        MISSING if metric is None or photo not in check.values else signed_text(check.values[photo], metric)
        for photo in photos
    ]
    same = "yes" if check.outcome is CheckOutcome.PASSED else "no"
    cells = (f"{benchmark.title_of(system)} minus {baseline}", title, *texts, same)
    return tuple(GridCell(text) for text in cells)
