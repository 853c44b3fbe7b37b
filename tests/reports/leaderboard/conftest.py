"""Makes `small_runs` importable and gives a finished run."""

from __future__ import annotations

import pytest

from tests.reports.leaderboard.small_runs import write_run
from vtok_eval.results.store import RunFolder


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A finished run. Tests must not write into it."""
    return write_run(tmp_path_factory.mktemp("runs") / "small")
