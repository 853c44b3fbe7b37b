"""Calibration: counts and intervals by hand, corrected accuracy, and blanked categories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tv_align.calibration.calibrate import calibrate
from tv_align.calibration.control_set import ControlItem, read_control_set, scenes_control_set
from tv_align.calibration.correction import corrected_scores, rogan_gladen
from tv_align.calibration.report import (
    Calibration,
    CategoryRow,
    Rate,
    calibration_table,
    read_calibration,
    write_calibration,
)
from tv_align.judges.constant import AlwaysYes
from tv_align.judges.judge import Verdict
from vtok_eval.data import Clip
from vtok_eval.errors import SpecError, VideoError
from vtok_eval.results.description import Description
from vtok_eval.results.records import Record, Status


@dataclass(frozen=True)
class Blank:
    """A clip source without content."""

    key: str = "blank"
    broken: bool = False

    def load(self) -> Clip:
        if self.broken:
            raise VideoError("blank.mp4: broken")
        return Clip(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), 4.0)


class Scripted:
    """Answers as the question's last word says."""

    name = "scripted"
    concurrency = 3

    def judge(self, clip: Clip, questions: Sequence[str]) -> list[Verdict]:
        return [Verdict(question.split()[-1]) for question in questions]

    def describe(self) -> Description:
        return Description()


def item(number: int, *asked: tuple[str, str], category: str = "action", broken: bool = False) -> ControlItem:
    return ControlItem(f"i{number}", category, Blank(broken=broken), asked)


def row(se: tuple[int, int], sp: tuple[int, int], *, category: str = "action") -> CategoryRow:
    """A row of a judge that is never unsure."""
    return CategoryRow(
        category,
        yes_if_yes=Rate(*se),
        yes_if_no=Rate(sp[1] - sp[0], sp[1]),
        no_if_no=Rate(*sp),
        no_if_yes=Rate(se[1] - se[0], se[1]),
        n_clips=10,
    )


def record(prompt: str, replies: str, *, failed: bool = False) -> Record:
    """One video of a prompt with two questions, expected yes and no; `replies` like "yn"."""
    words = {"y": "yes", "n": "no", "u": "unsure"}
    verdicts = [
        {"expected": expected, "reply": words[reply]}
        for expected, reply in zip(("yes", "no"), replies, strict=True)
    ]
    return Record(
        job="j", system="s", benchmark="tv-align", sample_id=f"{prompt}/0", cluster=prompt,
        status=Status.FAILED if failed else Status.OK, reason="gone" if failed else None,
        outputs={} if failed else {"verdicts": verdicts}, meta={"category": "action"},
    )  # fmt: skip


def test_counts_by_hand() -> None:
    items = [
        item(1, ("a yes", "yes"), ("b yes", "no")),
        item(2, ("a no", "yes"), ("b no", "no")),
        item(3, ("a unsure", "yes"), ("b no", "no")),
        item(4, ("a yes", "yes"), broken=True),
        item(5, ("a yes", "yes"), ("b no", "no"), category="camera"),
    ]
    found = calibrate(Scripted(), items, control_set="by hand")
    assert [each.category for each in found.rows] == ["camera", "action"]
    action = found.row("action")
    assert action is not None
    assert (action.yes_if_yes, action.no_if_yes) == (Rate(1, 3), Rate(1, 3))
    assert (action.no_if_no, action.yes_if_no) == (Rate(2, 3), Rate(1, 3))
    assert (action.n_clips, action.n_failed) == (3, 1)
    assert found.failures == {"i4": "blank.mp4: broken"}


def test_clopper_pearson_against_the_beta_quantiles() -> None:
    from scipy.stats import beta

    low, high = Rate(45, 50).interval
    assert low == pytest.approx(beta.ppf(0.025, 45, 6))
    assert high == pytest.approx(beta.ppf(0.975, 46, 5))
    assert Rate(0, 0).interval == (0.0, 1.0)


def test_near_chance_is_said_and_a_good_judge_is_usable() -> None:
    assert row((95, 100), (90, 100)).near_chance is None
    assert "near chance" in str(row((60, 100), (50, 100)).near_chance)
    assert "near chance" in str(row((3, 3), (3, 3)).near_chance)  # right, but three questions prove nothing
    assert "lacks questions" in str(row((5, 5), (0, 0)).near_chance)


def test_rogan_gladen_by_hand() -> None:
    # 62 % judged positive, sensitivity 0.9, specificity 0.8: (0.62 + 0.8 - 1) / 0.7 = 0.6.
    assert rogan_gladen(0.62, if_true=0.9, if_false=0.2) == pytest.approx(0.6)
    assert rogan_gladen(0.1, if_true=0.9, if_false=0.2) == 0
    with pytest.raises(ValueError, match="tells nothing"):
        rogan_gladen(0.5, if_true=0.5, if_false=0.5)


def test_corrected_accuracy_by_hand() -> None:
    """Sensitivity 0.9, specificity 0.8. Of ten videos 8 yes-questions and 7 no-questions are judged right:
    shown = (0.8 - 0.2) / 0.7 = 6/7; absent = (0.7 - 0.1) / 0.7 = 6/7. Two more videos failed, wrong for
    certain: 10/12 * 6/7 = 5/7."""
    records = [record(f"p{i}", ("y" if i < 8 else "n") + ("n" if i < 7 else "y")) for i in range(10)]
    records += [record(f"f{i}", "yn", failed=True) for i in range(2)]
    calibration = Calibration("j", "set", (row((90, 100), (80, 100)),))
    overall, score = corrected_scores(records, calibration)
    assert replace(overall, category="action") == score  # of one category
    assert score.judged == pytest.approx(15 / 24)
    assert score.corrected == pytest.approx(5 / 7)
    assert (score.n, score.n_failed) == (12, 2)
    assert score.low is not None
    assert score.high is not None
    assert score.low < 5 / 7 < score.high


def test_training_seeds_are_averaged_and_widen_the_corrected_interval() -> None:
    """Of ten videos the decoders of three seeds show 5, 7 and 9; a failed one fails in each."""

    def of_seeds(number: int) -> Record:
        one = record(f"p{number}", "yn" if number < 5 else "ny")
        others = [record("", "yn" if number < right else "ny").outputs["verdicts"] for right in (7, 9)]
        return replace(one, outputs={**one.outputs, "other_seeds": others})

    calibration = Calibration("j", "set", (row((999, 1000), (999, 1000)),))
    several = [of_seeds(number) for number in range(10)] + [record("f", "yn", failed=True)]
    single = [record(f"p{number}", "yn" if number < 7 else "ny") for number in range(10)]
    single.append(record("f", "yn", failed=True))
    found, plain = (corrected_scores(records, calibration)[1] for records in (several, single))
    assert found.judged == pytest.approx(plain.judged)
    assert found.judged == pytest.approx(7 / 11)
    assert found.corrected == pytest.approx(plain.corrected)
    assert found.high - found.low > plain.high - plain.low
    fewer = several[0].outputs["other_seeds"][:1]
    two = replace(several[0], outputs={**several[0].outputs, "other_seeds": fewer})
    with pytest.raises(ValueError, match="with 2 and with 3 training seeds"):
        corrected_scores([two, *several[1:]], calibration)


def test_corrected_score_is_blank_where_the_judge_is_near_chance_or_not_calibrated() -> None:
    records = [record("p", "yn")]
    _, near = corrected_scores(records, Calibration("j", "set", (row((50, 100), (50, 100)),)))
    assert near.corrected is None
    assert "near chance" in near.reason
    _, unknown = corrected_scores(records, Calibration("j", "set", ()))
    assert unknown.corrected is None
    assert "no question of this category" in unknown.reason


def test_interval_covers_the_truth() -> None:
    """True accuracy 0.7; sensitivity 0.85 and specificity 0.75, estimated from 150 questions each."""
    rng = np.random.default_rng(5)
    truth, se, sp, covered, values = 0.7, 0.85, 0.75, 0, []
    for _ in range(60):
        records = []
        for i in range(80):
            shown, absent = rng.random(2) < truth
            yes = rng.random() < (se if shown else 1 - sp)
            no = rng.random() < (sp if absent else 1 - se)
            records.append(record(f"p{i}", ("y" if yes else "n") + ("n" if no else "y")))
        rates = row((rng.binomial(150, se), 150), (rng.binomial(150, sp), 150))
        _, score = corrected_scores(records, Calibration("j", "set", (rates,)))
        assert score.corrected is not None
        values.append(score.corrected)
        covered += bool(score.low <= truth <= score.high)
    # 95 % of 60 is 57; below 51 would be 3.5 standard deviations off.
    assert covered >= 51
    assert np.mean(values) == pytest.approx(truth, abs=0.03)


def test_calibration_survives_writing_and_reading(tmp_path: Path) -> None:
    calibration = Calibration("j", "set", (row((9, 10), (8, 10)),), {"model": "m"}, {"i": "why"})
    write_calibration(calibration, tmp_path / "c.json")
    assert read_calibration(tmp_path / "c.json") == calibration
    table = calibration_table(calibration)
    assert "| Action | 90.0 %" in table
    assert len(table.splitlines()) == 5


@pytest.mark.parametrize(
    "text", ["", "{}", '{"calibration_version": 9}', '{"calibration_version": 1, "rows": [1]}']
)
def test_a_file_that_is_no_calibration(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(SpecError, match=r"c\.json"):
        read_calibration(tmp_path / "c.json")


def test_always_yes_is_near_chance_in_every_category_of_the_scenes() -> None:
    found = calibrate(AlwaysYes(), scenes_control_set(per_level=2, size=32, n_frames=2), control_set="scenes")
    assert len(found.rows) == 8
    for each in found.rows:
        assert each.yes_if_yes.value == 1
        assert each.no_if_no.value == 0
        assert each.near_chance is not None


def test_a_control_set_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "control.csv"
    path.write_text("path,category,question,truth\na.mp4,action,Is it?,yes\na.mp4,action,Is it not?,no\n")
    (only,) = read_control_set(path)
    assert only.questions == (("Is it?", "yes"), ("Is it not?", "no"))
    assert only.clip.path == tmp_path / "a.mp4"
    for text, words in (
        ("path,category,question\n", "no column truth"),
        ("path,category,question,truth\na,action,Q?,maybe\n", "line 2: truth must be yes or no"),
        ("path,category,question,truth\na,cooking,Q?,yes\n", "line 2: category must be"),
        ("path,category,question,truth\n", "no question"),
        ("path,category,question,truth\na,action,Q, really?,yes\n", "line 2: has 5 cells"),
        ("path,category,question,truth\na,action,Q?,yes\na,action,Q?,no\n", "line 3: question 'Q.' of a is"),
        ("path,category,question,truth\na,,Q?,yes\n", "line 2: category is empty"),
    ):
        path.write_text(text)
        with pytest.raises(SpecError, match=words):
            read_control_set(path)


@pytest.mark.parametrize(("replies", "value"), [("yn", 1.0), ("ny", 0.0)])
def test_all_right_or_all_wrong_is_not_certain(replies: str, value: float) -> None:
    """Of 20 prompts all alike, by a judge without a known error: the exact interval, 0.025 ** (1 / 20) = 0.83
    to 1. In all, of 20 prompts of one category, the same; with 20 of another, of 40: 0.91 to 1."""
    rows = tuple(row((5000, 5000), (5000, 5000), category=name) for name in ("action", "camera"))
    perfect = Calibration("j", "set", rows)
    records = [record(f"p{i}", replies) for i in range(20)]
    for found in corrected_scores(records, perfect):
        assert found.corrected == value
        assert found.low is not None
        assert found.high is not None
        ends = (found.low, found.high) if value else (1 - found.high, 1 - found.low)
        assert ends == (pytest.approx(0.025 ** (1 / 20)), pytest.approx(1.0))
    others = [replace(each, meta={"category": "camera"}, cluster=f"{each.cluster}b") for each in records]
    whole = corrected_scores([*records, *others], perfect)[0]
    assert whole.low is not None
    assert whole.high is not None
    assert (whole.low if value else 1 - whole.high) == pytest.approx(0.025 ** (1 / 40))
