"""Human answers as a judge: looks a clip and a question up in what raters answered on a labelling sheet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from tv_align.judges.human.labels import majority_answers, read_labels
from tv_align.judges.human.sheet import clip_fingerprint
from tv_align.judges.judge import Reply, Verdict
from vtok_eval.data import Clip
from vtok_eval.errors import SpecError, VtokEvalError
from vtok_eval.results.description import Description


class Human:
    """The majority of raters.

    key: path of the sheet's key.json. labels: paths of the raters' CSV files, parted by ";", or a folder of
    them. A clip is known again by its pixels, so videos must be judged at the size in which they were shown
    (without the benchmark's option short_side).

    Raises:
        SpecError: a file cannot be read or does not belong to the sheet.
    """

    name = "human"
    calibrated_by_runs = False
    concurrency = 1

    def __init__(self, *, key: str, labels: str) -> None:
        self._files = _files(labels)
        read = read_labels(Path(key), self._files)
        decided = majority_answers(read)
        self._answers = {
            (item["fingerprint"], item["question"]): (decided[name], dict(read.votes[name]))
            for name, item in read.items.items()
            if read.votes[name]
        }
        self._raters = read.raters

    def judge(self, clip: Clip, questions: Sequence[str]) -> Sequence[Verdict]:
        """The majority's answers; the probability is the share of "yes" among yes and no.

        Raises:
            VtokEvalError: a question about this clip has no answer.
        """
        fingerprint = clip_fingerprint(clip.frames)
        verdicts = []
        for question in questions:
            if (fingerprint, question) not in self._answers:
                raise VtokEvalError(f"no rater answered {question!r} about this clip")
            reply, votes = self._answers[fingerprint, question]
            decided = [answer for answer in votes.values() if answer != "unsure"]
            probability = decided.count("yes") / len(decided) if decided else None
            verdicts.append(Verdict(cast(Reply, reply), probability=probability, raw=votes))
        return verdicts

    def describe(self) -> Description:
        """How many raters, and of which files."""
        return Description(facts={"raters": len(self._raters), "files": [path.name for path in self._files]})


def _files(labels: str) -> list[Path]:
    folder = Path(labels)
    files = sorted(folder.glob("*.csv")) if folder.is_dir() else [Path(part) for part in labels.split(";")]
    if not files:
        raise SpecError(f"{labels}: no CSV file of a rater in this folder")
    return files
