"""TV-Align as a benchmark of the harness: do the videos show what their prompts say?"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from tv_align.prompts.load import load_prompts
from tv_align.tracks.evaluator import JudgeEvaluator
from tv_align.tracks.judging import JudgedPrompts
from tv_align.tracks.videos.matching import Matched, PromptVideo, match_videos
from vtok_eval.benchmark import ClipSource, Context, Sample
from vtok_eval.errors import SuiteError
from vtok_eval.results.description import Description
from vtok_eval.results.records import Metric, Record, Score
from vtok_eval.results.store import write_json
from vtok_eval.systems import System, SystemKind
from vtok_eval.video.folder import VideoEntry
from vtok_eval.video.made import GeneratedVideos, MadeVideo, MadeVideos
from vtok_eval.video.sources import VideoFile

_log = logging.getLogger(__name__)


class TVAlign:
    """TV-Align on videos from a folder, from a generator, or decoded from a tokenizer's tokens.

    prompts: "open", "scenes" or the path of a prompt file or folder (see `tv_align.prompts.load`).
    judge: its spec, `NAME` or `NAME:option=value,...`; None takes the oracle for "scenes" and
        `judged.OTHER_JUDGE` for other prompts.
    calibration: a file that `calibrate` wrote for this judge (the oracle's own ships with it); where none is
        given, the run measures the judge on rendered clips, unless it asks a server or people; "none" leaves
        it uncalibrated. A category in which the judge is near chance has no score, and the notes say why. The
        others' scores are shown with corrected ones.
    videos_per_prompt: see `match_videos`; a generator makes that many, 1 by default.
    max_frames: of each video, evenly spaced from first to last.
    short_side: in pixels, to which videos are resized; None leaves them unchanged.

    Raises:
        SpecError, UnknownNameError: prompts, judge or calibration name nothing or cannot be read.
        SuiteError: a number that is not positive; a judge that does not understand these prompts' questions;
            a calibration of another judge or that leaves no category.
    """

    name = "tv-align"
    version = "2"
    accepts = frozenset({SystemKind.VIDEOS, SystemKind.GENERATOR})

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
        self._judged = JudgedPrompts.of(load_prompts(prompts), judge=judge, calibration=calibration)
        self._videos_per_prompt = videos_per_prompt
        self._max_frames, self._short_side = max_frames, short_side

    def metrics(self) -> Sequence[Metric]:
        """Question and prompt accuracy, in all and by category."""
        return self._judged.metrics()

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

    def _clip(self, system: System, expected: PromptVideo) -> ClipSource:
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
        return self._judged.evaluator()

    def derived_scores(self, records: Sequence[Record], *, label: str) -> Sequence[Score]:
        """With a calibration: question accuracies corrected for the judge's errors, with its rates."""
        return self._judged.derived_scores(records, label=label)

    def describe(self) -> Description:
        """Prompts and their hash, the judge, its calibration, how frames are taken."""
        return Description(
            caveats=self._judged.caveats(),
            options={
                "videos_per_prompt": self._videos_per_prompt,
                "max_frames": self._max_frames,
                "short_side": self._short_side,
            },
            facts={
                **self._judged.facts(),
                "protocol": "TV-Align as re-created here: yes-or-no questions, half of them counterfactual",
                "source": "after arXiv 2602.04202, whose prompts and judge are not released",
            },
            notes=(*self._judged.notes(), _CEILING),
        )

    def _match(self, system: System) -> Matched:
        prompts, videos = self._judged.prompts, system.subject
        if isinstance(videos, GeneratedVideos):
            per_prompt = self._videos_per_prompt or 1
            entries = videos.entries_for([prompt.text for prompt in prompts], per_prompt=per_prompt)
            made_for = {prompt.text: prompt for prompt in prompts}
            expected = [
                PromptVideo(made_for[entry.prompt or ""], entry.index or 0, entry.path, present=True)
                for entry in entries
            ]
            return Matched(tuple(expected), extra=())
        return match_videos(
            prompts, videos.entries(), folder=videos.path, videos_per_prompt=self._videos_per_prompt
        )


_CEILING = (
    "where videos are reconstructed from tokens, the same judge's scores of their originals are the ceiling: "
    "what is lost between the two, tokens and decoder lose"
)
