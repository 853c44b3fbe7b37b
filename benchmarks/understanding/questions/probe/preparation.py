"""How a benchmark of questions tests tokenizers: training questions, sentences' vectors, trained probes."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from benchmarks.understanding.questions.data.video_library import Sampling
from benchmarks.understanding.questions.probe.training_data import (
    Leakage,
    TrainingData,
    TrainingSource,
    make_training_data,
)
from vtok_eval.errors import VideoError
from vtok_eval.files.atomic import write_bytes
from vtok_eval.results.description import Caveat

if TYPE_CHECKING:
    import torch

    from benchmarks.understanding.questions.metrics import MetricSet
    from benchmarks.understanding.questions.probe.evaluator import ProbeEvaluator
    from benchmarks.understanding.questions.probe.options import ProbeOptions
    from benchmarks.understanding.questions.probe.reading import Sentences, Vocabulary
    from benchmarks.understanding.questions.probe.sentences.encoders import SentenceEncoder
    from benchmarks.understanding.questions.question import VideoQuestion
    from vtok_eval.benchmark import ClipSource, Context
    from vtok_eval.systems import System

log = logging.getLogger(__name__)


@dataclass
class TokenizerPath:
    """Trains the probes of tokenizers for the questions of one benchmark.

    tested: the questions under test; sources: their clips, by question id. text: the sentence encoder's spec.
    What does not depend on the tokenizer (questions, sentences' vectors) is made once for all of them.
    """

    source: TrainingSource
    sampling: Sampling
    tested: Sequence[VideoQuestion]
    sources: Mapping[str, ClipSource]
    options: ProbeOptions
    text: str
    leakage: Leakage
    _sentences: dict[str, tuple[SentenceEncoder, Sentences]] = field(default_factory=dict, repr=False)

    @cached_property
    def data(self) -> TrainingData:
        """The training questions.

        Raises:
            SuiteError, DataError: see `make_training_data`.
        """
        return make_training_data(
            self.source,
            sampling=self.sampling,
            tested=self.tested,
            tested_clips=self.sources,
            leakage=self.leakage,
        )

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The answers that a probe can give to open-ended questions."""
        from benchmarks.understanding.questions.probe.reading import Vocabulary

        questions = [each for members in self.data.questions.values() for each in members]
        return Vocabulary.of(questions, size=self.options.vocabulary)

    def facts(self) -> dict[str, object]:
        """What provenance keeps of the training, as JSON can hold it."""
        data = self.data
        free = [question for question in self.tested if question.free_answer is not None]
        known = sum(self.vocabulary.position(question) is not None for question in free)
        return {
            "training": self.source.name(),
            "tables_sha256": self.source.tables_sha256(),
            "questions": data.n_questions,
            "training_clips": len(data.training),
            "validation_clips": len(data.validation),
            "clips_left_out_as_tested": data.n_dropped,
            "text": self.text,
            "options": self.options.model_dump(mode="json"),
            **({"vocabulary": len(self.vocabulary.answers), "answers_in_vocabulary": known} if free else {}),
        }

    def caveats(self) -> tuple[Caveat, ...]:
        """The sentence encoder's, read from its name: it is loaded only when a probe is trained."""
        drawn = self.text.startswith("open_clip:") and ":random=" in self.text
        return (Caveat.RANDOM_WEIGHTS,) if drawn else ()

    def note(self) -> str:
        """One line for the report."""
        about = self.facts()
        line = (
            f"a tokenizer's tokens are read by an attentive probe with sentence embeddings ({self.text}), "
            f"trained on {about['questions']:,} questions about {about['training_clips']:,} clips from "
            f"{about['training']}; not comparable with language models' answers"
        )
        if "vocabulary" not in about:
            return line
        n_free = sum(question.free_answer is not None for question in self.tested)
        return (
            f"{line}; open-ended questions get one of the training's {about['vocabulary']:,} most frequent "
            f"answers, which hold {about['answers_in_vocabulary']:,} of {n_free:,} right ones"
        )

    def cost(self) -> str:
        """One line about the work."""
        data, options = self.data, self.options
        n_clips = len(data.training) + len(data.validation)
        runs = options.seeds * len(options.learning_rates)
        return (
            f"{n_clips:,} training clips through each tokenizer, their features in memory in half precision "
            f"(tokens x width x 2 bytes a clip), {runs} probe training(s) of {options.epochs} epochs over "
            f"{data.n_questions:,} questions"
        )

    def prepare(
        self,
        system: System,
        context: Context,
        *,
        metric_set: MetricSet,
        questions: Mapping[str, Sequence[VideoQuestion]],
        facts: Mapping[str, object],
    ) -> ProbeEvaluator:
        """Train the system's probes, or take from the job's artifacts those already trained.

        Leaves there what `ReaderTraining` does, and in `sentences.json` the sentence encoder with its hash.
        questions: by sample id. facts: what else the training depends on.

        Raises:
            MissingDependencyError: the sentence encoder is missing.
            TokenizerError: the tokenizer fails on every clip, or breaks the protocol as a whole.
            RunFolderError: the artifacts cannot be written.
        """
        from benchmarks.understanding.questions.probe.evaluator import ProbeEvaluator
        from benchmarks.understanding.questions.probe.reading import ChoiceReading
        from vtok_eval.probes.preparation import ReaderTraining

        encoder, sentences = self._vectors(context.device)
        write_bytes(context.artifacts / "sentences.json", json.dumps(encoder.describe().to_json()).encode())
        self._unpack()
        options = self.options
        training = ReaderTraining(
            task=ChoiceReading(self.data.questions, sentences, self.vocabulary),
            recipe=options.recipe(n_frames=self.sampling.frames or 1),
            n_probes=options.seeds,
            training=self.data.training,
            validation=self.data.validation,
            facts={**facts, "probe": self.facts(), "text_encoder": encoder.describe().identity()},
        )
        return ProbeEvaluator(
            tokenizer=system.subject,
            readers=training.prepare(system, context),
            sentences=sentences,
            vocabulary=self.vocabulary,
            metric_set=metric_set,
            runner=context.runner,
            questions=questions,
            sources=self.sources,
            device=context.device,
        )

    def _vectors(self, device: torch.device) -> tuple[SentenceEncoder, Sentences]:
        """The vectors of every sentence that a probe is given, in training and under test."""
        from benchmarks.understanding.questions.probe.reading import Sentences, texts_of
        from benchmarks.understanding.questions.probe.sentences.encoders import build_encoder

        if str(device) not in self._sentences:
            encoder = build_encoder(self.text, device=device)
            trained = (each for members in self.data.questions.values() for each in members)
            texts = [*texts_of(trained), *self.vocabulary.answers, *texts_of(self.tested)]
            self._sentences[str(device)] = encoder, Sentences.of(texts, encoder.encode, device=device)
        return self._sentences[str(device)]

    def _unpack(self) -> None:
        try:
            self.data.loaded.unpack()
        except VideoError as error:
            # Each clip that is still missing is tried again, and fails, individually.
            log.warning("%s: %s", self.source.description.name, error)
