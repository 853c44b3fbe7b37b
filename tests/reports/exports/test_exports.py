"""A run in other tools' forms, read back by those tools' own code where it is installed."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
import yaml

from reports.exports.eval_results import eval_results
from reports.exports.lm_eval import lm_eval_results
from reports.exports.model_card import model_index
from reports.exports.vbench import vbench_results
from tests.reports.leaderboard.small_runs import (
    LABEL,
    N_CLIPS,
    add_job,
    quiz_records,
    run_json,
    video_records,
    write_run,
)
from tests.reports.leaderboard.small_runs import score as score_run
from vtok_eval.errors import RunFolderError, UnknownNameError
from vtok_eval.results.records import Status
from vtok_eval.results.store import RunFolder


def test_the_model_card_is_read_by_the_hubs_own_code(finished):
    card = yaml.safe_load(model_index(finished.path, "good"))
    (score,) = [s for s in finished.scores() if (s.system, s.metric.name) == ("good", "both")]
    (result,) = card["model-index"][0]["results"]
    (metric,) = result["metrics"]
    assert metric["name"].endswith("accuracy (%)")
    assert metric["value"] == round(100 * score.value, 2)
    low, high = (round(100 * end, 2) for end in (score.low, score.high))
    assert (metric["args"]["low"], metric["args"]["high"]) == (low, high)
    assert (metric["args"]["n"], metric["args"]["n_failed"]) == (N_CLIPS, 0)
    assert LABEL in result["dataset"]["name"]
    cards = pytest.importorskip("huggingface_hub.repocard_data")
    name, (found,) = cards.model_index_to_eval_results(card["model-index"])
    assert (name, found.metric_value, found.metric_type) == ("good", metric["value"], metric["type"])
    assert found.metric_name == metric["name"]
    assert LABEL in found.dataset_name
    data = cards.ModelCardData(**card)
    assert data.eval_results == [found]
    again = yaml.safe_load(data.to_yaml())["model-index"]
    assert cards.model_index_to_eval_results(again)[1] == [found]


def test_caveats_of_system_and_benchmark_go_with_every_number(tmp_path):
    run = run_json(("fair",))
    run["systems"][0]["description"] = {"caveats": ["random weights"]}
    run["benchmarks"][0]["description"] = {"caveats": ["re-creation"]}
    folder = RunFolder.create(tmp_path / "run", run)
    add_job(folder, quiz_records("fair", 0.5, 4))
    score_run(folder)
    (result,) = yaml.safe_load(model_index(folder.path, "fair"))["model-index"][0]["results"]
    entries = yaml.safe_load(eval_results(folder.path, "fair"))
    for text in (result["dataset"]["name"], *(entry["notes"] for entry in entries)):
        assert all(part in text for part in ("random weights", "re-creation", LABEL))


def test_evaluation_results_are_read_by_the_hubs_own_code(finished):
    entries = yaml.safe_load(eval_results(finished.path, "good"))
    (score,) = [s for s in finished.scores() if (s.system, s.metric.name) == ("good", "both")]
    (entry,) = entries
    assert entry["dataset"] == {"id": "vtok-eval/quiz", "task_id": "both"}
    assert entry["value"] == round(100 * score.value, 2)
    interval = f"[{round(100 * score.low, 2)}, {round(100 * score.high, 2)}] %"
    for text in (LABEL, interval, f"n {N_CLIPS}, failed 0"):
        assert text in entry["notes"]
    hub = pytest.importorskip("huggingface_hub")
    if not hasattr(hub, "parse_eval_result_entries"):
        pytest.skip(f"huggingface_hub {hub.__version__} is from before evaluation results")
    (found,) = hub.parse_eval_result_entries(entries)
    assert (found.dataset_id, found.task_id, found.value) == ("vtok-eval/quiz", "both", entry["value"])
    assert hub.eval_result_entries_to_yaml([found]) == entries


def test_a_data_set_of_the_hub_keeps_its_name(tmp_path):
    run = run_json(("fair",))
    run["benchmarks"][0]["description"] = {
        "source": "Some, A benchmark, 2025. https://huggingface.co/datasets/owner/Some-Data"
    }
    folder = RunFolder.create(tmp_path / "run", run)
    add_job(folder, quiz_records("fair", 0.5, 4))
    score_run(folder)
    assert yaml.safe_load(eval_results(folder.path, "fair"))[0]["dataset"]["id"] == "owner/Some-Data"


def test_a_name_that_looks_like_yaml_stays_a_name(tmp_path):
    hostile = "yes: [a, *b] # {c}\n- d"
    run = run_json(("fair",))
    run["systems"][0]["name"] = name = hostile.replace("\n", " ")
    run["baseline"] = name
    folder = RunFolder.create(tmp_path / "run", run)
    add_job(folder, quiz_records(name, 0.5, 4))
    score_run(folder)
    card = yaml.safe_load(model_index(folder.path, name))
    assert card["model-index"][0]["name"] == name


def test_lm_eval_form_has_its_keys_and_our_numbers(finished):
    found = lm_eval_results(finished.path, "like-fair")
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    for key in (
        "results",
        "group_subtasks",
        "configs",
        "versions",
        "n-shot",
        "higher_is_better",
        "n-samples",
    ):
        assert set(found[key]) == {"quiz"}
    row = found["results"]["quiz"]
    scores = {s.metric.name: s for s in finished.scores() if s.system == "like-fair"}
    for name, score in scores.items():
        assert row[f"{name},none"] == score.value
    assert LABEL in row["alias"]
    # The fixed keys of a row in lm-eval 0.4.13.
    assert (row["name"], row["sample_len"]) == ("quiz", 38)
    assert found["n-samples"]["quiz"] == {"original": 40, "effective": 38}
    assert found["config"]["model_args"] == "frames-2:grid=2"
    # 00:00:00 to 00:03:20 on 24 November 2026
    assert found["end_time"] - found["start_time"] == 200.0


def test_lm_eval_standard_error_is_that_of_cluster_means(finished):
    found = lm_eval_results(finished.path, "good")
    records = finished.raw_records("quiz/good")
    by_cluster: dict[str, list[float]] = {}
    for record in records:
        by_cluster.setdefault(record.cluster, []).append(record.values["left"][0])
    means = np.array([np.mean(values) for values in by_cluster.values()])  # two clips in every cluster
    expected = means.std(ddof=1) / np.sqrt(len(means))
    assert found["results"]["quiz"]["left_stderr,none"] == pytest.approx(expected)


def test_vbench_form_is_read_by_the_suites_own_reader(finished, tmp_path):
    found = vbench_results(finished.path, "clips")
    score, videos = found["imaging_quality"]
    # 0.7, 0.6 and 0.5: the mean is 0.6, and per video the reference counts to 100.
    assert score == pytest.approx(0.6)
    assert [video["video_results"] for video in videos] == pytest.approx([70.0, 60.0, 50.0])
    assert [video["video_results"] for video in found["dynamic_degree"][1]] == [True, False, True]
    assert videos[0]["video_path"] == "a cat-0.mp4"
    from benchmarks.vbench.result_files import read_results

    path = tmp_path / "clips_eval_results.json"
    path.write_text(json.dumps(found))
    read = read_results(path)
    assert read["imaging_quality"].videos == pytest.approx(
        {"a cat-0.mp4": 0.7, "a cat-1.mp4": 0.6, "a cat-2.mp4": 0.5}
    )
    assert read["dynamic_degree"].score == pytest.approx(2 / 3)


def test_failed_videos_are_left_out_with_a_warning(tmp_path, caplog):
    from dataclasses import replace

    folder = RunFolder.create(tmp_path / "run", run_json(("fair",)))
    records = video_records()
    records[1] = replace(records[1], status=Status.FAILED, reason="broken", values={})
    add_job(folder, records)
    score_run(folder)
    with caplog.at_level(logging.WARNING):
        found = vbench_results(folder.path, "clips")
    assert "1 of 3 videos failed" in caplog.text
    assert [video["video_path"] for video in found["temporal_flickering"][1]] == [
        "a cat-0.mp4",
        "a cat-2.mp4",
    ]


@pytest.mark.parametrize("export", [model_index, eval_results, lm_eval_results, vbench_results])
def test_bad_input_is_named(finished, tmp_path, export):
    with pytest.raises(UnknownNameError, match="unknown system 'god'; did you mean 'good'"):
        export(finished.path, "god")
    with pytest.raises(RunFolderError, match="there is no run folder"):
        export(tmp_path / "none", "good")
    unscored = RunFolder.create(tmp_path / "unscored", run_json())
    with pytest.raises(RunFolderError, match="no scores yet"):
        export(unscored.path, "good")
    newer = write_run(tmp_path / "newer", names=("fair",))
    text = (newer.path / "run.json").read_text().replace('"schema_version": 1', '"schema_version": 99')
    (newer.path / "run.json").write_text(text)
    with pytest.raises(RunFolderError, match="newer vtok-eval"):
        export(newer.path, "fair")


def test_a_system_without_vbench_scores(finished):
    with pytest.raises(RunFolderError, match="no VBench scores of 'good'"):
        vbench_results(finished.path, "good")
