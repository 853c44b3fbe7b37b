"""Runs of the grey-level benchmark in lanes, also by a driver that kills itself."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from vtok_eval.results.journal import Journal
from vtok_eval.run.harness import Harness, RunSettings, RunSummary
from vtok_eval.run.suite import BenchmarkEntry, Suite, SystemEntry

ROOT = Path(__file__).parents[4]
MODULE = ROOT / "tests/vtok_eval/run/mean_colour.py"


def offer_mean_colour(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Offer the benchmark as an installed package would, so that other processes find it too."""
    info = folder / "packages" / "mean_colour-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mean-colour\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[vtok_eval.benchmarks]\nmean-colour = tests.vtok_eval.run.mean_colour:MeanColour\n"
    )
    patch.syspath_prepend(str(info.parent))


def suite(*classes: str, **options: object) -> Suite:
    return Suite(
        name="test",
        label="a test",
        setting="custom",
        baseline=classes[0],
        systems=tuple(SystemEntry(spec=f"{MODULE}:{name}", name=name) for name in classes),
        benchmarks=(BenchmarkEntry(name="mean-colour", options=options),),
    )


def run(suite: Suite, out: Path, *devices: str, **settings: object) -> RunSummary:
    chosen = RunSettings(device="cpu", devices=devices, **settings)
    return Harness(suite, chosen, cache=out.parent / "cache").run(out)


def results(folder: Path) -> dict[str, bytes]:
    """What must not depend on the lanes."""
    files = ("scores.json", "comparisons.json", "records.parquet", "samples.parquet")
    return {name: (folder / name).read_bytes() for name in files}


def run_and_be_killed(out: Path, *, n_records: int, ray: str | None = None) -> None:
    """Run in two lanes, on Ray if asked; this process kills itself once the journal has so many records."""
    add = Journal.add

    def add_and_die(journal: Journal, records: object) -> None:
        add(journal, records)
        if sum(n for n, _ in journal.counts().values()) >= n_records:
            os.kill(os.getpid(), signal.SIGKILL)

    Journal.add = add_and_die  # type: ignore[assignment]
    run(suite("MeanColourTokenizer", "Moody", n=25), out, "cpu", "cpu", batch_size=4, ray=ray)
