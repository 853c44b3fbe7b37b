"""Suites of the benchmark mean-colour, and runs of them."""

from __future__ import annotations

from pathlib import Path

from vtok_eval.results.store import RunFolder
from vtok_eval.run.harness import Harness, RunSettings
from vtok_eval.run.suite import BenchmarkEntry, Suite, SystemEntry

MODULE = Path(__file__).with_name("mean_colour.py")
FIRST_JOB = "mean-colour/MeanColourTokenizer"
BENCHMARK = "tests.vtok_eval.run.mean_colour:MeanColour"
"""What the name mean-colour is registered as."""


def suite(*classes: str, **options: object) -> Suite:
    classes = classes or ("MeanColourTokenizer",)
    return Suite(
        name="test",
        label="a test",
        setting="custom",
        baseline=classes[0],
        systems=tuple(SystemEntry(spec=f"{MODULE}:{name}", name=name) for name in classes),
        benchmarks=(BenchmarkEntry(name="mean-colour", options=options),),
    )


def run(suite: Suite, out: Path, **settings: object):
    return Harness(suite, RunSettings(device="cpu", **settings), cache=out.parent / "cache").run(out)


def results(folder: Path) -> dict[str, object]:
    """Everything that must not depend on how the run went: records without cost, scores, comparisons."""
    opened = RunFolder.open(folder)
    return {
        "records": [(r.job, r.sample_id, r.status, r.values, r.outputs) for r in opened.raw_records()],
        "scores": opened.scores(),
        "comparisons": opened.comparisons(),
    }
