"""Before a job: a tokenizer that takes none of the clips is not run, with the contract that it needs."""

import pytest

from reports.run_report import gather
from reports.text.notes import table_notes
from tests.vtok_eval.run import mean_colour
from vtok_eval.registry import BENCHMARKS
from vtok_eval.results.store import RunFolder
from vtok_eval.run.harness import Harness
from vtok_eval.run.settings import RunSettings
from vtok_eval.run.suite import BenchmarkEntry, Suite, SystemEntry

CAUSAL = """
import vtok_eval
from vtok_eval import Tokens


class Causal:
    {contract}
    def encode(self, clips):
        if clips.n_frames % 4 != 1:
            raise ValueError(f"T must be 1+4k, got {{clips.n_frames}}")
        return Tokens.of(clips.frames.float().mean(dim=(3, 4)) / 255)
"""


@pytest.fixture(autouse=True)
def _mean_colour_benchmark(monkeypatch):
    monkeypatch.setitem(BENCHMARKS.built_in, "mean-colour", f"{mean_colour.__name__}:MeanColour")


def run(tmp_path, contract: str):
    path = tmp_path / "causal.py"
    path.write_text(CAUSAL.format(contract=contract), encoding="utf-8")
    suite = Suite(
        name="test",
        label="test label",
        setting="custom",
        systems=(
            SystemEntry(spec=f"{path}:Causal", name="mine"),
            SystemEntry(spec=f"{mean_colour.__file__}:MeanColourTokenizer", name="other"),
        ),
        benchmarks=(BenchmarkEntry(name="mean-colour"),),
    )
    out = tmp_path / "run"
    return Harness(suite, RunSettings(device="cpu"), cache=tmp_path / "cache").run(out), RunFolder.open(out)


def test_a_tokenizer_that_takes_no_clip_is_not_run_and_told_what_it_needs(tmp_path):
    summary, folder = run(tmp_path, "")
    (entry,) = summary.not_run
    assert entry.system == "mine"
    assert entry.reason == (
        "it cannot take clips of 2 frames of 8 x 8 px: ValueError: T must be 1+4k, got 2; "
        'it seems to need accepts = vtok_eval.Accepts(frames="1+4k")'
    )
    assert {score.system for score in folder.scores()} == {"other"}


def test_with_that_contract_it_runs_and_the_table_says_what_was_done(tmp_path):
    summary, folder = run(tmp_path, 'accepts = vtok_eval.Accepts(frames="1+4k")')
    assert summary.complete
    assert folder.run()["input_fits"] == {"mean-colour/mine": ["2 frames padded to 5"]}
    report = gather(folder.path)
    notes = table_notes(report.benchmarks[0], baseline=None)
    assert "Input of mine: 2 frames padded to 5 before encoding." in notes
