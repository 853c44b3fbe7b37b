"""The harness: plan, run, resume after SIGKILL, failures counted."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.vtok_eval.run.mean_colour import MeanColour
from tests.vtok_eval.run.mean_colour_runs import BENCHMARK, FIRST_JOB, MODULE, results, run, suite
from vtok_eval.errors import MissingDependencyError, RunFolderError, SpecError, SuiteError, UnknownNameError
from vtok_eval.registry import BENCHMARKS
from vtok_eval.results.records import Status
from vtok_eval.results.store import RunFolder
from vtok_eval.run.harness import Harness, RunSettings
from vtok_eval.run.plan import render_plan
from vtok_eval.run.suite import BenchmarkEntry, SystemEntry

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _mean_colour_benchmark(monkeypatch):
    monkeypatch.setitem(BENCHMARKS.built_in, "mean-colour", BENCHMARK)


def test_a_run_leaves_records_scores_and_provenance(tmp_path):
    summary = run(suite(), tmp_path / "run")
    assert summary.complete
    assert summary.new_samples == 12
    folder = RunFolder.open(tmp_path / "run")
    (score,) = folder.scores()
    # Levels 0, 10, .., 110: the four with level % 3 == 0 (0, 30, 60, 90) are read rightly, of 12.
    assert score.value == pytest.approx(4 / 12)
    assert (score.n, score.n_failed) == (12, 0)
    assert score.label == "a test"
    (session,) = folder.run()["sessions"]
    assert session["jobs"].keys() == {"mean-colour/MeanColourTokenizer"}
    assert session["device"]
    assert folder.run()["systems"][0]["spec"].endswith("mean_colour.py:MeanColourTokenizer")


@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_the_batch_size_changes_nothing(tmp_path, batch_size):
    run(suite("MeanColourTokenizer", "Moody"), tmp_path / "run", batch_size=batch_size)
    run(suite("MeanColourTokenizer", "Moody"), tmp_path / "other", batch_size=4)
    assert results(tmp_path / "run") == results(tmp_path / "other")


def test_a_second_run_does_nothing(tmp_path):
    run(suite(), tmp_path / "run")
    before = (tmp_path / "run" / "run.json").read_bytes()
    summary = run(suite(), tmp_path / "run")
    assert summary.new_samples == 0
    assert (tmp_path / "run" / "run.json").read_bytes() == before


def test_one_more_system_costs_only_that_system(tmp_path):
    run(suite(), tmp_path / "run")
    summary = run(suite("MeanColourTokenizer", "Moody"), tmp_path / "run")
    assert summary.new_samples == 12
    folder = RunFolder.open(tmp_path / "run")
    assert [entry["name"] for entry in folder.run()["systems"]] == ["MeanColourTokenizer", "Moody"]
    assert len(folder.run()["sessions"]) == 2
    assert [comparison.system for comparison in folder.comparisons()] == ["Moody"]


def test_a_tokenizer_that_misbehaves_fails_on_just_those_samples(tmp_path):
    summary = run(suite("Moody"), tmp_path / "run")
    reasons = {record.sample_id: record.reason for record in summary.failed}
    assert reasons.keys() == {"flat-10", "flat-20", "flat-30", "flat-40"}
    assert reasons["flat-10"] == "RuntimeError: I do not like ten"
    assert "NaN" in reasons["flat-20"]
    assert "must be (1, L, D)" in reasons["flat-30"]
    assert "mask must be" in reasons["flat-40"]
    (score,) = RunFolder.open(tmp_path / "run").scores()
    # Of the four hits 0, 30, 60, 90 the second failed; failures count as wrong and stay in the denominator.
    assert (score.n, score.n_failed) == (12, 4)
    assert score.value == pytest.approx(3 / 12)
    assert not summary.complete


def test_a_broken_clip_is_a_failed_sample_with_its_reason(tmp_path):
    summary = run(suite(broken=50), tmp_path / "run")
    assert [(record.sample_id, record.reason) for record in summary.failed] == [
        ("flat-50", "flat clip 50 is broken")
    ]


def test_failed_samples_are_tried_again_only_when_asked(tmp_path):
    run(suite("Moody"), tmp_path / "run")
    assert run(suite("Moody"), tmp_path / "run").new_samples == 0
    assert run(suite("Moody"), tmp_path / "run", retry_failed=True).new_samples == 4


def test_a_system_that_cannot_be_prepared_fails_every_sample_and_says_why(tmp_path):
    summary = run(suite(refuse=True), tmp_path / "run")
    assert len(summary.failed) == 12
    assert summary.failed[0].reason == "could not be prepared: ValueError: cannot be prepared"


def test_a_benchmark_that_needs_a_missing_package_is_not_run_and_said_so(tmp_path):
    summary = run(suite(missing=True), tmp_path / "run")
    (entry,) = summary.not_run
    assert "colour-science" in entry.reason
    assert not summary.complete
    assert RunFolder.open(tmp_path / "run").run()["not_run"][0]["reason"] == entry.reason
    assert RunFolder.open(tmp_path / "run").jobs() == []
    assert (summary.new_samples, summary.n_done) == (0, 0)
    assert run(suite(), tmp_path / "other").n_done == 1


@pytest.mark.parametrize("marked", ["benchmark", "system"])
def test_what_is_optional_and_cannot_be_run_is_no_failure(tmp_path, marked):
    needs = suite(missing=True)
    changed = {
        "benchmark": {"benchmarks": (needs.benchmarks[0].model_copy(update={"optional": True}),)},
        "system": {"systems": (needs.systems[0].model_copy(update={"optional": True}),)},
    }
    summary = run(needs.model_copy(update=changed[marked]), tmp_path / "run")
    assert summary.complete
    assert (summary.not_run, summary.n_done) == ((), 0)
    (entry,) = summary.optional_not_run
    assert "colour-science" in entry.reason
    assert RunFolder.open(tmp_path / "run").run()["not_run"][0]["reason"] == entry.reason


def test_an_optional_benchmark_whose_failure_is_not_a_missing_package_fails(tmp_path):
    refusing = suite(refuse=True)
    optional = refusing.benchmarks[0].model_copy(update={"optional": True})
    assert not run(refusing.model_copy(update={"benchmarks": (optional,)}), tmp_path / "run").complete


def test_an_optional_benchmark_that_cannot_even_be_built_is_not_run(tmp_path, monkeypatch):
    (tmp_path / "needs_more.py").write_text("import no_such_package")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(BENCHMARKS.built_in, "efficiency", "needs_more:Efficiency")
    entries = [BenchmarkEntry(name="mean-colour"), BenchmarkEntry(name="efficiency", optional=True)]
    summary = run(suite().model_copy(update={"benchmarks": tuple(entries)}), tmp_path / "run")
    assert summary.complete
    assert [(entry.benchmark, entry.system) for entry in summary.optional_not_run] == [
        ("efficiency", "MeanColourTokenizer")
    ]
    needed = suite().model_copy(update={"benchmarks": (entries[0], BenchmarkEntry(name="efficiency"))})
    with pytest.raises(MissingDependencyError, match="no_such_package"):
        run(needed, tmp_path / "other")


def _lacks_its_package(patch: pytest.MonkeyPatch) -> None:
    """Make this an environment in which the benchmark can measure nothing, as VBench without its package."""
    describe = MeanColour.describe
    patch.setattr(MeanColour, "metrics", lambda self: ())
    patch.setattr(MeanColour, "describe", lambda self: {**describe(self), "package": None})

    def prepare(self, system, context):
        raise MissingDependencyError("mean-colour needs colour-science")

    patch.setattr(MeanColour, "prepare", prepare)


def test_one_folder_is_filled_from_environments_that_can_run_different_things(tmp_path, monkeypatch):
    run(suite("MeanColourTokenizer", "Moody"), tmp_path / "whole")
    with monkeypatch.context() as patch:
        _lacks_its_package(patch)
        assert len(run(suite(), tmp_path / "run").not_run) == 1
    assert run(suite(), tmp_path / "run").complete
    assert RunFolder.open(tmp_path / "run").run()["not_run"] == []
    with monkeypatch.context() as patch:
        _lacks_its_package(patch)
        before = results(tmp_path / "run")
        assert run(suite(), tmp_path / "run").complete  # what was done elsewhere is done
        (entry,) = run(suite("MeanColourTokenizer", "Moody"), tmp_path / "run").not_run
        assert entry.system == "Moody"
        assert results(tmp_path / "run") == before
    assert run(suite("MeanColourTokenizer", "Moody"), tmp_path / "run").new_samples == 12
    assert results(tmp_path / "run") == results(tmp_path / "whole")


def test_what_another_command_could_not_run_stays_said(tmp_path):
    run(suite(), tmp_path / "run")
    with pytest.MonkeyPatch.context() as patch:
        _lacks_its_package(patch)
        run(suite("Moody"), tmp_path / "run")
    run(suite("MeanColourTokenizer"), tmp_path / "run", retry_failed=True)
    assert [entry["system"] for entry in RunFolder.open(tmp_path / "run").run()["not_run"]] == ["Moody"]


def test_limit_takes_the_first_samples(tmp_path):
    assert run(suite(), tmp_path / "run", limit=5).new_samples == 5


def test_a_limited_run_is_marked_as_a_smoke_test(tmp_path):
    run(suite(), tmp_path / "limited", limit=5)
    run(suite(), tmp_path / "whole")
    (limited,), (whole,) = (
        RunFolder.open(tmp_path / name).run()["benchmarks"] for name in ("limited", "whole")
    )
    assert limited["description"]["caveats"] == ["smoke test"]
    assert whole["description"]["caveats"] == []


def test_the_precision_is_recorded_and_an_unknown_one_is_refused(tmp_path):
    run(suite("MeanColourTokenizer"), tmp_path / "run", precision="bf16")
    found = RunFolder.open(tmp_path / "run").run()
    assert found["sessions"][-1]["precision"] == "bf16"
    assert found["precision"] == "bf16"
    with pytest.raises(UnknownNameError, match="precision 'fp8'"):
        run(suite("MeanColourTokenizer"), tmp_path / "other", precision="fp8")


def test_a_wrong_suite_fails_before_anything_is_written(tmp_path):
    with pytest.raises(UnknownNameError, match="option of benchmark mean-colour 'm'"):
        run(suite(m=5), tmp_path / "run")
    with pytest.raises(SpecError, match="no such weights"):
        run(suite("NeverBuilt"), tmp_path / "run")
    videos = suite().model_copy(update={"systems": (SystemEntry(spec="videos:shipped"),), "baseline": None})
    with pytest.raises(SuiteError, match="takes tokenizer"):
        run(videos, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_plan_says_what_will_be_done_and_what_it_costs(tmp_path):
    entries = (SystemEntry(spec="frames-2"), SystemEntry(spec=f"{MODULE}:Moody", name="Moody"))
    changed = suite().model_copy(update={"systems": entries, "baseline": None})
    text = render_plan(Harness(changed, RunSettings(device="cpu"), cache=tmp_path).plan())
    # frames-2 on clips of two frames: 2 x 16 tokens, for 12 clips 384.
    assert "mean-colour/frames-2" in text
    assert "384" in text
    assert "2 jobs, 24 samples" in text


def _run_and_be_killed(out: Path, at: str) -> int:
    """Run the suite in another process that SIGKILLs itself when it meets the sample `at`."""
    script = (
        "import sys; from pathlib import Path; from tests.vtok_eval.run import mean_colour_runs as m\n"
        "from vtok_eval.registry import BENCHMARKS\n"
        "BENCHMARKS.built_in['mean-colour'] = m.BENCHMARK\n"
        "m.run(m.suite('MeanColourTokenizer', 'Moody'), Path(sys.argv[1]), batch_size=2)\n"
    )
    environment = os.environ | {"MEAN_COLOUR_KILL_AT": at}
    return subprocess.run(
        [sys.executable, "-c", script, str(out)], env=environment, cwd=ROOT, check=False
    ).returncode


@pytest.mark.slow
def test_a_killed_run_continues_and_ends_with_the_same_numbers(tmp_path):
    out = tmp_path / "killed"
    for at in ("flat-0", "flat-50", "flat-100"):
        assert _run_and_be_killed(out, at) == -signal.SIGKILL
        done = {record.sample_id for record in RunFolder.open(out).raw_records(FIRST_JOB)}
        assert at not in done
    assert len(done) == 10  # flat-0 to flat-90: the batches before flat-100's
    again = run(suite("MeanColourTokenizer", "Moody"), out)
    assert again.new_samples == 2 + 12
    run(suite("MeanColourTokenizer", "Moody"), tmp_path / "whole")
    assert results(out) == results(tmp_path / "whole")
    ids = [(record.job, record.sample_id) for record in RunFolder.open(out).raw_records()]
    assert len(ids) == len(set(ids)) == 24


def test_an_unwritable_folder_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunFolderError, match="is a file"):
        run(suite(), tmp_path / "file")
    with pytest.raises(RunFolderError, match="cannot make"):
        run(suite(), tmp_path / "file" / "run")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_ends_the_run_in_one_line_and_loses_nothing(tmp_path, monkeypatch):
    from vtok_eval.files import atomic

    run(suite(), tmp_path / "run")

    def full(path, write):
        with open("/dev/full", "wb", buffering=0) as device:
            try:
                device.write(b"x")
            except OSError as error:
                raise RunFolderError(f"cannot write {path}: {error.strerror}") from error

    monkeypatch.setattr(atomic, "write_atomically", full)
    with pytest.raises(RunFolderError, match="No space left"):
        run(suite("MeanColourTokenizer", "Moody"), tmp_path / "run")
    monkeypatch.undo()
    monkeypatch.setitem(BENCHMARKS.built_in, "mean-colour", BENCHMARK)
    assert run(suite("MeanColourTokenizer", "Moody"), tmp_path / "run").new_samples == 12


def test_run_json_is_strict_json(tmp_path):
    run(suite(), tmp_path / "run")

    def refuse(constant):
        raise AssertionError(constant)

    json.loads((tmp_path / "run" / "run.json").read_text(), parse_constant=refuse)
    assert all(record.status is Status.OK for record in RunFolder.open(tmp_path / "run").raw_records())


@pytest.mark.parametrize(("limit", "kept"), [(3, 3), (0.25, 3), (0.01, 1), (50, 12)])
def test_a_limit_is_a_number_or_a_share(tmp_path, limit, kept):
    assert run(suite(), tmp_path / "run", limit=limit).new_samples == kept


class Trains(MeanColour):
    """Asks for the grey levels with fewer training clips the less of its samples are kept."""

    share = 1.0

    def with_less_training(self, share: float) -> "Trains":
        fewer = Trains(n=self.n)
        fewer.share = share
        return fewer

    def describe(self):
        return super().describe().with_facts({"training_share": self.share})


@pytest.mark.parametrize(("limit", "share"), [(3, 0.25), (0.5, 0.5), (None, 1.0)])
def test_a_limit_scales_training_alike(tmp_path, monkeypatch, limit, share):
    monkeypatch.setitem(BENCHMARKS.built_in, "mean-colour", f"{__name__}:Trains")
    run(suite(), tmp_path / "run", limit=limit)
    (benchmark,) = RunFolder.open(tmp_path / "run").run()["benchmarks"]
    assert benchmark["description"]["training_share"] == share
    assert benchmark["limit"] == limit
