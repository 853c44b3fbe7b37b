"""What a budget is counted in: tokens or bits."""

from __future__ import annotations

from enum import StrEnum


class BudgetUnit(StrEnum):
    """What systems are compared at an equal number of.

    Example:
        >>> BudgetUnit("bits").per_clip
        'bits per clip'
    """

    TOKENS = "tokens"
    BITS = "bits"

    @property
    def per_clip(self) -> str:
        """The budget in words: "tokens per clip"."""
        return f"{self.value} per clip"

    @property
    def explained(self) -> str:
        """How it is counted, as a sentence; empty for tokens, which need no explanation."""
        if self is BudgetUnit.TOKENS:
            return ""
        return (
            "Bits: of tokens that are values, their number x width x the bits of the precision that they are "
            "stored in; of codes, log2 of the code book's size each."
        )
