"""Lanes as Ray actors: the bytes of one process, actors killed, no Ray and no cluster in one line."""

import contextlib
import os
import signal
import socket
import subprocess
import sys

import pytest

from tests.vtok_eval.run.lanes.mean_colour_runs import offer_mean_colour, results, run, suite
from tests.vtok_eval.run.lanes.tiny_worker import PLACE, Tiny, work
from vtok_eval.benchmark import NoResult
from vtok_eval.cli.main import _with_ray_address
from vtok_eval.errors import LaneError, MissingDependencyError, SpecError
from vtok_eval.results.store import RunFolder
from vtok_eval.run.lanes.dispatcher import Dispatcher
from vtok_eval.run.lanes.messages import Results, Started
from vtok_eval.run.lanes.ray_lanes import RayLanes, connect


@pytest.fixture(scope="module")
def _cluster(tmp_path_factory):
    """A cluster of this module's own; Ray writes to the home folder."""
    pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        disconnect = connect("local")
        yield
        disconnect()


@pytest.mark.slow
@pytest.mark.usefixtures("_cluster")
def test_killed_actors_lose_nothing_and_a_killer_fails_alone(tmp_path):
    lanes = RayLanes(
        [Tiny(lane, killer="0:7", seconds=0.002) for lane in range(2)],
        gpus=[False, False],
        logs=tmp_path,
        worker=PLACE,
    )
    found, deaths = {}, 1
    try:
        for event in Dispatcher(lanes, work(2, 40)).run():
            if isinstance(event, Started):
                process = event.facts["process"]
            if isinstance(event, Results):
                assert not found.keys() & {name for name, _ in event.results}
                found.update(event.results)
                if deaths and len(found) > 50:
                    deaths -= 1
                    with contextlib.suppress(ProcessLookupError):  # just dying by itself
                        os.kill(process, signal.SIGKILL)
    finally:
        lanes.close()
    assert set(found) == {f"{job}:{i}" for job in range(2) for i in range(40)}
    failed = {name: result.reason for name, result in found.items() if isinstance(result, NoResult)}
    assert failed == {"0:7": "its worker process died 4 times (its Ray actor is gone)"}


@pytest.mark.slow
@pytest.mark.usefixtures("_cluster")
def test_a_run_on_ray_gives_the_bytes_of_one_process(tmp_path, monkeypatch):
    offer_mean_colour(tmp_path, monkeypatch)
    monkeypatch.setenv("VTOK_EVAL_CACHE", str(tmp_path / "cache"))
    measured = suite("MeanColourTokenizer", "Moody", n=25)
    run(measured, tmp_path / "one")
    run(measured, tmp_path / "ray", "cpu", "cpu", ray="local")
    assert results(tmp_path / "ray") == results(tmp_path / "one")
    (session,) = RunFolder.open(tmp_path / "ray").run()["sessions"]
    # An actor that starts slowly may find the work done; it is then not among the lanes that were used.
    assert {(lane["device"], lane["host"]) for lane in session["lanes"]} == {("cpu", socket.gethostname())}
    assert "preparing" in "".join(path.read_text() for path in (tmp_path / "ray/logs").glob("lane-*.log"))


@pytest.mark.slow
def test_a_driver_on_ray_that_is_killed_is_continued_to_the_same_bytes(tmp_path, monkeypatch):
    pytest.importorskip("ray")
    offer_mean_colour(tmp_path, monkeypatch)
    measured = suite("MeanColourTokenizer", "Moody", n=25)
    run(measured, tmp_path / "one")
    script = (
        "import sys; from pathlib import Path\n"
        "from tests.vtok_eval.run.lanes.mean_colour_runs import run_and_be_killed\n"
        "run_and_be_killed(Path(sys.argv[1]), n_records=20, ray='local')\n"
    )
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
        "HOME": str(tmp_path),
        "VTOK_EVAL_CACHE": str(tmp_path / "cache"),
    }
    out = tmp_path / "killed"
    command = [sys.executable, "-c", script, str(out)]
    assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGKILL
    n_records = len(RunFolder.open(out).raw_records())
    assert 20 <= n_records < 50
    # Without Ray this time: what the dead driver's actors did after it is not in the journal.
    assert run(measured, out).new_samples == 50 - n_records
    assert results(out) == results(tmp_path / "one")


def test_without_ray_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'vtok-eval\[ray\]'"):
        connect("local")


def test_a_cluster_that_does_not_answer_is_one_line_at_once():
    pytest.importorskip("ray")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(LaneError, match=f"--ray {address}: no Ray cluster answers"):
        connect(address)


@pytest.mark.parametrize("address", ["ray://head:10001", "head", "head:x", ":6379", "head:6379/x"])
def test_what_is_not_an_address_is_refused(address):
    pytest.importorskip("ray")
    with pytest.raises(SpecError, match="write HOST:PORT of the cluster's head"):
        connect(address)


def test_a_gpu_of_the_cluster_cannot_be_named(tmp_path, monkeypatch):
    offer_mean_colour(tmp_path, monkeypatch)
    with pytest.raises(SpecError, match="--devices cuda:0: with --ray an entry is cpu, or cuda"):
        run(suite("MeanColourTokenizer"), tmp_path / "run", "cuda:0", ray="local")


def test_ray_without_an_address_means_a_cluster_on_this_machine():
    assert _with_ray_address(["run", "--ray"]) == ["run", "--ray", "local"]
    assert _with_ray_address(["run", "--ray", "--limit", "3"]) == ["run", "--ray", "local", "--limit", "3"]
    assert _with_ray_address(["run", "--ray", "auto"]) == ["run", "--ray", "auto"]
    assert _with_ray_address(["run", "--ray=h:1"]) == ["run", "--ray=h:1"]
