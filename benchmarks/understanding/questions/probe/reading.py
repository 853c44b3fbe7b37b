"""What a probe learns from questions about clips: their vectors, the loss, and the validation score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.understanding.questions.answering.grading import normalised
from benchmarks.understanding.questions.probe.network import ChoiceProbe, ChoiceReader, as_rows, best
from benchmarks.understanding.questions.question import VideoQuestion
from vtok_eval.errors import TokenizerError
from vtok_eval.probes.features import FeatureTable
from vtok_eval.probes.options.recipe import ReaderShape, Recipe
from vtok_eval.probes.training import Objective, new_projection
from vtok_eval.probes.training_clips.splits import Split

_EVALUATED_AT_ONCE = 128


@dataclass(frozen=True)
class Sentences:
    """Texts with their vectors `(N, E)`, float32 on the device of the probe."""

    rows: Mapping[str, int]
    vectors: Tensor

    @classmethod
    def of(
        cls, texts: Iterable[str], vectors_of: Callable[[Sequence[str]], Tensor], *, device: torch.device
    ) -> Sentences:
        """Each text once; `vectors_of(texts)` gives their vectors."""
        distinct = list(dict.fromkeys(texts))
        return cls({text: row for row, text in enumerate(distinct)}, vectors_of(distinct).to(device))

    @property
    def width(self) -> int:
        """E."""
        return int(self.vectors.shape[1])

    def index(self, texts: Sequence[str]) -> Tensor:
        """Rows of the texts, int64 `(len(texts),)` on the CPU."""
        return torch.tensor([self.rows[text] for text in texts], dtype=torch.int64, device="cpu")


@dataclass(frozen=True)
class Vocabulary:
    """The answers that a probe can give to open-ended questions: the most frequent ones of its training.

    answers: as the training words them most often. by_normalised: position, by the normalised answer.
    """

    answers: tuple[str, ...]
    by_normalised: Mapping[str, int]

    @classmethod
    def of(cls, questions: Iterable[VideoQuestion], *, size: int) -> Vocabulary:
        """The `size` most frequent normalised answers; of equally frequent ones the first in order."""
        wordings: dict[str, Counter[str]] = {}
        for question in questions:
            if question.free_answer is not None and (key := normalised(question.free_answer)):
                wordings.setdefault(key, Counter())[question.free_answer] += 1
        ranked = sorted(wordings, key=lambda key: (-wordings[key].total(), key))[:size]
        answers = tuple(min(wordings[key], key=lambda text: (-wordings[key][text], text)) for key in ranked)
        return cls(answers, {key: position for position, key in enumerate(ranked)})

    def position(self, question: VideoQuestion) -> int | None:
        """The position of the question's right answer; None if the vocabulary lacks it."""
        return self.by_normalised.get(normalised(question.free_answer or ""))


def option_texts(question: VideoQuestion) -> tuple[str, ...]:
    """What represents a question's options: their texts, or their labels if no texts are known."""
    return question.options or question.labels


def texts_of(questions: Iterable[VideoQuestion]) -> Iterable[str]:
    """Every text of questions that a probe is given."""
    for question in questions:
        yield question.text
        yield from option_texts(question)


@dataclass(frozen=True)
class _Examples:
    """Questions of one kind. clip, question: rows `(N,)`; options: rows `(N, O)`, -1 where there is none."""

    clip: Tensor
    question: Tensor
    options: Tensor
    answer: Tensor

    def __len__(self) -> int:
        return len(self.clip)

    def select(self, index: Tensor) -> _Examples:
        return _Examples(self.clip[index], self.question[index], self.options[index], self.answer[index])


@dataclass(frozen=True)
class ChoiceReading:
    """Reading answers to questions from tokens (a `ReadingTask`).

    questions: by the name of their clip, which is the key "clip" of the labels of a split.
    """

    questions: Mapping[str, Sequence[VideoQuestion]]
    sentences: Sentences
    vocabulary: Vocabulary

    def build(
        self, tokenizer: Any, shape: ReaderShape, *, recipe: Recipe, seed: int, device: torch.device
    ) -> ChoiceReader:
        """An untrained reader for a tokenizer; the probe's weights come from torch's default generator."""
        probe = ChoiceProbe(shape.attention(recipe), text_width=self.sentences.width)
        return ChoiceReader(new_projection(tokenizer, seed=seed, widths=shape.group_widths), probe).to(device)

    def ridge_score(self, training: Split, validation: Split) -> None:
        """None: kernel ridge on clips has no answer to questions."""

    def objective(self, *, training: Split, validation: Split, device: torch.device) -> Objective:
        """Cross-entropy over a question's options, or over the vocabulary; chosen by accuracy.

        Raises:
            TokenizerError: no question is left to train or to validate with.
        """
        objective = ChoiceObjective(self, training, validation, device)
        for name, split in (("training", training), ("validation", validation)):
            if not any(map(len, self.examples(split))):
                raise TokenizerError(f"no {name} question is left whose clip could be read")
        return objective

    def examples(self, split: Split) -> tuple[_Examples, _Examples]:
        """Questions with options, and open-ended ones whose answer the vocabulary holds."""
        listed: list[tuple[int, VideoQuestion, int]] = []
        free: list[tuple[int, VideoQuestion, int]] = []
        for row, label in enumerate(split.labels):
            for question in self.questions[label["clip"]]:
                if question.answer is not None:
                    listed.append((row, question, question.answer))
                elif (position := self.vocabulary.position(question)) is not None:
                    free.append((row, question, position))
        return self._tensors(listed, with_options=True), self._tensors(free, with_options=False)

    def n_questions(self, split: Split) -> int:
        """All of the split's questions, also those whose answer is not in the vocabulary."""
        return sum(len(self.questions[label["clip"]]) for label in split.labels)

    def _tensors(self, rows: Sequence[tuple[int, VideoQuestion, int]], *, with_options: bool) -> _Examples:
        texts = [option_texts(question) if with_options else () for _, question, _ in rows]
        options = torch.full(
            (len(rows), max(map(len, texts), default=0)), -1, dtype=torch.int64, device="cpu"
        )
        for row, listed in zip(options, texts, strict=True):
            row[: len(listed)] = self.sentences.index(listed)
        return _Examples(
            clip=torch.tensor([row for row, _, _ in rows], dtype=torch.int64, device="cpu"),
            question=self.sentences.index([question.text for _, question, _ in rows]),
            options=options,
            answer=torch.tensor([answer for _, _, answer in rows], dtype=torch.int64, device="cpu"),
        )


@dataclass(frozen=True)
class ChoiceObjective:
    """What readers of questions are trained for (an `Objective`); an example is a question."""

    reading: ChoiceReading
    training: Split
    validation: Split
    device: torch.device

    @property
    def n_clips(self) -> int:
        """How many training questions there are: each is drawn once an epoch, with its clip."""
        return sum(map(len, self._examples))

    @cached_property
    def _examples(self) -> tuple[_Examples, _Examples]:
        return self.reading.examples(self.training)

    @cached_property
    def _validation(self) -> tuple[_Examples, _Examples]:
        return self.reading.examples(self.validation)

    @cached_property
    def _named(self) -> Tensor:
        """Vectors of the vocabulary `(V, E)`."""
        sentences = self.reading.sentences
        return sentences.vectors[sentences.index(self.reading.vocabulary.answers)]

    # Any: a `ChoiceReader`, where `Objective` promises any `TokenReader`.
    def loss(self, reader: Any, index: Tensor) -> Tensor:
        """The mean over questions of the cross-entropy of the right answer."""
        listed, free = self._examples
        n_listed = len(listed)
        parts = (listed.select(index[index < n_listed]), free.select(index[index >= n_listed] - n_listed))
        losses = [
            functional.cross_entropy(scores, part.answer.to(self.device), reduction="sum")
            for part, scores in self._scored(reader, self.training.table, parts)
        ]
        return torch.stack(losses).sum() / len(index)

    def validate(self, reader: Any) -> tuple[float, Mapping[str, Any]]:
        """Accuracy over all validation questions; one whose answer is not in the vocabulary is wrong."""
        right = 0
        for examples in self._validation:
            for index in torch.arange(len(examples), device="cpu").split(_EVALUATED_AT_ONCE):
                part = examples.select(index)
                for _, scores in self._scored(reader, self.validation.table, (part,)):
                    right += sum(a == b for a, b in zip(best(scores), part.answer.tolist(), strict=True))
        total = self.reading.n_questions(self.validation)
        return right / total, {"accuracy": right / total, "questions": total}

    def _scored(
        self, reader: ChoiceReader, table: FeatureTable, parts: Sequence[_Examples]
    ) -> Iterable[tuple[_Examples, Tensor]]:
        vectors = self.reading.sentences.vectors
        for part in parts:
            if not len(part):
                continue
            groups, slot = table.select(part.clip, device=self.device)
            question = vectors[part.question]
            if part.options.shape[1]:
                options = part.options.to(self.device)
                yield part, reader.choose(groups, slot, question, as_rows(vectors, options), options >= 0)
            else:
                yield part, reader.name(groups, slot, question, self._named)
