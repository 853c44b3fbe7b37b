"""Run folders for the tests of reports."""

from __future__ import annotations

from pathlib import Path

import pytest

from reports.write import ReportPaths, write_report
from tests.reports.made_up_run import SYSTEMS, add_job, run_json, understanding_records, write_whole_run
from vtok_eval.results.store import RunFolder


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A whole run. Tests must not write into it."""
    return write_whole_run(tmp_path_factory.mktemp("runs") / "mini")


@pytest.fixture(scope="session")
def written(finished_run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> ReportPaths:
    """The report of the whole run. Tests must not write into it."""
    return write_report(finished_run.path, tmp_path_factory.mktemp("report"))


@pytest.fixture
def small_run(tmp_path: Path) -> RunFolder:
    """An unscored run of two systems on 30 clips, for the test to change."""
    names = ("vtok-grid", "frames-2")
    systems = [entry for entry in run_json()["systems"] if entry["name"] in names]
    folder = RunFolder.create(
        tmp_path / "small", run_json(systems=systems, benchmarks=run_json()["benchmarks"][:1])
    )
    for name in names:
        _, _, tokens, chances = SYSTEMS[name]
        records = understanding_records(name, tokens=tokens, chances=chances, n_clips=30)
        add_job(folder, "understanding-scenes", name, records)
    return folder
