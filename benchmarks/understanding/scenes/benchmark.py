"""Understanding on rendered scenes: how well a small probe reads known attributes from a clip's tokens."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.understanding.scenes.options import ScenesOptions
from vtok_eval.benchmark import Context, Evaluator, Sample
from vtok_eval.errors import SuiteError
from vtok_eval.probes.options import check_options
from vtok_eval.results.description import Description
from vtok_eval.results.records import PHOTO, Metric
from vtok_eval.scenes.dataset import SceneClip, SceneSet, labels
from vtok_eval.scenes.vocabulary import ATTRIBUTES
from vtok_eval.systems import System, SystemKind

GROUPS = ("static", "temporal", "camera")
_RIDGE_NOTES = (
    "measures what kernel ridge regression reads from the tokens of as many training clips; for each "
    "attribute the kernel and the penalty are chosen on validation clips, the same way for every tokenizer",
)
_GROUP_TITLES = {"static": "Static", "temporal": "Temporal", "camera": "Camera"}


class UnderstandingScenes:
    """Closed-vocabulary attributes of rendered clips, read from frozen tokens by an attentive probe.

    The probe, its training and its data are the same for every tokenizer; a tokenizer's own projection is
    trained with it. The learning rate is chosen on the validation split. `reader=ridge` reads
    the same clips by kernel ridge regression instead, which has one solution and no seed: a second opinion
    about the sign of a difference. The options are explained in `ScenesOptions`.
    """

    name = "understanding-scenes"
    version = "1"
    accepts = frozenset({SystemKind.TOKENIZER})

    def __init__(
        self,
        *,
        train_clips: int = 4000,
        validation_clips: int = 400,
        test_clips: int = 600,
        data_seed: int = 0,
        clip_size: int = 64,
        n_frames: int = 16,
        reader: str = "probe",
        probe_seeds: int = 1,
        width: int = 128,
        heads: int = 8,
        epochs: int = 8,
        batch_size: int = 64,
        optimizer: str = "muon",
        learning_rates: Sequence[float] = (0.1,),
        weight_decay: float = 0.5,
        max_channels: int | None = 152,
        keep: str = "last",
    ) -> None:
        """Check the options.

        Raises:
            SuiteError: naming the option that is wrong.
        """
        given = {
            "train_clips": train_clips,
            "validation_clips": validation_clips,
            "test_clips": test_clips,
            "data_seed": data_seed,
            "clip_size": clip_size,
            "n_frames": n_frames,
            "reader": reader,
            "probe_seeds": probe_seeds,
            "width": width,
            "heads": heads,
            "epochs": epochs,
            "batch_size": batch_size,
            "optimizer": optimizer,
            "learning_rates": learning_rates,
            "weight_decay": weight_decay,
            "max_channels": max_channels,
            "keep": keep,
        }
        self.options = check_options(ScenesOptions, given, benchmark=self.name)
        try:
            self._sets = {split: self._scene_set(split) for split in ("train", "validation", "test")}
        except ValueError as error:
            raise SuiteError(f"{self.name}: {error}") from error
        self._drawn: dict[str, tuple[Sample, ...]] = {}

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
        data = f"{n_clips:,} clips of {options.n_frames} frames at {options.clip_size} px through each system"
        if options.reader == "ridge":
            protocol = "kernel ridge regression on all tokens of a clip, closed vocabulary; own data"
            cost = f"{data}, one kernel ridge per system"
            notes: tuple[str, ...] = _RIDGE_NOTES
        else:
            protocol = (
                "attentive probe, one learned query per attribute, closed vocabulary; "
                "own data (rendered scenes), probe after V-JEPA (arXiv 2404.08471)"
            )
            trainings = options.probe_seeds * len(options.learning_rates)
            cost = f"{data}, {trainings} probe training(s) of {options.epochs} epochs per system"
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
        notes = (
            "measures how easily a small probe reads the tokens at a fixed training budget, "
            "not how much information they hold",
            f"all tokenizers share one recipe and the same {options.train_clips} training clips; "
            f"choices are made on {options.validation_clips} validation clips",
        )
        if options.probe_seeds > 1:
            return notes
        return (*notes, "one probe seed: the intervals hold no variance of training")

    def _scene_set(self, split: str) -> SceneSet:
        options = self.options
        counts = {
            "train": options.train_clips,
            "validation": options.validation_clips,
            "test": options.test_clips,
        }
        return SceneSet(
            options.data_seed, split, counts[split], size=options.clip_size, n_frames=options.n_frames
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
