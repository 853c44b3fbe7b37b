"""A judge of the user's own, from a file or a module: built, run, calibrated, and refused with one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from tv_align.calibration.calibrate import calibrate
from tv_align.calibration.control_set import scenes_control_set
from tv_align.commands import app
from tv_align.judges.judge import JudgeError
from tv_align.judges.registry import build_judge
from vtok_eval.data import Clip
from vtok_eval.errors import SpecError, UnknownNameError, VideoError

CODE = """
from tv_align.judges.judge import Verdict
from vtok_eval.errors import VideoError

class Bright:
    def __init__(self, threshold: int = 100, mode="usual"):
        self.threshold, self.mode = threshold, mode

    def judge(self, clip, questions):
        if self.mode == "raises":
            raise KeyError("no\\nsuch thing")
        if self.mode == "refuses":
            raise VideoError("too dark")
        reply = "yes" if clip.frames.float().mean() > self.threshold else "no"
        return [Verdict(reply)] * (1 if self.mode == "few" else len(questions))

class Nothing:
    pass

class Broken:
    def __init__(self):
        raise RuntimeError("no weights")

    def judge(self, clip, questions):
        return []
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my_judge.py"
    path.write_text(CODE)
    return path


def clip(level: int) -> Clip:
    return Clip(torch.full((2, 3, 8, 8), level, dtype=torch.uint8), 4.0)


def test_options_name_and_provenance(file: Path) -> None:
    judge = build_judge(f"{file}:Bright:threshold=200")
    assert [v.reply for v in judge.judge(clip(150), ["a?", "b?"])] == ["no", "no"]
    assert (judge.name, judge.concurrency) == ("Bright", 1)
    assert len(judge.describe()["source_sha256"]) == 64
    assert judge.describe()["class"] == "Bright"


def test_from_a_module(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(file.parent))
    assert build_judge("my_judge:Bright").judge(clip(150), ["a?"])[0].reply == "yes"
    assert build_judge("tv_align.judges.constant:AlwaysYes").name == "always-yes"


@pytest.mark.parametrize(
    ("mode", "error", "words"),
    [
        ("raises", JudgeError, "^judge Bright: KeyError: .*such thing'$"),
        ("few", JudgeError, "1 verdicts for 2 questions"),
        ("refuses", VideoError, "too dark"),
    ],
)
def test_what_it_does_wrong_is_one_line(file: Path, mode: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        build_judge(f"{file}:Bright:mode={mode}").judge(clip(1), ["a?", "b?"])


@pytest.mark.parametrize(
    ("spec", "error", "words"),
    [
        ("FILE:Brigth", UnknownNameError, "did you mean 'Bright'"),
        ("FILE:Bright:treshold=3", UnknownNameError, "did you mean 'threshold'"),
        ("FILE:Bright:threshold=much", SpecError, "threshold=much is not valid"),
        ("FILE:Nothing", SpecError, "is not a judge; it needs a method judge"),
        ("FILE:Broken", SpecError, "cannot be built: RuntimeError: no weights"),
        ("nowhere.py:Bright", SpecError, "no file nowhere.py"),
        ("tv_align.no_such:Bright", SpecError, "cannot be imported"),
        ("orakel", UnknownNameError, "did you mean 'oracle'"),
        ("orakel:size=3", UnknownNameError, "did you mean 'oracle'"),
        ("clipp:ViT-B-32/openai", UnknownNameError, "did you mean 'clip'"),
        ("", SpecError, "judge spec '' has no name"),
    ],
)
def test_bad_specs(file: Path, spec: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        build_judge(spec.replace("FILE", str(file)))


def test_it_is_calibrated_and_its_failures_are_listed(file: Path) -> None:
    items = scenes_control_set(per_level=1)
    found = calibrate(build_judge(f"{file}:Bright:threshold=0"), items, control_set="scenes")
    assert all(row.yes_if_yes.value == 1 and row.no_if_no.value == 0 for row in found.rows)
    broken = calibrate(build_judge(f"{file}:Bright:mode=raises"), items, control_set="scenes")
    assert len(broken.failures) == len(items)
    assert all("KeyError" in reason for reason in broken.failures.values())


def test_calibrate_command(file: Path, tmp_path: Path) -> None:
    arguments = ["calibrate", "--judge", f"{file}:Bright", "--per-level", "1", "-o", str(tmp_path / "c.json")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0
    assert "Judge Bright" in result.output
    assert (tmp_path / "c.json").is_file()
