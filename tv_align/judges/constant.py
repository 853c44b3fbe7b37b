"""The control judge that agrees with everything: read every score against the score that it gives."""

from __future__ import annotations

from collections.abc import Sequence

from tv_align.judges.judge import Verdict
from vtok_eval.data import Clip
from vtok_eval.results.description import Description


class AlwaysYes:
    """Says yes to every question without looking at the clip."""

    name = "always-yes"
    concurrency = 1

    def judge(self, clip: Clip, questions: Sequence[str]) -> Sequence[Verdict]:
        """Yes to each."""
        return [Verdict("yes", probability=1.0) for _ in questions]

    def describe(self) -> Description:
        """That it is a control."""
        return Description(facts={"control": True})
