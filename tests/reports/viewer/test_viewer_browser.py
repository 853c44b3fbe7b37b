"""The viewer in a real browser: filters, keys, permalinks, playing, accessibility, 10,000 samples."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from reports.viewer.bundle import write_viewer
from tests.browser import IN_A_BROWSER, faults
from tests.reports.made_up_run import SYSTEMS, add_job, finish, run_json, understanding_records
from vtok_eval.results.store import RunFolder

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

PAYLOAD = "<img src=x onerror=alert(1)>"
pytestmark = IN_A_BROWSER


class Pictures:
    """Four frames of 32 pixels, each of another grey; a system's are a little lighter."""

    def of(self, benchmark, sample_id, systems):
        strips = [{"name": "original", **strip(0)}, *({"name": name, **strip(40)} for name in systems[:2])]
        return {"truth": {"pan": PAYLOAD}, "strips": strips, "notes": [PAYLOAD]}


def strip(lighter):
    levels = np.repeat(np.array([0, 60, 120, 180]) + lighter, 32)
    content = io.BytesIO()
    Image.fromarray(np.broadcast_to(levels, (32, 128)).astype(np.uint8)).convert("RGB").save(content, "PNG")
    source = f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"
    return {"source": source, "n": 4, "columns": 8, "width": 32, "height": 32, "fps": 4.0}


@pytest.fixture(scope="module")
def bundle(finished_run, tmp_path_factory):
    out = tmp_path_factory.mktemp("viewer")
    return write_viewer([finished_run.path], out, {finished_run.path: Pictures()}, clips=160)


def visit(browser, bundle, *, fragment="", **options):
    page = browser.new_page(reduced_motion="reduce", **options)
    page.troubles = []
    page.on("console", lambda message: page.troubles.append(message.text))
    page.on("pageerror", lambda error: page.troubles.append(str(error)))
    page.on("dialog", lambda dialog: (page.troubles.append("dialog"), dialog.dismiss()))
    page.on("request", lambda r: r.url.startswith(("file:", "data:")) or page.troubles.append(r.url))
    page.goto(bundle.as_uri() + fragment)
    return page


def level(page, index):
    script = "i => document.querySelectorAll('canvas')[i].getContext('2d').getImageData(16, 16, 1, 1).data[0]"
    return page.evaluate(script, index)


def count(page):
    return int(page.inner_text("#count").split(" of ")[0].replace(",", ""))


def test_a_clip_that_a_reads_and_b_does_not_is_three_clicks_away(browser, bundle, finished_run):
    page = visit(browser, bundle)
    page.select_option("#metric", "direction")
    page.select_option("#a", "vtok-mean")
    page.select_option("#b", "frames-2")
    page.select_option("#show", "ab")
    right = {}
    for record in finished_run.raw_records():
        if record.benchmark == "understanding-scenes" and "direction" in record.values:
            right.setdefault(record.system, {})[record.sample_id] = record.values["direction"][0]
    expected = {i for i, v in right["vtok-mean"].items() if v == 1 and right["frames-2"].get(i) == 0}
    assert count(page) == len(expected) > 0
    page.locator(".row").first.click()
    assert page.inner_text("#detail h2") in expected
    page.wait_for_selector("canvas")
    assert page.locator("figcaption").all_inner_texts() == ["original", "vtok-mean", "vtok-grid"]
    assert page.troubles == []


def test_frames_are_stepped_together_and_errors_shown(browser, bundle):
    page = visit(browser, bundle)
    page.locator(".row").first.click()
    page.wait_for_selector("canvas")
    page.wait_for_function("document.querySelector('.controls .hint').textContent === 'frame 1 of 4'")
    assert [level(page, i) for i in range(3)] == pytest.approx([0, 40, 40], abs=2)
    page.keyboard.press(".")
    assert [level(page, i) for i in range(3)] == pytest.approx([60, 100, 100], abs=2)
    page.keyboard.press(",")
    page.keyboard.press(",")
    assert page.inner_text(".controls .hint") == "frame 4 of 4"
    page.keyboard.press("e")
    # The difference of 40, three times as bright.
    assert [level(page, i) for i in range(3)] == pytest.approx([180, 120, 120], abs=4)


def test_keys_and_the_address_lead_to_a_view_and_back(browser, bundle):
    page = visit(browser, bundle)
    page.keyboard.press("/")
    page.keyboard.type("test-01")
    assert count(page) == 60
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("ArrowDown")
    chosen = page.inner_text("#detail h2")
    assert chosen == "test-0101"
    again = visit(browser, bundle, fragment="#" + page.url.partition("#")[2])
    assert again.inner_text("#detail h2") == chosen
    assert count(again) == 60
    assert again.input_value("#search") == "test-01"


def test_a_sample_that_failed_is_found(browser, bundle):
    page = visit(browser, bundle)
    page.select_option("#show", "failed")
    assert count(page) == 2
    page.locator(".row").first.click()
    page.wait_for_selector("text=token values are NaN")
    page.click("summary")
    assert "TokenizerError" in page.inner_text("pre")


def test_wrong_addresses_do_no_harm(browser, bundle):
    page = visit(browser, bundle, fragment="#group=99&metric=none&a=x&b=y&show=z&sample=nothing")
    assert count(page) > 0
    assert page.troubles == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_is_accessible_and_fits(browser, bundle, scheme, width):
    page = visit(browser, bundle, color_scheme=scheme, viewport={"width": width, "height": 900})
    page.locator(".row").first.click()
    page.wait_for_selector("canvas")
    assert faults(page) == []


def test_ten_thousand_samples_open_quickly(browser, tmp_path, capsys):
    names = ("vtok-mean", "frames-2", "frames-8")
    systems = [entry for entry in run_json()["systems"] if entry["name"] in names]
    run = run_json(systems=systems, benchmarks=run_json()["benchmarks"][:1])
    folder = RunFolder.create(tmp_path / "large", run)
    for name in names:
        _, _, tokens, chances = SYSTEMS[name]
        records = understanding_records(name, tokens=tokens, chances=chances, n_clips=10_000)
        add_job(folder, "understanding-scenes", name, records)
    finish(folder)
    page = visit(browser, write_viewer([folder.path], tmp_path / "out", {}, clips=0))
    opened = page.evaluate("performance.getEntriesByName('viewer-open')[0].startTime")
    filtered = page.evaluate(
        "() => { const t = performance.now(); const s = document.getElementById('sort');"
        " s.value = 'disagreement'; s.onchange({target: s}); return performance.now() - t; }"
    )
    with capsys.disabled():
        print(f"\n10,000 samples x 3 systems: open after {opened:.0f} ms, sorted in {filtered:.0f} ms")  # noqa: T201
    assert count(page) == 10_000
    assert page.locator(".row").count() < 100
