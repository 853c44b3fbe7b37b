"""A user's own judge: loaded from a file or module, checked against the protocol, named in provenance."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from tv_align.judges.judge import Judge, JudgeError, Verdict, check_verdicts
from vtok_eval.data import Clip
from vtok_eval.errors import SpecError, VtokEvalError, one_line
from vtok_eval.results.description import Description
from vtok_eval.specs.binding import bind, construct
from vtok_eval.specs.content import class_facts
from vtok_eval.specs.grammar import Spec
from vtok_eval.specs.user_code import load_user_class


class OwnJudge:
    """Hands clips and questions to a user's object, which needs only the method `judge`.

    Its attributes `name` (else its class's name), `concurrency` (else 1), `calibrated_by_runs` (else True)
    and `describe()` (else nothing) are taken where it has them.
    """

    def __init__(self, judge: Any) -> None:  # Any: a user's object, whose `judge` is only tried
        self._judge = judge
        self.name = str(getattr(judge, "name", type(judge).__name__))
        self.concurrency = int(getattr(judge, "concurrency", 1))
        self.calibrated_by_runs = bool(getattr(judge, "calibrated_by_runs", True))

    def judge(self, clip: Clip, questions: Sequence[str]) -> Sequence[Verdict]:
        """The object's verdicts.

        Raises:
            JudgeError: it raised, or what it gave breaks the protocol; a `VtokEvalError` passes as it is.
        """
        try:
            verdicts = list(self._judge.judge(clip, questions))
            check_verdicts(verdicts, n_questions=len(questions))
        except VtokEvalError:
            raise
        except Exception as error:
            raise JudgeError(f"judge {self.name}: {one_line(error)}") from error
        return verdicts

    def describe(self) -> Description:
        """What the object says of itself, its class, and the SHA-256 of the files with its code."""
        cls = type(self._judge)
        try:
            own = Description.of(self._judge.describe() if hasattr(self._judge, "describe") else {})
        except ValueError as error:
            raise SpecError(f"judge {self.name}: {error}") from error
        return Description(facts={"class": cls.__qualname__}) | own.with_facts(class_facts(cls))


def build_own(spec: Spec, *, known: Collection[str]) -> Judge:
    """The judge of `FILE.py:Class` or `package.module:Class`.

    known: the names of registered judges, for errors.

    Raises:
        SpecError: no such file or module, its constructor raises, or what it makes has no method `judge`.
        UnknownNameError: it has no such class or option; names the nearest.
    """
    cls = load_user_class(spec.name, method="judge", what="judge", known=known)
    what = f"judge {spec.name}"
    made = construct(cls, bind(cls, spec.options, what=what), what=what)
    if not callable(getattr(made, "judge", None)):
        raise SpecError(f"{spec.name} is not a judge; it needs a method judge(clip, questions) -> verdicts")
    return OwnJudge(made)
