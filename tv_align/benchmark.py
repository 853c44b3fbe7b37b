"""TV-Align as a benchmark of the harness: do the videos show what their prompts say?"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tv_align.calibration.report import Calibration, read_calibration
from tv_align.evaluator import JudgeEvaluator
from tv_align.judges.registry import build_judge
from tv_align.prompts.load import load_prompts
from tv_align.prompts.schema import Prompt
from tv_align.scores import metrics
from tv_align.videos import Matched, match_videos
from vtok_eval.benchmark import Context, Sample, System
from vtok_eval.errors import SpecError, SuiteError
from vtok_eval.results.records import Metric
from vtok_eval.results.store import write_json
from vtok_eval.video.sources import VideoFile

_log = logging.getLogger(__name__)


class TVAlign:
    """TV-Align on a folder of videos, with our own prompts and a judge of the user's choice.

    prompts: "open", "scenes" or the path of a prompt file or folder (see `tv_align.prompts.load`).
    judge: its spec, `NAME` or `NAME:option=value,...`.
    calibration: a file that `calibrate` wrote for this judge; a category in which the judge is near chance is
        then neither asked nor scored, and the notes say why.
    videos_per_prompt: see `match_videos`. max_frames: of each video, evenly spaced from first to last.
    short_side: to which videos are resized, in pixels; None leaves them as they are.

    Raises:
        SpecError, UnknownNameError: prompts, judge or calibration name nothing or cannot be read.
        SuiteError: a number that is not positive; a calibration of another judge or that leaves no category.
    """

    name = "tv-align"
    version = "1"
    accepts = frozenset({"videos"})

    def __init__(
        self,
        *,
        prompts: str = "open",
        judge: str = "oracle",
        calibration: str | None = None,
        videos_per_prompt: int | None = None,
        max_frames: int = 16,
        short_side: int | None = None,
    ) -> None:
        for name, value in (
            ("videos_per_prompt", videos_per_prompt),
            ("max_frames", max_frames),
            ("short_side", short_side),
        ):
            if value is not None and value < 1:
                raise SuiteError(f"tv-align: {name} must be at least 1, not {value}")
        self._suite = load_prompts(prompts)
        self._judge_spec = judge
        self._judge = build_judge(judge)
        self._calibration = None if calibration is None else read_calibration(Path(calibration))
        self._videos_per_prompt = videos_per_prompt
        self._max_frames, self._short_side = max_frames, short_side
        self._blanked = {} if self._calibration is None else _blanked(self._calibration, self._judge.name)
        if not self._categories():
            raise SuiteError(f"tv-align: the judge {judge} is near chance in every category of these prompts")

    def metrics(self) -> Sequence[Metric]:
        """Question and prompt accuracy, in all and by category."""
        return metrics(self._categories())

    def samples(self, system: System) -> Sequence[Sample]:
        """One sample per video that should be there, in the prompts' order; those of a prompt share a
        cluster.

        Raises:
            VideoError: there is no such folder, or it holds no video.
            SpecError: no video is called after any prompt, or two claim one prompt and index.
        """
        return [
            Sample(
                id=f"{each.prompt.id}/{each.index}",
                cluster=each.prompt.id,
                clip=VideoFile(each.path, max_frames=self._max_frames, short_side=self._short_side),
                target={"prompt_id": each.prompt.id},
                meta={
                    "prompt": each.prompt.text,
                    "category": each.prompt.category,
                    "level": each.prompt.level,
                    "index": each.index,
                },
            )
            for each in self._match(system).expected
        ]

    def prepare(self, system: System, context: Context) -> JudgeEvaluator:
        """Note which videos are missing or extra, in a warning and in the job's `videos.json`."""
        matched = self._match(system)
        missing, extra = [each.path.name for each in matched.missing], [path.name for path in matched.extra]
        write_json(context.artifacts / "videos.json", {"missing": missing, "extra": extra})
        for what, names in (("missing and counted as failed", missing), ("called after no prompt", extra)):
            if names:
                _log.warning(
                    "%s: %d videos are %s (the first: %s); videos.json of the run's artifacts lists them",
                    system.name, len(names), what, names[0],
                )  # fmt: skip
        return JudgeEvaluator(self._judge, self._suite.prompts)

    def describe(self) -> Mapping[str, Any]:
        """Prompts and their hash, the judge, its calibration, how frames are taken."""
        return {
            "options": {
                "videos_per_prompt": self._videos_per_prompt,
                "max_frames": self._max_frames,
                "short_side": self._short_side,
            },
            "prompts": {
                "suite": self._suite.name,
                "version": self._suite.version,
                "sha256": self._suite.sha256,
                "n": len(self._prompts()),
                "source": self._suite.source,
            },
            "judge": {"spec": self._judge_spec, "name": self._judge.name, **self._judge.describe()},
            "calibration": None if self._calibration is None else self._calibration.to_json(),
            "protocol": "TV-Align as re-created here: yes-or-no questions, half of them counterfactual",
            "source": "after arXiv 2602.04202, whose prompts and judge are not released",
            "notes": [
                f"prompts: {self._suite.name} version {self._suite.version}, an open re-creation of "
                f"TV-Align; judge: {self._judge.name}",
                *(f"TV-Align {category}: no score: {why}" for category, why in self._blanked.items()),
            ],
        }

    def _categories(self) -> list[str]:
        return [name for name in self._suite.categories if name not in self._blanked]

    def _prompts(self) -> list[Prompt]:
        return [prompt for prompt in self._suite.prompts if prompt.category not in self._blanked]

    def _match(self, system: System) -> Matched:
        folder = system.subject
        return match_videos(
            self._prompts(), folder.entries(), folder=folder.path, videos_per_prompt=self._videos_per_prompt
        )


def _blanked(calibration: Calibration, judge: str) -> dict[str, str]:
    if calibration.judge != judge:
        raise SpecError(f"the calibration is of the judge {calibration.judge!r}, not of {judge!r}")
    return {row.category: row.near_chance for row in calibration.rows if row.near_chance is not None}
