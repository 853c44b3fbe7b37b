"""VBench as a benchmark of the harness: which dimensions run on which videos, and why others do not."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.vbench.dimensions import DIMENSIONS, Dimension, select
from benchmarks.vbench.package import SUPPORTED_VERSION, installed_version, require_package
from benchmarks.vbench.weights import why_not
from vtok_eval.benchmark import Context, Outcome, Sample, System
from vtok_eval.errors import MissingDependencyError, VideoError
from vtok_eval.results.records import Metric

if TYPE_CHECKING:
    from benchmarks.vbench.flickering import TemporalFlickering
    from vtok_eval.systems import Clips

_log = logging.getLogger(__name__)

BUILT = ("temporal_flickering",)
"""Dimensions that this benchmark can run."""


class VBench:
    """VBench (arXiv 2311.17982) on a folder of videos, through the vbench package.

    dimensions: names, a text of names with commas, or "all".

    Raises:
        UnknownNameError: a dimension does not exist.
    """

    name = "vbench"
    version = "1"
    accepts = frozenset({"videos"})
    parts_option = "dimensions"

    def __init__(self, dimensions: str | Sequence[str] = ("temporal_flickering",)) -> None:
        self._chosen = select(dimensions)

    def metrics(self) -> Sequence[Metric]:
        """One metric per chosen dimension, in the order of VBench's table; failed videos are left out."""
        return [_metric(dimension) for dimension in self._chosen]

    def samples(self, system: System) -> Sequence[Sample]:
        """One sample per video, named by its file; samples of one prompt share a cluster.

        Raises:
            VideoError: there is no such folder, or it holds no video.
        """
        return [
            Sample(
                id=Path(entry.path).name,
                cluster=entry.prompt or Path(entry.path).name,
                target={"path": str(entry.path)},
                meta={"prompt": entry.prompt, "index": entry.index},
            )
            for entry in system.subject.entries()
        ]

    def prepare(self, system: System, context: Context) -> VBenchEvaluator:
        """Load what the runnable dimensions need; the others are named in a warning and in `describe()`.

        Raises:
            MissingDependencyError: the vbench package is missing, or no chosen dimension can run.
        """
        require_package()
        not_run = {dimension.name: why_not(dimension, built=BUILT) for dimension in self._chosen}
        for name, reason in not_run.items():
            if reason:
                _log.warning("VBench %s: not run: %s", name, reason)
        if all(not_run.values()):
            raise MissingDependencyError(
                "VBench: no chosen dimension can run: "
                + "; ".join(f"{name}: {reason}" for name, reason in not_run.items())
            )
        from benchmarks.vbench.flickering import TemporalFlickering

        return VBenchEvaluator({"temporal_flickering": TemporalFlickering()})

    def describe(self) -> Mapping[str, Any]:
        """Options, versions, and for each of the sixteen dimensions whether it is run or why not."""
        states = {dimension.name: self._state(dimension) for dimension in DIMENSIONS}
        return {
            "options": {"dimensions": [dimension.name for dimension in self._chosen]},
            "protocol": f"VBench as in the package vbench {SUPPORTED_VERSION}",
            "source": "arXiv 2311.17982; https://github.com/Vchitect/VBench",
            "package_version": installed_version(),
            "dimensions": states,
            "notes": [f"VBench {name}: {state}" for name, state in states.items() if state != "run"],
        }

    def _state(self, dimension: Dimension) -> str:
        reason = why_not(dimension, built=BUILT)
        if dimension in self._chosen:
            return f"not run: {reason}" if reason else "run"
        needs = f"; it would also need: {reason}" if reason else ""
        return f"not run: not asked for{needs}"


class VBenchEvaluator:
    """Scores videos on the dimensions whose models are loaded."""

    def __init__(self, scorers: Mapping[str, TemporalFlickering]) -> None:
        self._scorers = scorers

    def evaluate(self, samples: Sequence[Sample], clips: Clips | None) -> Sequence[Outcome]:
        """One outcome per video; `clips` is not used, the metrics open the files themselves."""
        return [self._evaluate_one(sample) for sample in samples]

    def _evaluate_one(self, sample: Sample) -> Outcome:
        path = Path(sample.target["path"])
        values: dict[str, tuple[float, ...]] = {}
        for name, scorer in self._scorers.items():
            try:
                values[name] = (scorer.score(path),)
            except VideoError as error:
                return Outcome(error=str(error))
        return Outcome(values=values)


def _metric(dimension: Dimension) -> Metric:
    return Metric(
        name=dimension.name,
        title=dimension.title,
        unit="fraction",
        higher_is_better=True,
        group=dimension.group,
        headline=True,
        failed_as=None,
    )
