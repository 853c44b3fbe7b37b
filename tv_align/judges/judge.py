"""What a judge is: it is shown a clip, is asked yes-or-no questions about it, and gives a verdict on each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from vtok_eval.data import Clip
from vtok_eval.errors import VtokEvalError
from vtok_eval.results.description import Description

Reply = Literal["yes", "no", "unsure"]


class JudgeError(VtokEvalError):
    """A judge that raised or broke the protocol over one clip; names the judge and what happened."""


@dataclass(frozen=True)
class Verdict:
    """A judge's answer to one question.

    reply: "unsure" where the judge does not know; it agrees with neither expected answer.
    probability: of "yes", 0 to 1; None where the judge gives none.
    cost: seconds, requests, tokens, dollars and the like. raw: what the judge gave, as JSON can hold it.

    Example:
        >>> Verdict("yes", probability=0.9).reply
        'yes'
    """

    reply: Reply
    probability: float | None = None
    cost: Mapping[str, float] = field(default_factory=dict)
    raw: object = None


class Judge(Protocol):
    """Answers questions about clips. A judge never sees the prompt or which answer is expected.

    name: as in the registry; shown in records and reports.
    concurrency: how many clips it may be asked about at once, from as many threads; 1 for one at a time.
    A judge that asks a server or people has an attribute `calibrated_by_runs` that is False: a run then does
    not calibrate it by asking about 400 rendered clips.

    Example:
        >>> class AlwaysYes:
        ...     name, concurrency = "always-yes", 1
        ...     def judge(self, clip, questions):
        ...         return [Verdict("yes") for _ in questions]
        ...     def describe(self):
        ...         return Description()
        >>> list(verdict.reply for verdict in AlwaysYes().judge(None, ["Is it red?", "Is it blue?"]))
        ['yes', 'yes']
    """

    name: str
    concurrency: int

    def judge(self, clip: Clip, questions: Sequence[str]) -> Sequence[Verdict]:
        """One verdict per question, in order; must not depend on other clips it was asked about.

        All questions about one prompt come together, so that a judge that compares statements (a caption
        with its hard negatives) can compare these; their order says nothing about the answers.

        Raises:
            VtokEvalError: the clip cannot be judged; it is recorded as failed with this reason.
            MissingDependencyError: nothing can be judged here; the run stops and keeps what it has.
        """
        ...

    def describe(self) -> Description:
        """What provenance keeps: model, version, options, weights and their hashes; no secret."""
        ...


def check_verdicts(verdicts: Sequence[Verdict], *, n_questions: int) -> None:
    """Refuse what breaks the protocol.

    Raises:
        ValueError: another number of verdicts, an unknown reply, or a probability outside 0 to 1.

    Example:
        >>> check_verdicts([Verdict("yes")], n_questions=1)
        >>> check_verdicts([Verdict("yes")], n_questions=2)
        Traceback (most recent call last):
        ValueError: the judge gave 1 verdicts for 2 questions
    """
    if len(verdicts) != n_questions:
        raise ValueError(f"the judge gave {len(verdicts)} verdicts for {n_questions} questions")
    for verdict in verdicts:
        if verdict.reply not in ("yes", "no", "unsure"):
            raise ValueError(f"the judge replied {verdict.reply!r}, not yes, no or unsure")
        if verdict.probability is not None and not 0 <= verdict.probability <= 1:
            raise ValueError(f"the judge gave the probability {verdict.probability}, not one from 0 to 1")
