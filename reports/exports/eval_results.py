"""A system's scores as the hub's evaluation results: a file `.eval_results/NAME.yaml` beside a model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from reports.exports.measured import MeasuredSystem, measured_system, metric_name, rounded
from reports.run_document import RunBenchmark
from reports.text.wording import unit_text
from vtok_eval.errors import RunFolderError
from vtok_eval.results.records import NoTest, Score

_HUB_DATA = re.compile(r"huggingface\.co/datasets/([\w.-]+/[\w.-]+)")


def eval_results(run: Path, system: str) -> str:
    """The YAML of such a file: an entry for each headline metric of each benchmark.

    An entry's data set is that of the hub where the benchmark names one, else `vtok-eval/BENCHMARK`, which
    the hub does not know and shows on no leaderboard; its task is the metric. Values are in the unit that the
    notes state, with the interval and all that must accompany the number.
    Form: the hub's `eval_results.yaml`, as `huggingface_hub.parse_eval_result_entries` reads it.

    Raises:
        RunFolderError, UnknownNameError: see `measured`; also where no metric has a value.
    """
    import yaml

    found = measured_system(run, system)
    entries = [
        _entry(found, found.benchmarks[name], score)
        for name, scores in found.scores.items()
        for score in [score for score in scores if score.metric.headline] or scores
        if score.value is not None
    ]
    if not entries:
        raise RunFolderError(f"no score of {system!r} in {found.folder.path} has a value")
    return str(yaml.safe_dump(entries, sort_keys=False, allow_unicode=True, width=100))


def _entry(found: MeasuredSystem, benchmark: RunBenchmark, score: Score) -> dict[str, Any]:
    finished = found.run.sessions[-1].finished if found.run.sessions else None
    return {
        "dataset": {"id": _dataset(benchmark), "task_id": score.metric.name},
        "value": rounded(score.value, score.metric),
        **({} if finished is None else {"date": finished}),
        "notes": _notes(found, benchmark, score),
    }


def _dataset(benchmark: RunBenchmark) -> str:
    named = (str(benchmark.description.get(key, "")) for key in ("url", "source"))
    on_hub = (match[1] for text in named if (match := _HUB_DATA.search(text)))
    return next(on_hub, f"vtok-eval/{benchmark.name}")


def _notes(found: MeasuredSystem, benchmark: RunBenchmark, score: Score) -> str:
    metric = score.metric
    parts = [f"{benchmark.title}: {metric_name(metric)}"]
    if score.low is not None and score.high is not None:
        ends = f"{rounded(score.low, metric)}, {rounded(score.high, metric)}"
        parts.append(f"{100 * score.confidence:g} % interval [{ends}] {unit_text(metric)}")
    parts.append(f"n {score.n}, failed {score.n_failed}")
    parts += [] if score.sound else [NoTest.NOT_SOUND.value]
    return "; ".join([*parts, found.label_with_caveats])
