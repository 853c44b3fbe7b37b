"""Learning curves of a run's readers: drawn where a job keeps them, with the numbers that it keeps."""

from __future__ import annotations

import json
import shutil

import pytest

from reports.plots.learning import CURVES_FILE, learning
from reports.plots.style import COLUMN, DARK, LIGHT
from reports.run_report import gather
from vtok_eval.errors import RunFolderError
from vtok_eval.results.store import folder_name

BENCHMARK = "understanding-scenes"


@pytest.fixture
def run(finished_run, tmp_path):
    path = tmp_path / "run"
    shutil.copytree(finished_run.path, path)
    return path


def keep(run, system, content) -> None:
    folder = run / "artifacts" / folder_name(f"{BENCHMARK}/{system}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CURVES_FILE).write_text(json.dumps(content))


def points(*losses):
    return [
        {"step": step, "training_loss": training, "validation_loss": validation}
        for step, training, validation in losses
    ]


CURVES = {
    "system": "vtok-grid",
    "curves": [
        {"seed": 1, "points": points((10, 3.0, None), (20, 2.0, 2.5))},
        {"seed": 2, "points": points((10, 2.0, None), (20, 1.0, 1.5))},
    ],
}


def drawn(run):
    report = gather(run)
    return learning(report, report.benchmark(BENCHMARK))


def test_no_curves_no_picture(run):
    assert drawn(run) is None


def test_the_mean_over_seeds_is_drawn_and_all_numbers_are_in_the_data(run):
    keep(run, "vtok-grid", CURVES)
    picture = drawn(run)
    assert "vtok-grid: 2.00 after 20 steps, 2.00 at the end." in picture.alt
    assert list(picture.data["training_loss"]) == [3.0, 2.0, 2.0, 1.0]
    for theme in (LIGHT, DARK, COLUMN):
        (axes,) = picture.draw(theme).axes
        training, validation = axes.lines
        assert list(training.get_ydata()) == [2.5, 1.5]
        assert list(validation.get_xdata()) == [20]


@pytest.mark.parametrize(
    "content",
    [
        [],
        {"system": "vtok-grid", "curves": []},
        {**CURVES, "more": 1},
        {"system": 1, "curves": CURVES["curves"]},
    ],
)
def test_a_file_of_another_form_is_one_line(run, content):
    keep(run, "vtok-grid", content)
    with pytest.raises(RunFolderError, match="does not hold learning curves") as raised:
        drawn(run)
    assert "\n" not in str(raised.value)
