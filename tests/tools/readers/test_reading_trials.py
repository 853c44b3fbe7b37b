"""The tools that train many readers: what is missing is measured, and nothing twice."""

from __future__ import annotations

import pytest
import torch

from tools.readers import reading_trials, training_photos
from tools.readers.reading_trials import main, measure, read_ridge, read_trials, trials_table
from tools.readers.scene_features import first_clips
from tools.readme_table import ROOT


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """Few clips, and a system that needs no backbone."""
    for name in ("TRAINING_CLIPS", "VALIDATION_CLIPS", "TEST_CLIPS"):
        monkeypatch.setattr(reading_trials, name, 16)
    monkeypatch.setattr(reading_trials, "SYSTEMS", {"blind": "blind"})
    monkeypatch.setattr(reading_trials, "RIDGE_ONLY", {})
    monkeypatch.setattr(training_photos, "SYSTEMS", {"blind": "blind"})
    monkeypatch.setattr(training_photos, "CLIPS", {"train": 16, "validation": 16, "test": 16})
    monkeypatch.setattr(training_photos, "EPOCHS", 2)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_one_command_does_the_grid_and_goes_on_where_it_stopped(tmp_path):
    main([str(tmp_path), "--recipes", "as shipped", "16 epochs"])
    trials = read_trials(tmp_path / "reading_trials.jsonl")
    assert [(trial.system, trial.recipe, trial.steps) for trial in trials] == [
        ("blind", "as shipped", 8), ("blind", "16 epochs", 16),
    ]  # fmt: skip
    (ridge,) = read_ridge(tmp_path / "ridge.jsonl")
    assert 0 <= ridge.static <= 100
    whole = (tmp_path / "reading_trials.jsonl").read_text()
    (tmp_path / "reading_trials.jsonl").write_text(whole.splitlines(keepends=True)[1])
    measure(tmp_path, systems=["blind"], recipes=["as shipped", "16 epochs"])
    again = (tmp_path / "reading_trials.jsonl").read_text()
    assert sorted(again.splitlines()) == sorted(whole.splitlines())
    assert len(read_ridge(tmp_path / "ridge.jsonl")) == 1
    assert trials_table(trials).count("\n") == 4


def test_unknown_names_are_refused(tmp_path, capsys):
    for arguments in (["--systems", "frames-3"], ["--recipes", "adam"]):
        with pytest.raises(SystemExit):
            main([str(tmp_path), *arguments])
        assert "invalid choice" in capsys.readouterr().err


def test_clips_over_one_photo_are_over_that_photo():
    clips = first_clips({"train": 6, "test": 2}, photo="brick")
    assert {clip.scene.backdrop.photo for clip in clips["train"]} == {"brick"}
    assert [clip.index for clip in clips["test"]] == [0, 1]
    assert [clip.index for clip in first_clips({"train": 3})["train"]] == [0, 1, 2]


def test_training_photos(tmp_path):
    path = tmp_path / "photos.jsonl"
    training_photos.main([str(path)])
    points = training_photos.read_photo_points(path)
    assert [(point.photos, point.seed) for point in points] == [(1, 0), (1, 1), (8, 0), (8, 1)]
    assert {point.steps for point in points} == {2}
    training_photos.main([str(path)])
    assert training_photos.read_photo_points(path) == points


def test_the_kept_trials_give_every_system_the_same_recipes():
    trials = read_trials(ROOT / "docs/results/reading_trials.jsonl")
    by_recipe: dict[str, set[str]] = {}
    for trial in trials:
        by_recipe.setdefault(trial.recipe, set()).add(trial.system)
    assert len(trials) == len({(trial.system, trial.recipe) for trial in trials})
    assert set(by_recipe) == set(reading_trials.RECIPES)
    assert set(map(frozenset, by_recipe.values())) == {
        frozenset({"vtok-mean", "vtok-grid", "frames-1", "frames-2", "frames-4", "frames-8"})
    }
