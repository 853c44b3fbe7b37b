"""Runs of systems in workers: what goes wrong there costs no other sample, and changes no number."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from tests.vtok_eval.run.lanes.mean_colour_runs import offer_mean_colour
from tests.vtok_eval.run.mean_colour_runs import results
from vtok_eval.environments import client as client_module
from vtok_eval.environments.client import Client
from vtok_eval.registry import BENCHMARKS
from vtok_eval.results.records import Status
from vtok_eval.results.store import RunFolder
from vtok_eval.run.harness import Harness
from vtok_eval.run.settings import RunSettings
from vtok_eval.run.suite import BenchmarkEntry, Suite, SystemEntry

MANY_LEVELS = "tests.vtok_eval.environments.many_levels:ManyLevels"
N_KILLS, N_TWICE = 50, 10
"""Workers that are killed; of these, so many are killed just after another."""


@pytest.fixture(autouse=True)
def _benchmarks(tmp_path, monkeypatch):
    offer_mean_colour(tmp_path, monkeypatch)
    monkeypatch.setitem(BENCHMARKS.built_in, "many-levels", MANY_LEVELS)


def run(spec: str, out: Path, benchmark: str = "mean-colour", **settings: object):
    n = 300 if benchmark == "many-levels" else 12
    suite = Suite(
        name="test",
        label="a test",
        setting="custom",
        baseline="there",
        systems=(SystemEntry(spec=spec, name="there"),),
        benchmarks=(BenchmarkEntry(name=benchmark, options={"n": n}),),
    )
    return Harness(suite, RunSettings(device="cpu", **settings), cache=out.parent / "cache").run(out)


def reasons(out: Path) -> dict[str, str]:
    """Of the samples that failed."""
    records = RunFolder.open(out).raw_records()
    return {record.sample_id: record.reason for record in records if record.status is Status.FAILED}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("raise", "ValueError: I do not like this clip"), ("os-exit", "ended with exit code 7 in encode")],
)
def test_one_bad_clip_fails_by_itself(spec, tmp_path, fault, reason):
    run(spec("Level", fault="none"), tmp_path / "well")
    run(spec("Level", fault=fault), tmp_path / "bad")
    assert list(reasons(tmp_path / "bad")) == ["flat-10"]
    assert reason in reasons(tmp_path / "bad")["flat-10"]
    well, bad = (
        [record for record in results(tmp_path / name)["records"] if record[1] != "flat-10"]
        for name in ("well", "bad")
    )
    assert bad == well
    assert len(well) == 11
    # What it printed is in the run folder, and run.json says where it ran.
    logs = "".join(path.read_text() for path in (tmp_path / "bad/logs").glob("exec-Level-*.log"))
    assert f"about to {fault}" in logs
    (system,) = RunFolder.open(tmp_path / "bad").run()["systems"]
    assert system["description"]["environment"]["protocol"] == client_module.PROTOCOL


def test_memory_that_runs_out_halves_the_batch(spec, tmp_path, caplog):
    run(spec("LevelWithoutMemory"), tmp_path / "halved", batch_size=8)
    assert reasons(tmp_path / "halved") == {"flat-10": reasons(tmp_path / "halved")["flat-10"]}
    assert "out of memory with 8 samples in a batch; going on with 4" in caplog.text
    assert "out of memory with 4 samples in a batch; going on with 2" in caplog.text


@pytest.mark.slow
def test_each_lane_has_a_worker_that_ends_with_it(spec, tmp_path):
    run(spec("Level", fault="none"), tmp_path / "one")
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    run(spec("Level", fault="none"), tmp_path / "two", devices=("cpu", "cpu"))
    assert results(tmp_path / "two") == results(tmp_path / "one")
    assert {process.pid for process in psutil.Process().children(recursive=True)} <= before
    logs = list((tmp_path / "two/logs").glob("exec-Level-*.log"))
    assert logs
    # The log of a lane's worker is named by the lane's process.
    lanes = RunFolder.open(tmp_path / "two").run()["sessions"][0]["lanes"]
    assert {int(path.stem.split("-")[2]) for path in logs} <= {lane["process"] for lane in lanes}


class Killer:
    """Kills the worker at random moments: in calls, between them, and while it starts.

    At chosen calls a thread kills the worker a random part of a call after the call began, and in some cases
    the next worker too. The first kill is waited for before the call returns, the second before the call
    ahead of the next chosen one begins, however slow the machine is. So no call meets more than two kills,
    one less than the attempts that a call has.
    """

    def __init__(self, monkeypatch, *, seed: int) -> None:
        drawn = random.Random(seed)
        moments = drawn.sample(range(3, 270, 3), N_KILLS - N_TWICE)
        twice = set(drawn.sample(moments, N_TWICE))
        self._delays = {
            moment: [drawn.uniform(0, 0.005), *([drawn.uniform(0, 0.3)] if moment in twice else [])]
            for moment in sorted(moments)
        }
        self._calls = 0
        self._client: Client | None = None
        self._killed: set[int] = set()
        self._thread: threading.Thread | None = None
        self._first = threading.Event()
        call = Client.call

        def counted(client: Client, *arguments: object, **named: object) -> object:
            self._calls += 1
            self._client = client
            if self._calls + 1 in self._delays:
                self.finish()  # so that this call, not the next one, meets the worker that was killed last
            delays = self._delays.get(self._calls)
            if delays is None:
                return call(client, *arguments, **named)
            self._first.clear()
            self._thread = threading.Thread(target=self._kill, args=(delays,), daemon=True)
            self._thread.start()
            try:
                return call(client, *arguments, **named)
            finally:
                self._first.wait()

        monkeypatch.setattr(Client, "call", counted)

    @property
    def n_kills(self) -> int:
        return len(self._killed)

    def finish(self) -> None:
        """Wait for the kills that were begun."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _kill(self, delays: Sequence[float]) -> None:
        """Kill the worker that there is, or the next one, after each delay in turn."""
        pause = threading.Event()
        for seconds in delays:
            while (pid := self._pid()) is None or pid in self._killed:
                pause.wait(0.001)
            pause.wait(seconds)
            psutil.Process(pid).kill()
            self._killed.add(pid)
            self._first.set()

    def _pid(self) -> int | None:
        return None if self._client is None else self._client.pid


@pytest.mark.slow
def test_fifty_kills_at_random_moments_change_no_score(spec, tmp_path, monkeypatch):
    undisturbed = spec("Level", fault="none")
    run(undisturbed, tmp_path / "undisturbed", "many-levels", batch_size=1)
    killer = Killer(monkeypatch, seed=15)
    run(undisturbed, tmp_path / "killed", "many-levels", batch_size=1)
    killer.finish()
    assert killer.n_kills == N_KILLS
    assert reasons(tmp_path / "killed") == {}
    assert results(tmp_path / "killed") == results(tmp_path / "undisturbed")
