"""The control judge that agrees with everything: read every score against the score that it gives."""

from __future__ import annotations

from collections.abc import Sequence

from tv_align.judges.judge import Verdict
from vtok_eval.data import Clip
from vtok_eval.results.description import Description


class AlwaysYes:
    """Says yes to every question without looking at the clip.

    Example:
        >>> import torch
        >>> clip = Clip(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), fps=4.0)
        >>> [verdict.reply for verdict in AlwaysYes().judge(clip, ["Is the kite red?", "Is the kite blue?"])]
        ['yes', 'yes']
    """

    name = "always-yes"
    concurrency = 1

    def judge(self, clip: Clip, questions: Sequence[str]) -> Sequence[Verdict]:
        """Yes to each."""
        return [Verdict("yes", probability=1.0) for _ in questions]

    def describe(self) -> Description:
        """That it is a control."""
        return Description(facts={"control": True})
