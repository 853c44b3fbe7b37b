"""TV-Align as a benchmark of the harness: do the videos show what their prompts say?"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tv_align.calibration.report import Calibration, read_calibration
from tv_align.evaluator import JudgeEvaluator
from tv_align.judges.judge import Judge
from tv_align.judges.registry import build_judge
from tv_align.prompts.load import load_prompts
from tv_align.prompts.schema import Prompt, PromptSuite
from tv_align.scores import derived_scores, metrics
from tv_align.videos import Expected, Matched, match_videos
from vtok_eval.benchmark import ClipSource, Context, Sample, System
from vtok_eval.errors import MissingDependencyError, SpecError, SuiteError
from vtok_eval.results.records import Metric, Record, Score
from vtok_eval.results.store import write_json
from vtok_eval.video.folder import VideoEntry
from vtok_eval.video.made import GeneratedVideos, MadeVideo, MadeVideos
from vtok_eval.video.sources import VideoFile

_log = logging.getLogger(__name__)


DEFAULT_JUDGES = {"tv-align-scenes": "oracle"}
"""Suite of prompts -> its judge, where none is named; any other is judged by `OTHER_JUDGE`."""
OTHER_JUDGE = "clip:ViT-B-32/openai"


class TVAlign:
    """TV-Align on videos from a folder, of a generator, or decoded from a tokenizer's tokens.

    prompts: "open", "scenes" or the path of a prompt file or folder (see `tv_align.prompts.load`).
    judge: its spec, `NAME` or `NAME:option=value,...`; None takes the oracle for "scenes" and
        `OTHER_JUDGE` for other prompts.
    calibration: a file that `calibrate` wrote for this judge; a category in which the judge is near chance is
        then neither asked nor scored, and the notes say why. The others' scores stand beside corrected ones.
    videos_per_prompt: see `match_videos`; a generator makes so many, 1 where it is not given.
    max_frames: of each video, evenly spaced from first to last.
    short_side: to which videos are resized, in pixels; None leaves them as they are.

    Raises:
        SpecError, UnknownNameError: prompts, judge or calibration name nothing or cannot be read.
        SuiteError: a number that is not positive; a judge that does not understand these prompts' questions;
            a calibration of another judge or that leaves no category.
    """

    name = "tv-align"
    version = "2"
    accepts = frozenset({"videos", "generator"})

    def __init__(
        self,
        *,
        prompts: str = "open",
        judge: str | None = None,
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
        self._calibration = None if calibration is None else read_calibration(Path(calibration))
        self._suite = load_prompts(prompts)
        self._judge_spec = judge or DEFAULT_JUDGES.get(self._suite.name, OTHER_JUDGE)
        self._judge = build_judge(self._judge_spec) if judge else _default_judge(self._judge_spec, prompts)
        _check_understood(self._suite, self._judge)
        self._videos_per_prompt = videos_per_prompt
        self._max_frames, self._short_side = max_frames, short_side
        self._blanked = {} if self._calibration is None else _blanked(self._calibration, self._judge)
        if not self._categories():
            raise SuiteError(
                f"tv-align: the judge {self._judge_spec} is near chance in every category of these prompts"
            )

    def metrics(self) -> Sequence[Metric]:
        """Question and prompt accuracy, in all and by category."""
        return metrics(self._categories())

    def samples(self, system: System) -> Sequence[Sample]:
        """One sample per video that should be there, in the prompts' order; those of a prompt share a
        cluster. Nothing is generated or decoded yet.

        Raises:
            VideoError: there is no such folder, or it holds no video.
            SpecError: no video is called after any prompt, or two claim one prompt and index.
        """
        return [
            Sample(
                id=f"{each.prompt.id}/{each.index}",
                cluster=each.prompt.id,
                clip=self._clip(system, each),
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

    def _clip(self, system: System, expected: Expected) -> ClipSource:
        file = VideoFile(expected.path, max_frames=self._max_frames, short_side=self._short_side)
        if expected.present and isinstance(system.subject, MadeVideos):
            entry = VideoEntry(expected.path, expected.prompt.text, expected.index)
            return MadeVideo(system.subject, entry, file)
        return file

    def prepare(self, system: System, context: Context) -> JudgeEvaluator:
        """Note which videos are missing or extra, in a warning and in the job's `videos.json`."""
        matched = self._match(system)
        missing, extra = [each.path.name for each in matched.missing], [path.name for path in matched.extra]
        write_json(context.artifacts / "videos.json", {"missing": missing, "extra": extra})
        for what, names in (("missing and counted as failed", missing), ("called after no prompt", extra)):
            if names:
                _log.warning(
                    "%s: %d videos are %s (the first: %s); %s lists them",
                    system.name, len(names), what, names[0], context.artifacts / "videos.json",
                )  # fmt: skip
        return JudgeEvaluator(self._judge, self._suite.prompts)

    def derived_scores(self, records: Sequence[Record], *, label: str) -> Sequence[Score]:
        """With a calibration: question accuracies corrected for the judge's errors, beside its rates."""
        if self._calibration is None:
            return []
        return derived_scores(records, self._calibration, label=label)

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
                f"TV-Align; judge: {self._judge_spec}",
                *([] if self._calibration is not None else [_UNCALIBRATED]),
                _CEILING,
                *(f"TV-Align {category}: no score: {why}" for category, why in self._blanked.items()),
            ],
        }

    def _categories(self) -> list[str]:
        return [name for name in self._suite.categories if name not in self._blanked]

    def _prompts(self) -> list[Prompt]:
        return [prompt for prompt in self._suite.prompts if prompt.category not in self._blanked]

    def _match(self, system: System) -> Matched:
        prompts, videos = self._prompts(), system.subject
        if isinstance(videos, GeneratedVideos):
            per_prompt = self._videos_per_prompt or 1
            entries = videos.entries_for([prompt.text for prompt in prompts], per_prompt=per_prompt)
            made_for = {prompt.text: prompt for prompt in prompts}
            expected = [
                Expected(made_for[entry.prompt or ""], entry.index or 0, entry.path, present=True)
                for entry in entries
            ]
            return Matched(tuple(expected), extra=())
        return match_videos(
            prompts, videos.entries(), folder=videos.path, videos_per_prompt=self._videos_per_prompt
        )


_UNCALIBRATED = (
    "no calibration of the judge was given: its own errors are in these scores "
    "(vtok-eval tv-align calibrate measures them)"
)
_CEILING = (
    "where videos are reconstructed from tokens, the same judge's scores of their originals are the ceiling: "
    "what is lost between the two, tokens and decoder lose"
)


def _default_judge(spec: str, prompts: str) -> Judge:
    try:
        return build_judge(spec)
    except MissingDependencyError as error:
        raise MissingDependencyError(
            f"tv-align: prompts={prompts} are judged by {spec} unless another judge is named (--set "
            f"judge=..., such as endpoint:MODEL,url=...), and {error}"
        ) from error


def _check_understood(suite: PromptSuite, judge: Judge) -> None:
    """Refuse a judge that says it does not understand the questions: it would be unsure, and score 0."""
    understands = getattr(judge, "understands", None)
    if understands is None:
        return
    asked = [question.text for prompt in suite.prompts for question in prompt.questions]
    strange = [question for question in asked if not understands(question)]
    if strange:
        raise SuiteError(
            f"tv-align: the judge {judge.name} knows the words of prompts=scenes only; {len(strange)} of "
            f"{len(asked)} questions of {suite.name} are in others, the first: {strange[0]!r}; set "
            f"prompts=scenes or another judge (judge={OTHER_JUDGE}, judge=endpoint:MODEL,url=...)"
        )


def _blanked(calibration: Calibration, judge: Judge) -> dict[str, str]:
    """Category -> why it has no score.

    Raises:
        SpecError: the calibration is of another judge, or of this one with other options or weights.
    """
    if calibration.judge != judge.name:
        raise SpecError(f"the calibration is of the judge {calibration.judge!r}, not of {judge.name!r}")
    measured, now = dict(calibration.description), json.loads(json.dumps(dict(judge.describe())))
    for key in sorted(measured.keys() & now.keys()):
        if measured[key] != now[key]:
            raise SpecError(
                f"the calibration is of the judge {judge.name} with {key}={measured[key]!r}; here it has "
                f"{now[key]!r}: calibrate it as it is used"
            )
    return {row.category: row.near_chance for row in calibration.rows if row.near_chance is not None}
