"""Reads raters' answers back: who said what, how far they agree, and the scores of the systems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from tv_align.judges.human.agreement import krippendorff_alpha, majority
from tv_align.judges.human.sheet import KEY_VERSION
from tv_align.prompts.schema import CATEGORIES
from tv_align.tracks.scores import PROMPTS, QUESTIONS, metric_name, metrics
from vtok_eval.errors import SpecError
from vtok_eval.files.strict_json import parse_json
from vtok_eval.files.tables import read_table
from vtok_eval.files.text_files import read_text
from vtok_eval.results.records import Record, Score, Status
from vtok_eval.results.statistics.scores import score_all

ANSWERS = ("yes", "no", "unsure")
_COLUMNS = ("rater", "key", "answer")
BENCHMARK = "tv-align"


@dataclass(frozen=True)
class Labels:
    """items: opaque key -> what it identifies. failed: videos that no rater could see.
    votes: opaque key -> rater -> answer.

    Example:
        >>> Labels(items={"k1": {}}, failed=[], votes={"k1": {"rater b": "yes", "rater a": "no"}}).raters
        ['rater a', 'rater b']
    """

    items: Mapping[str, Mapping[str, Any]]
    failed: Sequence[Mapping[str, Any]]
    votes: Mapping[str, Mapping[str, str]]

    @property
    def raters(self) -> list[str]:
        """Everyone who answered anything, sorted."""
        return sorted({rater for votes in self.votes.values() for rater in votes})


@dataclass(frozen=True)
class RaterAgreement:
    """How far raters agree on a category's questions, or on all of them (category "").

    alpha: Krippendorff's, over answers yes and no; None where undefined. n_questions: asked; n_shared:
    answered yes or no by two raters at least; n_ties: without a majority for yes or no; n_unanswered:
    without an answer; n_unsure: answers "cannot tell".

    Example:
        >>> counts = {"n_shared": 80, "n_ties": 3, "n_unanswered": 2, "n_unsure": 5}
        >>> RaterAgreement("counting", alpha=0.7, n_questions=90, **counts).alpha
        0.7
    """

    category: str
    alpha: float | None
    n_questions: int
    n_shared: int
    n_ties: int
    n_unanswered: int
    n_unsure: int


def read_labels(key: Path, files: Sequence[Path]) -> Labels:
    """Raters' tables (columns rater, key, answer; usually CSV) together with the sheet's key.json.

    Raises:
        SpecError: a file cannot be read, is of another sheet, or holds a bad value; names the line. Two
            different answers of one rater to one question are rejected too.
    """
    try:
        text = read_text(key, error=SpecError)
        content = cast(dict[str, Any], parse_json(text, where=str(key), error=SpecError))
        known, failed = dict(content["items"]), list(content["failed"])
        version = content["key_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise SpecError(f"{key}: is not the key of a labelling sheet ({error})") from error
    if version != KEY_VERSION:
        raise SpecError(f"{key}: the key has version {version}, this vtok-eval reads {KEY_VERSION}")
    votes: dict[str, dict[str, str]] = {name: {} for name in known}
    for path in files:
        for where, rater, name, answer in _rows(path):
            if name not in votes:
                raise SpecError(f"{where}: key {name!r} is not of this sheet ({key})")
            if votes[name].setdefault(rater, answer) != answer:
                raise SpecError(f"{where}: {rater} answered {name} differently before")
    return Labels(known, failed, votes)


def agreement(labels: Labels) -> list[RaterAgreement]:
    """Over all questions first, then by category."""
    present = [name for name in CATEGORIES if any(i["category"] == name for i in labels.items.values())]
    return [_agreement(labels, category) for category in ("", *present)]


def majority_answers(labels: Labels) -> dict[str, str]:
    """By opaque key: "yes" or "no" where more raters say so than the other, else "unsure"."""
    return {key: majority(_decided(votes)) or "unsure" for key, votes in labels.votes.items()}


def human_records(labels: Labels) -> list[Record]:
    """A record per video, with the majority as the judge; a question without a majority is not right.

    A video with an unanswered question is failed, as is one that no rater could see.
    """
    decided = majority_answers(labels)
    by_video: dict[tuple[str, str, int], list[str]] = {}
    for key, item in labels.items.items():
        by_video.setdefault((item["system"], item["prompt_id"], item["index"]), []).append(key)
    records = [
        _record(labels, decided, system, prompt_id, index, sorted(keys))
        for (system, prompt_id, index), keys in sorted(by_video.items())
    ]
    records += [
        _failed(entry["system"], entry["prompt_id"], entry["index"], entry["category"], entry["reason"])
        for entry in labels.failed
    ]
    return records


def human_scores(labels: Labels, *, label: str = "human raters, majority") -> list[Score]:
    """Every system's scores with intervals clustered by prompt."""
    records = human_records(labels)
    present = [name for name in CATEGORIES if any(r.meta["category"] == name for r in records)]
    return [
        score
        for system in sorted({record.system for record in records})
        for score in score_all([r for r in records if r.system == system], metrics(present), label=label)
    ]


def _rows(path: Path) -> list[tuple[str, str, str, str]]:
    """Where each answer is, its rater, the key of its question and the answer."""
    found = []
    for row in read_table(path, error=SpecError, required=_COLUMNS).rows:
        rater, name, answer = (row.columns[column] for column in _COLUMNS)
        if not isinstance(rater, str) or not rater.strip():
            raise SpecError(f"{row.where}: rater is empty")
        if answer not in ANSWERS:
            raise SpecError(f"{row.where}: answer must be {', '.join(ANSWERS)}, not {answer!r}")
        found.append((row.where, rater.strip(), str(name), str(answer)))
    return found


def _decided(votes: Mapping[str, str]) -> list[str]:
    return [answer for answer in votes.values() if answer != "unsure"]


def _agreement(labels: Labels, category: str) -> RaterAgreement:
    votes = [
        labels.votes[key]
        for key, item in labels.items.items()
        if not category or item["category"] == category
    ]
    decided = [_decided(each) for each in votes]
    return RaterAgreement(
        category=category,
        alpha=krippendorff_alpha(decided),
        n_questions=len(votes),
        n_shared=sum(len(each) >= 2 for each in decided),
        n_ties=sum(bool(each) and majority(each) is None for each in decided),
        n_unanswered=sum(not each for each in votes),
        n_unsure=sum(answer == "unsure" for each in votes for answer in each.values()),
    )


def _record(
    labels: Labels, decided: Mapping[str, str], system: str, prompt_id: str, index: int, keys: Sequence[str]
) -> Record:
    category = labels.items[keys[0]]["category"]
    unanswered = [key for key in keys if not labels.votes[key]]
    if unanswered:
        question = labels.items[unanswered[0]]["question"]
        return _failed(system, prompt_id, index, category, f"no rater answered {question!r}")
    right = [decided[key] == labels.items[key]["expected"] for key in keys]
    share, whole = (sum(right) / len(right),), (float(all(right)),)
    return Record(
        job=f"{BENCHMARK}/{system}",
        system=system,
        benchmark=BENCHMARK,
        sample_id=f"{prompt_id}/{index}",
        cluster=prompt_id,
        status=Status.OK,
        values={
            QUESTIONS: share,
            PROMPTS: whole,
            metric_name(QUESTIONS, category): share,
            metric_name(PROMPTS, category): whole,
        },
        outputs={
            "judge": "human",
            "verdicts": [
                {
                    "question": labels.items[key]["question"],
                    "expected": labels.items[key]["expected"],
                    "reply": decided[key],
                    "raw": dict(labels.votes[key]),
                }
                for key in keys
            ],
        },
        meta={"category": category, "index": index},
    )


def _failed(system: str, prompt_id: str, index: int, category: str, reason: str) -> Record:
    return Record(
        job=f"{BENCHMARK}/{system}",
        system=system,
        benchmark=BENCHMARK,
        sample_id=f"{prompt_id}/{index}",
        cluster=prompt_id,
        status=Status.FAILED,
        reason=reason,
        meta={"category": category, "index": index},
    )
