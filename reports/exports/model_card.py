"""A system's scores as the `model-index` block of a Hugging Face model card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reports.exports.measured import MeasuredSystem, is_accuracy, measured_system, metric_name, rounded
from reports.text.wording import limit_text, unit_text
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

    Each benchmark is one result with its headline metrics (all, where none is marked as headline). A metric
    is called what it is ("Static accuracy (%)"), and its value is in the unit that the name states, as in our
    tables. The run's label and the caveats of system and benchmark are part of the data set's name, so that
    the hub shows them with every number; interval, chance, n and n_failed are among a metric's `args`, and a
    note where a self-check found that the reader is not sound.
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
            "name": f"{entry.title} ({found.label_with_caveats})",
            "config": found.run.setting or "unknown",
            "split": "test" if found.run.limit is None else f"test, {limit_text(found.run.limit)}",
            "revision": entry.version or "unknown",
        },
        "metrics": [_metric(score) for score in valued],
    }


def _metric(score: Score) -> dict[str, Any]:
    metric = score.metric
    return {
        "type": "accuracy" if is_accuracy(metric) else metric.name,
        "name": metric_name(metric),
        "value": rounded(score.value, metric),
        "args": {
            "metric": metric.name,
            "unit": unit_text(metric),
            "low": rounded(score.low, metric),
            "high": rounded(score.high, metric),
            "confidence": score.confidence,
            **({} if metric.chance is None else {"chance": rounded(metric.chance, metric)}),
            "n": score.n,
            "n_failed": score.n_failed,
            **({} if score.sound else {"note": NoTest.NOT_SOUND.value}),
        },
    }
