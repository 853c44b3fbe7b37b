"""What a measurement says of a claim: never more than was measured."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from reports.reproduce.claims import Claim, ClaimKind
from reports.tables.best_systems import ALPHA
from vtok_eval.results.description import Caveat
from vtok_eval.results.records import NoTest

PAPER_SETTING = "paper"
"""The `setting` of a run in which numbers have the size of the paper's."""


class Conclusion(StrEnum):
    """What may be concluded."""

    WITHIN = "agrees within the interval"
    """Of the paper's setting alone: the published number is in our interval."""
    SIGN = "agrees in sign"
    """The paired test shows a difference in the claimed direction; its size is not compared, or differs."""
    UNDECIDED = "no sign shown"
    """Measured, but our interval holds 0, the test does not show a difference, or there is no test."""
    DISAGREES = "disagrees"
    """The difference has the other sign, or (in the paper's setting) our interval excludes the number."""
    NOT_MEASURED = "not measured"


_UNTRUE = (Caveat.RANDOM_WEIGHTS, Caveat.STAND_IN)
"""With these a number says nothing about a claim."""


@dataclass(frozen=True)
class Measured:
    """Our number for a claim; value, low, high as fractions, or tokens.

    p: of a difference, corrected over its family; None without a test. expected: of a token count, what the
    claim predicts; of a token share, 1. setting: of the run. caveats: of the system, its baseline and the
    benchmark. no_test: why a difference has no p. sound: whether the reader passed the run's self-checks.
    """

    value: float | None
    low: float | None
    high: float | None
    p: float | None = None
    expected: float | None = None
    setting: str = ""
    caveats: tuple[str, ...] = ()
    no_test: NoTest | None = None
    sound: bool = True


def judge(claim: Claim, measured: Measured | None) -> tuple[Conclusion, str]:
    """The verdict and its reason as text.

    A model with random weights, a stand-in, or a reader that failed the run's self-checks never agrees with
    anything. A re-creation and any setting but
    the paper's can agree or disagree in sign, since the direction is what they share with the paper, but
    neither confirm nor refute a size.
    """
    if measured is None:
        return Conclusion.NOT_MEASURED, "no run measured it"
    untrue = [caveat for caveat in measured.caveats if caveat in _UNTRUE]
    if untrue:
        return Conclusion.NOT_MEASURED, f"{' and '.join(untrue)}: the number says nothing of the claim"
    if not measured.sound:
        return Conclusion.NOT_MEASURED, f"{NoTest.NOT_SOUND.value}: it misses what the tokens hold"
    if measured.value is None:
        return Conclusion.NOT_MEASURED, "the run has no value of it"
    if claim.kind in (ClaimKind.TOKEN_COUNT, ClaimKind.TOKEN_SHARE):
        return _tokens(claim, measured)
    if measured.low is None or measured.high is None:
        return Conclusion.NOT_MEASURED, "too few clips for an interval"
    same_setting = measured.setting == PAPER_SETTING and not measured.caveats
    if claim.kind is ClaimKind.LEVEL:
        return _level(claim, measured, same_setting=same_setting)
    return _difference(claim, measured, same_setting=same_setting)


def _tokens(claim: Claim, measured: Measured) -> tuple[Conclusion, str]:
    value, expected = measured.value or 0.0, measured.expected
    if expected is None:
        return Conclusion.NOT_MEASURED, "the run does not record the tokenizer's grid and stride"
    if claim.kind is ClaimKind.TOKEN_SHARE:
        if value < expected:
            return Conclusion.SIGN, "fewer tokens than S x T"
        return Conclusion.DISAGREES, "no fewer tokens than S x T"
    if value == expected:
        return Conclusion.WITHIN, "counted, equal"
    return Conclusion.DISAGREES, f"the claim predicts {expected:g}"


def _level(claim: Claim, measured: Measured, *, same_setting: bool) -> tuple[Conclusion, str]:
    if not same_setting:
        return Conclusion.NOT_MEASURED, "a level of another setting can neither confirm nor refute it"
    if _holds(measured, claim.published):
        return Conclusion.WITHIN, "the published number is in our interval"
    return Conclusion.DISAGREES, "the published number is outside our interval"


def _difference(claim: Claim, measured: Measured, *, same_setting: bool) -> tuple[Conclusion, str]:
    if same_setting and _holds(measured, claim.published):
        return Conclusion.WITHIN, "the published number is in our interval"
    shown = measured.p is not None and measured.p < ALPHA and not _holds(measured, 0.0)
    if shown:
        if (measured.value or 0.0) > 0:
            return Conclusion.SIGN, _of_size(claim, same_setting=same_setting)
        return Conclusion.DISAGREES, "the difference has the other sign"
    if measured.no_test is not None:
        return Conclusion.UNDECIDED, f"no test: {measured.no_test.value}"
    if same_setting and claim.published is not None:
        return Conclusion.DISAGREES, "the published number is outside our interval, which holds 0"
    return Conclusion.UNDECIDED, "the paired test shows no difference"


def _of_size(claim: Claim, *, same_setting: bool) -> str:
    if claim.published is None:
        return "the claim has no number"
    return "the size differs" if same_setting else "sizes of different settings are not compared"


def _holds(measured: Measured, value: float | None) -> bool:
    if value is None or measured.low is None or measured.high is None:
        return False
    return measured.low <= value <= measured.high
