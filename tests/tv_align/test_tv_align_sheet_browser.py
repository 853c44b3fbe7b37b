"""The labelling sheet in a real browser: worked by keys alone, and what two raters save is read back."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.browser import IN_A_BROWSER
from tv_align.judges.human.labels import agreement, human_scores, read_labels
from tv_align.judges.human.sheet import RatingSheet, sheet_videos, write_sheet
from tv_align.prompts.load import load_prompts
from vtok_eval.data import Clip
from vtok_eval.video.encode import encode
from vtok_eval.video.folder import VideoFolder

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = IN_A_BROWSER

PROMPTS = load_prompts("open").prompts[:2]


@pytest.fixture
def sheet(tmp_path: Path) -> RatingSheet:
    """Two systems' videos of two prompts: one as browsers play it, one stored without loss in RGB."""
    videos = []
    for level, system, how in (
        (30, "secret-alpha", {}),
        (200, "secret-beta", {"codec": "libx264rgb", "crf": 0}),
    ):
        (tmp_path / system).mkdir()
        for number, prompt in enumerate(PROMPTS):
            frames = torch.full((6, 3, 64, 64), level + number, dtype=torch.uint8)
            encode(Clip(frames, 4.0), tmp_path / system / f"{prompt.text}-0.mp4", **how)
        videos += sheet_videos(system, VideoFolder(tmp_path / system), PROMPTS)
    return write_sheet(videos, tmp_path / "sheet", seed=1)


class Rater:
    """Someone at the page, in a browser profile of their own; what the page complains about or asks for."""

    def __init__(self, browser: Any, sheet: RatingSheet) -> None:
        self.context = browser.new_context(accept_downloads=True)
        self.page = self.context.new_page()
        self.troubles: list[str] = []
        self.page.on("console", lambda message: self.troubles.append(message.text))
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("request", self._look_at)
        self.page.goto(sheet.page.as_uri())

    def _look_at(self, request: Any) -> None:
        if not request.url.startswith(("data:", "blob:", "file:")):
            self.troubles.append(request.url)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def name(self, text: str) -> None:
        """In the page's first field, which may be in focus already."""
        if not self.page.evaluate("document.activeElement.id === 'rater'"):
            self.press("Tab")
        self.page.keyboard.type(text)
        self.press("Enter")

    @property
    def count(self) -> str:
        return str(self.page.locator("#count").inner_text())

    def save(self, folder: Path) -> Path:
        with self.page.expect_download() as download:
            self.press("s")
        target = folder / download.value.suggested_filename
        download.value.save_as(target)
        return target


def test_two_raters_work_by_keys_and_are_read_back(browser: Any, sheet: RatingSheet, tmp_path: Path) -> None:
    key = json.loads(sheet.key.read_text())["items"]
    # The order of the page is not that of the key.
    shown = json.loads(re.search(r"const SHEET = (.*);\n", sheet.page.read_text()).group(1))
    order = [item["key"] for item in shown["items"]]
    right = [key[name]["expected"] for name in order]
    n = len(order)

    ann, files = Rater(browser, sheet), []
    assert ann.count == f"Question 1 of {n}, 0 answered"
    ann.name("ann y.")  # "y" is typed here, and answers nothing
    assert ann.count == f"Question 1 of {n}, 0 answered"
    for answer in right:
        ann.press({"yes": "y", "no": "n"}[answer])
    assert ann.count == f"Question {n} of {n}, {n} answered"
    files.append(ann.save(tmp_path))
    assert files[0].name == "labels-ann_y_.csv"
    with files[0].open() as file:
        assert [row["answer"] for row in csv.DictReader(file)] == right
    assert ann.troubles == []

    bob = Rater(browser, sheet)
    assert bob.count.endswith("0 answered")  # knows nothing of ann's
    bob.press("s")  # nobody is named yet
    assert "enter your name" in bob.page.locator("#message").inner_text()
    bob.name("bob")
    other = {"yes": "n", "no": "y"}
    bob.press(other[right[0]], "ArrowLeft", "u", *({"yes": "y", "no": "n"}[each] for each in right[1:-1]))
    bob.page.reload()  # a closed page loses nothing
    assert bob.count == f"Question 1 of {n}, {n - 1} answered"
    bob.press(*["ArrowRight"] * (n - 1), other[right[-1]])
    files.append(bob.save(tmp_path))

    labels = read_labels(sheet.key, files)
    assert labels.raters == ["ann y.", "bob"]
    whole = agreement(labels)[0]
    assert (whole.n_questions, whole.n_shared, whole.n_ties, whole.n_unsure) == (n, n - 1, 1, 1)
    scores = {s.system: s for s in human_scores(labels) if s.metric.name == "question_accuracy"}
    # The tie is one of the last video's questions; ann alone decides where bob cannot tell.
    tied, asked = key[order[-1]]["system"], len(PROMPTS[0].questions)
    assert scores[tied].value == pytest.approx(1 - 1 / asked / 2)
    assert {s.value for name, s in scores.items() if name != tied} == {1.0}


def test_every_video_plays_and_nothing_tells_the_system(browser: Any, sheet: RatingSheet) -> None:
    rater = Rater(browser, sheet)
    assert "secret" not in rater.page.content()
    for _ in range(len(json.loads(sheet.key.read_text())["items"])):
        rater.page.wait_for_function("document.getElementById('video').readyState >= 2")
        assert rater.page.evaluate("document.getElementById('video').videoWidth") == 64
        rater.press("ArrowRight")
    assert rater.troubles == []


def test_the_page_is_readable_on_a_phone(browser: Any, sheet: RatingSheet) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 800})
    page = context.new_page()
    page.goto(sheet.page.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.get_by_role("button", name="Yes (Y)").is_visible()
    page.screenshot(path=str(sheet.page.with_name("phone.png")), full_page=True)
    context.close()
