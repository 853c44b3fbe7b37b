"""Runs a judge on a control set and counts its errors by category."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tv_align.calibration.control_set import ControlItem
from tv_align.calibration.report import Calibration, CategoryRow, Rate
from tv_align.judges.judge import Judge, Verdict, check_verdicts
from tv_align.prompts.schema import CATEGORIES
from vtok_eval.errors import MissingDependencyError, VtokEvalError


@dataclass(frozen=True)
class _Judged:
    item: ControlItem
    verdicts: Sequence[Verdict] = ()
    failure: str | None = None


def calibrate(
    judge: Judge, items: Sequence[ControlItem], *, control_set: str, progress: bool = False
) -> Calibration:
    """The judge's errors on a control set; what cannot be loaded or judged is listed and is not an error.

    control_set: its name, for tables. progress: show a bar.

    Raises:
        MissingDependencyError: nothing can be judged or rendered here.
    """
    from tqdm import tqdm

    with ThreadPoolExecutor(max(1, judge.concurrency)) as pool:
        running = pool.map(lambda item: _ask(judge, item), items)
        judged = list(tqdm(running, total=len(items), desc=judge.name, unit="clip", disable=not progress))
    present = {item.category for item in items}
    return Calibration(
        judge=judge.name,
        control_set=control_set,
        rows=tuple(
            _count(category, [each for each in judged if each.item.category == category])
            for category in CATEGORIES
            if category in present
        ),
        description=judge.describe().identity(),
        failures={each.item.id: each.failure for each in judged if each.failure is not None},
    )


def _ask(judge: Judge, item: ControlItem) -> _Judged:
    try:
        verdicts = judge.judge(item.clip.load(), [question for question, _ in item.questions])
    except MissingDependencyError:
        raise
    except VtokEvalError as error:
        return _Judged(item, failure=str(error))
    check_verdicts(verdicts, n_questions=len(item.questions))
    return _Judged(item, verdicts)


def _count(category: str, judged: Sequence[_Judged]) -> CategoryRow:
    answered = [each for each in judged if each.failure is None]
    pairs = Counter(
        (truth, verdict.reply)
        for each in answered
        for (_, truth), verdict in zip(each.item.questions, each.verdicts, strict=True)
    )
    n_yes = sum(number for (truth, _), number in pairs.items() if truth == "yes")
    n_no = pairs.total() - n_yes
    return CategoryRow(
        category=category,
        yes_if_yes=Rate(pairs["yes", "yes"], n_yes),
        yes_if_no=Rate(pairs["no", "yes"], n_no),
        no_if_no=Rate(pairs["no", "no"], n_no),
        no_if_yes=Rate(pairs["yes", "no"], n_yes),
        n_clips=len(answered),
        n_failed=len(judged) - len(answered),
    )
