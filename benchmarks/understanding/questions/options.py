"""Checks the options of a benchmark of questions before anything is read or run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from benchmarks.understanding.questions.data.video_library import Sampling
from benchmarks.understanding.questions.description import BenchmarkDescription
from benchmarks.understanding.questions.probe.sentences.encoders import check_spec
from benchmarks.understanding.questions.probe.training_data import Leakage
from vtok_eval.errors import SuiteError, UnknownNameError
from vtok_eval.video.sampling import SAMPLING_RULES

COMPATIBLE = ("lmms-eval",)
"""The peers whose reading and scoring of answers can be reproduced."""


def check_options(
    description: BenchmarkDescription,
    *,
    subsets: Sequence[str],
    sampling: Sampling,
    compat: str | None,
    circular: bool,
    leakage: str,
    text: str,
) -> None:
    """Refuse options that the described benchmark cannot have; they are those of `QuestionAnswering`.

    Raises:
        UnknownNameError: there is no such rule, subset, peer, way with leakage or sentence encoder.
        SuiteError: a number is out of its range, or the benchmark has no question of the needed kind.
    """
    _check_sampling(description, sampling)
    for subset in subsets:
        if subset not in description.subsets:
            raise UnknownNameError(
                what=f"subset of {description.name}", name=subset, known=description.subsets
            )
    if compat is not None and compat not in COMPATIBLE:
        raise UnknownNameError(what="peer to be compatible with", name=compat, known=COMPATIBLE)
    if leakage not in get_args(Leakage):
        raise UnknownNameError(what="way with leakage", name=str(leakage), known=get_args(Leakage))
    check_spec(text)
    tasks = description.tasks.values()
    if compat is not None and all(task.peer is None for task in tasks):
        raise SuiteError(f"{description.name}: lmms-eval has no rule here that runs without a judge model")
    if circular and not any(task.type == "multiple-choice" for task in tasks):
        raise SuiteError(f"{description.name}: circular needs multiple-choice questions; it has none")


def _check_sampling(description: BenchmarkDescription, sampling: Sampling) -> None:
    if sampling.rule not in SAMPLING_RULES or sampling.rule == "fps":
        known = [rule for rule in SAMPLING_RULES if rule != "fps"]
        raise UnknownNameError(what="sampling rule", name=sampling.rule, known=known)
    for name in ("frames", "short_side"):
        value = getattr(sampling, name)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise SuiteError(
                f"{description.name}: {name} must be a whole number from 1 on, or null, not {value!r}"
            )
