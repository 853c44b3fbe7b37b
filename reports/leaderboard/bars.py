"""A score as a small bar: where its value and its interval are among the scores of a board."""

from __future__ import annotations

from collections.abc import Sequence

from reports.text.wording import shown
from vtok_eval.results.records import Metric, Score


def score_range(scores: Sequence[Score], metric: Metric) -> tuple[float, float]:
    """The range of values, interval ends and the chance level, as shown, with a little room.

    Example:
        >>> hit = Metric("hit", "Hit rate", chance=0.5)
        >>> score_range([Score("a", "b", hit, 0.7, 0.6, 0.8, n=9, n_failed=0, n_clusters=9)], hit)
        (48.2, 81.8)
    """
    ends = [end for score in scores for end in (score.low, score.value, score.high) if end is not None]
    if metric.chance is not None:
        ends.append(metric.chance)
    if not ends:
        return 0.0, 1.0
    low, high = shown(min(ends), metric), shown(max(ends), metric)
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    if metric.unit == "fraction" and low >= 0 and high <= 100:
        return max(0.0, low - margin), min(100.0, high + margin)
    return max(0.0, low - margin) if metric.positive else low - margin, high + margin


def bar(score: Score | None, span: tuple[float, float]) -> dict[str, float | None] | None:
    """Places of value and interval in percent of the span, from its left; None where there is no value.

    Example:
        >>> hit = Metric("hit", "Hit rate")
        >>> bar(Score("a", "b", hit, 0.7, 0.6, 0.8, n=9, n_failed=0, n_clusters=9), (50.0, 100.0))
        {'at': 40.0, 'low': 20.0, 'high': 60.0}
    """
    if score is None or score.value is None:
        return None
    start, end = span

    def place(value: float | None) -> float | None:
        if value is None:
            return None
        share = (shown(value, score.metric) - start) / (end - start)
        return round(100 * min(1.0, max(0.0, share)), 1)

    return {"at": place(score.value), "low": place(score.low), "high": place(score.high)}
