"""A run folder whose inputs change: what changed is measured again, the rest is kept, nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.vtok_eval.run import mean_colour_runs as runs
from vtok_eval.registry import BENCHMARKS
from vtok_eval.results.run_view import open_run
from vtok_eval.results.store import RunFolder
from vtok_eval.run.suite import CUSTOM_LABEL, SystemEntry

MINE = """
from pathlib import Path
import torch
from helper import shift
from vtok_eval.data import Clips, Tokens

class Mine:
    def __init__(self, weights: Path | None = None):
        self.weights = weights
        self.more = 0 if weights is None else int(Path(weights).read_text())

    def encode(self, clips: Clips) -> Tokens:
        means = clips.frames.float().mean(dim=(1, 3, 4))[:, None, :]
        return Tokens.of(means + shift() + self.more)
"""
HELPER = "def shift():\n    return {}\n"


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    monkeypatch.setitem(BENCHMARKS.built_in, "mean-colour", runs.BENCHMARK)


@pytest.fixture
def code(tmp_path):
    """A folder with a tokenizer, `mine.py`, and the module that it imports."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "mine.py").write_text(MINE)
    (folder / "helper.py").write_text(HELPER.format(0))
    (folder / "weights.txt").write_text("0")
    return folder


def suite(code: Path, *, options: str = "", **benchmark: object):
    mine = SystemEntry(name="mine", spec=f"{code / 'mine.py'}:Mine{options}")
    base = runs.suite(**benchmark)
    return base.model_copy(update={"systems": (*base.systems, mine)})


def values(folder: Path) -> dict[str, list[float]]:
    """By job, versions included: each sample's value."""
    found: dict[str, list[float]] = {}
    for record in RunFolder.open(folder).raw_records():
        found.setdefault(record.job, []).append(record.values["level"][0])
    return found


def versions(folder: Path) -> list[str]:
    """Names of the earlier versions of mine, as run.json has them."""
    return [system.name for system in open_run(folder, versions=True).systems if "@" in system.name]


def test_an_edited_helper_is_measured_again_and_the_baseline_is_not(tmp_path, code):
    out = tmp_path / "run"
    first = runs.run(suite(code), out)
    before = values(out)
    (code / "helper.py").write_text(HELPER.format(1))
    again = runs.run(suite(code), out)
    assert (first.new_samples, again.new_samples) == (24, 12)
    (version,) = versions(out)
    assert again.changes == (
        f"mine: helper.py changed; measured again, the earlier version stays as {version}",
    )
    after = values(out)
    assert after[f"mean-colour/{version}"] == before["mean-colour/mine"]
    assert after["mean-colour/mine"] != before["mean-colour/mine"]
    assert after[runs.FIRST_JOB] == before[runs.FIRST_JOB]
    assert runs.run(suite(code), out).new_samples == 0


def test_reports_show_the_newest_version_alone_unless_asked(tmp_path, code):
    from reports.merged_runs import gather_runs

    out = tmp_path / "run"
    runs.run(suite(code), out)
    (code / "helper.py").write_text(HELPER.format(1))
    runs.run(suite(code), out)
    (version,) = versions(out)
    systems = ["MeanColourTokenizer", "mine"]
    assert [system.name for system in gather_runs([out]).systems] == systems
    assert [system.name for system in open_run(out).systems] == systems
    assert set(open_run(out).scores()["system"]) == set(systems)
    shown = gather_runs([out], versions=True)
    assert [system.name for system in shown.systems] == ["MeanColourTokenizer", "mine", version]
    both = {
        name: shown.benchmark("mean-colour").cell(name, "level").score.value for name in (version, "mine")
    }
    assert both[version] != both["mine"]
    assert shown.unfinished == ()


def test_going_back_takes_the_kept_results(tmp_path, code):
    out = tmp_path / "run"
    runs.run(suite(code), out)
    before = values(out)
    (code / "helper.py").write_text(HELPER.format(1))
    runs.run(suite(code), out)
    (code / "helper.py").write_text(HELPER.format(0))
    back = runs.run(suite(code), out)
    assert back.new_samples == 0
    assert "whose results are taken" in back.changes[0]
    assert values(out)["mean-colour/mine"] == before["mean-colour/mine"]
    (version,) = versions(out)
    assert version in back.changes[0]
    scores = open_run(out, versions=True).scores().set_index("system")["value"]
    assert scores["mine"] != scores[version]


def test_rewritten_weights_are_seen_with_their_old_size_and_time(tmp_path, code):
    out, weights = tmp_path / "run", code / "weights.txt"
    option = f":weights={weights}"
    runs.run(suite(code, options=option), out)
    times = weights.stat()
    weights.write_text("1")
    os.utime(weights, ns=(times.st_atime_ns, times.st_mtime_ns))
    again = runs.run(suite(code, options=option), out)
    assert again.new_samples == 12
    assert again.changes[0].startswith("mine: weights.txt changed; measured again")


def test_moved_code_and_weights_are_the_same(tmp_path, code):
    out = tmp_path / "run"
    runs.run(suite(code, options=f":weights={code / 'weights.txt'}"), out)
    moved = code.rename(tmp_path / "elsewhere")
    again = runs.run(suite(moved, options=f":weights={moved / 'weights.txt'}"), out)
    assert (again.new_samples, again.changes) == (0, ())


@pytest.mark.parametrize(
    ("options", "settings", "line"),
    [
        ({}, {"seed": 7}, "mean-colour: seed 0 before, 7 now; measured again"),
        ({}, {"limit": 3}, "mean-colour: limit None before, 3 now; measured again"),
        ({"n": 5}, {}, "mean-colour: n 12 before, 5 now; measured again"),
        ({}, {"threads": 2}, "mean-colour: threads 1 before, 2 now; measured again"),
    ],
)
def test_other_settings_are_a_version_of_the_benchmark(tmp_path, options, settings, line):
    out = tmp_path / "run"
    runs.run(runs.suite(), out)
    before = values(out)
    changed = runs.run(runs.suite(**options), out, **settings)
    assert changed.changes[0].startswith(line)
    (version,) = [entry.id for entry in open_run(out, versions=True).benchmarks if "@" in entry.id]
    assert values(out)[f"{version}/MeanColourTokenizer"] == before[runs.FIRST_JOB]
    assert [entry.id for entry in open_run(out).benchmarks] == ["mean-colour"]
    # Going back measures nothing.
    assert runs.run(runs.suite(), out).new_samples == 0
    assert values(out)[runs.FIRST_JOB] == before[runs.FIRST_JOB]


def test_another_class_of_the_same_name_is_a_new_version(tmp_path):
    out = tmp_path / "run"
    runs.run(runs.suite(), out)
    changed = SystemEntry(spec=f"{runs.MODULE}:Moody", name="MeanColourTokenizer")
    again = runs.run(runs.suite().model_copy(update={"systems": (changed,)}), out)
    assert again.new_samples == 12
    assert again.changes[0].startswith("MeanColourTokenizer: spec mean_colour.py:MeanColourTokenizer before")


def test_one_system_alone_joins_the_folder_of_its_baselines(tmp_path, code):
    out = tmp_path / "run"
    runs.run(runs.suite(), out)
    alone = suite(code).changed(add_systems=suite(code).systems[1:], keep_systems=False)
    assert runs.run(alone, out).new_samples == 12
    run = open_run(out).info
    assert (run["label"], run["baseline"]) == ("a test", "MeanColourTokenizer")
    assert list(open_run(out).comparisons()["system"]) == ["mine"]


def test_what_two_suites_measured_is_labelled_as_neither(tmp_path):
    out = tmp_path / "run"
    runs.run(runs.suite(), out)
    other = runs.suite(n=5).model_copy(update={"label": "another"})
    runs.run(other, out)
    assert open_run(out).info["label"] == CUSTOM_LABEL
    assert set(open_run(out, versions=True).scores()["label"]) == {CUSTOM_LABEL}


class TestEarlierReleases:
    @staticmethod
    def _as_before(out: Path) -> None:
        """Take out of run.json what 0.1.0 did not write."""
        path = out / "run.json"
        run = json.loads(path.read_text())
        for entry in (*run["systems"], *run["benchmarks"]):
            for key in ("identity", "settings_sha256", "seed", "limit", "threads"):
                entry.pop(key, None)
            for key in ("sources", "files", "state_sha256"):
                entry["description"].pop(key, None)
        path.write_text(json.dumps(run))

    def test_their_folders_are_continued(self, tmp_path, code):
        out = tmp_path / "run"
        runs.run(suite(code), out)
        self._as_before(out)
        again = runs.run(suite(code), out)
        assert (again.new_samples, again.changes) == (0, ())
        # From now on the folder knows what made its numbers.
        (code / "helper.py").write_text(HELPER.format(1))
        assert "helper.py changed" in runs.run(suite(code), out).changes[0]

    def test_what_they_recorded_is_compared(self, tmp_path, code):
        out = tmp_path / "run"
        runs.run(suite(code), out)
        self._as_before(out)
        (code / "mine.py").write_text(MINE + "\n# one line more\n")
        changed = runs.run(suite(code, n=5), out)
        assert [line.partition(";")[0].partition(":")[0] for line in changed.changes] == [
            "mine",
            "mean-colour",
        ]
        assert "source_sha256" in changed.changes[0]
        assert changed.new_samples == 10


@pytest.mark.slow
@pytest.mark.parametrize(
    "step", ["write_scores", "_move_folders", "rename_jobs", "_rename_entries", "unlink"]
)
def test_a_process_killed_while_it_sets_a_version_aside_is_continued(tmp_path, code, step):
    out = tmp_path / "run"
    runs.run(suite(code), out)
    before = values(out)
    (code / "helper.py").write_text(HELPER.format(1))
    script = (
        "import os, signal; from pathlib import Path\n"
        "from tests.vtok_eval.run import mean_colour_runs as runs\n"
        "from vtok_eval.registry import BENCHMARKS\n"
        "from vtok_eval.results.journal import Journal\n"
        "from vtok_eval.results.store import RunFolder\n"
        "from vtok_eval.run.reuse import versions\n"
        "from vtok_eval.run.suite import SystemEntry\n"
        "BENCHMARKS.built_in['mean-colour'] = runs.BENCHMARK\n"
        f"step, code, out = {step!r}, {str(code)!r}, Path({str(out)!r})\n"
        "owners = {'write_scores': RunFolder, 'rename_jobs': Journal, 'unlink': Path}\n"
        "owner = owners.get(step, versions.Renaming)\n"
        "done = getattr(owner, step)\n"
        "def die(self, *args, **kwargs):\n"
        "    if step != 'unlink' or self.name == versions.PENDING:\n"
        "        if step != 'unlink': done(self, *args, **kwargs)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return done(self, *args, **kwargs)\n"
        "setattr(owner, step, die)\n"
        "base = runs.suite()\n"
        "mine = SystemEntry(name='mine', spec=f'{code}/mine.py:Mine')\n"
        "runs.run(base.model_copy(update={'systems': (*base.systems, mine)}), out)\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, cwd=Path(__file__).parents[4]
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    again = runs.run(suite(code), out)
    (version,) = versions(out)
    after = values(out)
    assert again.new_samples == 12
    assert after[f"mean-colour/{version}"] == before["mean-colour/mine"]
    assert after["mean-colour/mine"] != before["mean-colour/mine"]
    assert after[runs.FIRST_JOB] == before[runs.FIRST_JOB]
    untouched = tmp_path / "untouched"
    runs.run(suite(code), untouched)
    assert runs.results(untouched)["records"] == [
        record for record in runs.results(out)["records"] if "@" not in record[0]
    ]
    assert runs.results(untouched)["comparisons"] == runs.results(out)["comparisons"]


@pytest.mark.slow
def test_a_version_set_aside_by_a_killed_process_comes_back_with_its_input(tmp_path, code):
    """Killed in the middle, and then the edit was undone: nothing is measured, nothing is lost."""
    from vtok_eval.run.reuse.versions import PENDING

    out = tmp_path / "run"
    runs.run(suite(code), out)
    before = values(out)
    (out / PENDING).write_text(json.dumps({"systems": {"mine": "mine@abcd"}, "benchmarks": {}}))
    again = runs.run(suite(code), out)
    assert again.new_samples == 0
    assert values(out) == before
    assert not (out / PENDING).exists()
