"""Answerers that load their model at the first question; only one is in memory at a time."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from vtok_eval.answerers.request import Answer, AnswerRequest, BatchAnswerer
from vtok_eval.errors import MissingDependencyError, SpecError
from vtok_eval.results.description import Description

if TYPE_CHECKING:
    from vtok_eval.data import Clip


class LoadedWhenAsked:
    """An answerer that a plan can hold without its weights; satisfies `BatchAnswerer`.

    A run names several models and asks them one after the other. Loading one releases the last one, so that
    memory must hold the largest, not all.

    load: makes the answerer. description: what provenance keeps, known without loading.
    """

    _in_memory: weakref.ref[LoadedWhenAsked] | None = None

    def __init__(self, load: Callable[[], BatchAnswerer], description: Description) -> None:
        self._load = load
        self._description = description
        self._answerer: BatchAnswerer | None = None

    def describe(self) -> Description:
        """What provenance keeps."""
        return self._description

    def loaded(self) -> Any:  # Any: the answerer's model, of whichever package
        """The answerer itself, loaded now if it is not in memory.

        Raises:
            VtokEvalError: what `load` raises.
        """
        if self._answerer is None:
            self._let_go_of_the_last()
            self._answerer = self._load()
            LoadedWhenAsked._in_memory = weakref.ref(self)
        return self._answerer

    def answer(self, clip: Clip | None, question: str, options: Sequence[str]) -> str | Sequence[float]:
        """As the answerer's; raises MissingDependencyError where it cannot be loaded."""
        return self.answer_batch([AnswerRequest(clip, question, tuple(options))])[0].value()

    def answer_batch(self, requests: Sequence[AnswerRequest]) -> Sequence[Answer]:
        """As the answerer's.

        Raises:
            MissingDependencyError: it cannot be loaded; no other question would fare better.
        """
        try:
            answerer = self.loaded()
        except SpecError as error:
            raise MissingDependencyError(str(error)) from error
        answers: Sequence[Answer] = answerer.answer_batch(requests)
        return answers

    def _let_go_of_the_last(self) -> None:
        last = LoadedWhenAsked._in_memory() if LoadedWhenAsked._in_memory is not None else None
        if last is None:
            return
        last._answerer = None
        gc.collect()
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()
