"""Lanes as processes: killed at random by real signals or with their driver; how they ended is reported."""

import contextlib
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.vtok_eval.run.lanes.tiny_worker import PLACE, PRINTING, Tiny, work
from vtok_eval.benchmark import NoResult
from vtok_eval.errors import LaneError
from vtok_eval.run.lanes.dispatcher import Dispatcher
from vtok_eval.run.lanes.local import LocalLanes
from vtok_eval.run.lanes.messages import Results, Started

ROOT = Path(__file__).parents[4]


def test_lanes_killed_at_random_lose_nothing_and_a_killer_fails_alone(tmp_path):
    chance = random.Random(3)
    lanes = LocalLanes(
        [Tiny(lane, killer="0:77", seconds=0.001) for lane in range(2)], logs=tmp_path, worker=PLACE
    )
    processes, results = {}, {}
    deaths = 6
    try:
        for event in Dispatcher(lanes, work()).run():
            if isinstance(event, Started):
                processes[event.facts["lane"]] = event.facts["process"]
            if isinstance(event, Results):
                for name, result in event.results:
                    assert name not in results
                    results[name] = result
                if deaths and len(results) > 40 * (7 - deaths):
                    deaths -= 1
                    # The other lane may not have started yet.
                    victim = chance.choice(sorted(processes.values()))
                    with contextlib.suppress(ProcessLookupError):  # just dying by itself
                        os.kill(victim, signal.SIGKILL)
    finally:
        lanes.close()
    assert set(results) == {f"{job}:{i}" for job in range(2) for i in range(200)}
    failed = {name: result.reason for name, result in results.items() if isinstance(result, NoResult)}
    assert failed == {"0:77": "its worker process died 4 times (killed by SIGKILL)"}
    assert deaths == 0
    assert not any(psutil.pid_exists(pid) for pid in processes.values())


def test_a_worker_that_cannot_be_made_ends_the_run_with_its_reason(tmp_path):
    lanes = LocalLanes([Tiny(0, refuses=True)], logs=tmp_path, worker=PLACE)
    try:
        with pytest.raises(LaneError, match="lane 0: RuntimeError: this worker cannot be made"):
            list(Dispatcher(lanes, work()).run())
    finally:
        lanes.close()


def test_lanes_that_end_while_they_start_are_an_error_that_says_where_to_look(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    lanes = LocalLanes([Tiny(0)], logs=tmp_path, worker=PLACE)
    try:
        with pytest.raises(LaneError, match=r"ended with exit code 1.*logs/lane-N.log"):
            list(Dispatcher(lanes, work()).run())
    finally:
        lanes.close()


def test_no_lane_outlives_a_driver_that_is_killed(tmp_path):
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tests.vtok_eval.run.lanes.tiny_worker import PLACE, Tiny, work\n"
        "from vtok_eval.run.lanes.dispatcher import Dispatcher\n"
        "from vtok_eval.run.lanes.local import LocalLanes\n"
        "from vtok_eval.run.lanes.messages import Started\n"
        "lanes = LocalLanes([Tiny(i, seconds=60) for i in range(2)], logs=Path(sys.argv[1]), worker=PLACE)\n"
        "for event in Dispatcher(lanes, work()).run():\n"
        "    if isinstance(event, Started): print(event.facts['process'], flush=True)\n"
    )
    driver = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    with driver:
        lanes = [psutil.Process(int(driver.stdout.readline())) for _ in range(2)]
        driver.kill()
    gone, alive = psutil.wait_procs(lanes, timeout=30)
    assert (len(gone), alive) == (2, [])


def test_what_a_lane_prints_is_in_its_log(tmp_path):
    lanes = LocalLanes([Tiny(0)], logs=tmp_path, worker=PRINTING)
    try:
        lanes.start(0)
        while not (said := lanes.wait(1.0)):
            pass
        assert "not a worker" in said[0][1].message
    finally:
        lanes.close()
    assert (tmp_path / "lane-0.log").read_text().strip().endswith("printed in the lane")
