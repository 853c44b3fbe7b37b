"""Human raters: agreement by hand, the sheet's blindness, and answers read back."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
import torch

from tv_align.judges.human.agreement import krippendorff_alpha, majority
from tv_align.judges.human.judge import Human
from tv_align.judges.human.labels import agreement, human_scores, majority_answers, read_labels
from tv_align.judges.human.sheet import RatingSheet, sheet_videos, write_sheet
from tv_align.prompts.load import load_prompts
from vtok_eval.data import Clip
from vtok_eval.errors import SpecError, VtokEvalError
from vtok_eval.video.decoding.decode import decode
from vtok_eval.video.encode import encode
from vtok_eval.video.folder import VideoFolder

PROMPTS = load_prompts("open").prompts[:3]


class TestAlpha:
    def test_hand_worked_value(self) -> None:
        """Two raters, yes/no: A 0100000010, B 1110010000. They differ in units 1, 3, 6 and 9, and each adds
        two ordered pairs: D_o = 8. Of n = 20 values 6 are ones and 14 zeros: D_e = 2 * 6 * 14 = 168.
        alpha = 1 - 19 * 8 / 168 = 0.095."""
        a, b = "0100000010", "1110010000"
        assert krippendorff_alpha(list(zip(a, b, strict=True))) == pytest.approx(1 - 19 * 8 / 168)

    def test_three_raters_and_missing_labels_by_hand(self) -> None:
        """Units yyy, yyn, nn, y (left out). Ordered pairs that differ over m - 1: yyn has 4 / 2 = 2.
        n = 3 + 3 + 2 = 8: y 5, n 3. D_e = 2 * 15 = 30. alpha = 1 - 7 * 2 / 30 = 16/30."""
        units = [("y", "y", "y"), ("y", "y", "n"), ("n", "n"), ("y",)]
        assert krippendorff_alpha(units) == pytest.approx(16 / 30)

    def test_full_agreement_and_undefined(self) -> None:
        assert krippendorff_alpha([("y", "y"), ("n", "n")]) == 1
        assert krippendorff_alpha([("y", "y"), ("y", "y")]) is None
        assert krippendorff_alpha([("y",), ()]) is None

    def test_equals_the_package_on_random_labels(self) -> None:
        import krippendorff
        import numpy as np

        rng = np.random.default_rng(3)
        for _ in range(20):
            data = rng.integers(0, 3, size=(4, 30)).astype(float)
            data[rng.random(data.shape) < 0.3] = np.nan
            units = [[str(v) for v in column if not np.isnan(v)] for column in data.T]
            expected = krippendorff.alpha(reliability_data=data, level_of_measurement="nominal")
            assert krippendorff_alpha(units) == pytest.approx(expected)

    def test_majority_and_ties(self) -> None:
        assert majority(["yes", "no", "yes"]) == "yes"
        assert majority(["yes", "no"]) is None
        assert majority([]) is None


@pytest.fixture
def sheet(tmp_path: Path) -> RatingSheet:
    videos = []
    for level, system in ((30, "secret-alpha"), (200, "secret-beta")):
        folder = tmp_path / system
        folder.mkdir()
        for number, prompt in enumerate(PROMPTS[:2]):
            frames = torch.full((4, 3, 32, 32), level + number, dtype=torch.uint8)
            encode(Clip(frames, 4.0), folder / f"{prompt.text}-0.mp4")
        videos += sheet_videos(system, VideoFolder(folder), PROMPTS)
    return write_sheet(videos, tmp_path / "sheet", seed=1)


def answers(path: Path, rater: str, given: dict[str, str]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["rater", "key", "answer"])
        writer.writerows([rater, key, answer] for key, answer in given.items())
    return path


def expected_answers(sheet: RatingSheet) -> dict[str, str]:
    items = json.loads(sheet.key.read_text())["items"]
    return {key: item["expected"] for key, item in items.items()}


class TestSheet:
    def test_the_page_is_blind_and_self_contained(self, sheet: RatingSheet) -> None:
        page = sheet.page.read_text()
        assert sheet.n_questions == page.count('"key":') == sum(2 * len(p.questions) for p in PROMPTS[:2])
        assert "secret" not in page
        assert "expected" not in page
        for prompt in PROMPTS[:2]:
            assert prompt.text not in page
            assert prompt.id not in page
            assert all(question.text in page for question in prompt.questions)
        assert not re.search(r'(src|href)="(?!data:)', page)
        assert "http" not in re.sub(r"data:[^\"]+", "", page)
        assert page.count("data:video/mp4;base64,") == 4

    def test_what_not_every_browser_plays_is_put_in_as_common_mp4(self, tmp_path: Path) -> None:
        """A reconstruction, stored without loss in RGB; the file itself stays as it was."""
        import base64
        import io

        import av

        frames = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
        path = tmp_path / f"{PROMPTS[0].text}-0.mp4"
        encode(Clip(frames, 4.0), path, crf=0, codec="libx264rgb")
        before = path.read_bytes()
        found = write_sheet(sheet_videos("a", VideoFolder(tmp_path), PROMPTS[:1]), tmp_path / "sheet", seed=0)
        embedded = re.search(r"data:video/mp4;base64,([A-Za-z0-9+/=]+)", found.page.read_text())
        assert embedded is not None
        with av.open(io.BytesIO(base64.b64decode(embedded.group(1)))) as container:
            assert container.streams.video[0].pix_fmt == "yuv420p"
        assert path.read_bytes() == before

    def test_equal_seeds_give_equal_pages_and_other_seeds_another_order(
        self, sheet: RatingSheet, tmp_path: Path
    ) -> None:
        videos = [
            video
            for system in ("secret-alpha", "secret-beta")
            for video in sheet_videos(system, VideoFolder(tmp_path / system), PROMPTS)
        ]
        again = write_sheet(videos, tmp_path / "again", seed=1)
        other = write_sheet(videos, tmp_path / "other", seed=2)
        assert again.page.read_bytes() == sheet.page.read_bytes()
        assert other.page.read_bytes() != sheet.page.read_bytes()

    def test_an_unreadable_video_is_listed_and_failed(self, tmp_path: Path) -> None:
        folder = tmp_path / "broken"
        folder.mkdir()
        (folder / f"{PROMPTS[0].text}-0.mp4").write_bytes(b"nothing")
        encode(Clip(torch.zeros(2, 3, 32, 32, dtype=torch.uint8), 4.0), folder / f"{PROMPTS[1].text}-0.mp4")
        found = write_sheet(sheet_videos("b", VideoFolder(folder), PROMPTS), tmp_path / "out", seed=0)
        assert len(found.unreadable) == 1
        labels = read_labels(found.key, [answers(tmp_path / "a.csv", "ann", expected_answers(found))])
        score = human_scores(labels)[0]
        assert (score.value, score.n, score.n_failed) == (0.5, 2, 1)
        with pytest.raises(SpecError, match="could not"):
            write_sheet(
                sheet_videos("b", VideoFolder(folder, names=(f"{PROMPTS[0].text}-0.mp4",)), PROMPTS),
                tmp_path / "out2",
                seed=0,
            )


class TestLabels:
    def test_scores_and_agreement_of_three_raters(self, sheet: RatingSheet, tmp_path: Path) -> None:
        right = expected_answers(sheet)
        keys = sorted(right)
        wrong = {"yes": "no", "no": "yes"}
        files = [
            answers(tmp_path / "a.csv", "ann", right),
            answers(tmp_path / "b.csv", "bob", {key: right[key] for key in keys[1:]} | {keys[0]: "unsure"}),
            answers(tmp_path / "c.csv", "cy", right | {keys[0]: wrong[right[keys[0]]]}),
        ]
        labels = read_labels(sheet.key, files)
        assert labels.raters == ["ann", "bob", "cy"]
        whole = agreement(labels)[0]
        assert (whole.n_questions, whole.n_shared, whole.n_ties, whole.n_unsure) == (8, 8, 1, 1)
        assert whole.alpha is not None
        assert 0.5 < whole.alpha < 1
        assert majority_answers(labels)[keys[0]] == "unsure"
        by_system = {s.system: s for s in human_scores(labels) if s.metric.name == "question_accuracy"}
        assert {s.n for s in by_system.values()} == {2}
        # One of the two questions of one of a system's two videos is a tie, so not right: 1 - (1/2) / 2.
        assert sorted(s.value for s in by_system.values()) == [pytest.approx(0.75), 1.0]

    def test_a_video_that_nobody_answered_is_failed(self, sheet: RatingSheet, tmp_path: Path) -> None:
        first = next(iter(expected_answers(sheet).items()))
        labels = read_labels(sheet.key, [answers(tmp_path / "a.csv", "ann", dict([first]))])
        scores = [s for s in human_scores(labels) if s.metric.name == "question_accuracy"]
        assert sum(s.n_failed for s in scores) == 4

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("rater,key\n", "no column answer"),
            ("rater,key,answer\nann,nokey,yes\n", "line 2: key 'nokey' is not of this sheet"),
            ("rater,key,answer\nann,KEY,maybe\n", "line 2: answer must be"),
            ("rater,key,answer\n,KEY,yes\n", "line 2: rater is empty"),
            ("rater,key,answer\nann,KEY,yes\nann,KEY,no\n", "line 3: ann answered"),
            ("rater,key,answer\nann,KEY\n", "line 2: has 2 cells"),
            ("rater,key,key,answer\nann,KEY,KEY,yes\n", "line 1: the name 'key' is there twice"),
        ],
    )
    def test_bad_answers_name_the_line(
        self, sheet: RatingSheet, tmp_path: Path, text: str, words: str
    ) -> None:
        path = tmp_path / "bad.csv"
        path.write_text(text.replace("KEY", next(iter(expected_answers(sheet)))))
        with pytest.raises(SpecError, match=words):
            read_labels(sheet.key, [path])

    def test_as_a_judge_it_answers_by_the_clip(self, sheet: RatingSheet, tmp_path: Path) -> None:
        answers(tmp_path / "a.csv", "ann", expected_answers(sheet))
        human = Human(key=str(sheet.key), labels=str(tmp_path / "a.csv"))
        clip = decode(tmp_path / "secret-beta" / f"{PROMPTS[0].text}-0.mp4")
        verdicts = human.judge(clip, [question.text for question in PROMPTS[0].questions])
        assert [v.reply for v in verdicts] == [question.answer for question in PROMPTS[0].questions]
        assert verdicts[0].raw == {"ann": PROMPTS[0].questions[0].answer}
        with pytest.raises(VtokEvalError, match="no rater answered"):
            human.judge(clip, ["Is it raining?"])
