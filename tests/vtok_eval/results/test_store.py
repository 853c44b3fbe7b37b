"""The run folder: what is written can be read again; writes are atomic."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from vtok_eval.errors import RunFolderError
from vtok_eval.results.journal import Job
from vtok_eval.results.records import (
    SCHEMA_VERSION,
    TRUTH,
    Comparison,
    Correction,
    Metric,
    NoTest,
    Record,
    Score,
    Status,
)
from vtok_eval.results.store import RECORD_COLUMNS, SAMPLE_COLUMNS, RunFolder, folder_name, write_json

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", {"seed": 7})


def fill(folder: RunFolder) -> None:
    with folder.journal() as journal:
        journal.open_job(Job("j", "vtok", "scenes", 3))
        journal.add(
            [
                Record(
                    "j", "vtok", "scenes", "b", "clip", Status.FAILED,
                    reason="empty", meta={"size": 0, TRUTH: {"shape": "disc"}},
                ),
                Record(
                    "j", "vtok", "scenes", "a", "clip", Status.OK,
                    values={"m": (0.0, 1.0), "k": (3.0,)}, outputs={"answer": "left"}, cost={"tokens": 31.0},
                ),
                Record("j", "vtok", "scenes", "c", "clip", Status.OK),
            ]
        )  # fmt: skip


def test_long_records_hold_every_sample_and_value(folder: RunFolder) -> None:
    fill(folder)
    frame = folder.records()
    assert tuple(frame.columns) == RECORD_COLUMNS
    rows = [tuple(None if pd.isna(cell) else cell for cell in row) for row in frame.itertuples(index=False)]
    head = ("j", "vtok", "scenes")
    assert rows == [
        (*head, "a", "clip", "ok", None, "m", 0, 0.0),
        (*head, "a", "clip", "ok", None, "m", 1, 1.0),
        (*head, "a", "clip", "ok", None, "k", 0, 3.0),
        (*head, "b", "clip", "failed", "empty", None, None, None),
        (*head, "c", "clip", "ok", None, None, None, None),
    ]


def test_samples_hold_one_row_each(folder: RunFolder) -> None:
    fill(folder)
    frame = folder.samples()
    assert tuple(frame.columns) == SAMPLE_COLUMNS
    assert list(frame["sample_id"]) == ["a", "b", "c"]
    assert json.loads(frame["values"][0]) == {"m": [0.0, 1.0], "k": [3.0]}
    assert json.loads(frame["outputs"][0]) == {"answer": "left"}
    assert json.loads(frame["cost"][0]) == {"tokens": 31.0}
    assert json.loads(frame["meta"][1]) == {"size": 0}
    assert [json.loads(text) for text in frame["truth"]] == [{}, {"shape": "disc"}, {}]


def test_parquet_says_what_the_journal_says(folder: RunFolder) -> None:
    fill(folder)
    path = folder.export_records()
    assert path == folder.path / "records.parquet"
    pd.testing.assert_frame_equal(pd.read_parquet(path), folder.records(), check_dtype=False)
    pd.testing.assert_frame_equal(
        pd.read_parquet(folder.path / "samples.parquet"), folder.samples(), check_dtype=False
    )


def test_a_run_without_records_has_empty_tables(folder: RunFolder) -> None:
    assert folder.jobs() == []
    assert list(folder.records().columns) == list(RECORD_COLUMNS)
    assert len(folder.records()) == len(folder.samples()) == 0
    folder.export_records()


def test_scores_and_comparisons_come_back_equal(folder: RunFolder) -> None:
    group = Metric("temporal", "Temporal", mean_of=("direction", "speed"), chance=None, headline=True)
    scores = [
        Score("vtok", "scenes", group, 0.54, 0.5, 0.58, 600, 2, 600, 3, label="embedded default"),
        Score("vtok", "scenes", Metric("lag", "Lag", "ms", False), None, None, None, 0, 0, 0),
    ]
    comparisons = [
        Comparison("scenes", "temporal", "vtok", "frames-4", None, None, None, 1.0, 1.0, 0, seeds=3),
        Comparison("scenes", "lag", "vtok", "b", 0.1, None, None, None, None, 9, no_test=NoTest.ONE_SEED),
    ]
    folder.write_scores(scores)
    folder.write_comparisons(comparisons)
    opened = RunFolder.open(folder.path)
    assert opened.scores() == scores
    assert opened.comparisons() == comparisons
    assert opened.run() == {"seed": 7, "schema_version": SCHEMA_VERSION}


def test_what_version_0_1_0_wrote_is_read(folder: RunFolder) -> None:
    """It counted replicates, where 1 may mean no training, and corrected by Holm's method."""
    score = {
        "system": "vtok", "benchmark": "scenes", "metric": {"name": "hit", "title": "Hit"}, "value": 0.5,
        "low": 0.4, "high": 0.6, "n": 9, "n_failed": 0, "n_clusters": 9,
    }  # fmt: skip
    comparison = {
        "benchmark": "scenes", "metric": "hit", "system": "vtok", "baseline": "frames-4", "difference": 0.1,
        "low": 0.0, "high": 0.2, "p": 0.01, "p_holm": 0.03, "n_clusters": 9,
    }  # fmt: skip
    entries = [{**score, "replicates": 1}, {**score, "replicates": 3}]
    write_json(folder.path / "scores.json", {"scores": entries, "schema_version": 1})
    write_json(folder.path / "comparisons.json", {"comparisons": [comparison], "schema_version": 1})
    assert [found.seeds for found in folder.scores()] == [0, 3]
    (found,) = folder.comparisons()
    assert (found.p, found.p_corrected, found.correction) == (0.01, 0.03, Correction.HOLM)
    # What is written back is of this version.
    folder.write_comparisons([found])
    assert folder.comparisons() == [found]


def test_a_comparison_has_both_p_or_a_reason() -> None:
    for p, corrected, reason in ((0.1, None, None), (None, None, None), (0.1, 0.1, NoTest.ONE_SEED)):
        with pytest.raises(ValueError, match="either both p-values or a reason"):
            Comparison("b", "m", "a", "c", 0.1, None, None, p, corrected, 9, no_test=reason)


def test_scores_that_are_not_there_yet_are_said(folder: RunFolder) -> None:
    with pytest.raises(RunFolderError, match="has no scores yet"):
        folder.scores()
    with pytest.raises(RunFolderError, match="has no comparisons yet"):
        folder.comparisons()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Path("x")])
def test_json_is_strict_and_a_refused_write_changes_nothing(folder: RunFolder, value: object) -> None:
    before = (folder.path / "run.json").read_bytes()
    with pytest.raises(ValueError, match=r"run.json cannot be written as strict JSON"):
        folder.write_run({"value": value})
    assert (folder.path / "run.json").read_bytes() == before


def test_a_full_disk_leaves_the_old_file_whole(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunFolderError, match=r"cannot write .*run.json: No space left on device"):
        folder.write_run({"seed": 8})
    assert folder.run()["seed"] == 7
    assert [entry.name for entry in folder.path.iterdir()] == ["run.json"]


def test_a_real_size_limit_on_files_is_one_clear_error(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from vtok_eval.results.store import RunFolder\n"
        "from vtok_eval.errors import RunFolderError\n"
        "try: RunFolder.create(Path(sys.argv[1]), {'text': 'x' * 100_000})\n"
        "except RunFolderError as error: print(error)"
    )

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "run")],
        preexec_fn=limit, capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.stdout.strip() == f"cannot write {tmp_path / 'run' / 'run.json'}: File too large"
    assert list((tmp_path / "run").iterdir()) == []
    RunFolder.create(tmp_path / "run", {})  # what is left does not stand in the way


def test_folders_that_hold_no_run_are_refused_each_in_its_words(tmp_path: Path, folder: RunFolder) -> None:
    with pytest.raises(RunFolderError, match="there is no run folder"):
        RunFolder.open(tmp_path / "nowhere")
    (tmp_path / "other").mkdir()
    with pytest.raises(RunFolderError, match=r"holds no run \(no run\.json\)"):
        RunFolder.open(tmp_path / "other")
    (tmp_path / "other" / "journal.sqlite").touch()
    with pytest.raises(RunFolderError, match="holds half a run"):
        RunFolder.open(tmp_path / "other")
    (folder.path / "run.json").write_text('{"schema_version": 1, "se')
    with pytest.raises(RunFolderError, match="half-written or not JSON"):
        RunFolder.open(folder.path)
    for version, complaint in (
        (SCHEMA_VERSION + 1, "newer vtok-eval"),
        (None, "no valid schema"),
        ("1", "no valid"),
    ):
        (folder.path / "run.json").write_text(json.dumps({"schema_version": version}))
        with pytest.raises(RunFolderError, match=complaint):
            RunFolder.open(folder.path)
    (folder.path / "run.json").write_text("[]")
    with pytest.raises(RunFolderError, match="no JSON object"):
        RunFolder.open(folder.path)


def test_a_run_is_never_made_over_something_else(tmp_path: Path, folder: RunFolder) -> None:
    with pytest.raises(RunFolderError, match="already holds a run"):
        RunFolder.create(folder.path, {})
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").touch()
    with pytest.raises(RunFolderError, match=r"holds no run \(it has chapter\.tex\)"):
        RunFolder.create(tmp_path / "thesis", {})
    with pytest.raises(RunFolderError, match="is a file"):
        RunFolder.create(tmp_path / "thesis" / "chapter.tex", {})
    with pytest.raises(RunFolderError, match="Not a directory"):
        RunFolder.create(tmp_path / "thesis" / "chapter.tex" / "run", {})


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that not even root can write")
def test_an_unwritable_place_is_said() -> None:
    with pytest.raises(RunFolderError, match="cannot make the run folder /proc/run"):
        RunFolder.create(Path("/proc/run"), {})
    with pytest.raises(RunFolderError, match=r"cannot write /proc/scores\.json"):
        RunFolder(Path("/proc")).write_scores([])
    with pytest.raises(RunFolderError, match="cannot write in the run folder /proc"):
        RunFolder(Path("/proc")).journal()


def test_a_run_killed_in_its_first_write_can_be_made_again(tmp_path: Path) -> None:
    (tmp_path / ".run.json.abc.unfinished").write_text('{"half')
    assert RunFolder.create(tmp_path, {"seed": 1}).run()["seed"] == 1


def test_files_can_be_read_by_others_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_json(tmp_path / "a.json", {})
    finally:
        os.umask(before)
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o640


def test_artifact_folders_are_one_per_job_and_safe(folder: RunFolder) -> None:
    jobs = ["vtok", "vtok:a=b/c on x", "vtok:a=b:c on x", "../../etc", "..", "é" * 300, "è" * 300, "CON" * 80]
    paths = [folder.artifacts(job) for job in jobs]
    assert len(set(paths)) == len(jobs)
    assert all(path.parent == folder.path / "artifacts" and path.is_dir() for path in paths)
    assert folder_name("vtok") == "vtok"
    assert folder.artifacts("vtok") == paths[0]


def test_importing_the_store_is_cheap() -> None:
    code = (
        "import sys, vtok_eval.results.store\n"
        "print(sorted({'pandas', 'torch', 'scipy', 'numpy'} & set(sys.modules)))"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stdout.strip() == "[]"
