"""A judge under a name that the user gives it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vtok_eval.results.description import Description

if TYPE_CHECKING:
    from tv_align.judges.judge import Judge, Verdict
    from vtok_eval.data import Clip


class NamedJudge:
    """Another judge, called `name` in records, reports and calibrations.

    Example:
        >>> from tv_align.judges.registry import build_judge
        >>> build_judge("yea-sayer=always-yes").name
        'yea-sayer'
    """

    def __init__(self, judge: Judge, *, name: str) -> None:
        self._judge = judge
        self.name = name
        self.concurrency = judge.concurrency

    def judge(self, clip: Clip, questions: Sequence[str]) -> Sequence[Verdict]:
        """The judge's verdicts."""
        return self._judge.judge(clip, questions)

    def describe(self) -> Description:
        """What the judge says of itself."""
        return self._judge.describe()

    def __getattr__(self, attribute: str) -> object:
        """What else the judge has, such as `calibrated_by_runs`."""
        if attribute == "_judge":  # not there yet: while it is copied or unpickled
            raise AttributeError(attribute)
        return getattr(self._judge, attribute)
