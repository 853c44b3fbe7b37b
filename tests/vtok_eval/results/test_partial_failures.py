"""Samples that failed at some of their metrics: charged to those alone, with the values of the others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from vtok_eval.results.columns.job_columns import SampleSets
from vtok_eval.results.columns.run_columns import read_records
from vtok_eval.results.journal import Job, check_record
from vtok_eval.results.records import FAILED_AT, Metric, Record, Score, Status
from vtok_eval.results.statistics.scores import compare_all, score_all
from vtok_eval.results.store import RunFolder

SHARP, SMOOTH = Metric("sharp", "Sharp", failed_as=None), Metric("smooth", "Smooth")
BOTH = Metric("both", "Both", mean_of=("sharp", "smooth"), failed_as=None)
METRICS = [SHARP, SMOOTH, BOTH]

WHOLE = Record("j", "s", "b", "0", "0", Status.OK, values={"sharp": (1.0,), "smooth": (0.4,)})
PARTLY = Record(
    "j", "s", "b", "1", "1", Status.FAILED, "too short", {"sharp": (0.5,)}, meta={FAILED_AT: "smooth;other"}
)
LOST = Record("j", "s", "b", "2", "2", Status.FAILED, "no such file")


def by_name(scores: list[Score]) -> dict[str, Score]:
    return {score.metric.name: score for score in scores}


def test_a_failure_counts_where_it_happened() -> None:
    found = by_name(score_all([WHOLE, PARTLY, LOST], METRICS))
    # sharp: (1 + 0.5) / 2; of three samples the lost one failed and is left out
    assert (found["sharp"].value, found["sharp"].n, found["sharp"].n_failed) == (0.75, 3, 1)
    # smooth: (0.4 + 0 + 0) / 3, failures counting as 0
    assert found["smooth"].value == pytest.approx(0.4 / 3)
    assert (found["smooth"].n, found["smooth"].n_failed) == (3, 2)
    assert found["both"].value == pytest.approx((0.75 + 0.4 / 3) / 2)
    assert found["both"].n_failed == 2


def test_values_of_what_it_failed_at_are_refused() -> None:
    check_record(PARTLY)
    with pytest.raises(ValueError, match="did not fail at"):
        check_record(replace(PARTLY, values={"smooth": (0.5,)}))
    with pytest.raises(ValueError, match="did not fail at"):
        check_record(replace(PARTLY, meta={}))


def test_parquet_and_journal_charge_alike(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", {})
    with folder.journal() as journal:
        journal.open_job(Job("j", "s", "b", 3))
        journal.add([WHOLE, PARTLY, LOST])
        journal.close_job("j")
    expected = score_all([WHOLE, PARTLY, LOST], METRICS)
    assert score_all(read_records(folder, SampleSets()).jobs["b", "s"], METRICS) == expected
    folder.export_records()
    (folder.path / "journal.sqlite").unlink()
    assert score_all(read_records(folder, SampleSets()).jobs["b", "s"], METRICS) == expected


def test_pairs_are_those_that_both_have() -> None:
    other = [replace(each, system="t") for each in (WHOLE, replace(WHOLE, sample_id="1", cluster="1"))]
    compared = compare_all({"s": [WHOLE, PARTLY], "t": other}, "t", [SHARP, replace(SMOOTH, failed_as=None)])
    assert {each.metric: (each.difference, each.n, each.n_unpaired) for each in compared} == {
        "sharp": (-0.25, 2, 0),
        "smooth": (0.0, 1, 1),
    }
