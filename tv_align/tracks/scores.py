"""The scores of TV-Align, by category and in all: as metrics, as a video's values, and corrected."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from tv_align.calibration.correction import corrected_scores
from tv_align.calibration.report import Calibration, CategoryRow, Rate
from tv_align.judges.judge import Verdict
from tv_align.prompts.schema import CATEGORIES, Prompt
from vtok_eval.results.records import Metric, Record, Score

QUESTIONS, PROMPTS = "question_accuracy", "prompt_accuracy"
CORRECTED = "corrected_accuracy"


def metric_name(score: str, category: str | None = None) -> str:
    """The key of a score in a record's values; without a category: over all of them.

    Example:
        >>> metric_name("question_accuracy", "counting")
        'question_accuracy:counting'
    """
    return score if category is None else f"{score}:{category}"


def metrics(categories: Iterable[str]) -> list[Metric]:
    """Question and prompt accuracy in all, then of each category.

    Question accuracy: mean over videos of the share of the prompt's questions that are answered as expected,
    so that every prompt weighs the same. Prompt accuracy: share of videos with all questions right. A
    video that is missing or cannot be read counts 0 in both, in its own category and in all. Intervals are
    clustered by prompt. Half of the expected answers are yes and half no: an answer that does not depend on
    the clip and the question is right on half of the questions, and on no prompt if it is always the same.

    Example:
        >>> from tv_align.prompts.schema import CATEGORIES
        >>> [metric.name for metric in metrics(CATEGORIES) if metric.headline]
        ['question_accuracy', 'prompt_accuracy']
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


def verdicts_as_json(prompt: Prompt, verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    """What a record keeps of the verdicts on the prompt's questions, in their order."""
    return [
        {
            "question_id": question.id,
            "question": question.text,
            "expected": question.answer,
            "reply": verdict.reply,
            "probability": verdict.probability,
            "raw": verdict.raw,
        }
        for question, verdict in zip(prompt.questions, verdicts, strict=True)
    ]


def derived_scores(records: Sequence[Record], calibration: Calibration, *, label: str) -> list[Score]:
    """One job's question accuracies corrected for the judge's errors (see `corrected_scores`).

    Next to each is the judge's own sensitivity and specificity in that category.
    """
    job = _Job(records[0].system, records[0].benchmark, label)
    found = []
    for corrected in corrected_scores(records, calibration):
        found.append(
            Score(
                system=job.system,
                benchmark=job.benchmark,
                metric=_corrected_metric(corrected.category),
                value=corrected.corrected,
                low=corrected.low,
                high=corrected.high,
                n=corrected.n,
                n_failed=corrected.n_failed,
                n_clusters=corrected.n_clusters,
                method=_CORRECTION + (f"; not given: {corrected.reason}" if corrected.reason else ""),
                label=job.label,
            )
        )
        row = None if corrected.category is None else calibration.row(corrected.category)
        if row is not None:
            rates = {"sensitivity": row.yes_if_yes, "specificity": row.no_if_no}
            found += [_score_of_rate(name, rate, row, job) for name, rate in rates.items()]
    return found


class _Job(NamedTuple):
    system: str
    benchmark: str
    label: str


def _score_of_rate(name: str, rate: Rate, row: CategoryRow, job: _Job) -> Score:
    """The judge's, not the system's: it is the same for all, and neither end of it is better."""
    title = CATEGORIES[row.category]
    low, high = rate.interval
    return Score(
        system=job.system,
        benchmark=job.benchmark,
        metric=Metric(
            metric_name(f"judge_{name}", row.category),
            f"{title}: judge's {name}",
            higher_is_better=None,
            group=title,
            derived=True,
        ),
        value=rate.value,
        low=low if rate.n else None,
        high=high if rate.n else None,
        n=rate.n,
        n_failed=0,
        n_clusters=row.n_clips,
        method="of the judge on its control set's questions; Clopper-Pearson, questions taken as independent",
        label=job.label,
    )


_CORRECTION = (
    "corrected for the judge's errors on its control set after Rogan and Gladen; percentiles over resampled "
    "prompts (all alike: at least Clopper-Pearson) and judge's rates drawn from their Jeffreys posteriors"
)


def _corrected_metric(category: str | None) -> Metric:
    if category is None:
        name, title, group = CORRECTED, "Question accuracy, corrected", "All categories"
        return Metric(name, title, chance=0.5, group=group, headline=True, derived=True)
    title = CATEGORIES[category]
    return Metric(
        metric_name(CORRECTED, category),
        f"{title}: questions, corrected",
        chance=0.5,
        group=title,
        failed_where=f"category={category}",
        derived=True,
    )
