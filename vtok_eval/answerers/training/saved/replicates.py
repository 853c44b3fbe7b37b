"""Readers that differ in their seed alone, as one answerer whose every answer has a replicate for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from vtok_eval.answerers.loaded_when_asked import LoadedWhenAsked
from vtok_eval.errors import MissingDependencyError, SpecError
from vtok_eval.results.description import Description

if TYPE_CHECKING:
    from vtok_eval.answerers.language_models.token_language_model import TokenLanguageModel
    from vtok_eval.answerers.request import Answer, AnswerRequest
    from vtok_eval.data import Clip

# Any: peft's models, which have no types.


class ReaderReplicates:
    """Trained readers by seed, in memory; satisfies `ReplicatedAnswerer`.

    readers: in the order of their seeds; they may share one language model. adapters: of each reader, the
    name of its adapters in that language model; None where it has none.
    """

    def __init__(self, readers: Sequence[TokenLanguageModel], adapters: Sequence[str | None]) -> None:
        self.readers, self._adapters = tuple(readers), tuple(adapters)
        self.n_replicates = len(self.readers)

    def answer(self, clip: Clip | None, question: str, options: Sequence[str]) -> str | Sequence[float]:
        """The first reader's answer."""
        return self._reader(0).answer(clip, question, options)

    def answer_batch(self, requests: Sequence[AnswerRequest]) -> list[Answer]:
        """The first reader's answers."""
        return self._reader(0).answer_batch(requests)

    def answer_replicates(self, requests: Sequence[AnswerRequest]) -> list[list[Answer]]:
        """Every reader's answers to all requests, reader by reader."""
        return [self._reader(number).answer_batch(requests) for number in range(self.n_replicates)]

    def _reader(self, number: int) -> TokenLanguageModel:
        """A reader, its adapters switched on."""
        reader, adapter = self.readers[number], self._adapters[number]
        if adapter is not None:
            model: Any = reader.language_model
            model.set_adapter(adapter)
        return reader


class LoadedReplicates(LoadedWhenAsked):
    """`ReaderReplicates` that a plan can hold without their weights.

    Example:
        >>> LoadedReplicates(lambda: None, Description(), n_replicates=3).n_replicates
        3
    """

    def __init__(
        self, load: Callable[[], ReaderReplicates], description: Description, *, n_replicates: int
    ) -> None:
        super().__init__(load, description)
        self.n_replicates = n_replicates

    def answer_replicates(self, requests: Sequence[AnswerRequest]) -> Sequence[Sequence[Answer]]:
        """As the readers'.

        Raises:
            MissingDependencyError: they cannot be loaded; no other question would fare better.
        """
        try:
            readers: ReaderReplicates = self.loaded()
        except SpecError as error:
            raise MissingDependencyError(str(error)) from error
        return readers.answer_replicates(requests)
