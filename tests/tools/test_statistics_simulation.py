"""The simulation: what it calls a null is one, and its file is completed, not repeated."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from tools import statistics_simulation
from tools.readme_table import ROOT
from tools.statistics_simulation import (
    SCENARIOS,
    Scenario,
    holm,
    made_up,
    main,
    one_set,
    read_rows,
    rows_table,
)


def test_made_up_systems_share_their_clips_and_only_some_differ():
    scenario = Scenario("x", 400, better=1 / 3, shift=1.0)
    jobs, differs = made_up(scenario, np.random.default_rng(0))
    assert (len(jobs), int(differs.sum())) == (13, 4)
    means = np.array([job.values["m0"].mean() for job in jobs])
    assert means[differs].min() > means[~differs].max()
    assert np.corrcoef(jobs[1].values["m0"][:, 0], jobs[2].values["m0"][:, 0])[0, 1] > 0.3
    easy, _ = made_up(replace(scenario, lead=1.6, better=0.0), np.random.default_rng(0))
    assert 0.82 < np.mean([job.values["m1"].mean() for job in easy]) < 0.96


def test_a_large_difference_is_found_and_no_other():
    found = one_set(Scenario("x", 100, better=1 / 3, shift=4.0), 0)
    assert found.right == (1.0, 1.0)
    assert one_set(Scenario("x", 100), 0).right is None


def test_holm_by_hand():
    # .01 x 3; .02 x 2 = .04; .04 x 1, but no less than the one before.
    assert holm([0.04, 0.01, 0.02]) == [0.04, 0.03, 0.04]


def test_the_file_is_completed(tmp_path, monkeypatch, capsys):
    scenarios = (
        Scenario("first", 20, systems=3, metrics=1),
        Scenario("board", 20, systems=3, metrics=1, pairs=True),
    )
    monkeypatch.setattr(statistics_simulation, "SCENARIOS", scenarios)
    path = tmp_path / "rows.jsonl"
    for arguments in (["--only", "board"], [], []):
        monkeypatch.setattr(sys, "argv", ["x", str(path), "--sets", "8", *arguments])
        main()
    rows = read_rows(path)
    assert [(row.setting, row.comparisons, row.sets) for row in rows] == [("board", 6, 2), ("first", 3, 8)]
    assert [line.split(" | ")[0] for line in rows_table(rows).splitlines()[2:]] == ["| first", "| board"]
    assert capsys.readouterr().err.count("processor time") == 2


@pytest.mark.parametrize(
    "row", read_rows(ROOT / "docs/results/statistics_simulation.jsonl"), ids=lambda row: row.setting
)
def test_the_kept_errors_do_not_contradict_five_percent(row):
    """At a true error of 5 % a share is above 5 % + 3 standard errors once in a thousand."""
    assert row.setting in {scenario.name for scenario in SCENARIOS}
    assert row.error[0] < 5 + 300 * (0.05 * 0.95 / row.sets) ** 0.5
