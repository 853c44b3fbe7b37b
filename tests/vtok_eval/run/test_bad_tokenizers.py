"""A user's mistakes in a tokenizer, through `vtok-eval check` and a run: one line says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.vtok_eval.run.mean_colour_runs import BENCHMARK
from vtok_eval.cli.main import app
from vtok_eval.errors import SpecError
from vtok_eval.registry import BENCHMARKS
from vtok_eval.results.store import RunFolder
from vtok_eval.run.harness import Harness, RunSummary
from vtok_eval.run.settings import RunSettings
from vtok_eval.run.suite import BenchmarkEntry, Suite, SystemEntry

FILE = Path(__file__).with_name("bad_tokenizers.py")


@pytest.fixture(autouse=True)
def _mean_colour_benchmark(monkeypatch):
    monkeypatch.setitem(BENCHMARKS.built_in, "mean-colour", BENCHMARK)


def check(spec: str) -> tuple[int, str]:
    """The exit code of `vtok-eval check` and what it printed."""
    done = CliRunner().invoke(app, ["check", spec, "--frames", "2", "--size", "8", "--device", "cpu"])
    return done.exit_code, done.output + (str(done.exception) if done.exception else "")


def run(spec: str, out: Path) -> RunSummary:
    suite = Suite(
        name="test",
        label="a test",
        setting="custom",
        baseline="it",
        systems=(SystemEntry(spec=spec, name="it"),),
        benchmarks=(BenchmarkEntry(name="mean-colour", options={"n": 6}),),
    )
    return Harness(suite, RunSettings(device="cpu"), cache=out.parent / "cache").run(out)


def reasons(out: Path) -> dict[str, str | None]:
    """Each sample's reason why it failed, None where it did not."""
    return {record.sample_id: record.reason for record in RunFolder.open(out).raw_records()}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("KeepsState", "broken  keeps no state between calls, nor after a failed one: values differ"),
        ("ChangesItsInput", "broken  leaves its input as it is: encode changed clips.frames in place"),
        ("NoNumbers", "token values are on the device meta, which holds no numbers: load the weights"),
        ("TwoDevices", "token mask is on meta, the values on cpu"),
        ("Overflows", "in clips [0] of the batch; float16 ends at 65504: divide by a constant"),
        ("NaNForDarkClips", "broken  gives finite values for black, white and noise: black: "),
    ],
)
def test_check_says_what_is_wrong(name, said):
    code, output = check(f"{FILE}:{name}")
    assert code == 1
    (line,) = [line for line in output.splitlines() if said in line]
    assert line.startswith("broken")


def test_one_that_can_take_no_clip_is_not_run(tmp_path):
    (not_run,) = run(f"{FILE}:TwoDevices", tmp_path / "out").not_run
    said = "it cannot take clips of 2 frames of 8 x 8 px: TokenizerError: token mask is on meta"
    assert not_run.reason.startswith(said)


@pytest.mark.parametrize(
    ("name", "failed"),
    [
        ("NaNForDarkClips", ["flat-0", "flat-10"]),
        ("Overflows", [f"flat-{level}" for level in range(10, 60, 10)]),
    ],
)
def test_clips_whose_values_are_not_finite_fail_alone(tmp_path, name, failed):
    summary = run(f"{FILE}:{name}", tmp_path / "out")
    assert summary.not_run == ()
    found = reasons(tmp_path / "out")
    assert len(found) == 6
    assert [sample for sample, reason in found.items() if reason] == failed
    assert "token values are NaN or infinite in clips [0]" in str(found["flat-10"])


def test_what_changes_its_input_changes_no_other_systems_clips(tmp_path):
    """Both systems read the same clips, which are kept in memory between them."""
    suite = Suite(
        name="test",
        label="a test",
        setting="custom",
        baseline="first",
        systems=(
            SystemEntry(spec=f"{FILE}:ChangesItsInput", name="first"),
            SystemEntry(spec=f"{FILE}:Level", name="second"),
        ),
        benchmarks=(BenchmarkEntry(name="mean-colour", options={"n": 6}),),
    )
    Harness(suite, RunSettings(device="cpu"), cache=tmp_path / "cache").run(tmp_path / "out")
    run(f"{FILE}:Level", tmp_path / "alone")
    levels = [r.values for r in RunFolder.open(tmp_path / "out").raw_records() if r.job.endswith("/second")]
    assert levels == [r.values for r in RunFolder.open(tmp_path / "alone").raw_records()]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("class Mine:\n    def encode(self, clips)\n        return 1\n", r"expected ':' \(mine.py, line 2\)"),
        (
            "import no_such_package\nclass Mine: ...\n",
            r"No module named 'no_such_package'; install it here, or name the environment that has it: exec:",
        ),
    ],
    ids=["a syntax error", "a missing package"],
)
def test_a_file_that_cannot_be_imported(tmp_path, source, said):
    (tmp_path / "mine.py").write_text(source)
    spec = f"{tmp_path / 'mine.py'}:Mine"
    with pytest.raises(SpecError, match=said) as raised:
        run(spec, tmp_path / "out")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "out").exists()
    code, output = check(spec)
    assert code != 0
    assert str(raised.value) in " ".join(output.split())


def test_a_class_whose_constructor_fails(tmp_path):
    said = (
        "bad_tokenizers.py:NoWeights cannot be built: FileNotFoundError: [Errno 2] No such file or directory"
    )
    code, output = check(f"{FILE}:NoWeights")
    assert code != 0
    assert said in " ".join(output.split())
    with pytest.raises(SpecError, match="NoWeights cannot be built: FileNotFoundError"):
        run(f"{FILE}:NoWeights", tmp_path / "out")
