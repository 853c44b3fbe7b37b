"""Understanding on rendered scenes: how well a small probe reads known attributes from a clip's tokens."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.understanding.scenes.options import ScenesOptions
from vtok_eval.benchmark import Context, Evaluator, Sample
from vtok_eval.probes.options.training import check_options, takes_options
from vtok_eval.results.description import Description
from vtok_eval.results.records import PHOTO, Metric
from vtok_eval.scenes.dataset import SceneClip, labels
from vtok_eval.scenes.vocabulary import ATTRIBUTES
from vtok_eval.systems import System, SystemKind

GROUPS = ("static", "temporal", "camera")
_RIDGE_NOTES = (
    "measures what kernel ridge regression reads from the tokens of as many training clips; for each "
    "attribute the kernel and the penalty are chosen on validation clips, the same way for every tokenizer",
)
_GROUP_TITLES = {"static": "Static", "temporal": "Temporal", "camera": "Camera"}


@takes_options(ScenesOptions)
class UnderstandingScenes:
    """Closed-vocabulary attributes of rendered clips, read from frozen tokens by an attentive probe.

    The probe, its training and its data are the same for every tokenizer; a tokenizer's own projection is
    trained with it. The learning rate is chosen on the validation split. `reader=ridge` reads
    the same clips by kernel ridge regression instead, which has one solution and no seed: a second opinion
    about the sign of a difference. The options are explained in `ScenesOptions`.

    Example:
        >>> small = UnderstandingScenes(train_clips=64, validation_clips=16, test_clips=16, epochs=2)
        >>> small.options.epochs, len(small.samples(None))
        (2, 16)
    """

    name = "understanding-scenes"
    version = "1"
    accepts = frozenset({SystemKind.TOKENIZER})

    def __init__(self, **options: object) -> None:
        """Check the options, which are those of `ScenesOptions`.

        Raises:
            SuiteError: naming the option that is wrong.
        """
        self.options = check_options(ScenesOptions, options, benchmark=self.name)
        counts = {
            "train": self.options.train_clips,
            "validation": self.options.validation_clips,
            "test": self.options.test_clips,
        }
        self._sets = self.options.scene_sets(counts, benchmark=self.name)
        self._drawn: dict[str, tuple[Sample, ...]] = {}

    def with_less_training(self, share: float) -> UnderstandingScenes:
        """The same benchmark with this share of its training and validation clips."""
        return UnderstandingScenes(**dict(self.options.limited(share)))

    def metrics(self) -> Sequence[Metric]:
        """A headline score for each group, and one metric per attribute.

        An attribute's score is the share of right answers, or for a set of labels the balanced accuracy
        within the clip (`Attribute.score`). A group's score and its chance are the plain means of its
        attributes'.
        """
        groups = [_group_metric(group) for group in GROUPS]
        attributes = [
            Metric(name=item.name, title=item.title, chance=item.chance, group=item.group)
            for item in ATTRIBUTES
        ]
        return [*groups, *attributes]

    def samples(self, system: System) -> Sequence[Sample]:
        """The test clips, the same for every system."""
        return self._samples("test")

    def prepare(self, system: System, context: Context) -> Evaluator:
        """Train the system's probes, or take from the job's artifacts those already trained; or fit ridge.

        Raises:
            TokenizerError: the tokenizer fails on every clip, or breaks the protocol as a whole.
            RunFolderError: the artifacts cannot be written.
        """
        from benchmarks.understanding.scenes.reading import ProbeTraining, RidgeTraining

        if self.options.reader == "ridge":
            ridge = RidgeTraining(
                attributes=ATTRIBUTES,
                max_channels=self.options.max_channels,
                training=self._samples("train"),
                validation=self._samples("validation"),
            )
            return ridge.prepare(system, context)
        training = ProbeTraining(
            attributes=ATTRIBUTES,
            recipe=self.options.recipe(n_frames=self.options.n_frames),
            n_probes=self.options.probe_seeds,
            training=self._samples("train"),
            validation=self._samples("validation"),
            facts={"version": self.version, "data": self._fingerprints()},
        )
        return training.prepare(system, context)

    def describe(self) -> Description:
        """Options, fingerprints of the three splits, the protocol, and notes for the report."""
        options = self.options
        n_clips = options.train_clips + options.validation_clips + options.test_clips
        if options.reader == "ridge":
            protocol = "kernel ridge regression on all tokens of a clip, closed vocabulary; own data"
            cost = f"{options.encoding_cost(n_clips)}, one kernel ridge per system"
            notes: tuple[str, ...] = _RIDGE_NOTES
        else:
            protocol = (
                "attentive probe, one learned query per attribute, closed vocabulary; "
                "own data (rendered scenes), probe after V-JEPA (arXiv 2404.08471)"
            )
            cost = options.training_cost(n_clips)
            notes = self._probe_notes()
        return Description(
            options=options.model_dump(mode="json"),
            data=self._fingerprints(),
            facts={
                "reader": options.reader,
                "protocol": protocol,
                "chance": {item.name: item.chance for item in ATTRIBUTES},
            },
            notes=notes,
            cost=(cost,),
        )

    def _probe_notes(self) -> tuple[str, ...]:
        options = self.options
        return (
            "measures how easily a small probe reads the tokens at a fixed training budget, "
            "not how much information they hold",
            f"all tokenizers share one recipe and the same {options.train_clips} training clips; "
            f"choices are made on {options.validation_clips} validation clips",
            *options.seed_notes,
        )

    def _samples(self, split: str) -> tuple[Sample, ...]:
        if split not in self._drawn:
            self._drawn[split] = tuple(scene_sample(clip) for clip in self._sets[split].clips())
        return self._drawn[split]

    def _fingerprints(self) -> dict[str, str]:
        return {split: scenes.fingerprint() for split, scenes in self._sets.items()}


def scene_sample(clip: SceneClip) -> Sample:
    """The sample of a rendered clip; `target` holds the labels of the attributes that apply to it."""
    truth = {name: label for name, label in labels(clip.scene).items() if label is not None}
    target = {name: label if isinstance(label, str) else list(label) for name, label in truth.items()}
    return Sample(
        id=clip.key,
        cluster=clip.key,
        clip=clip,
        target=target,
        meta={"split": clip.split, "n_frames": clip.n_frames, PHOTO: clip.scene.backdrop.photo},
    )


def _group_metric(group: str) -> Metric:
    members = [item for item in ATTRIBUTES if item.group == group]
    return Metric(
        name=group,
        title=_GROUP_TITLES[group],
        chance=sum(item.chance for item in members) / len(members),
        group=group,
        headline=True,
        mean_of=tuple(item.name for item in members),
    )
