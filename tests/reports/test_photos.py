"""The table of differences by test photo: from the records' photos to the report's page, folded."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from reports.merged_runs import gather_runs
from reports.page.html import page
from reports.run_report import gather
from reports.tables.grid import RowKind
from reports.tables.photos import photos_grid
from tests.reports.made_up_run import SYSTEMS, add_job, finish, run_json, understanding_records
from vtok_eval.results.records import PHOTO
from vtok_eval.results.store import RunFolder

BENCHMARK = "understanding-scenes"
PHOTOS = ("brick", "grass")
NAMES = ("vtok-grid", "frames-2", "frames-4")


def write_run(path, *, photos=PHOTOS, names=NAMES):
    systems = [entry for entry in run_json()["systems"] if entry["name"] in names]
    folder = RunFolder.create(path, run_json(systems=systems, benchmarks=run_json()["benchmarks"][:1]))
    for name in names:
        _, _, tokens, chances = SYSTEMS[name]
        records = understanding_records(name, tokens=tokens, chances=chances, n_clips=40)
        add_job(
            folder,
            BENCHMARK,
            name,
            [replace(r, meta={**r.meta, PHOTO: photos[i % len(photos)]}) for i, r in enumerate(records)],
        )
    return finish(folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("photos") / "run")


def test_the_numbers_are_those_of_the_records(run):
    report = gather(run.path)
    grid = photos_grid(report, report.benchmark(BENCHMARK))
    assert grid.columns == ("System", "Metric", "brick", "grass", "Same sign")
    assert len(grid.rows) == 2 * 3
    assert {row.kind for row in grid.rows} == {RowKind.VALUES}
    first = [cell.text for cell in grid.rows[0].cells]
    assert first[:2] == ["vtok-grid minus frames-2", "Static (points)"]
    names = next(m for m in report.benchmark(BENCHMARK).metrics if m.name == "static").mean_of
    for place, text in ((0, first[2]), (1, first[3])):
        means = []
        for system in ("vtok-grid", "frames-2"):
            records = run.raw_records(f"{BENCHMARK}/{system}")
            own = [r for r in records if r.meta[PHOTO] == PHOTOS[place]]
            means.append(np.mean([[r.values[name][0] for name in names] for r in own]))
        assert float(text.replace("−", "-")) == pytest.approx(100 * (means[0] - means[1]), abs=0.051)
    for row in grid.rows:
        texts = [cell.text for cell in row.cells]
        same = texts[2].startswith("+") is texts[3].startswith("+")
        if "0.0" not in texts[2:4]:
            assert (texts[4] == "yes") is same


def test_the_page_folds_it(run):
    text = page(gather(run.path), [])
    folded = re.search(
        r"<details><summary>Differences by test photo</summary>(.*?)</details>", text, re.DOTALL
    )
    assert folded
    assert folded[1].count("<tr") == 1 + 6
    assert "vtok-grid minus frames-2" in folded[1]
    assert "no interval and no test" in folded[1]


def test_merged_runs_name_their_systems_apart(run, tmp_path):
    other = write_run(tmp_path / "other", names=("frames-2", "frames-4"))
    report = gather_runs([run.path, other.path])
    grid = photos_grid(report, report.benchmark(BENCHMARK))
    shown = {row.cells[0].text for row in grid.rows}
    assert shown == {
        "vtok-grid minus frames-2 (run)", "frames-4 (run) minus frames-2 (run)",
        "frames-4 (other) minus frames-2 (other)",
    }  # fmt: skip


def test_one_photo_has_no_table(tmp_path):
    report = gather(write_run(tmp_path / "one", photos=("brick",)).path)
    assert photos_grid(report, report.benchmark(BENCHMARK)) is None
    assert "Differences by test photo" not in page(report, [])
