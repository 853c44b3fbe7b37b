"""Runs in lanes through the harness give the numbers of one process, also where the driver is killed."""

import os
import signal
import subprocess
import sys

import pytest
import torch

from tests.vtok_eval.run.lanes.mean_colour_runs import offer_mean_colour, results, run, suite
from tests.vtok_eval.run.mean_colour import Flat
from vtok_eval.data import Clip
from vtok_eval.errors import SpecError
from vtok_eval.results.store import RunFolder
from vtok_eval.run.harness import RunSettings
from vtok_eval.run.lanes.messages import LaneSetup, Results, Shard
from vtok_eval.run.lanes.worker import JobWorker


@pytest.fixture
def _mean_colour(tmp_path, monkeypatch):
    offer_mean_colour(tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.usefixtures("_mean_colour")
def test_two_lanes_give_the_bytes_of_one_process(tmp_path, caplog):
    measured = suite("MeanColourTokenizer", "Moody", n=25, broken=50)
    run(measured, tmp_path / "one")
    with caplog.at_level("INFO"):
        summary = run(measured, tmp_path / "two", "cpu", "cpu")
    assert results(tmp_path / "two") == results(tmp_path / "one")
    assert (summary.new_samples, summary.n_done) == (50, 2)
    (session,) = RunFolder.open(tmp_path / "two").run()["sessions"]
    # A lane that starts slowly may find the work done; it is then not among the lanes that were used.
    assert {lane["device"] for lane in session["lanes"]} == {"cpu"}
    processes = {lane["process"] for lane in session["lanes"]}
    assert len(processes) == len(session["lanes"]) in (1, 2)
    assert os.getpid() not in processes
    assert session["device"] == "cpu"
    assert sorted(session["jobs"]) == ["mean-colour/MeanColourTokenizer", "mean-colour/Moody"]
    # Which lane takes which job depends on how fast they start; one of them may do both.
    logs = "".join(path.read_text() for path in (tmp_path / "two/logs").glob("lane-*.log"))
    assert "preparing mean-colour/" in logs


@pytest.mark.slow
@pytest.mark.usefixtures("_mean_colour")
def test_a_driver_that_is_killed_is_continued_with_other_lanes_to_the_same_bytes(tmp_path):
    measured = suite("MeanColourTokenizer", "Moody", n=25)
    run(measured, tmp_path / "one")
    script = (
        "import sys; from pathlib import Path\n"
        "from tests.vtok_eval.run.lanes.mean_colour_runs import run_and_be_killed\n"
        "run_and_be_killed(Path(sys.argv[1]), n_records=20)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
    out = tmp_path / "killed"
    command = [sys.executable, "-c", script, str(out)]
    assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGKILL
    n_records = len(RunFolder.open(out).raw_records())
    assert 20 <= n_records < 50
    assert run(measured, out, "cpu").new_samples == 50 - n_records
    assert results(out) == results(tmp_path / "one")


@pytest.mark.usefixtures("_mean_colour")
def test_a_device_that_is_not_there_is_refused_before_anything_starts(tmp_path):
    with pytest.raises(SpecError, match="device 'cuda:7' cannot be used here"):
        run(suite("MeanColourTokenizer"), tmp_path / "run", "cpu", "cuda:7")


PARTS = ((0, 10, 10), (10, 50, 10), (50, 80, 10))
"""Grey levels of three shards."""


@pytest.mark.usefixtures("_mean_colour")
def test_a_lane_loads_the_clips_that_it_was_told_come_next(tmp_path, monkeypatch):
    loaded = []

    def load(self):
        loaded.append(self.level)
        return Clip(torch.full((2, 3, 8, 8), self.level, dtype=torch.uint8), fps=4.0)

    monkeypatch.setattr(Flat, "load", load)
    (tmp_path / "run").mkdir()
    setup = LaneSetup(
        suite=suite("MeanColourTokenizer", n=8),
        settings=RunSettings(device="cpu", clip_memory_bytes=0),
        device="cpu",
        number=0,
        n_lanes=1,
        out=tmp_path / "run",
        cache=tmp_path / "cache",
    )
    worker = JobWorker(setup)
    names = ("mean-colour/MeanColourTokenizer", "MeanColourTokenizer", "mean-colour")
    prepared, first, second = (tuple(f"flat-{level}" for level in range(*part)) for part in PARTS)

    def said(shard):
        return [message for message in worker.evaluate(shard) if isinstance(message, Results)]

    said(Shard(*names, prepared))
    loaded.clear()
    before = said(Shard(*names, first, then=second))
    assert len(worker._runner.begun) == len(second)
    after = said(Shard(*names, second))
    assert [name for part in (*before, *after) for name, _ in part.results] == [*first, *second]
    assert sorted(loaded) == [*range(*PARTS[1]), *range(*PARTS[2])]
    assert len(worker._runner.begun) == 0
