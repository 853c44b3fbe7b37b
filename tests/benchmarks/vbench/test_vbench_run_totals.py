"""From records to VBench's totals, and back to the reference's files."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.vbench.commands import app
from benchmarks.vbench.dimensions import DIMENSIONS
from benchmarks.vbench.result_files import read_results
from benchmarks.vbench.run_totals import lines, of_records, write_reference_files
from vtok_eval.errors import RunFolderError
from vtok_eval.results.records import Record, Status


def record(
    sample: str, prompt: str, values: dict[str, float], weights: dict[str, float] | None = None
) -> Record:
    return Record(
        job="j",
        system="videos/mine",
        benchmark="vbench",
        sample_id=sample,
        cluster=prompt,
        status=Status.OK,
        values={name: (value,) for name, value in values.items()},
        outputs={"weights": weights or {}},
    )


FAILED = Record("j", "videos/mine", "vbench", "bad.mp4", "p", Status.FAILED, reason="has 1 frame")


def test_totals_of_all_sixteen() -> None:
    best = {entry.name: entry.high for entry in DIMENSIONS}
    worst = {entry.name: entry.low for entry in DIMENSIONS}
    (found,) = of_records([record("a-0.mp4", "a", best), record("b-0.mp4", "b", worst), FAILED])
    # Half of the prompts at each end of every range
    assert found.totals.total == pytest.approx(0.5)
    assert found.n_failed == 1
    said = lines(found)
    assert said[0] == "videos/mine: 2 videos scored, 1 failed"
    assert any(line.startswith("  Total: 50.00 % [") for line in said)


def test_frames_weigh_where_they_do_in_the_reference() -> None:
    longer = record("a-0.mp4", "a", {"subject_consistency": 1.0}, {"subject_consistency": 30})
    shorter = record("b-0.mp4", "b", {"subject_consistency": 0.5}, {"subject_consistency": 10})
    (found,) = of_records([longer, shorter])
    # (30 * 1 + 10 * 0.5) / 40
    assert found.scores["subject_consistency"] == pytest.approx(0.875)


def test_a_total_without_all_its_dimensions_is_not_given() -> None:
    (found,) = of_records([record("a-0.mp4", "a", {"dynamic_degree": 1.0, "scene": 0.5})])
    said = "\n".join(lines(found))
    assert "Dynamic degree: 100.00 % (one prompt: no interval)" in said
    assert "Quality: not given, not run: subject_consistency, background_consistency" in said
    assert "Semantic: not given, not run: object_class" in said


def test_the_references_file_is_written(tmp_path: Path) -> None:
    scores = {"imaging_quality": 0.5, "dynamic_degree": 1.0}
    (found,) = of_records([record("a-0.mp4", "a", scores), FAILED])
    path = write_reference_files(found, tmp_path / "new")
    assert path.name == "videos_mine_eval_results.json"
    read = read_results(path)
    assert {name: result.score for name, result in read.items()} == scores
    assert read["imaging_quality"].videos == {"a-0.mp4": 0.5}


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["totals", str(tmp_path)])
    assert isinstance(done.exception, RunFolderError)
    assert str(tmp_path) in str(done.exception)


def test_totals_of_a_run_and_the_references_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = of_records([record("a-0.mp4", "a", {"imaging_quality": 0.5}), FAILED])
    monkeypatch.setattr("benchmarks.vbench.run_totals.of_run", lambda run: found)
    done = CliRunner().invoke(app, ["totals", "runs/mine", "--out", str(tmp_path / "new")])
    assert done.exit_code == 0
    assert "Imaging quality: 50.00 % (one prompt: no interval)" in done.stdout
    written = tmp_path / "new" / "videos_mine_eval_results.json"
    assert f"written: {written}" in done.stdout
    assert written.is_file()
