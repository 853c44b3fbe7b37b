"""Made-up runs whose reader misses what the tokens hold: of static attributes, and of nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tests.reports.made_up_run import SYSTEMS, add_job, finish, run_json, understanding_records
from vtok_eval.results.records import TRAINING_SEEDS, Record
from vtok_eval.results.store import RunFolder

BENCHMARK = "understanding-scenes"
CHANCES: Mapping[str, tuple[float, float, float]] = {
    "vtok-grid": (0.45, 0.75, 0.8),  # contains keyframe's tokens, and reads far fewer static attributes
    "frames-2": (0.7, 0.45, 0.5),
    "frames-4": (0.95, 0.5, 0.55),
    "frames-1": (0.65, 0.3, 0.25),
    "frames-8": (0.7, 0.55, 0.6),
    "keyframe": (0.8, 0.25, 0.2),
}
RELATION = {"larger": "vtok-grid", "smaller": "keyframe", "relation": "contains"}


def write_unsound_run(path: Path, systems: Sequence[str] = tuple(CHANCES), **changes: object) -> RunFolder:
    """A finished run of these systems, two training seeds each; sound without keyframe or vtok-grid."""
    entries = [entry for entry in run_json()["systems"] if entry["name"] in systems]
    benchmarks = [entry for entry in run_json()["benchmarks"] if entry["id"] == BENCHMARK]
    relations = [RELATION] if {"vtok-grid", "keyframe"} <= set(systems) else []
    run = run_json(systems=entries, benchmarks=benchmarks, relations=relations, **changes)
    folder = RunFolder.create(path, run)
    for name in systems:
        records = understanding_records(name, tokens=SYSTEMS[name][2], chances=CHANCES[name])
        add_job(folder, BENCHMARK, name, [_trained(record, i) for i, record in enumerate(records)])
    return finish(folder)


def _trained(record: Record, place: int) -> Record:
    """With the values of a second training seed, which now and then differ."""
    values = {
        name: (value, 1.0 - value if (place + len(name)) % 29 == 0 else value)
        for name, (value,) in record.values.items()
    }
    return replace(record, values=values, meta={**record.meta, TRAINING_SEEDS: 2})
