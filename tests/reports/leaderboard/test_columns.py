"""Records read from Parquet as columns: the same as from records one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.reports.leaderboard.small_runs import LABEL, METRICS, write_run
from vtok_eval.errors import RunFolderError
from vtok_eval.results.columns.job_columns import SampleSets, from_records
from vtok_eval.results.columns.parquet_columns import read_failed_meta, read_mean_cost, read_parquet
from vtok_eval.results.statistics.sample_table import material, value_of
from vtok_eval.results.statistics.scores import score as score_of
from vtok_eval.results.store import RECORD_COLUMNS


def test_columns_of_a_run_are_those_of_its_records(finished):
    sets = SampleSets()
    meta = read_failed_meta(finished.path / "samples.parquet")
    read = read_parquet(finished.path / "records.parquet", sets, failed_meta=meta)
    jobs = {(job.benchmark, job.system): job for job in read}
    assert len(jobs) == len(finished.jobs()) == 5
    for entry in finished.jobs():
        expected = from_records(finished.raw_records(entry.id), sets)
        found = jobs[entry.benchmark, entry.system]
        assert found.samples is expected.samples
        np.testing.assert_array_equal(found.failed, expected.failed)
        assert found.failed_meta == expected.failed_meta
        assert found.values.keys() == expected.values.keys()
        for name in found.values:
            np.testing.assert_array_equal(found.values[name], expected.values[name])


def test_values_from_columns_are_the_scores(finished):
    jobs = {(j.benchmark, j.system): j for j in read_parquet(finished.path / "records.parquet", SampleSets())}
    quiz = [score for score in finished.scores() if score.benchmark == "quiz"]
    assert len(quiz) == 12
    for score in quiz:
        value = value_of(jobs["quiz", score.system], score.metric, METRICS)
        assert value == pytest.approx(score.value, abs=1e-12)


@pytest.mark.parametrize(("where", "charged"), [("", 2), ("kind=odd", 2), ("kind=even", 0), ("none=x", 0)])
def test_a_metric_is_charged_with_the_failures_it_says(finished, where, charged):
    metric = replace(METRICS[1], failed_where=where)
    records = finished.raw_records("quiz/like-fair")  # samples 3 and 11 failed, both odd
    job = from_records(records, SampleSets())
    found = material(job, metric, (metric,))
    assert int(found.present.sum()) == 38 + charged
    assert value_of(job, metric, (metric,)) == pytest.approx(score_of(records, metric).value)


def test_small_row_groups_and_any_order_change_nothing(finished, tmp_path):
    import pandas as pd

    frame = pd.read_parquet(finished.path / "records.parquet")
    shuffled = pd.concat(rows.sample(frac=1, random_state=1) for _, rows in frame.groupby("job", sort=False))
    path = tmp_path / "records.parquet"
    shuffled.to_parquet(path, index=False, row_group_size=17)
    sets = SampleSets()
    whole = list(read_parquet(finished.path / "records.parquet", sets))
    parts = list(read_parquet(path, sets))
    assert [job.system for job in whole] == [job.system for job in parts]
    for a, b in zip(whole, parts, strict=True):
        assert a.samples is b.samples
        for name in a.values:
            np.testing.assert_array_equal(a.values[name], b.values[name])


def test_replicates_and_samples_without_the_metric(tmp_path):
    import pandas as pd

    rows = [
        ("j", "s", "b", "x1", "c", "ok", None, "m", 0, 1.0),
        ("j", "s", "b", "x1", "c", "ok", None, "m", 1, 3.0),
        ("j", "s", "b", "x2", "c", "ok", None, "k", 0, 5.0),
        ("j", "s", "b", "x3", "d", "failed", "why", None, None, None),
    ]
    frame = pd.DataFrame(rows, columns=list(RECORD_COLUMNS)).astype(
        {"replicate": "Int64", "value": "float64"}
    )
    frame.to_parquet(tmp_path / "r.parquet", index=False)
    (job,) = read_parquet(tmp_path / "r.parquet", SampleSets())
    np.testing.assert_array_equal(job.values["m"], [[1.0, 3.0], [np.nan, np.nan], [np.nan, np.nan]])
    np.testing.assert_array_equal(job.values["k"], [[np.nan], [5.0], [np.nan]])
    assert job.failed.tolist() == [False, False, True]
    assert (job.samples.n_clusters, job.samples.clusters.tolist()) == (2, [0, 0, 1])
    frame.iloc[[0, 1, 2, 1]].to_parquet(tmp_path / "twice.parquet", index=False)
    with pytest.raises(RunFolderError, match="several values for one sample"):
        list(read_parquet(tmp_path / "twice.parquet", SampleSets()))
    frame.iloc[[1, 2]].to_parquet(tmp_path / "gap.parquet", index=False)
    with pytest.raises(RunFolderError, match="lacks replicates"):
        list(read_parquet(tmp_path / "gap.parquet", SampleSets()))


def test_tokens_from_parquet_are_those_of_the_records(finished):
    found = read_mean_cost(finished.path / "samples.parquet", "tokens")
    for job in finished.jobs():
        costs = [record.cost.get("tokens") for record in finished.raw_records(job.id)]
        stated = [cost for cost in costs if cost is not None]
        expected = sum(stated) / len(stated) if stated else None
        assert found.get((job.benchmark, job.system)) == expected
    assert found["quiz", "good"] == 31.0
    assert ("vbench", "clips") not in found


def test_sample_sets_differ_by_cluster_too(tmp_path):
    sets = SampleSets()
    first = write_run(tmp_path / "a", label=LABEL).raw_records("quiz/good")
    moved = [first[0].__class__(**{**record.__dict__, "cluster": "one"}) for record in first]
    assert from_records(first, sets).samples.digest != from_records(moved, sets).samples.digest


@pytest.mark.parametrize("content", [b"", b"PAR1 no parquet PAR1"])
def test_a_broken_file_is_named(tmp_path, content):
    path = tmp_path / "records.parquet"
    path.write_bytes(content)
    with pytest.raises(RunFolderError, match=r"records\.parquet"):
        list(read_parquet(path, SampleSets()))
