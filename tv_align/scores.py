"""The two scores of TV-Align, by category and in all, as metrics and as a video's values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tv_align.judges.judge import Verdict
from tv_align.prompts.schema import CATEGORIES, Prompt
from vtok_eval.results.records import Metric

QUESTIONS, PROMPTS = "question_accuracy", "prompt_accuracy"


def metric_name(score: str, category: str | None = None) -> str:
    """The key of a score in a record's values; without a category: over all of them."""
    return score if category is None else f"{score}:{category}"


def metrics(categories: Iterable[str]) -> list[Metric]:
    """Question and prompt accuracy in all, then of each category.

    Question accuracy: mean over videos of the share of the prompt's questions that are answered as expected,
    so that every prompt weighs the same. Prompt accuracy: share of videos of which all questions are. A video
    that is missing or cannot be read counts 0 in both, in its own category and in all. Intervals are
    clustered by prompt. As many answers are expected to be no as yes: an answer that does not depend on the
    clip and the question is right in half of the questions, and about no prompt if it is always the same.
    """
    found = [
        Metric(QUESTIONS, "Question accuracy", chance=0.5, group="All categories", headline=True),
        Metric(PROMPTS, "Prompt accuracy", group="All categories", headline=True),
    ]
    for category in categories:
        title = CATEGORIES[category]
        own: dict[str, Any] = {"group": title, "failed_where": f"category={category}"}
        found += [
            Metric(metric_name(QUESTIONS, category), f"{title}: questions", chance=0.5, **own),
            Metric(metric_name(PROMPTS, category), f"{title}: prompts", **own),
        ]
    return found


def values(prompt: Prompt, verdicts: Sequence[Verdict]) -> dict[str, tuple[float, ...]]:
    """One video's values, from the verdicts on the prompt's questions in their order."""
    right = [
        verdict.reply == question.answer for question, verdict in zip(prompt.questions, verdicts, strict=True)
    ]
    share, whole = (sum(right) / len(right),), (float(all(right)),)
    return {
        QUESTIONS: share,
        PROMPTS: whole,
        metric_name(QUESTIONS, prompt.category): share,
        metric_name(PROMPTS, prompt.category): whole,
    }
