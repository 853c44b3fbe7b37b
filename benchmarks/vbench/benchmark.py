"""VBench as a benchmark of the harness: which dimensions run on which videos, and why others do not."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.vbench.dimensions import DIMENSIONS, Dimension, select
from benchmarks.vbench.inputs import Inputs
from benchmarks.vbench.networks.weights import find, missing_modules, needs, why_not
from benchmarks.vbench.package import SUPPORTED_VERSION, installed_version, require_package
from benchmarks.vbench.prompts import VIDEOS_PER_PROMPT, read_information
from benchmarks.vbench.scorers.scorer import SCORERS, STILL_ONLY, scorer_class
from benchmarks.vbench.totals import TOTALS, missing_for, total_metrics
from benchmarks.vbench.weight_files import RAFT
from vtok_eval.benchmark import Context, Sample
from vtok_eval.errors import MissingDependencyError, SpecError, UnknownNameError
from vtok_eval.results.description import Description
from vtok_eval.results.records import Metric
from vtok_eval.systems import System, SystemKind
from vtok_eval.video.made import MadeVideos

if TYPE_CHECKING:
    from benchmarks.vbench.evaluator import VBenchEvaluator
    from benchmarks.vbench.networks.metric_models import Networks
    from benchmarks.vbench.scorers.scorer import Scorer

MODES = ("custom", "standard")


class VBench:
    """VBench (arXiv 2311.17982) on videos, with the models of the vbench package.

    Videos are a folder's, a generator's, or what a tokenizer decodes of a folder's (`Inputs`).

    dimensions: names, a text of names with commas, or "all", which runs those that can be run here and that
        the prompts allow.
    mode: "custom" scores every video on every chosen dimension; "standard" expects 5 videos of each of
        VBench's own prompts and counts missing ones as failed.
    prompts: for standard mode, a file like VBench_full_info.json, None taking the package's; in custom mode
        what a generator is given: a text file with a prompt on each line, or a JSON list.
    information: for custom mode, a JSON file with the structured information that some dimensions need.
    per_prompt: videos that a generator makes of each prompt in custom mode.
    static_filter: score temporal flickering on still videos alone, as the reference's standard protocol does:
        in standard mode on the first 5 still ones of 25 for each prompt.
    folder_fps: frames a second of videos that are folders of frames.
    frames_at_once: frames that go through a model together; changes no score.

    Raises:
        UnknownNameError: a dimension or mode does not exist.
        SpecError: a number is out of range, or the filter has nothing to filter for.
        VtokEvalError: the information cannot be read.
    """

    name = "vbench"
    version = "2"
    accepts = frozenset({SystemKind.VIDEOS, SystemKind.GENERATOR})
    parts_option = "dimensions"

    def __init__(
        self,
        dimensions: str | Sequence[str] = "all",
        *,
        mode: str = "custom",
        prompts: str | None = None,
        information: str | None = None,
        per_prompt: int = VIDEOS_PER_PROMPT,
        static_filter: bool = False,
        folder_fps: float = 8.0,
        frames_at_once: int = 16,
    ) -> None:
        if mode not in MODES:
            raise UnknownNameError(what="VBench mode", name=mode, known=MODES)
        _check_numbers(per_prompt=per_prompt, folder_fps=folder_fps, frames_at_once=frames_at_once)
        self._chosen = select(dimensions)
        self._filtered = static_filter
        if static_filter and "temporal_flickering" not in {entry.name for entry in self._chosen}:
            raise SpecError("static_filter is for temporal_flickering, which is not among the dimensions")
        self._inputs = Inputs(
            mode=mode,
            prompts=None if prompts is None else Path(prompts),
            information={} if information is None else read_information(Path(information)),
            per_prompt=per_prompt,
            filtered=static_filter,
            forgiving=len(self._chosen) == len(DIMENSIONS),
        )
        self._folder_fps = folder_fps
        self._frames_at_once = frames_at_once

    def metrics(self) -> Sequence[Metric]:
        """One metric for each chosen dimension that can be run here, in the order of VBench's table; totals.

        Failed videos are left out. A total is there where all its dimensions are.
        """
        runnable = [entry for entry in self._chosen if self._why_not(entry) is None]
        totals = total_metrics({entry.name for entry in runnable})
        return [*(_metric(entry) for entry in runnable), *totals]

    def samples(self, system: System) -> Sequence[Sample]:
        """One sample per video, named by its file; samples of one prompt share a cluster.

        Raises:
            VideoError: there is no such folder, or it holds no video.
            SpecError: in standard mode, no video is called after any of VBench's prompts; two files claim to
                be one video; a dimension that was named lacks structured information; a generator has no
                prompts.
        """
        usable = [entry for entry in self._chosen if not missing_modules(entry)]
        return self._inputs.samples(system, usable)

    def prepare(self, system: System, context: Context) -> VBenchEvaluator:
        """Load the models of the dimensions that can run; `describe` names the others under "cost".

        Raises:
            MissingDependencyError: the vbench package is missing, or no chosen dimension can run.
            CheckpointError: a checkpoint is damaged, or another model's.
        """
        require_package()
        not_run = {entry.name: reason for entry in self._chosen if (reason := self._why_not(entry))}
        runnable = [entry.name for entry in self._chosen if entry.name not in not_run]
        if not runnable:
            raise MissingDependencyError(
                "VBench: no chosen dimension can run: "
                + "; ".join(f"{name}: {reason}" for name, reason in not_run.items())
            )
        from benchmarks.vbench.evaluator import VBenchEvaluator
        from benchmarks.vbench.networks.metric_models import Networks

        networks = Networks(device=context.device, batch=self._frames_at_once)
        return VBenchEvaluator(
            scorers=_scorers(runnable, networks, filtered=self._filtered),
            device=context.device,
            frames_per_piece=self._frames_at_once,
            made=system.subject if isinstance(system.subject, MadeVideos) else None,
            folder_fps=self._folder_fps,
        )

    def describe(self) -> Description:
        """Options, versions, and for each of the sixteen dimensions whether it is run or why not.

        Of dimensions that were not asked for it says what they need, not what this machine has: a run that is
        continued must describe itself as it did before.
        """
        states = {entry.name: self._state(entry) for entry in DIMENSIONS}
        running = {name for name, state in states.items() if state == "run"}
        return Description(
            options={
                "dimensions": [entry.name for entry in self._chosen],
                "mode": self._inputs.mode,
                "static_filter": self._filtered,
            },
            facts={
                "protocol": f"VBench as in the package vbench {SUPPORTED_VERSION}",
                "source": "arXiv 2311.17982; https://github.com/Vchitect/VBench",
                "package_version": installed_version(),
                "dimensions": states,
            },
            # What is said before a run starts: its plan, or its first lines.
            cost=tuple(
                f"{entry.title}: {state}" for entry in self._chosen if (state := states[entry.name]) != "run"
            ),
            notes=(
                *(f"VBench {name}: {state}" for name, state in states.items() if state != "run"),
                *_totals_not_given(running),
                *self._about_flickering(),
            ),
        )

    def _about_flickering(self) -> list[str]:
        asked = "temporal_flickering" in {entry.name for entry in self._chosen}
        if self._inputs.mode != "standard" or self._filtered or not asked:
            return []
        return [
            "VBench temporal_flickering: on all videos; the standard protocol takes still ones alone "
            "(option static_filter)"
        ]

    def _why_not(self, entry: Dimension) -> str | None:
        """Why a dimension cannot be run here, or None where it can."""
        reasons = [reason for reason in (why_not(entry), self._unknown(entry)) if reason]
        if self._filtered and entry.name == "temporal_flickering" and find(RAFT) is None:
            reasons.append(f"the filter for still videos needs {RAFT.path}")
        return "; ".join(reasons) or None

    def _unknown(self, entry: Dimension) -> str | None:
        """The structured information that no prompt gives, where the dimension needs it."""
        known = any(entry.name in one for one in self._inputs.information.values())
        if self._inputs.mode == "standard" or entry.information is None or known:
            return None
        return f"no prompt says which {entry.information} it asks for (option information)"

    def _state(self, entry: Dimension) -> str:
        if entry not in self._chosen:
            return f"not run: not asked for; needs {needs(entry)}"
        reason = self._why_not(entry)
        return f"not run: {reason}" if reason else "run"


def _check_numbers(*, per_prompt: int, folder_fps: float, frames_at_once: int) -> None:
    whole = {"per_prompt": per_prompt, "frames_at_once": frames_at_once}
    for name, value in whole.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise SpecError(f"vbench: {name} must be a whole number of at least 1, not {value!r}")
    if not isinstance(folder_fps, int | float) or not 0 < folder_fps < 1000:
        raise SpecError(f"vbench: folder_fps must be a number of frames a second, not {folder_fps!r}")


def _totals_not_given(running: Collection[str]) -> list[str]:
    """A line for each total that lacks a dimension; where all lack some, one line."""
    lacking = {name: missing_for(name, running) for name in TOTALS}
    if all(lacking[name] for name in ("quality", "semantic")):
        return ["VBench Quality, Semantic and Total score: not given, since dimensions were not run"]
    return [
        f"VBench {name.title()} score: not given; not run: {', '.join(missing)}"
        for name, missing in lacking.items()
        if missing
    ]


def _scorers(names: Sequence[str], networks: Networks, *, filtered: bool) -> dict[str, Scorer]:
    """A scorer for each dimension; dimensions of one class share theirs."""
    places = {name: SCORERS[name] for name in names}
    if filtered and "temporal_flickering" in places:
        places["temporal_flickering"] = STILL_ONLY
    built = {place: scorer_class(place)(networks) for place in dict.fromkeys(places.values())}
    return {name: built[place] for name, place in places.items()}


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
