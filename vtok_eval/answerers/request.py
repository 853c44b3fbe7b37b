"""A question about a clip for answerers that take several at once, and the answer they return."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from vtok_eval.errors import VtokEvalError
from vtok_eval.systems import Answerer

if TYPE_CHECKING:
    from vtok_eval.data import Clip


class AnswererError(VtokEvalError):
    """A question that this answerer cannot take, or an answer that it could not give; names the reason."""


@dataclass(frozen=True)
class AnswerRequest:
    """One question about one clip.

    clip: None asks without showing anything (a blind run).
    question: the whole prompt as the benchmark words it, the options listed in it where it has any.
    options: the options' texts in the order of the prompt; empty for an open-ended question.
    labels: how the prompt calls the options, one each; made by `option_labels` where they are not given.
    text: the question alone, without options and instructions; empty where it is not known.

    Example:
        >>> AnswerRequest(None, "Which way does it move?", options=("left", "right")).labels
        ('A', 'B')
    """

    clip: Clip | None
    question: str
    options: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    text: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", tuple(self.options))
        object.__setattr__(self, "labels", tuple(self.labels) or option_labels(self.options))
        if len(self.labels) != len(self.options):
            raise AnswererError(f"{len(self.labels)} labels for {len(self.options)} options")


@dataclass(frozen=True)
class Answer:
    """The answer to one request: `text`, or `scores`, one for each option, higher for the likelier.

    is_cut: whether the text ends because a token limit was reached; None where that is not known.
    cost: numbers worth adding up (visual_tokens, prompt_tokens, usd, requests).
    raw: what else is kept of it, as JSON can hold it.

    Example:
        >>> Answer(scores=(0.25, 0.75)).value(), Answer(text="B").value()
        ((0.25, 0.75), 'B')
    """

    text: str | None = None
    scores: tuple[float, ...] | None = None
    is_cut: bool | None = None
    cost: Mapping[str, float] = field(default_factory=dict)
    raw: Mapping[str, object] = field(default_factory=dict)

    def value(self) -> str | tuple[float, ...]:
        """What `Answerer.answer` gives: the scores where there are some, else the text."""
        if self.scores is not None:
            return self.scores
        return self.text or ""


@runtime_checkable
class BatchAnswerer(Answerer, Protocol):
    """An answerer that takes several requests at once.

    Requests whose `clip` is the same object share the work on that clip. An answer must not depend on which
    requests are in the batch.

    Example:
        >>> class AlwaysFirst:
        ...     def answer(self, clip, question, options):
        ...         return options[0]
        ...     def answer_batch(self, requests):
        ...         return [Answer(text=request.options[0]) for request in requests]
        >>> isinstance(AlwaysFirst(), BatchAnswerer)
        True
    """

    def answer_batch(self, requests: Sequence[AnswerRequest]) -> Sequence[Answer]:
        """One answer for each request, in order."""
        ...


@runtime_checkable
class ReplicatedAnswerer(BatchAnswerer, Protocol):
    """An answerer that was trained several times, with other seeds: each of its answers has replicates.

    Example:
        >>> class Two:
        ...     n_replicates = 2
        ...     def answer(self, clip, question, options):
        ...         return options[0]
        ...     def answer_batch(self, requests):
        ...         return [Answer(text=request.options[0]) for request in requests]
        ...     def answer_replicates(self, requests):
        ...         return [self.answer_batch(requests)] * 2
        >>> isinstance(Two(), ReplicatedAnswerer)
        True
    """

    n_replicates: int
    """How many there are; 1 for one training."""

    def answer_replicates(self, requests: Sequence[AnswerRequest]) -> Sequence[Sequence[Answer]]:
        """Of each replicate, one answer for each request, in order."""
        ...


def option_labels(options: Sequence[str]) -> tuple[str, ...]:
    """A, B, C, ... for options in a list; options that are yes and no are their own labels.

    Raises:
        AnswererError: more than 26 options.

    Example:
        >>> option_labels(["left", "right"]), option_labels(["yes", "no"])
        (('A', 'B'), ('yes', 'no'))
    """
    if sorted(option.strip().lower() for option in options) == ["no", "yes"]:
        return tuple(option.strip() for option in options)
    if len(options) > len(string.ascii_uppercase):
        raise AnswererError(f"{len(options)} options are more than there are letters")
    return tuple(string.ascii_uppercase[: len(options)])


def by_clip(requests: Sequence[AnswerRequest]) -> Iterator[tuple[Clip | None, list[int]]]:
    """The positions of the requests of each clip, clips (told apart by identity) in order of appearance.

    Example:
        >>> list(by_clip([AnswerRequest(None, "Why?"), AnswerRequest(None, "When?")]))
        [(None, [0, 1])]
    """
    groups: dict[int, tuple[Clip | None, list[int]]] = {}
    for position, request in enumerate(requests):
        groups.setdefault(id(request.clip), (request.clip, []))[1].append(position)
    yield from groups.values()
