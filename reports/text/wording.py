"""How numbers, intervals, differences and p-values are written in every table, picture and sentence."""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import Enum

from reports.tables.best_systems import ALPHA
from vtok_eval.results.records import Comparison, Metric, NoTest, Score

MISSING = "–"
MINUS = "−"
INFINITE = "∞"

MARKS_EXPLAINED = (
    "▲ better, ▼ worse than the baseline: corrected p of the paired test below "
    f"{ALPHA:g}; no mark: no difference shown, which does not mean that there is none."
)
BEST_EXPLAINED = (
    "Bold: best of the systems that are not controls, in paired tests against every other one of them "
    f"at {ALPHA:g} (Bonferroni)."
)
SECOND_EXPLAINED = (
    "Underlined: second best, in the same tests against every one behind it; only where the best is shown."
)
NOT_DISCRIMINATING = "†"
NOT_DISCRIMINATING_EXPLAINED = (
    "† does not discriminate in this run: no system reads it above chance, or all are at its ceiling."
)
NOT_SOUND = "‡"
NOT_SOUND_EXPLAINED = (
    f"{NOT_SOUND} {NoTest.NOT_SOUND.value}: a self-check found that the reader misses what the tokens hold. "
    "These numbers support no claim: no test, no mark, no best system, no rank."
)
RESERVED = "§"
INFINITE_EXPLAINED = (
    f"(n {INFINITE}): so many samples have an infinite value, since they came back unchanged; "
    "they are not in the mean."
)
CONTROL_EXPLAINED = "(control): shows what a number is made of; not a contender."


LEAST_CLUSTERS = 6
"""Fewer paired clusters cannot show a difference: with 5 the smallest two-sided p is 2/32 > 0.05."""


class PairedVerdict(Enum):
    """What the paired test against the baseline says; the value is the mark in tables."""

    BETTER = "▲"
    WORSE = "▼"
    DIFFERENT = "◆"
    """Significant, on a metric of which neither end is better."""
    NOT_SHOWN = ""


def verdict(comparison: Comparison, metric: Metric) -> PairedVerdict:
    """The verdict at `ALPHA` after the correction over the comparison's family."""
    p = comparison.p_corrected
    if p is None or p >= ALPHA or not comparison.difference or not testable(comparison):
        return PairedVerdict.NOT_SHOWN
    if metric.higher_is_better is None:
        return PairedVerdict.DIFFERENT
    return (
        PairedVerdict.BETTER
        if (comparison.difference > 0) is metric.higher_is_better
        else PairedVerdict.WORSE
    )


def testable(comparison: Comparison) -> bool:
    """Whether the paired test could have shown a difference."""
    return comparison.difference is not None and comparison.n_clusters >= LEAST_CLUSTERS


def unit_text(metric: Metric) -> str:
    """The unit as headings show it: percent for fractions.

    Example:
        >>> from vtok_eval.results.records import Metric
        >>> unit_text(Metric("hit", "Hit rate")), unit_text(Metric("lag", "Latency", unit="ms"))
        ('%', 'ms')
    """
    return "%" if metric.unit == "fraction" else metric.unit


def title_text(metric: Metric) -> str:
    """Title and unit, as headings show them; the unit is left out where the title says it.

    Example:
        >>> from vtok_eval.results.records import Metric
        >>> title_text(Metric("hit", "Hit rate"))
        'Hit rate (%)'
    """
    unit = unit_text(metric)
    return metric.title if unit.casefold() in metric.title.casefold() else f"{metric.title} ({unit})"


def shown(value: float, metric: Metric) -> float:
    """The value as it is shown: fractions in percent.

    Example:
        >>> from vtok_eval.results.records import Metric
        >>> shown(0.4567, Metric("hit", "Hit rate"))
        45.67
    """
    return 100 * value if metric.unit == "fraction" else value


def value_text(score: Score | None) -> str:
    """The value alone ("54.1"), marked where the reader is not sound; infinite where all values are."""
    if score is None or score.value is None:
        return INFINITE if score is not None and score.n_infinite else MISSING
    return _number(shown(score.value, score.metric), _decimals(score)) + ("" if score.sound else NOT_SOUND)


def interval_text(score: Score | None) -> str:
    """The interval alone, e.g. "[51.9, 56.3]"; empty where there is none or it has no width."""
    if score is None or score.value is None or score.low is None or score.high is None:
        return ""
    if score.low == score.high == score.value:
        return ""
    ends = (_number(shown(end, score.metric), _decimals(score)) for end in (score.low, score.high))
    return f"[{', '.join(ends)}]"


def score_text(score: Score | None) -> str:
    """Value and interval, e.g. "54.1 [51.9, 56.3]", and how many infinite values are not in it: "(3 ∞)"."""
    left_out = "" if score is None or not score.n_infinite else f"({score.n_infinite:,} {INFINITE})"
    return " ".join(text for text in (value_text(score), interval_text(score), left_out) if text)


def difference_text(comparison: Comparison, metric: Metric, *, interval: bool = True) -> str:
    """The difference with its sign, e.g. "+23.0 [+19.0, +27.0]"."""
    if comparison.difference is None:
        return MISSING
    low, high = comparison.low, comparison.high
    ends = (comparison.difference, low, high)
    decimals = _decimals_of([shown(end, metric) for end in ends if end is not None], metric)
    text = _signed(shown(comparison.difference, metric), decimals)
    if not interval or low is None or high is None:
        return text
    return f"{text} [{_signed(shown(low, metric), decimals)}, {_signed(shown(high, metric), decimals)}]"


def signed_text(difference: float, metric: Metric) -> str:
    """A difference alone, with its sign, e.g. "+23.0" points of a fraction.

    Example:
        >>> signed_text(-0.1234, Metric("hit", "Hit"))
        '−12.3'
    """
    value = shown(difference, metric)
    return _signed(value, _decimals_of([value], metric))


def difference_unit(metric: Metric) -> str:
    """What a difference is counted in: percentage points for fractions."""
    return "points" if metric.unit == "fraction" else metric.unit


def p_text(p: float, *, name: str = "p") -> str:
    """A p-value, e.g. "p = 0.034" or "p < 0.001".

    Example:
        >>> p_text(0.0004), p_text(0.25)
        ('p < 0.001', 'p = 0.25')
    """
    if p < 0.001:
        return f"{name} < 0.001"
    return f"{name} = {p:.3f}" if p < 0.0995 else f"{name} = {p:.2f}"


def corrected_p_text(comparison: Comparison) -> str:
    """The corrected p, or why there is no test: "p = 0.034", "no test: one training seed"."""
    if comparison.p_corrected is None:
        return "no test" if comparison.no_test is None else f"no test: {comparison.no_test.value}"
    return p_text(comparison.p_corrected)


def tokens_text(tokens: float | None) -> str:
    """Tokens per clip: whole where they are whole, else with one decimal.

    Example:
        >>> tokens_text(31.0), tokens_text(27.5)
        ('31', '27.5')
    """
    if tokens is None:
        return MISSING
    return f"{tokens:,.0f}" if abs(tokens - round(tokens)) < 0.05 else f"{tokens:,.1f}"


def count_text(scores: Iterable[Score]) -> str:
    """Samples behind a row's scores and, in brackets, how many of them failed: "600", "580–600 (3)"."""
    found = list(scores)
    if not found:
        return MISSING
    least, most = min(score.n for score in found), max(score.n for score in found)
    failed = max(score.n_failed for score in found)
    text = f"{most:,}" if least == most else f"{least:,}–{most:,}"
    return f"{text} ({failed:,})" if failed else text


def percent(confidence: float) -> str:
    """A confidence level, e.g. "95 %".

    Example:
        >>> percent(0.95)
        '95 %'
    """
    return f"{100 * confidence:g} %"


def plain(text: str) -> str:
    """The same with ASCII's minus sign, for machines and LaTeX."""
    return text.replace(MINUS, "-")


def _decimals(score: Score) -> int:
    ends = [end for end in (score.value, score.low, score.high) if end is not None]
    return _decimals_of([shown(end, score.metric) for end in ends], score.metric)


def _decimals_of(numbers: list[float], metric: Metric) -> int:
    """As many decimals as the numbers can bear: fractions one, or two where the interval is that narrow."""
    if metric.unit == "fraction":
        return 2 if 0 < max(numbers) - min(numbers) < 1 else 1
    if all(number == round(number) for number in numbers):
        return 0
    largest = max(abs(number) for number in numbers)
    return min(6, max(0, 2 - math.floor(math.log10(largest)))) if largest > 0 else 1


def _number(value: float, decimals: int) -> str:
    rounded = round(value, decimals) + 0.0  # + 0.0 turns -0.0 into 0.0
    return f"{rounded:,.{decimals}f}".replace("-", MINUS)


def _signed(value: float, decimals: int) -> str:
    text = _number(value, decimals)
    return text if text.startswith(MINUS) or round(value, decimals) == 0 else f"+{text}"


def limit_text(limit: float) -> str:
    """A smoke test's limit in words.

    Example:
        >>> limit_text(20), limit_text(0.05)
        ('the first 20 samples', 'the first 5 % of the samples')
    """
    return f"the first {limit} samples" if limit >= 1 else f"the first {100 * limit:g} % of the samples"
