"""VBench as a benchmark of the harness: which dimensions run on which videos, and why others do not."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.vbench.dimensions import DIMENSIONS, Dimension, select
from benchmarks.vbench.package import SUPPORTED_VERSION, installed_version, require_package
from benchmarks.vbench.prompts import (
    Expected,
    custom,
    package_info_file,
    read_information,
    read_prompts,
    standard,
)
from benchmarks.vbench.scorer import SCORERS, scorer_class
from benchmarks.vbench.weights import needs, why_not
from vtok_eval.benchmark import Context, Sample, System
from vtok_eval.errors import MissingDependencyError, UnknownNameError
from vtok_eval.results.records import Metric

if TYPE_CHECKING:
    from benchmarks.vbench.evaluator import VBenchEvaluator
    from benchmarks.vbench.scorer import Scorer

MODES = ("custom", "standard")

_log = logging.getLogger(__name__)


class VBench:
    """VBench (arXiv 2311.17982) on a folder of videos, with the models of the vbench package.

    dimensions: names, a text of names with commas, or "all".
    mode: "custom" scores every video of the folder on every chosen dimension; "standard" expects 5 videos of
        each of VBench's own prompts and counts those that are not there as failed.
    prompts: for standard mode, a file like VBench_full_info.json; None takes the package's.
    information: for custom mode, a JSON file with the structured information that some dimensions need.
    frames_at_once: frames that go through a model together; changes no score.

    Raises:
        UnknownNameError: a dimension or mode does not exist.
        VtokEvalError: the information cannot be read.
    """

    name = "vbench"
    version = "1"
    accepts = frozenset({"videos"})
    parts_option = "dimensions"

    def __init__(
        self,
        dimensions: str | Sequence[str] = ("temporal_flickering",),
        *,
        mode: str = "custom",
        prompts: str | None = None,
        information: str | None = None,
        frames_at_once: int = 16,
    ) -> None:
        if mode not in MODES:
            raise UnknownNameError(what="VBench mode", name=mode, known=MODES)
        self._chosen = select(dimensions)
        self._mode = mode
        self._prompts = None if prompts is None else Path(prompts)
        self._information = {} if information is None else read_information(Path(information))
        self._frames_at_once = frames_at_once

    def metrics(self) -> Sequence[Metric]:
        """One metric per chosen dimension, in the order of VBench's table; failed videos are left out."""
        return [_metric(dimension) for dimension in self._chosen]

    def samples(self, system: System) -> Sequence[Sample]:
        """One sample per video, named by its file; samples of one prompt share a cluster.

        Raises:
            VideoError: there is no such folder, or it holds no video.
            SpecError: in standard mode, no video is called after any of VBench's prompts, or two are called
                alike; in custom mode, structured information that a dimension needs is lacking.
        """
        return [_sample(expected) for expected in self._expected(system)]

    def prepare(self, system: System, context: Context) -> VBenchEvaluator:
        """Load the models of the dimensions that can run; the others are named in a warning.

        Raises:
            MissingDependencyError: the vbench package is missing, or no chosen dimension can run.
            CheckpointError: a checkpoint is damaged, or another model's.
        """
        require_package()
        not_run = {entry.name: reason for entry in self._chosen if (reason := why_not(entry))}
        for name, reason in not_run.items():
            _log.warning("VBench %s: not run: %s", name, reason)
        runnable = [entry.name for entry in self._chosen if entry.name not in not_run]
        if not runnable:
            raise MissingDependencyError(
                "VBench: no chosen dimension can run: "
                + "; ".join(f"{name}: {reason}" for name, reason in not_run.items())
            )
        from benchmarks.vbench.evaluator import VBenchEvaluator
        from benchmarks.vbench.networks import Networks

        networks = Networks(device=context.device, batch=self._frames_at_once)
        return VBenchEvaluator(
            scorers=_scorers(runnable, networks),
            device=context.device,
            frames_per_piece=self._frames_at_once,
        )

    def describe(self) -> Mapping[str, Any]:
        """Options, versions, and for each of the sixteen dimensions whether it is run or why not.

        Of dimensions that were not asked for it says what they need, not what this machine has: a run that is
        continued must describe itself as it did before.
        """
        states = {dimension.name: self._state(dimension) for dimension in DIMENSIONS}
        return {
            "options": {"dimensions": [entry.name for entry in self._chosen], "mode": self._mode},
            "protocol": f"VBench as in the package vbench {SUPPORTED_VERSION}",
            "source": "arXiv 2311.17982; https://github.com/Vchitect/VBench",
            "package_version": installed_version(),
            "dimensions": states,
            "notes": [f"VBench {name}: {state}" for name, state in states.items() if state != "run"],
        }

    def _expected(self, system: System) -> list[Expected]:
        entries = system.subject.entries()
        if self._mode == "custom":
            return custom(entries, self._usable(), self._information)
        prompts = read_prompts(self._prompts or package_info_file())
        found = standard(entries, prompts, self._chosen, folder=system.subject.path)
        missing = [each.path.name for each in found if not each.path.is_file()]
        if missing:
            _log.warning(
                "VBench: %d of %d videos of the standard prompts are missing, the first is %s",
                len(missing),
                len(found),
                missing[0],
            )
        return found

    def _usable(self) -> Sequence[Dimension]:
        """The chosen dimensions without those that nothing here can run, whose information none need give."""
        return [entry for entry in self._chosen if entry.name in SCORERS]

    def _state(self, dimension: Dimension) -> str:
        if dimension not in self._chosen:
            return f"not run: not asked for; needs {needs(dimension)}"
        reason = why_not(dimension)
        return f"not run: {reason}" if reason else "run"


def _scorers(names: Sequence[str], networks: Any) -> dict[str, Scorer]:
    """A scorer for each dimension; dimensions of one class share theirs."""
    built: dict[str, Scorer] = {}
    for name in names:
        if SCORERS[name] not in built:
            built[SCORERS[name]] = scorer_class(name)(networks)
    return {name: built[SCORERS[name]] for name in names}


def _sample(expected: Expected) -> Sample:
    return Sample(
        id=expected.path.name,
        cluster=expected.prompt.text,
        target={
            "path": str(expected.path),
            "dimensions": list(expected.prompt.dimensions),
            "prompt": expected.prompt.text,
            "information": dict(expected.prompt.information),
        },
        meta={"prompt": expected.prompt.text, "index": expected.index},
    )


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
