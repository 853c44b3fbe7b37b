"""A system's scores as the `model-index` block of a Hugging Face model card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reports.exports.measured import MeasuredSystem, measured_system
from reports.text.wording import limit_text, title_text
from vtok_eval.errors import RunFolderError
from vtok_eval.results.records import NoTest, Score

TASKS: Mapping[str, tuple[str, str]] = {
    "tokenizer": ("feature-extraction", "Video tokenization"),
    "answerer": ("visual-question-answering", "Video question answering"),
    "generator": ("text-to-video", "Text to video"),
    "videos": ("text-to-video", "Text to video"),
}
"""Kind of system -> the hub's task and how the card calls it."""


def model_index(run: Path, system: str) -> str:
    """The YAML of the card's `model-index` key, to be put into its front matter.

    Each benchmark is one result with its headline metrics (all, where none is marked as headline). Values
    are in the metrics' own units, fractions from 0 to 1. The run's label is part of the data set's name, so
    that the hub shows it with every number; the interval, n and n_failed are among a metric's `args`, and
    a note where a self-check found that the reader is not sound.
    Form: the hub's model card specification, as `huggingface_hub.EvalResult` reads it.

    Raises:
        RunFolderError, UnknownNameError: see `measured`; also where no metric has a value.
    """
    import yaml

    found = measured_system(run, system)
    results = [
        result for name in found.scores if (result := _result(found, name, found.scores[name])) is not None
    ]
    if not results:
        raise RunFolderError(f"no score of {system!r} in {found.folder.path} has a value")
    card = {"model-index": [{"name": system, "results": results}]}
    return str(yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=100))


def _result(found: MeasuredSystem, benchmark: str, scores: Sequence[Score]) -> dict[str, Any] | None:
    shown = [score for score in scores if score.metric.headline] or list(scores)
    valued = [score for score in shown if score.value is not None]
    if not valued:
        return None
    entry = found.benchmarks[benchmark]
    task, name = TASKS.get(found.system.kind, ("other", "Video evaluation"))
    return {
        "task": {"type": task, "name": name},
        "dataset": {
            "type": f"vtok-eval/{entry.name}",
            "name": f"{entry.name} ({found.label})",
            "config": found.run.setting or "unknown",
            "split": "test" if found.run.limit is None else f"test, {limit_text(found.run.limit)}",
            "revision": entry.version or "unknown",
        },
        "metrics": [_metric(score) for score in valued],
    }


def _metric(score: Score) -> dict[str, Any]:
    return {
        "type": score.metric.name,
        "name": title_text(score.metric),
        "value": score.value,
        "args": {
            "unit": score.metric.unit,
            "low": score.low,
            "high": score.high,
            "confidence": score.confidence,
            "n": score.n,
            "n_failed": score.n_failed,
            **({} if score.sound else {"note": NoTest.NOT_SOUND.value}),
        },
    }
