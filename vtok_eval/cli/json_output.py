"""What `--json` prints of a run and of a report, and how standard output is kept free for it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from vtok_eval.results.causes import failure_causes
from vtok_eval.results.store import RunFolder

if TYPE_CHECKING:
    from vtok_eval.run.harness import RunSummary


@contextlib.contextmanager
def prints_go_to_stderr(wanted: bool) -> Iterator[None]:
    """While it lasts, what Python code prints (a user's tokenizer, say) goes to standard error, if wanted."""
    with contextlib.redirect_stdout(sys.stderr) if wanted else contextlib.nullcontext():
        yield


def run_content(summary: RunSummary, report: Path) -> dict[str, object]:
    """How a run ended, with its headline differences from the baseline."""
    causes = failure_causes(summary.failed)
    return {
        "folder": str(summary.folder),
        "report": str(report),
        "complete": summary.complete,
        "new_samples": summary.new_samples,
        "jobs_done": summary.n_done,
        "failed_samples": len(summary.failed),
        "failures": [asdict(cause) for cause in causes],
        "not_run": [asdict(entry) for entry in summary.not_run],
        "optional_not_run": [asdict(entry) for entry in summary.optional_not_run],
        "changes": list(summary.changes),
        "differences": headline_differences([summary.folder]),
    }


def headline_differences(folders: Iterable[Path]) -> list[dict[str, object]]:
    """What each run's comparisons.json says of headline metrics, in their units (fractions from 0 to 1)."""
    found: list[dict[str, object]] = []
    for path in folders:
        folder = RunFolder.open(path)
        metrics = {(score.benchmark, score.metric.name): score.metric for score in folder.scores()}
        found += [
            {
                "run": str(path),
                "benchmark": comparison.benchmark,
                "metric": comparison.metric,
                "unit": metric.unit,
                "system": comparison.system,
                "baseline": comparison.baseline,
                "difference": comparison.difference,
                "low": comparison.low,
                "high": comparison.high,
                "confidence": comparison.confidence,
                "p_corrected": comparison.p_corrected,
                "no_test": None if comparison.no_test is None else comparison.no_test.value,
                "n": comparison.n,
            }
            for comparison in folder.comparisons()
            if (metric := metrics.get((comparison.benchmark, comparison.metric))) is not None
            if metric.headline
        ]
    return found
