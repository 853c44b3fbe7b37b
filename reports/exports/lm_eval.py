"""A system's scores in the form of lm-evaluation-harness's results.json."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from reports.exports.measured import MeasuredSystem, measured_system
from vtok_eval.errors import RunFolderError
from vtok_eval.results.records import NoTest, Record, Score


def lm_eval_results(run: Path, system: str) -> dict[str, Any]:
    """What lm-eval would write for one model, as JSON can hold it; such a file is of one model.

    A benchmark is a task; a metric is `NAME,none`, in its own unit (fractions from 0 to 1), with its standard
    error over clusters and replicates, from the records. A comma in a metric's name becomes a semicolon,
    since lm-eval splits at it. The label is part of each task's alias, where lm-eval's tables show it; the
    intervals are under `configs`, which lm-eval keeps as it finds it.

    Raises:
        RunFolderError, UnknownNameError: see `measured`; also if the records are missing.
    """
    found = measured_system(run, system)
    tasks = {name: _Task(found, name) for name in found.scores}
    sessions = found.run.sessions
    started = _time(sessions[0].started) if sessions else None
    finished = _time(sessions[-1].finished) if sessions else None
    last = sessions[-1] if sessions else None
    return {
        "results": {name: task.results() for name, task in tasks.items()},
        "group_subtasks": {name: [] for name in tasks},
        "configs": {name: task.config() for name, task in tasks.items()},
        "versions": {name: found.benchmarks[name].version for name in tasks},
        "n-shot": dict.fromkeys(tasks, 0),
        "higher_is_better": {name: task.directions() for name, task in tasks.items()},
        "n-samples": {name: task.counts() for name, task in tasks.items()},
        "config": {
            "model": found.system.kind,
            "model_args": found.system.spec,
            "batch_size": None,
            "device": None if last is None else last.device,
            "limit": found.run.limit,
            "random_seed": found.run.seed,
            "numpy_seed": found.run.seed,
            "torch_seed": found.run.seed,
            "fewshot_seed": None,
        },
        "git_hash": None if last is None or last.git is None else last.git.revision,
        "date": None if started is None else started.timestamp(),
        "pretty_env_info": "" if last is None else _environment(last.packages, last.python),
        "model_source": "vtok-eval",
        "model_name": system,
        "model_name_sanitized": re.sub(r"[\"<>:/|\\?*\[\]]+", "__", system),
        "start_time": None if started is None else started.timestamp(),
        "end_time": None if finished is None else finished.timestamp(),
        "total_evaluation_time_seconds": _seconds(found),
    }


class _Task:
    """One benchmark of the system."""

    def __init__(self, found: MeasuredSystem, benchmark: str) -> None:
        self.found = found
        self.benchmark = benchmark
        self.scores = found.scores[benchmark]

    def results(self) -> dict[str, Any]:
        """Values and standard errors; "N/A", as lm-eval has it, where there is none."""
        errors = _standard_errors(self._records(), self.scores)
        row: dict[str, Any] = {
            "name": self.benchmark,
            "alias": f"{self.benchmark} ({self.found.label}{self._doubts()})",
            "sample_len": self.counts()["effective"],
        }
        for score in self.scores:
            name = _key(score)
            row[f"{name},none"] = "N/A" if score.value is None else score.value
            row[f"{name}_stderr,none"] = errors.get(score.metric.name, "N/A")
        return row

    def config(self) -> dict[str, Any]:
        """The benchmark, its options, and the notes that its numbers need."""
        entry = self.found.benchmarks[self.benchmark]
        return {
            "task": self.benchmark,
            "dataset_kwargs": entry.options,
            "metric_list": [
                {"metric": _key(score), "higher_is_better": score.metric.higher_is_better}
                for score in self.scores
            ],
            "metadata": {
                "version": entry.version,
                "label": self.found.label,
                "setting": self.found.run.setting,
                "intervals": {
                    _key(score): {
                        "low": score.low,
                        "high": score.high,
                        "confidence": score.confidence,
                        "method": score.method,
                        "n_failed": score.n_failed,
                        "sound": score.sound,
                    }
                    for score in self.scores
                },
            },
        }

    def directions(self) -> dict[str, bool | None]:
        """Which end of each metric is better."""
        return {_key(score): score.metric.higher_is_better for score in self.scores}

    def counts(self) -> dict[str, int]:
        """Samples of the benchmark, and those that did not fail."""
        n = max(score.n for score in self.scores)
        return {"original": n, "effective": n - max(score.n_failed for score in self.scores)}

    def _doubts(self) -> str:
        """The groups of metrics in which the reader is not sound, for the alias; empty where it is."""
        groups = dict.fromkeys(s.metric.group or s.metric.name for s in self.scores if not s.sound)
        return f"; {NoTest.NOT_SOUND.value}: {', '.join(groups)}" if groups else ""

    def _records(self) -> list[Record]:
        for job in self.found.folder.jobs():
            if (job.benchmark, job.system) == (self.benchmark, self.found.system.name):
                return self.found.folder.raw_records(job.id)
        raise RunFolderError(f"the run {self.found.folder.path} has no records of {self.benchmark}")


def _standard_errors(records: Sequence[Record], scores: Sequence[Score]) -> dict[str, float]:
    from vtok_eval.results.columns.job_columns import job_columns
    from vtok_eval.results.statistics.quantities import score_quantity
    from vtok_eval.results.statistics.resampling import spread

    found = job_columns(records)
    metrics = [score.metric for score in scores]
    errors = {}
    for metric in metrics:
        sums = score_quantity(found, metric, metrics).sums
        if sums is not None and sums.n_clusters > 1:
            errors[metric.name] = spread(sums).standard_error
    return errors


def _key(score: Score) -> str:
    return score.metric.name.replace(",", ";")


def _time(text: str | None) -> datetime | None:
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError:
        return None


def _environment(packages: Mapping[str, str | None], python: str | None) -> str:
    lines = [f"Python version: {python or 'unknown'}"]
    return "\n".join([*lines, *(f"{name}: {version}" for name, version in packages.items() if version)])


def _seconds(found: MeasuredSystem) -> str | None:
    """Seconds that the system's jobs took, as a text, which is lm-eval's form; None where not recorded."""
    own = {f"{benchmark}/{found.system.name}" for benchmark in found.scores}
    spent = [seconds for session in found.run.sessions for job, seconds in session.jobs.items() if job in own]
    return str(round(sum(spent), 3)) if spent else None
