"""Understanding on rendered scenes by a language model: a miniature of what the VTok paper claims."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarks.understanding.reader.options import MiniatureOptions
from benchmarks.understanding.scenes.benchmark import UnderstandingScenes, scene_sample
from vtok_eval.benchmark import Context, Evaluator, Sample
from vtok_eval.probes.options.training import check_options, takes_options
from vtok_eval.results.description import Caveat, Description
from vtok_eval.results.records import Metric
from vtok_eval.scenes.vocabulary import ATTRIBUTES
from vtok_eval.systems import System, SystemKind

if TYPE_CHECKING:
    from benchmarks.understanding.reader.preparation import MiniatureTraining

OVERALL = "understanding"


@takes_options(MiniatureOptions)
class UnderstandingReader:
    """The attributes of rendered clips, asked of a small language model trained on each tokenizer's tokens.

    A language model of transformers' own class (Llama) with random weights and a closed vocabulary of words
    is trained in the same way for every tokenizer: same start, projection, conversations, order, steps. It
    answers in words, which are read as any model's answers are. Clips, attributes and scores are those of
    `understanding-scenes`, so the two readers can be compared. The options are explained in
    `MiniatureOptions`.

    Raises:
        SuiteError: an option is wrong.
        MissingDependencyError: transformers from version 5 on is not installed.

    Example:
        >>> UnderstandingReader.name, sorted(UnderstandingReader.accepts)
        ('understanding-reader', [<SystemKind.TOKENIZER: 'tokenizer'>])
    """

    name = "understanding-reader"
    version = "1"
    accepts = frozenset({SystemKind.TOKENIZER})

    def __init__(self, **options: object) -> None:
        self.options = check_options(MiniatureOptions, options, benchmark=self.name)
        self._sets = self.options.scene_sets(benchmark=self.name)
        self._drawn: dict[str, tuple[Sample, ...]] = {}
        _need_training_packages()

    def with_less_training(self, share: float) -> UnderstandingReader:
        """The same benchmark with this share of its training and validation clips, and of the steps."""
        return UnderstandingReader(**dict(self.options.limited(share)))

    def metrics(self) -> Sequence[Metric]:
        """The mean over all attributes, over each group, the attributes, and answers that name no label."""
        from benchmarks.understanding.reader.evaluator import UNPARSED

        overall = Metric(
            name=OVERALL,
            title="All attributes",
            chance=sum(item.chance for item in ATTRIBUTES) / len(ATTRIBUTES),
            group="overall",
            headline=True,
            mean_of=tuple(item.name for item in ATTRIBUTES),
        )
        unparsed = Metric(
            name=UNPARSED,
            title="Unparsed answers",
            higher_is_better=False,
            group="Ways of answering",
            failed_as=None,
        )
        return [overall, *UnderstandingScenes(test_clips=1).metrics(), unparsed]

    def samples(self, system: System) -> Sequence[Sample]:
        """The test clips, the same for every system; each is asked about every attribute that applies."""
        return self._samples("test")

    def prepare(self, system: System, context: Context) -> Evaluator:
        """Train the system's readers, or take from the job's artifacts those already trained.

        Raises:
            TokenizerError: the tokenizer fails on every clip, or breaks the protocol as a whole.
            RunFolderError: the artifacts cannot be written.
        """
        return self._training().prepare(system, context)

    def describe(self) -> Description:
        """Options, fingerprints of the three splits, the protocol, and notes for the report."""
        options = self.options
        n_clips = options.train_clips + options.validation_clips + options.test_clips
        return Description(
            caveats=(Caveat.MINIATURE,),
            options=options.model_dump(mode="json"),
            data=self._fingerprints(),
            facts={
                "reader": "language model",
                "protocol": (
                    f"LlamaForCausalLM of {options.layers} layers and width {options.width}, random start, "
                    "closed vocabulary of words, trained on conversations about rendered scenes; one "
                    "question at a time, greedy generation, answers read from their words"
                ),
                "chance": {item.name: item.chance for item in ATTRIBUTES},
            },
            notes=self._notes(),
            cost=(options.training_cost(n_clips),),
        )

    def _notes(self) -> tuple[str, ...]:
        options = self.options
        seeds = "" if options.reader_seeds > 1 else "; one seed: the intervals hold no variance of training"
        return (
            "a miniature: a language model of under half a million weights that knows only what these clips "
            "taught it. It shows whether another kind of reader finds the same differences, not what a "
            "pretrained model would find",
            f"all tokenizers share one recipe, {options.train_clips} training clips and {options.steps} steps"
            f"{seeds}",
        )

    def _training(self) -> MiniatureTraining:
        from benchmarks.understanding.reader.preparation import MiniatureTraining

        return MiniatureTraining(
            options=self.options,
            training=self._samples("train"),
            validation=self._samples("validation"),
            facts={"version": self.version, "data": self._fingerprints()},
        )

    def _samples(self, split: str) -> tuple[Sample, ...]:
        if split not in self._drawn:
            self._drawn[split] = tuple(scene_sample(clip) for clip in self._sets[split].clips())
        return self._drawn[split]

    def _fingerprints(self) -> dict[str, str]:
        return {split: scenes.fingerprint() for split, scenes in self._sets.items()}


def _need_training_packages() -> None:
    from vtok_eval.answerers.training.steps.stage_run import need_training_packages

    need_training_packages()
