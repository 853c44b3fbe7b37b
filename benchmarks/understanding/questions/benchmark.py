"""Benchmarks of questions about videos, on their real data: one class, many YAML files."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.understanding.questions.catalogue import find_description
from benchmarks.understanding.questions.data.folder import data_folder
from benchmarks.understanding.questions.data.tables import fingerprint
from benchmarks.understanding.questions.data.video_library import Sampling
from benchmarks.understanding.questions.loading import LoadedQuestions, chosen_files, load
from benchmarks.understanding.questions.metrics import MetricSet
from benchmarks.understanding.questions.options import check_options
from benchmarks.understanding.questions.probe.options import check_probe_options
from benchmarks.understanding.questions.probe.preparation import TokenizerPath
from benchmarks.understanding.questions.probe.training_data import Leakage, TrainingSource
from benchmarks.understanding.questions.question import VideoQuestion
from vtok_eval.benchmark import Context, Sample
from vtok_eval.errors import DataError, MissingDependencyError, SuiteError
from vtok_eval.results.description import Description
from vtok_eval.results.records import Metric
from vtok_eval.systems import System, SystemKind

if TYPE_CHECKING:
    from benchmarks.understanding.questions.answering.evaluator import QuestionEvaluator
    from benchmarks.understanding.questions.probe.evaluator import ProbeEvaluator
    from vtok_eval.benchmark import ClipSource


class QuestionAnswering:
    """Questions about videos as a YAML file describes them, for answerers and, by a probe, tokenizers.

    description: a benchmark of the catalogue, by name, or a YAML file. data: the folder with its data, or
    one that holds such a folder under the benchmark's name; without it `$VTOK_EVAL_DATA/NAME`, else the cache
    folder's `data/NAME`. subsets: those to take, a list or text with commas.
    frames: the maximum number of frames shown of a clip; None takes all. sampling: the rule that chooses
    them, of `SAMPLING_RULES` (not "fps"). short_side: the shorter side in pixels; None: as stored.
    compat: "lmms-eval" reads and scores answers as that peer does. circular: ask every rotation of the
    options. blind: ask without the clip.

    For tokenizers, whose tokens a probe reads:

    train: a file of training questions
    (`training_data.read_training_file`) in place of the benchmark's training split. leakage: "refuse"
    training clips that are also under test, or "drop" them. text: what embeds sentences
    (`sentences.encoders`). probe: options of the probe, such as {epochs: 4, seeds: 3} (`ProbeOptions`).

    Raises:
        UnknownNameError: no such description, subset, rule or peer.
        DescriptionError: the YAML file breaks the schema.
        SuiteError: an option that this benchmark cannot have.
    """

    parts_option = "subsets"

    def __init__(
        self,
        description: str,
        *,
        data: str | None = None,
        subsets: str | Sequence[str] = (),
        frames: int | None = 16,
        sampling: str = "linspace",
        short_side: int | None = 448,
        compat: str | None = None,
        circular: bool = False,
        blind: bool = False,
        train: str | None = None,
        leakage: Leakage = "refuse",
        text: str = "minilm",
        probe: Mapping[str, object] | None = None,
    ) -> None:
        self.description = find_description(description)
        self.name = self.description.name
        self.version = self.description.version
        self._folder = data_folder(self.description, data)
        self._subsets = tuple(subsets.split(",")) if isinstance(subsets, str) else tuple(subsets)
        self._sampling = Sampling(frames=frames, rule=sampling, short_side=short_side)
        self._compat, self._circular, self._blind = compat, circular, blind
        self._leakage, self._text = leakage, text
        self._probe = check_probe_options(probe, benchmark=self.name)
        self._training = TrainingSource(
            self.description, self._folder, None if train is None else Path(train).expanduser()
        )
        check_options(
            self.description,
            subsets=self._subsets,
            sampling=self._sampling,
            compat=compat,
            circular=circular,
            leakage=leakage,
            text=text,
        )
        reason = self._why_no_tokenizer()
        self.why_not = {} if reason is None else {SystemKind.TOKENIZER: reason}
        self.accepts = frozenset({SystemKind.ANSWERER, SystemKind.TOKENIZER} - set(self.why_not))

    def metrics(self) -> Sequence[Metric]:
        """Headlines, groupings and the rate of unread answers, of the questions in the data's folder.

        Raises:
            MissingDependencyError: the data are missing; says what to fetch.
            DataError: they are not what the description says.
        """
        return self._metric_set.metrics()

    def samples(self, system: System) -> Sequence[Sample]:
        """One sample per question (per pair, for pairs), those of one clip next to each other.

        Raises:
            MissingDependencyError, DataError: as `metrics`.
        """
        loaded = self._loaded
        shows = self._shows_clips(system)
        if shows:
            loaded.warn_of_missing()
        if system.kind is SystemKind.TOKENIZER:
            # Clips that are both under test and in the training are reported before anything runs.
            self._tokenizer_path.data  # noqa: B018
        if self.description.is_paired:
            return [self._pair_sample(name, members) for name, members in self._loaded.pairs.items()]
        return [self._sample(question, shows=shows) for question in loaded.questions]

    def prepare(self, system: System, context: Context) -> QuestionEvaluator | ProbeEvaluator:
        """Extract clips from archives where needed; train a tokenizer's probes.

        Raises:
            MissingDependencyError: the sentence encoder is missing.
            TokenizerError: the tokenizer fails on every training clip, or breaks the protocol as a whole.
        """
        from benchmarks.understanding.questions.answering.evaluator import QuestionEvaluator

        shows = self._shows_clips(system)
        if shows:
            self._loaded.unpack()
        if system.kind is SystemKind.TOKENIZER:
            return self._tokenizer_path.prepare(
                system,
                context,
                metric_set=self._metric_set,
                questions=self.questions_by_sample,
                facts={"benchmark": self.name, "version": self.version, "frames": asdict(self._sampling)},
            )
        return QuestionEvaluator(
            description=self.description,
            metric_set=self._metric_set,
            answerer=system.subject,
            runner=context.runner,
            questions=self.questions_by_sample,
            sources=self._loaded.sources,
            shows_clips=shows,
            peer=self._compat is not None,
        )

    def with_less_training(self, share: float) -> QuestionAnswering:
        """The same benchmark, whose probes learn from this share of the training clips."""
        fewer = copy.copy(self)
        fewer._training = replace(self._training, share=share)
        for made in ("_tokenizer_path", "_usable_path"):
            vars(fewer).pop(made, None)  # made of all training clips
        return fewer

    def more_sources(self, system: System) -> list[ClipSource]:
        """Clips that no sample has but a result depends on: of pairs of questions, and of training."""
        found: list[ClipSource] = []
        if self.description.is_paired and self._shows_clips(system):
            found += self._loaded.sources.values()
        if system.kind is SystemKind.TOKENIZER:
            data = self._tokenizer_path.data
            found += [sample.clip for sample in (*data.training, *data.validation) if sample.clip is not None]
        return list(dict.fromkeys(found))

    def missing_data(self) -> str | None:
        """What is missing of the data, in one line; None where tables and videos are there."""
        try:
            return self._loaded.missing_videos()
        except (MissingDependencyError, DataError) as error:
            return str(error)

    def describe(self) -> Description:
        """Options, prompts, the data's hash, source and licence, and notes for the report."""
        description = self.description
        return Description(
            options={
                "subsets": list(self._subsets or description.default_subsets or description.subsets),
                "frames": self._sampling.frames,
                "sampling": self._sampling.rule,
                "short_side": self._sampling.short_side,
                "compat": self._compat,
                "circular": self._circular,
                "blind": self._blind,
            },
            data={
                "tables_sha256": fingerprint(chosen_files(description, self._folder, self._subsets)),
                "questions": len(self._loaded.questions),
            },
            facts={
                "protocol": description.summary,
                "probe": self._usable_path.facts() if self._usable_path else None,
                "prompts": {name: task.prompt for name, task in description.tasks.items()},
                "source": f"{description.citation} {description.url}",
                "licence": description.licence,
            },
            caveats=self._usable_path.caveats() if self._usable_path else (),
            notes=tuple(self._notes()),
            cost=tuple(self._cost()),
        )

    @cached_property
    def _loaded(self) -> LoadedQuestions:
        return load(self.description, self._folder, subsets=self._subsets, sampling=self._sampling)

    @cached_property
    def _tokenizer_path(self) -> TokenizerPath:
        loaded = self._loaded
        return TokenizerPath(
            source=self._training,
            sampling=self._sampling,
            tested=loaded.questions,
            sources=loaded.sources,
            options=self._probe,
            text=self._text,
            leakage=self._leakage,
        )

    @cached_property
    def _usable_path(self) -> TokenizerPath | None:
        """The tokenizers' path, where training questions are there and sound.

        Faults in them are reported when a tokenizer is tested (`samples`); they do not concern answerers.
        """
        if SystemKind.TOKENIZER not in self.accepts:
            return None
        try:
            self._tokenizer_path.data  # noqa: B018
        except (SuiteError, DataError, MissingDependencyError):
            return None
        return self._tokenizer_path

    @cached_property
    def _metric_set(self) -> MetricSet:
        return MetricSet(self.description, self._loaded.questions, circular=self._circular)

    @cached_property
    def questions_by_sample(self) -> Mapping[str, Sequence[VideoQuestion]]:
        """The questions of each sample id: one, or the four of a pair."""
        if self.description.is_paired:
            return {f"pair/{name}": members for name, members in self._loaded.pairs.items()}
        return {question.id: [question] for question in self._loaded.questions}

    def _sample(self, question: VideoQuestion, *, shows: bool) -> Sample:
        return Sample(
            id=question.id,
            cluster=self._cluster(question),
            clip=self._loaded.sources[question.id] if shows else None,
            target={"answer": question.answer, "free_answer": question.free_answer},
            meta=question.recorded_meta(),
        )

    def _pair_sample(self, name: str, members: Sequence[VideoQuestion]) -> Sample:
        target = {"answers": {member.id: member.answer for member in members}}
        return Sample(id=f"pair/{name}", cluster=name, target=target, meta=members[0].recorded_meta())

    def _cluster(self, question: VideoQuestion) -> str:
        if self.description.cluster == "video":
            return "/".join((*question.video_folders[:1], question.video))
        return str(question.meta.get(self.description.cluster))

    def _shows_clips(self, system: System) -> bool:
        return not self._blind and bool(getattr(system.subject, "needs_clips", True))

    def _notes(self) -> list[str]:
        notes = list(self.description.notes)
        notes += [f"{name}: {task.note}" for name, task in self.description.tasks.items() if task.note]
        if self._compat is not None:
            notes.append(
                "scored as lmms-eval scores, its quirks included; its random choices for answers it cannot "
                "read are replaced by their expectation"
            )
        if self._usable_path:
            notes.append(self._usable_path.note())
        if self._blind:
            notes.append("blind: no video was shown; the score is what text alone gives")
        return notes

    def _cost(self) -> Sequence[str]:
        lines = self._loaded.cost(blind=self._blind, circular=self._circular)
        return [*lines, self._usable_path.cost()] if self._usable_path and not self._blind else lines

    def _why_no_tokenizer(self) -> str | None:
        """Why tokenizers cannot be tested with these options and data, in one line; None where they can."""
        if self._blind:
            return "blind asks without clips; for tokenizers the control `blind` does that"
        if self._compat is not None:
            return f"compat={self._compat} reads texts; a probe writes none"
        if self._sampling.frames is None:
            return "a probe needs a bound on the frames of a clip: --set frames=16"
        return self._training.why_not()
