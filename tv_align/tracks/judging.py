"""Prompts and the judge that is asked about them: what every benchmark of the track `show` has in common."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import resources
from pathlib import Path

from tv_align.calibration.by_run import calibration_of, is_calibrated_by_runs
from tv_align.calibration.report import Calibration, read_calibration
from tv_align.judges.judge import Judge
from tv_align.judges.registry import build_judge
from tv_align.prompts.schema import Prompt, PromptSuite
from tv_align.tracks.evaluator import JudgeEvaluator
from tv_align.tracks.scores import PROMPTS, QUESTIONS, derived_scores, metric_name, metrics
from vtok_eval.errors import MissingDependencyError, SpecError, SuiteError
from vtok_eval.results.description import Caveat, joined_caveats
from vtok_eval.results.records import Metric, Record, Score

DEFAULT_JUDGES = {"tv-align-scenes": "oracle"}
"""Suite of prompts -> its judge, where none is named; any other is judged by `OTHER_JUDGE`."""
OTHER_JUDGE = "clip:ViT-B-32/openai"
UNCALIBRATED = "none"
"""The option `calibration` that leaves a judge uncalibrated."""
SHIPPED_CALIBRATIONS = {"oracle": "oracle.json"}
"""Judge -> its calibration in `tv_align.calibration`, taken where none is named."""


@dataclass(frozen=True)
class JudgedPrompts:
    """A suite of prompts, a judge that understands its questions, and what is known of the judge's errors.

    given: the calibration of a file, or that ships with the judge. blanked: category -> why, by the given
    calibration, it is neither asked nor scored. by_run: whether the run calibrates the judge, where none is
    given.
    """

    suite: PromptSuite
    judge_spec: str
    judge: Judge
    given: Calibration | None
    blanked: Mapping[str, str]
    by_run: bool = False

    @cached_property
    def calibration(self) -> Calibration | None:
        """The given one, else the one measured here: once for each judge, see `calibration_of`."""
        return calibration_of(self.judge) if self.by_run else self.given

    @property
    def unscored(self) -> dict[str, str]:
        """Category -> why it is asked but has no score: the run found the judge near chance in it."""
        if not self.by_run or self.calibration is None:
            return {}
        return {row.category: row.near_chance for row in self.calibration.rows if row.near_chance is not None}

    @classmethod
    def of(cls, suite: PromptSuite, *, judge: str | None, calibration: str | None) -> JudgedPrompts:
        """Build the judge and check it against prompts and calibration.

        judge: its spec; None takes that of `DEFAULT_JUDGES`, or `OTHER_JUDGE`. calibration: a file that
        `calibrate` wrote for this judge; None takes the one that ships for it, else has the run measure it,
        except for judges that ask a server or people; "none" leaves the judge uncalibrated.

        Raises:
            SpecError, UnknownNameError: the judge names nothing, or the calibration cannot be read.
            MissingDependencyError: the judge needs a package or weights that are missing.
            SpecError: the calibration is of another judge, or of this one with other options.
            SuiteError: the judge does not understand the questions, or is near chance in every category.
        """
        wanted = calibration != UNCALIBRATED
        measured = read_calibration(Path(calibration)) if calibration is not None and wanted else None
        spec = judge or DEFAULT_JUDGES.get(suite.name, OTHER_JUDGE)
        built = build_judge(spec) if judge else _default_judge(spec, suite)
        _check_understood(suite, built)
        if measured is None and wanted:
            measured = _shipped_calibration(built)
        blanked = {} if measured is None else _blanked(measured, built)
        by_run = measured is None and wanted and is_calibrated_by_runs(built)
        found = cls(suite, spec, built, measured, blanked, by_run)
        if not found.categories:
            raise SuiteError(f"tv-align: the judge {spec} is near chance in every category of these prompts")
        return found

    @property
    def categories(self) -> list[str]:
        """Those that are scored."""
        return [name for name in self.suite.categories if name not in self.blanked]

    @property
    def prompts(self) -> list[Prompt]:
        """Those that are asked about."""
        return [prompt for prompt in self.suite.prompts if prompt.category not in self.blanked]

    def metrics(self) -> Sequence[Metric]:
        """Question and prompt accuracy, in all and by category.

        Once the run has found the judge near chance in a category, failed videos do not count there either.
        """
        found = metrics(self.categories)
        if "calibration" not in self.__dict__:  # a plan alone calibrates nothing
            return found
        blank = {metric_name(score, name) for score in (QUESTIONS, PROMPTS) for name in self.unscored}
        if len(self.unscored) >= len(self.categories):
            blank |= {QUESTIONS, PROMPTS}
        return [replace(metric, failed_as=None) if metric.name in blank else metric for metric in found]

    def evaluator(self) -> JudgeEvaluator:
        """Asks the judge; calibrates it first where the run does that."""
        return JudgeEvaluator(self.judge, self.prompts, unscored=self.unscored)

    def derived_scores(self, records: Sequence[Record], *, label: str) -> Sequence[Score]:
        """With a calibration: question accuracies corrected for the judge's errors, with its rates."""
        return [] if self.calibration is None else derived_scores(records, self.calibration, label=label)

    def caveats(self) -> tuple[Caveat, ...]:
        """The judge's, that this is a re-creation of TV-Align, and whether the judge's errors are unknown."""
        unknown = (Caveat.JUDGE_NOT_CALIBRATED,) if self.given is None and not self.by_run else ()
        return joined_caveats((Caveat.RE_CREATION,), self.judge.describe().caveats, unknown)

    def facts(self) -> dict[str, object]:
        """What provenance keeps: prompts and their hash, the judge and its calibration."""
        return {
            "prompts": {
                "suite": self.suite.name,
                "version": self.suite.version,
                "sha256": self.suite.sha256,
                "n": len(self.prompts),
                "source": self.suite.source,
            },
            "judge": {"spec": self.judge_spec, "name": self.judge.name, **self.judge.describe().identity()},
            "calibration": None if self.calibration is None else self.calibration.to_json(),
            **({"unscored": self.unscored} if self.unscored else {}),
        }

    def notes(self) -> list[str]:
        """What must be read with the scores."""
        known = (
            "judge not calibrated: its own errors are in these scores; `vtok-eval tv-align calibrate --judge "
            f"{self.judge_spec} --out FILE` measures them, and the option calibration=FILE takes the file"
        )
        if self.calibration is not None:
            known = (
                f"judge's sensitivity and specificity: measured on {self.calibration.control_set}; corrected "
                "accuracies suppose that it errs on these clips as it does there"
            )
        return [
            f"prompts: {self.suite.name} version {self.suite.version}, an open re-creation of TV-Align; "
            f"judge: {self.judge_spec}",
            known,
            *(
                f"TV-Align {category}: no score: {why}"
                for category, why in {**self.blanked, **self.unscored}.items()
            ),
        ]


def _shipped_calibration(judge: Judge) -> Calibration | None:
    name = SHIPPED_CALIBRATIONS.get(judge.name)
    if name is None:
        return None
    with resources.as_file(resources.files("tv_align.calibration") / name) as path:
        return read_calibration(path)


def _default_judge(spec: str, suite: PromptSuite) -> Judge:
    try:
        return build_judge(spec)
    except MissingDependencyError as error:
        raise MissingDependencyError(
            f"tv-align: the prompts {suite.name} are judged by {spec} unless another judge is named (--set "
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
    measured = dict(calibration.description)
    now = json.loads(json.dumps(judge.describe().identity()))
    for key in sorted(measured.keys() & now.keys()):
        if measured[key] != now[key]:
            raise SpecError(
                f"the calibration is of the judge {judge.name} with {key}={measured[key]!r}; here it has "
                f"{now[key]!r}: calibrate it as it is used"
            )
    return {row.category: row.near_chance for row in calibration.rows if row.near_chance is not None}
