"""TV-Align's track `read` as a benchmark: whether frozen tokens distinguish true from false text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from tv_align.prompts.schema import CATEGORIES, Prompt, PromptSuite
from tv_align.scenes.prompts import reference_samples, scenes_suite
from tv_align.tracks.scores import metrics
from tv_align.tracks.tokens.options import ReadOptions
from vtok_eval.benchmark import Context, Evaluator, Sample
from vtok_eval.probes.options.training import check_options, takes_options
from vtok_eval.results.description import Caveat, Description
from vtok_eval.results.records import Metric
from vtok_eval.systems import System, SystemKind

if TYPE_CHECKING:
    from tv_align.tracks.tokens.questions import QuestionTable


@takes_options(ReadOptions)
class TVAlignRead:
    """The prompts of `tv-align-scenes`, whose clips are encoded; a probe on the tokens answers the questions.

    No decoder and no judge: each question is put as words of a closed vocabulary to an attentive probe, which
    says yes or no. The probe, its training questions, clips and steps are the same for every tokenizer; a
    tokenizer's own projection is trained with it. Splits share no photo. `reader=ridge` answers the same
    questions by kernel ridge regression, which has one solution and no seed: a second opinion. The options:
    `ReadOptions`.

    Example:
        >>> small = TVAlignRead(train_clips=64, validation_clips=16, per_level=2, epochs=2)
        >>> small.options.per_level, len(small.samples(None))
        (2, 32)
    """

    name = "tv-align-read"
    version = "1"
    accepts = frozenset({SystemKind.TOKENIZER})

    def __init__(self, **options: object) -> None:
        """Check the options, which are those of `ReadOptions`.

        Raises:
            SuiteError: naming the option that is wrong.
        """
        self.options = check_options(ReadOptions, options, benchmark=self.name)
        counts = {"train": self.options.train_clips, "validation": self.options.validation_clips}
        self._sets = self.options.scene_sets(counts, benchmark=self.name)

    def with_less_training(self, share: float) -> TVAlignRead:
        """The same benchmark with this share of its training and validation clips."""
        return TVAlignRead(**dict(self.options.limited(share)))

    def metrics(self) -> Sequence[Metric]:
        """Question and prompt accuracy, in all and by category."""
        return metrics(CATEGORIES)

    def samples(self, system: System) -> Sequence[Sample]:
        """One per prompt, the same for every system: its clip, its category and level."""
        return self._samples

    @cached_property
    def _samples(self) -> Sequence[Sample]:
        options = self.options
        return reference_samples(
            per_level=options.per_level, size=options.clip_size, n_frames=options.n_frames
        )

    @cached_property
    def _suite(self) -> PromptSuite:
        return scenes_suite(per_level=self.options.per_level)

    def prepare(self, system: System, context: Context) -> Evaluator:
        """Train the system's probes, or take from the job's artifacts those already trained; or fit ridge.

        Raises:
            TokenizerError: the tokenizer fails on every clip, or breaks the protocol as a whole.
            RunFolderError: the artifacts cannot be written.
        """
        from tv_align.tracks.tokens.evaluator import ReadEvaluator
        from tv_align.tracks.tokens.reading import QuestionReading
        from vtok_eval.probes.preparation import ReaderTraining

        if self.options.reader == "ridge":
            return self._fitted_ridge(system, context)
        training = ReaderTraining(
            task=QuestionReading(self._questions["train"], self._questions["validation"]),
            recipe=self.options.recipe(n_frames=self.options.n_frames),
            n_probes=self.options.probe_seeds,
            training=self._numbered["train"],
            validation=self._numbered["validation"],
            facts={"version": self.version, "data": self._fingerprints(), **self._training_facts()},
        )
        return ReadEvaluator(
            tokenizer=system.subject,
            readers=training.prepare(system, context),
            prompts=self._prompts,
            device=context.device,
        )

    def _fitted_ridge(self, system: System, context: Context) -> Evaluator:
        from tv_align.tracks.tokens.evaluator import RidgeReadEvaluator
        from tv_align.tracks.tokens.questions import drawn_questions
        from tv_align.tracks.tokens.ridge import QuestionRidge
        from vtok_eval.probes.ridge.preparation import fit_ridge

        asked = {
            split: [
                drawn_questions(clip.scene, per_fact=self.options.questions_per_fact)
                for clip in scenes.clips()
            ]
            for split, scenes in self._sets.items()
        }
        reader, preprocessing = fit_ridge(
            lambda *splits: QuestionRidge.fit(*splits, asked=asked),
            system,
            context,
            training=self._numbered["train"],
            validation=self._numbered["validation"],
            max_channels=self.options.max_channels,
        )
        return RidgeReadEvaluator(system.subject, reader, preprocessing, self._prompts)

    @property
    def _prompts(self) -> Mapping[str, Prompt]:
        return {prompt.id: prompt for prompt in self._suite.prompts}

    @cached_property
    def _numbered(self) -> Mapping[str, Sequence[Sample]]:
        return {
            split: [
                Sample(id=clip.key, cluster=clip.key, clip=clip, target={"row": row})
                for row, clip in enumerate(scenes.clips())
            ]
            for split, scenes in self._sets.items()
        }

    @cached_property
    def _questions(self) -> Mapping[str, QuestionTable]:
        """What the probes of all systems are trained with, made once."""
        from tv_align.tracks.tokens.questions import QuestionTable

        return {
            split: QuestionTable.of(
                [clip.scene for clip in scenes.clips()], per_fact=self.options.questions_per_fact
            )
            for split, scenes in self._sets.items()
        }

    def describe(self) -> Description:
        """Options, prompts and data with their hashes, the protocol, notes for the report."""
        options = self.options
        suite = self._suite
        ridge = options.reader == "ridge"
        answers = "kernel ridge regression" if ridge else "an attentive probe"
        notes = (
            f"prompts: {suite.name} version {suite.version}, an open re-creation of TV-Align; no judge: "
            f"{answers} on the frozen tokens answers, trained on questions of the same vocabulary about "
            f"{options.train_clips} other clips over other photos, the same for all tokenizers",
            "measures how easily the answers are read at a fixed training budget, not whether they are there",
            *(() if ridge else options.seed_notes),
        )
        n_clips = options.train_clips + options.validation_clips + len(self._samples)
        facts = {
            "prompts": {
                "suite": suite.name,
                "version": suite.version,
                "sha256": suite.sha256,
                "n": len(suite.prompts),
                "source": suite.source,
            },
            "training": self._training_facts(),
            "protocol": "TV-Align as re-created here, track read: yes-or-no questions, half of them "
            f"counterfactual, answered by {answers} on the frozen tokens",
            "reader": options.reader,
            "source": "after arXiv 2602.04202, whose prompts and judge are not released; "
            "probe after V-JEPA (arXiv 2404.08471)",
        }
        return Description(
            caveats=(Caveat.RE_CREATION,),
            options=options.model_dump(mode="json"),
            data=self._fingerprints(),
            facts=facts,
            notes=notes,
            cost=(
                f"{options.encoding_cost(n_clips)}, one kernel ridge per system"
                if ridge
                else options.training_cost(n_clips),
            ),
        )

    def _training_facts(self) -> Mapping[str, object]:
        """What the training questions depend on besides the clips."""
        return {"questions_per_fact": self.options.questions_per_fact, "questions_version": 1}

    def _fingerprints(self) -> dict[str, str]:
        return {split: scenes.fingerprint() for split, scenes in self._sets.items()}
