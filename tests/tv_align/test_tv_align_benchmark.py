"""TV-Align on folders of videos, through the harness: missing, extra, doubled and unreadable ones."""

from __future__ import annotations

import json
import logging
from functools import partial
from pathlib import Path

import pytest

from reports.run_report import gather
from reports.tables.terminal import terminal
from tv_align.calibration.by_run import calibration_of, is_calibrated_by_runs
from tv_align.calibration.report import Calibration, CategoryRow, Rate, read_calibration, write_calibration
from tv_align.judges.constant import AlwaysYes
from tv_align.judges.endpoint import EndpointJudge
from tv_align.judges.human.judge import Human
from tv_align.judges.judge import Verdict, check_verdicts
from tv_align.judges.registry import JUDGES
from tv_align.prompts.load import load_prompts
from tv_align.scenes.prompts import reference_clips, scene_prompts
from tv_align.tracks.videos.benchmark import TVAlign
from tv_align.tracks.videos.matching import match_videos
from vtok_eval.errors import SpecError, SuiteError, UnknownNameError, VideoError
from vtok_eval.results.store import RunFolder
from vtok_eval.run.harness import Harness, RunSettings
from vtok_eval.run.suite import Suite
from vtok_eval.video.encode import encode
from vtok_eval.video.folder import VideoEntry

PROMPTS = """\
suite: mine
version: 1
source: a test
category: CATEGORY
prompts:
"""


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    """Two prompts of counting and one of action, in the scenes' words, as files."""
    folder = tmp_path / "prompts"
    folder.mkdir()
    chosen = {"counting": [], "action": []}
    for item in scene_prompts(per_level=2):
        if item.category in chosen and item.entry.level == "basic":
            chosen[item.category].append(item.entry)
    for category, entries in (("counting", chosen["counting"]), ("action", chosen["action"][:1])):
        content = {
            "suite": "mine", "version": 1, "source": "a test", "category": category,
            "prompts": [entry.model_dump() for entry in entries],
        }  # fmt: skip
        (folder / f"{category}.json").write_text(json.dumps(content))
    return folder


@pytest.fixture
def videos(tmp_path: Path, prompts: Path) -> Path:
    """The rendered clip of each of these prompts, without loss worth naming."""
    folder = tmp_path / "videos"
    folder.mkdir()
    clips = reference_clips(scene_prompts(per_level=2))
    for prompt in load_prompts(str(prompts)).prompts:
        encode(clips[prompt.id].load(), folder / f"{prompt.text}-0.mp4", crf=5)
    return folder


def run(
    tmp_path: Path, prompts: Path, videos: Path, *, judge: str = "oracle", **options: object
) -> tuple[dict, RunFolder, object]:
    options = {"judge": judge, "prompts": str(prompts), **options}
    suite = Suite.model_validate(
        {
            "name": "t", "label": "test", "setting": "custom", "description": "test", "seed": 0,
            "systems": [{"name": "mine", "spec": f"videos:{videos}"}],
            "benchmarks": [{"name": "tv-align", "options": options}],
        }
    )  # fmt: skip
    summary = Harness(suite, RunSettings(device="cpu"), tmp_path / "cache").run(tmp_path / "run")
    folder = RunFolder.open(tmp_path / "run")
    return {score.metric.name: score for score in folder.scores()}, folder, summary


def test_a_run_asks_no_server_and_no_people_for_a_calibration() -> None:
    assert is_calibrated_by_runs(AlwaysYes())
    assert not EndpointJudge.calibrated_by_runs
    assert not Human.calibrated_by_runs


class TestThroughTheHarness:
    def test_true_videos_score_full_with_the_oracle(
        self, tmp_path: Path, prompts: Path, videos: Path
    ) -> None:
        scores, folder, _ = run(tmp_path, prompts, videos, judge="oracle")
        # The oracle's own calibration ships with it: its rates and corrected scores are next to these.
        assert {name: score.value for name, score in scores.items()} == dict.fromkeys(
            (
                "question_accuracy", "prompt_accuracy", "question_accuracy:counting",
                "prompt_accuracy:counting", "question_accuracy:action", "prompt_accuracy:action",
                "corrected_accuracy", "corrected_accuracy:counting", "corrected_accuracy:action",
                "judge_sensitivity:counting", "judge_specificity:counting",
                "judge_sensitivity:action", "judge_specificity:action",
            ),
            1.0,
        )  # fmt: skip
        assert scores["question_accuracy"].n_clusters == 3
        record = folder.raw_records()[0]
        assert {each["reply"] for each in record.outputs["verdicts"]} == {"yes", "no"}
        assert record.cost["judge_seconds"] > 0
        notes = " ".join(folder.run()["benchmarks"][0]["description"]["notes"])
        assert "re-creation" in notes

    def test_always_yes_uncalibrated_gets_half_and_nothing(
        self, tmp_path: Path, prompts: Path, videos: Path
    ) -> None:
        scores, folder, _ = run(tmp_path, prompts, videos, judge="always-yes", calibration="none")
        assert scores["question_accuracy"].value == 0.5
        assert scores["prompt_accuracy"].value == 0.0
        notes = " ".join(folder.run()["benchmarks"][0]["description"]["notes"])
        assert "judge not calibrated" in notes
        assert "tv-align calibrate --judge always-yes" in notes
        text = terminal(gather(folder.path))
        assert "tv-align (re-creation, judge not calibrated)" in text
        assert "vtok-eval tv-align calibrate --judge always-yes --out FILE" in " ".join(text.split())

    def test_a_run_calibrates_its_judge_and_blanks_what_it_cannot_tell(
        self, tmp_path: Path, prompts: Path, videos: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("VTOK_EVAL_CACHE", str(tmp_path / "own cache"))
        monkeypatch.setattr("tv_align.tracks.judging.calibration_of", partial(calibration_of, per_level=2))
        (videos / f"{load_prompts(str(prompts)).prompts[0].text}-0.mp4").write_bytes(b"no video")
        scores, folder, summary = run(tmp_path, prompts, videos, judge="always-yes")
        assert len(summary.failed) == 1
        for name in ("question_accuracy", "prompt_accuracy", "question_accuracy:counting"):
            assert (scores[name].value, scores[name].low) == (None, None), name
        # Its table stands with the scores: it always says yes.
        assert scores["judge_sensitivity:counting"].value == 1.0
        assert scores["judge_specificity:counting"].value == 0.0
        assert "near chance" in scores["corrected_accuracy"].method
        notes = " ".join(folder.run()["benchmarks"][0]["description"]["notes"])
        assert "TV-Align counting: no score: the judge is near chance" in notes
        # Measured once: the next run takes it from the cache.
        (kept,) = (tmp_path / "own cache" / "judges").iterdir()
        monkeypatch.setattr("tv_align.calibration.by_run.calibrate", None)
        assert calibration_of(AlwaysYes(), per_level=2) == read_calibration(kept)

    def test_missing_unreadable_and_extra_videos(
        self, tmp_path: Path, prompts: Path, videos: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """One missing, one unreadable, one of no prompt: failures count 0 in their own category only."""
        counting = [p for p in load_prompts(str(prompts)).prompts if p.category == "counting"]
        (videos / f"{counting[0].text}-0.mp4").unlink()
        (videos / f"{counting[1].text}-0.mp4").write_bytes(b"no video")
        (videos / "a holiday-0.mp4").write_bytes(b"anything")
        with caplog.at_level(logging.WARNING):
            scores, folder, summary = run(tmp_path, prompts, videos)
        assert len(summary.failed) == 2
        assert {record.sample_id for record in summary.failed} == {f"{p.id}/0" for p in counting}
        assert scores["question_accuracy"].value == pytest.approx(1 / 3)
        assert (scores["question_accuracy"].n, scores["question_accuracy"].n_failed) == (3, 2)
        assert (scores["question_accuracy:counting"].value, scores["question_accuracy:counting"].n) == (0, 2)
        assert (scores["question_accuracy:action"].value, scores["question_accuracy:action"].n_failed) == (
            1,
            0,
        )
        listed = json.loads(next((folder.path / "artifacts").rglob("videos.json")).read_text())
        assert listed["missing"] == [f"{counting[0].text}-0.mp4"]
        assert listed["extra"] == ["a holiday-0.mp4"]
        assert "missing and counted as failed" in caplog.text
        assert "called after no prompt" in caplog.text

    def test_a_second_run_does_nothing(self, tmp_path: Path, prompts: Path, videos: Path) -> None:
        before, _, first = run(tmp_path, prompts, videos)
        after, _, second = run(tmp_path, prompts, videos)
        assert (first.new_samples, second.new_samples) == (3, 0)
        assert before == after

    def test_two_videos_of_a_prompt_are_one_cluster(
        self, tmp_path: Path, prompts: Path, videos: Path
    ) -> None:
        action = next(p for p in load_prompts(str(prompts)).prompts if p.category == "action")
        counting = next(p for p in load_prompts(str(prompts)).prompts if p.category == "counting")
        wrong = (videos / f"{counting.text}-0.mp4").read_bytes()
        (videos / f"{action.id}-1.mp4").write_bytes(wrong)  # named by id; shows another scene
        scores, _, _ = run(tmp_path, prompts, videos)
        assert (scores["prompt_accuracy"].n, scores["prompt_accuracy"].n_clusters) == (4, 3)
        assert scores["prompt_accuracy:action"].n == 2

    def test_a_blanked_category_is_not_scored_and_says_why(
        self, tmp_path: Path, prompts: Path, videos: Path
    ) -> None:
        good, bad = Rate(99, 100), Rate(50, 100)
        rows = (
            CategoryRow("counting", bad, bad, bad, bad, 50),
            CategoryRow("action", good, Rate(1, 100), good, Rate(1, 100), 50),
        )
        write_calibration(Calibration("oracle", "made up", rows), tmp_path / "c.json")
        scores, folder, _ = run(tmp_path, prompts, videos, calibration=str(tmp_path / "c.json"))
        assert "question_accuracy:counting" not in scores
        assert scores["question_accuracy"].n == 1
        notes = " ".join(folder.run()["benchmarks"][0]["description"]["notes"])
        assert "counting: no score: the judge is near chance" in notes


class TestMatching:
    def entry(self, name: str) -> VideoEntry:
        prompt, _, index = name.rpartition("-")
        return VideoEntry(Path("videos") / f"{name}.mp4", prompt, int(index))

    def match(self, *names: str, videos_per_prompt: int | None = None):
        self.prompts = load_prompts("open").prompts[:2]
        entries = [self.entry(name.format(*self.prompts)) for name in names]
        return match_videos(self.prompts, entries, folder=Path("videos"), videos_per_prompt=videos_per_prompt)

    def test_by_text_by_id_and_with_a_full_stop(self) -> None:
        found = self.match("{0.text}-0", "{0.id}-1", "{1.text}.-0")
        assert [(each.index, each.present) for each in found.expected] == [(0, True), (1, True), (0, True)]
        assert not found.extra

    def test_what_is_expected(self) -> None:
        found = self.match("{0.text}-0", "{0.text}-3", "other-0")
        assert [each.present for each in found.expected] == [True, True, False]
        assert [each.prompt for each in found.missing] == [self.prompts[1]]
        assert [path.name for path in found.extra] == ["other-0.mp4"]
        strict = self.match("{0.text}-0", "{0.text}-3", videos_per_prompt=2)
        assert len(strict.expected) == 4
        assert len(strict.missing) == 3
        assert len(strict.extra) == 1

    def test_two_files_for_one_place_and_none_for_any(self) -> None:
        with pytest.raises(SpecError, match="both claim"):
            self.match("{0.text}-0", "{0.id}-0")
        with pytest.raises(SpecError, match="none of its 1 videos"):
            self.match("other-0")


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "error", "words"),
        [
            ({"judge": "orakel"}, UnknownNameError, "did you mean 'oracle'"),
            ({"judge": "oracle:size=3"}, UnknownNameError, "option of judge oracle"),
            ({"judge": "oracle:size"}, SpecError, "is not an option"),
            ({"judge": "human:key=k.json"}, SpecError, "needs the option 'labels'"),
            ({"prompts": "nowhere.yaml"}, SpecError, "no prompts called"),
            ({"max_frames": 0}, SuiteError, "max_frames must be at least 1"),
            ({"calibration": "nowhere.json"}, SpecError, "cannot be read"),
        ],
    )
    def test_bad_ones(self, options: dict, error: type[Exception], words: str) -> None:
        with pytest.raises(error, match=words):
            TVAlign(**options)

    def test_a_calibration_of_another_judge(self, tmp_path: Path) -> None:
        write_calibration(Calibration("clip", "set", ()), tmp_path / "c.json")
        with pytest.raises(SpecError, match="of the judge 'clip'"):
            TVAlign(prompts="scenes", calibration=str(tmp_path / "c.json"))

    def test_no_folder(self, tmp_path: Path, prompts: Path) -> None:
        with pytest.raises(VideoError):
            run(tmp_path, prompts, tmp_path / "nowhere")


def test_every_judge_has_a_summary() -> None:
    assert set(JUDGES.built_in) == set(JUDGES.summaries)


def test_verdicts_that_break_the_protocol() -> None:
    with pytest.raises(ValueError, match="1 verdicts for 2"):
        check_verdicts([Verdict("yes")], n_questions=2)
    with pytest.raises(ValueError, match="'maybe'"):
        check_verdicts([Verdict("maybe")], n_questions=1)
    with pytest.raises(ValueError, match=r"probability 1\.5"):
        check_verdicts([Verdict("yes", probability=1.5)], n_questions=1)
