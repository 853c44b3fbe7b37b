"""`--json`: one JSON document on standard output, and nothing else there."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vtok_eval.results.causes import failure_causes
from vtok_eval.results.store import RunFolder

if TYPE_CHECKING:
    from vtok_eval.run.harness import RunSummary

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on standard output, and nothing else there.")
]


def json_text(kind: str, content: Mapping[str, object]) -> str:
    """The document of one command; `schema` names its form, and changes where a reader could misread it.

    Example:
        >>> print(json_text("list", {"listings": {}}))
        {
          "schema": "vtok-eval/list/1",
          "listings": {}
        }
    """
    document = {"schema": f"vtok-eval/{kind}/1", **content}
    return json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False)


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
