"""Radar, judge calibration, reconstructions: what is not there is not drawn, and what is there is right."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from reports.plots.calibration import calibration
from reports.plots.gallery import write_pictures
from reports.plots.radar import radar
from reports.plots.sheets import sheets
from reports.plots.style import DARK, LIGHT
from reports.run_report import gather
from tests.reports.made_up_run import add_job, made_record, run_json
from vtok_eval.errors import RunFolderError
from vtok_eval.results.records import Metric
from vtok_eval.results.store import RunFolder
from vtok_eval.run.scoring import score_run

RUN = ("subject_consistency", "background_consistency", "temporal_flickering", "imaging_quality", "scene")
DIMENSIONS = [
    "subject_consistency", "background_consistency", "temporal_flickering", "motion_smoothness",
    "dynamic_degree", "aesthetic_quality", "imaging_quality", "object_class", "multiple_objects",
    "human_action", "color", "spatial_relationship", "scene", "appearance_style", "temporal_style",
    "overall_consistency",
]  # fmt: skip


def rate(hits: int, n: int) -> dict[str, int]:
    return {"hits": hits, "n": n}


CALIBRATION = {
    "calibration_version": 1,
    "judge": "pixels",
    "control_set": "made up",
    "rows": [
        {"category": "counting", "yes_if_yes": rate(45, 50), "no_if_no": rate(30, 50),
         "yes_if_no": rate(20, 50), "no_if_yes": rate(5, 50), "n_clips": 50},
        {"category": "camera", "yes_if_yes": rate(0, 0), "no_if_no": rate(10, 10),
         "yes_if_no": rate(0, 10), "no_if_yes": rate(0, 0), "n_clips": 10},
    ],
}  # fmt: skip


def metrics() -> list[Metric]:
    return [Metric(name, name.replace("_", " ").capitalize(), failed_as=None, headline=True) for name in RUN]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> RunFolder:
    """VBench on two folders of twelve videos: five of its sixteen dimensions; a judge's calibration."""
    states = {name: "run" if name in RUN else "not run: no weights" for name in DIMENSIONS}
    info = {"id": "vbench", "name": "vbench", "options": {}, "version": "1",
            "description": {"dimensions": states, "calibration": CALIBRATION}}  # fmt: skip
    systems = [
        {"name": name, "spec": f"videos:{name}", "control": False, "kind": "videos", "description": {}}
        for name in ("ours", "theirs")
    ]
    path = tmp_path_factory.mktemp("special") / "run"
    made = RunFolder.create(path, run_json(systems=systems, benchmarks=[info], baseline="theirs"))
    rng = np.random.default_rng(3)
    for shift, system in ((0.2, "ours"), (0.0, "theirs")):
        records = [
            made_record(
                "vbench", system, f"v{i}",
                values={name: (float(0.5 + shift + 0.1 * rng.random()),) for name in RUN},
            )
            for i in range(12)
        ]  # fmt: skip
        add_job(made, "vbench", system, records)
    scores, comparisons, _ = score_run(
        made, metrics={"vbench": metrics()}, label="made up", baseline="theirs"
    )
    made.write_scores(scores)
    made.write_comparisons(comparisons)
    run = made.run()
    made.write_run({**run, "label": "made up"})
    return made


def test_radar_leaves_open_what_was_not_run(folder):
    report = gather(folder.path)
    picture = radar(report, report.benchmark("vbench"))
    assert set(picture.data["dimension"]) == set(DIMENSIONS)
    missing = picture.data[~picture.data["dimension"].isin(RUN)]
    assert missing["value"].isna().all()
    assert set(missing["state"]) == {"not run: no weights"}
    (axes,) = picture.draw(LIGHT).axes
    texts = [text.get_text().replace("\n", " ") for text in axes.texts]
    assert sum("(not run)" in text for text in texts) == 11
    assert "Motion smoothness (not run)" in texts
    # Nothing measured lies at 0: every marker of a system stands at its score, around 55 or 75.
    for name in ("ours", "theirs"):
        dots = [line for line in axes.lines if str(line.get_gid()).startswith(f"tip:{name}: ")]
        assert len(dots) == 5
        assert min(line.get_ydata()[0] for line in dots) > 50
    assert "Not run: Motion smoothness" in picture.alt


def test_no_radar_of_few_dimensions_or_none(finished_run):
    report = gather(finished_run.path, rank=False)
    for benchmark in report.benchmarks:
        assert radar(report, benchmark) is None
        assert calibration(report, benchmark) is None
        assert sheets(report, benchmark) == []


def test_calibration_by_hand(folder):
    report = gather(folder.path)
    picture = calibration(report, report.benchmark("vbench"))
    rows = {(row["category"], row["rate"]): row for row in picture.data.to_dict("records")}
    assert set(rows) == {("counting", "yes_if_yes"), ("counting", "no_if_no"), ("camera", "no_if_no")}
    found = rows["counting", "yes_if_yes"]
    # Clopper-Pearson of 45 in 50, as tables give it: 78.2 % to 96.7 %.
    assert (found["value"], round(found["low"], 3), round(found["high"], 3)) == (0.9, 0.782, 0.967)
    # 10 in 10: the lower end is (0.025)^(1/10) = 0.6915, the upper 1.
    found = rows["camera", "no_if_no"]
    assert (round(found["low"], 4), found["high"]) == (0.6915, 1.0)
    assert picture.draw(DARK).axes
    assert "counting sensitivity 90 [78, 97] of 50" in picture.alt


def write_sheet(folder: RunFolder, content: object, *, n: int = 3, system: str = "ours") -> None:
    from matplotlib.image import imsave

    place = folder.artifacts(f"vbench/{system}") / "reconstructions"
    place.mkdir(exist_ok=True)
    for i in range(n):
        imsave(place / f"f{i}.png", np.full((16, 16, 3), 80 * i, dtype=np.uint8))
    (place / "sheet.json").write_text(json.dumps(content), encoding="utf-8")


def greys(figure) -> list[int]:
    """The level of each frame's first pixel, in the order in which frames are drawn."""
    return [round(float(image.get_array()[0, 0, 0]) * 255) for image in figure.axes[0].images]


def test_a_sheet_of_reconstructions_is_drawn_with_every_frame(folder, tmp_path):
    names = ["f0.png", "f1.png", "f2.png"]
    content = {"rows": [{"title": "clip", "frames": names}, {"title": "decoded", "frames": names[:2]}],
               "alt": "Three greys above two."}  # fmt: skip
    write_sheet(folder, content)
    report = gather(folder.path)
    (picture,) = sheets(report, report.benchmark("vbench"))
    figure = picture.draw(LIGHT)
    assert greys(figure) == [0, 80, 160, 0, 80]
    assert picture.alt.endswith("Three greys above two.")
    assert picture.data["file"].tolist() == [*names, *names[:2]]
    written = write_pictures(report, tmp_path)
    assert {each.picture.name for each in written} >= {
        "vbench-radar", "vbench-judge-calibration", "vbench-ours-reconstructions",
    }  # fmt: skip
    for each in written:
        assert each.png.read_bytes().startswith(b"\x89PNG")
        assert b"<svg" in each.svg.read_bytes()
        assert each.data.read_text(encoding="utf-8").count("\n") > 1


def test_sheets_of_the_same_clips_are_one_picture_with_the_originals_once(folder, tmp_path):
    """Two systems, two clips: original, ours, theirs; one clip of theirs could not be reconstructed."""
    folder = RunFolder.open(shutil.copytree(folder.path, tmp_path / "run"))
    for system, grey, clips in (("ours", 1, "ab"), ("theirs", 2, "a")):
        rows = [
            row
            for clip in clips
            for row in (
                {"title": "original", "clip": clip, "frames": ["f0.png"]},
                {"title": system, "clip": clip, "frames": [f"f{grey}.png"]},
                {"title": "blurred", "clip": clip, "frames": [f"f{grey}.png"]},
            )
        ]
        write_sheet(folder, {"rows": rows, "alt": "greys"}, system=system)
    report = gather(folder.path)
    (picture,) = sheets(report, report.benchmark("vbench"))
    assert picture.name == "vbench-reconstructions"
    figure = picture.draw(LIGHT)
    # Clips a and b of: original, ours, ours' blurred; clip a of: theirs, theirs' blurred.
    assert greys(figure) == [0, 0, 80, 80, 80, 80, 160, 160]
    words = [text.get_text() for text in figure.texts]
    assert words[:7] == ["a", "b", "original", "ours", "ours: blurred", "theirs", "theirs: blurred"]
    assert len(picture.data) == 9


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"rows": [{"title": "t", "frames": ["../../run.json"]}], "alt": "a"}, "not the name of a PNG file"),
        ({"rows": [{"title": "t", "frames": ["f0.png"]}]}, "alt"),
        ({"rows": [], "alt": "a"}, "rows"),
        ({"rows": [{"title": "t", "frames": ["f0.png"]}], "alt": "a", "more": 1}, "more"),
    ],
)
def test_a_sheet_that_breaks_the_contract_is_named(folder, content, message):
    write_sheet(folder, content)
    report = gather(folder.path)
    with pytest.raises(RunFolderError, match=message):
        sheets(report, report.benchmark("vbench"))


def test_a_frame_that_is_no_picture_is_named(folder):
    write_sheet(folder, {"rows": [{"title": "t", "frames": ["f0.png"]}], "alt": "a"})
    (folder.artifacts("vbench/ours") / "reconstructions" / "f0.png").write_bytes(b"no picture")
    report = gather(folder.path)
    (picture,) = sheets(report, report.benchmark("vbench"))
    with pytest.raises(RunFolderError, match=r"f0\.png"):
        picture.draw(LIGHT)
