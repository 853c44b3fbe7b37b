"""Small made-up runs for the tests of leaderboard, submissions and exports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vtok_eval import __version__
from vtok_eval.results.journal import Job
from vtok_eval.results.records import Metric, Record, Status
from vtok_eval.results.store import RunFolder
from vtok_eval.run.scoring import score_run

LABEL = "made up: not the paper's setting"
N_CLIPS = 40
SYSTEMS: Mapping[str, tuple[str, bool, int, float]] = {
    "good": ("vtok:pool=grid", False, 31, 0.9),
    "fair": ("frames-2", False, 32, 0.6),
    "like-fair": ("frames-2:grid=2", False, 8, 0.6),
    "blind": ("blind", True, 0, 0.3),
}
"""name: (spec, control, tokens per clip, probability of a right answer)."""

METRICS = (
    Metric(name="both", title="Both", chance=0.25, headline=True, mean_of=("left", "right")),
    Metric(name="left", title="left", chance=0.25, group="parts"),
    Metric(name="right", title="right", chance=0.25, group="parts"),
)
FLICKERING = Metric(name="temporal_flickering", title="temporal flickering", headline=True, failed_as=None)
IMAGING = Metric(name="imaging_quality", title="imaging quality", headline=True, failed_as=None)
DYNAMIC = Metric(name="dynamic_degree", title="dynamic degree", headline=True, failed_as=None)


def session(**changes: Any) -> dict[str, Any]:
    return {
        "vtok_eval": __version__,
        "git": {"revision": "0123456789abcdef", "dirty": True},
        "packages": {"torch": "2.15.0", "vbench": None},
        "python": "3.11.9",
        "machine": {"platform": "Linux", "processor": "made up", "cores": 2, "memory_bytes": 8},
        "torch": {"threads": 2, "cuda": None, "gpus": []},
        "threads": {"OMP_NUM_THREADS": None},
        "command": ["/opt/venv/bin/vtok-eval", "run", "--suite", "my suite.yaml"],
        "folder": "/home/somebody/secret",
        "seed": 0,
        "device": "cpu",
        "started": "2026-11-24T00:00:00+00:00",
        "finished": "2026-11-24T00:03:20+00:00",
        "jobs": {"quiz/good": 12.5, "vbench/clips": 1.5},
        **changes,
    }


def run_json(names: Sequence[str] = tuple(SYSTEMS), **changes: Any) -> dict[str, Any]:
    return {
        "name": "made-up",
        "label": LABEL,
        "setting": "embedded-default",
        "description": "a made-up run",
        "baseline": "fair",
        "seed": 0,
        "limit": None,
        "systems": [
            {
                "name": name,
                "spec": SYSTEMS[name][0],
                "control": SYSTEMS[name][1],
                "kind": "tokenizer",
                "description": {"weights": "sha256:00ff"},
            }
            for name in names
        ]
        + [{"name": "clips", "spec": "videos:x", "control": False, "kind": "videos", "description": {}}],
        "benchmarks": [
            {
                "id": "quiz",
                "name": "quiz",
                "options": {"clips": N_CLIPS},
                "version": "1",
                "description": {"data": "sha256:1234", "notes": ["made up"]},
            },
            {"id": "vbench", "name": "vbench", "options": {}, "version": "1", "description": {}},
        ],
        "not_run": [],
        "sessions": [session()],
        **changes,
    }


def quiz_records(
    system: str,
    chance: float,
    tokens: int,
    *,
    failed: Sequence[int] = (),
    n_clips: int = N_CLIPS,
    seed: int = 0,
) -> list[Record]:
    """Two answers per clip, right with this probability."""
    right = np.random.default_rng([seed, *system.encode()]).random((n_clips, 2)) < chance
    return [
        Record(
            job=f"quiz/{system}",
            system=system,
            benchmark="quiz",
            sample_id=f"clip-{i:04d}",
            cluster=f"video-{i // 2:04d}",
            status=Status.FAILED if i in failed else Status.OK,
            reason="TokenizerError: NaN" if i in failed else None,
            values={} if i in failed else {"left": (float(right[i, 0]),), "right": (float(right[i, 1]),)},
            outputs={} if i in failed else {"answers": ["A", "B"]},
            cost={} if i in failed else {"tokens": float(tokens), "seconds": 0.25},
            meta={"n_frames": 16, "kind": "odd" if i % 2 else "even"},
        )
        for i in range(n_clips)
    ]


def video_records() -> list[Record]:
    values = ((0.95, 0.7, 1.0), (0.97, 0.6, 0.0), (0.90, 0.5, 1.0))
    return [
        Record(
            job="vbench/clips",
            system="clips",
            benchmark="vbench",
            sample_id=f"a cat-{i}.mp4",
            cluster=f"a cat-{i}.mp4",
            status=Status.OK,
            values={"temporal_flickering": (a,), "imaging_quality": (b,), "dynamic_degree": (c,)},
        )
        for i, (a, b, c) in enumerate(values)
    ]


def add_job(folder: RunFolder, records: Sequence[Record], *, planned: int | None = None) -> None:
    first = records[0]
    n_samples = len(records) if planned is None else planned
    with folder.journal() as journal:
        journal.open_job(Job(first.job, first.system, first.benchmark, n_samples))
        journal.add(records)
        if len(records) == n_samples:
            journal.close_job(first.job)


def score(folder: RunFolder, *, label: str = LABEL, metrics: Sequence[Metric] = METRICS) -> RunFolder:
    """Score the folder as the harness does, and export its records."""
    controls = [entry["name"] for entry in folder.run()["systems"] if entry.get("control")]
    scores, comparisons, _ = score_run(
        folder,
        metrics={"quiz": metrics, "vbench": [FLICKERING, IMAGING, DYNAMIC]},
        label=label,
        baseline=folder.run()["baseline"],
        controls=controls,
    )
    folder.write_scores(scores)
    folder.write_comparisons(comparisons)
    folder.export_records()
    return folder


def write_run(
    path: Path,
    *,
    names: Sequence[str] = tuple(SYSTEMS),
    draw: int = 0,
    n_clips: int = N_CLIPS,
    **changes: Any,
) -> RunFolder:
    """A whole run; two samples of like-fair failed. `changes` go into run.json."""
    folder = RunFolder.create(path, run_json(names, **changes))
    for name in names:
        _, _, tokens, chance = SYSTEMS[name]
        failed = (3, 11) if name == "like-fair" else ()
        add_job(folder, quiz_records(name, chance, tokens, failed=failed, n_clips=n_clips, seed=draw))
    add_job(folder, video_records())
    return score(folder, label=changes.get("label", LABEL))
