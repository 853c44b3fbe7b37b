"""`open_run` gives a run's systems, benchmarks, scores and records as its folder holds them."""

from __future__ import annotations

import math

import pytest

import vtok_eval
from tests.reports.made_up_run import write_whole_run
from vtok_eval.errors import RunFolderError, UnknownNameError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_whole_run(tmp_path_factory.mktemp("whole") / "run")


def test_systems_and_benchmarks_are_those_of_run_json(folder):
    run, content = vtok_eval.open_run(str(folder.path)), folder.run()
    assert run.path == folder.path
    assert [system.name for system in run.systems] == [entry["name"] for entry in content["systems"]]
    assert [each.id for each in run.benchmarks] == [entry["id"] for entry in content["benchmarks"]]
    assert {system.control for system in run.systems} == {True, False}
    assert run.info == content


def test_scores_are_one_row_each(folder):
    frame, scores = vtok_eval.open_run(folder.path).scores(), folder.scores()
    assert len(frame) == len(scores)
    for row, score in zip(frame.itertuples(), scores, strict=True):
        assert (row.system, row.benchmark, row.metric) == (score.system, score.benchmark, score.metric.name)
        assert (row.n, row.n_failed, row.unit) == (score.n, score.n_failed, score.metric.unit)
        for shown, value in ((row.value, score.value), (row.low, score.low), (row.high, score.high)):
            assert math.isnan(shown) if value is None else shown == value


def test_comparisons_name_their_metric(folder):
    frame = vtok_eval.open_run(folder.path).comparisons()
    assert list(frame["metric"]) == [each.metric for each in folder.comparisons()]


def test_records_can_be_chosen(folder):
    run = vtok_eval.open_run(folder.path)
    every = run.records()
    assert len(every) == len(folder.raw_records())
    system, benchmark = run.systems[0].name, run.benchmarks[0].id
    chosen = run.records(benchmark=benchmark, system=system)
    assert chosen
    assert len(chosen) == sum((each.system, each.benchmark) == (system, benchmark) for each in every)
    with pytest.raises(UnknownNameError, match="unknown system of this run"):
        run.records(system="nobody")
    with pytest.raises(UnknownNameError, match="unknown benchmark of this run"):
        run.records(benchmark="nothing")


def test_no_run_folder_is_one_line(tmp_path):
    with pytest.raises(RunFolderError, match="there is no run folder"):
        vtok_eval.open_run(tmp_path / "nowhere")
