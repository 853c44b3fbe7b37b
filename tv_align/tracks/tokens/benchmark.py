"""TV-Align's track `read` as a benchmark: whether frozen tokens distinguish true from false text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tv_align.prompts.schema import CATEGORIES, PromptSuite
from tv_align.scenes.prompts import reference_samples, scenes_suite
from tv_align.tracks.scores import metrics
from tv_align.tracks.tokens.options import ReadOptions
from vtok_eval.benchmark import Context, Evaluator, Sample
from vtok_eval.probes.options import check_options, takes_options
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
    tokenizer's own projection is trained with it. The learning rate is chosen on the validation split. Splits
    share no photo. The options are explained in `ReadOptions`.
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
        """Train the system's probes, or take from the job's artifacts those already trained.

        Raises:
            TokenizerError: the tokenizer fails on every clip, or breaks the protocol as a whole.
            RunFolderError: the artifacts cannot be written.
        """
        from tv_align.tracks.tokens.evaluator import ReadEvaluator
        from tv_align.tracks.tokens.reading import QuestionReading
        from vtok_eval.probes.preparation import ReaderTraining

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
            prompts={prompt.id: prompt for prompt in self._suite.prompts},
            device=context.device,
        )

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
        notes = (
            f"prompts: {suite.name} version {suite.version}, an open re-creation of TV-Align; no judge: a "
            "probe on the frozen tokens answers, trained on questions of the same vocabulary about "
            f"{options.train_clips} other clips over other photos, alike for all tokenizers",
            "measures how easily the answers are read at a fixed training budget, not whether they are there",
            *options.seed_notes,
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
            "counterfactual, answered by an attentive probe on frozen tokens",
            "source": "after arXiv 2602.04202, whose prompts and judge are not released; "
            "probe after V-JEPA (arXiv 2404.08471)",
        }
        return Description(
            caveats=(Caveat.RE_CREATION,),
            options=options.model_dump(mode="json"),
            data=self._fingerprints(),
            facts=facts,
            notes=notes,
            cost=(options.training_cost(n_clips),),
        )

    def _training_facts(self) -> Mapping[str, Any]:
        """What the training questions depend on besides the clips."""
        return {"questions_per_fact": self.options.questions_per_fact, "questions_version": 1}

    def _fingerprints(self) -> dict[str, str]:
        return {split: scenes.fingerprint() for split, scenes in self._sets.items()}
